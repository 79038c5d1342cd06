"""The warehouse as things were known at an instant: every table as it was then, and the shared SQL computed anew on top.

A row was known at T when it was recorded at or before T and was not changed or deleted until T. Live rows say when
they were recorded; what a row was before is in `row_versions`. The tables are laid out in memory under their own
names beside the published file, so that queries, macros and prepared tables run on them unchanged.

The answer for T is final once T lies before `Snapshot.settled_at`: until then a transaction that began before T may
still commit rows that count as recorded at its beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from billing_core.warehouse import shared
from billing_core.warehouse.source import is_source

VERSIONS = "row_versions"


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
        connection.execute(f"attach '{str(path).replace("'", "''")}' as published (read_only)")
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
    live, then = f'published."{name}"', {"name": name, "known_at": known_at.isoformat()}
    is_versioned = any(column == "recorded_at" for column, _ in columns)
    if is_versioned:
        [(is_other,)] = connection.execute(
            f"select exists (from {live} where recorded_at > $known_at::timestamptz) or exists ({_superseded('1')})", then
        ).fetchall()
    if not is_versioned or not is_other:
        connection.execute(f'create view "{name}" as from {live}')
        return is_versioned
    names = ", ".join(f'"{column}"' for column, _ in columns)
    structure = ", ".join(f'"{column}": "{kind}"' for column, kind in columns)
    was = ", ".join(_was(name, column) for column, _ in columns)
    # Two transactions that overlapped may have left two states of a key for one instant: the later recorded counts.
    connection.execute(
        f'create table "{name}" as'
        f" select {names} from {live} where recorded_at <= $known_at::timestamptz"
        f" union all select {was} from ({_superseded(f"from_json(content, '{{{structure}}}') as was")})"
        f" qualify row_number() over (partition by {', '.join(key)} order by recorded_at desc) = 1",
        then,
    )
    return True


def _superseded(what: str) -> str:
    """Return a SELECT over the superseded versions of a table that held at the instant."""
    return (
        f"select {what} from published.{VERSIONS} where table_name = $name"
        " and recorded_from <= $known_at::timestamptz and recorded_to > $known_at::timestamptz"
    )


def _was(table: str, column: str) -> str:
    # The source views are read with their currencies in lower case.
    if column == "currency" and is_source(table):
        return 'lower(was."currency") as "currency"'
    return f'was."{column}"'
