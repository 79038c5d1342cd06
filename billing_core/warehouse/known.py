"""The warehouse as things were known at an instant: every table as it was then, the shared SQL computed anew on top.

A row was known at T when it was recorded at or before T and was not changed or deleted until T. Live rows say when
they were recorded; what a row was before is in `row_versions`. The tables are laid out in memory under their own
names beside the published file, so that queries, macros and prepared tables run on them unchanged.

The answer for T is final once T lies before `Snapshot.settled_at`: until then a transaction that began before T may
still commit rows that count as recorded at its beginning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from billing_core.warehouse import shared
from billing_core.warehouse.source import is_source

VERSIONS = "row_versions"
# The versions of one table that held at the instant and do not hold any more.
_SUPERSEDED = (
    f"from published.{VERSIONS} where table_name = $name"
    " and recorded_from <= $known_at::timestamptz and recorded_to > $known_at::timestamptz"
)


@dataclass(frozen=True, slots=True)
class Known:
    """A warehouse in memory.

    Attributes:
        connection: holds the tables as known, the prepared tables, macros and views; nothing of it is written to disk.
        unversioned: tables that are as they are now, because nobody keeps what they were.
    """

    connection: duckdb.DuckDBPyConnection
    unversioned: tuple[str, ...]


def as_known(path: Path, known_at: datetime) -> Known:
    """Open a published file as things were known at an instant.

    Args:
        path: the published file.
        known_at: aware; what was recorded at this very instant is included.

    Raises:
        duckdb.IOException: the file is gone.
    """
    connection = duckdb.connect(":memory:")
    try:
        quoted = str(path).replace("'", "''")
        connection.execute(f"attach '{quoted}' as published (read_only)")
        connection.execute("set global timezone = 'UTC'")
        connection.execute("create view warehouse_info as from published.warehouse_info")
        unversioned = []
        tables = connection.execute("select table_name, key_columns from published.warehouse_tables order by 1")
        for name, key in tables.fetchall():
            if name != VERSIONS and not _lay_out(connection, name, key, known_at):
                unversioned.append(name)
        shared.install(connection, None)
        # From here on it is a reader like any other: no files, no network, no settings.
        connection.execute("set global enable_external_access = false")
        connection.execute("set global lock_configuration = true")
    except BaseException:
        connection.close()
        raise
    return Known(connection, tuple(unversioned))


def _lay_out(connection: duckdb.DuckDBPyConnection, name: str, key: Sequence[str], known_at: datetime) -> bool:
    """Make one table as it was known; returns False when its former states are not kept."""
    columns = connection.execute(
        "select column_name, data_type from duckdb_columns()"
        " where database_name = 'published' and table_name = $1 order by column_index",
        [name],
    ).fetchall()
    live = f'published."{name}"'
    # JSON is written in one way, whether it comes from a live row or out of a superseded one.
    names = ", ".join(f'json("{c}") as "{c}"' if kind == "JSON" else f'"{c}"' for c, kind in columns)
    is_versioned = any(column == "recorded_at" for column, _ in columns)
    then = {"name": name, "known_at": known_at.isoformat()}
    if not is_versioned or not _differs(connection, live, then):
        connection.execute(f'create view "{name}" as select {names} from {live}')
        return is_versioned
    structure = _literal(json.dumps(dict(columns)))
    was = ", ".join(_was(name, column) for column, _ in columns)
    key_columns = ", ".join(f'"{column}"' for column in key)
    # Two transactions that overlapped may have left two states of a key for one instant: the later recorded counts.
    connection.execute(
        f'create table "{name}" as select * from ('
        f" select {names} from {live} where recorded_at <= $known_at::timestamptz union all"
        f" select {was} from (select from_json(content, {structure}) as was {_SUPERSEDED}))"
        f" qualify row_number() over (partition by {key_columns} order by recorded_at desc) = 1",
        then,
    )
    return True


def _differs(connection: duckdb.DuckDBPyConnection, live: str, then: Mapping[str, str]) -> bool:
    """Tell whether a table has rows that were recorded later, or superseded ones that held at the instant."""
    later = f"from {live} where recorded_at > $known_at::timestamptz"
    [(is_other,)] = connection.execute(f"select exists ({later}) or exists (select 1 {_SUPERSEDED})", then).fetchall()
    return bool(is_other)


def _was(table: str, column: str) -> str:
    # The source views are read with their currencies in lower case.
    if column == "currency" and is_source(table):
        return 'lower(was."currency") as "currency"'
    return f'was."{column}"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
