"""Postgres as the warehouse sees it: which tables there are, and what has changed since a transaction horizon.

Everything is read inside one REPEATABLE READ transaction. `numeric` and `jsonb` travel as text, because ADBC has no
exact form for them, and are cast back in DuckDB. The company's own tenants and occupancies come through the views
`source_tenants` and `source_occupancies`; a view with a `chg` column (xid8) is read incrementally, one without in full.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, cast

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from billing_core.errors import StoreError

SCHEMA = "billing"
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_TYPES = {
    "text": "varchar",
    "character varying": "varchar",
    "bigint": "bigint",
    "integer": "integer",
    "smallint": "smallint",
    "boolean": "boolean",
    "date": "date",
    "timestamp with time zone": "timestamptz",
    "double precision": "double",
    "text[]": "varchar[]",
}
_SOURCE_COLUMNS: dict[str, dict[str, str]] = {
    "tenants": {
        "tenant_id": "text",
        "name": "text",
        "email": "text",
        "country": "text",
        "currency": "text",
        "created_at": "timestamp with time zone",
        "deleted_at": "timestamp with time zone",
    },
    "occupancies": {
        "occupancy_id": "text",
        "tenant_id": "text",
        "unit_id": "text",
        "starts_on": "date",
        "ends_on": "date",
        "deleted_at": "timestamp with time zone",
    },
}
_SOURCE_KEY = {"tenants": "tenant_id", "occupancies": "occupancy_id"}


@dataclass(frozen=True, slots=True)
class ColumnShape:
    """One column: how Postgres is asked for it and what it is in DuckDB."""

    name: str
    select: str
    duckdb_type: str


@dataclass(frozen=True, slots=True)
class TableShape:
    """One table of the warehouse.

    Attributes:
        name: its name in the warehouse.
        relation: where Postgres is asked.
        key: primary key columns, each with its Postgres type.
        columns: in order, without `chg` and `raw`.
        is_view: a source view: deletions are seen by counting, not by tombstones.
        has_cursor: whether there is a `chg` column to read changes by.
        storage: changes when the rows were replaced behind the triggers' back (TRUNCATE, a restore).
    """

    name: str
    relation: str
    key: tuple[tuple[str, str], ...]
    columns: tuple[ColumnShape, ...]
    is_view: bool
    has_cursor: bool
    storage: str


def is_source(table: str) -> bool:
    """Tell whether a table of the warehouse is read through a source view."""
    return table in _SOURCE_COLUMNS


def duckdb_type(postgres_type: str) -> tuple[str, bool]:
    """Return the DuckDB type of a Postgres type and whether the value has to travel as text."""
    if postgres_type in _TYPES:
        return _TYPES[postgres_type], False
    if found := _NUMERIC.fullmatch(postgres_type):
        return f"decimal({found[1]},{found[2]})", True
    if postgres_type == "numeric":
        return "decimal(38,12)", True
    return ("json" if postgres_type in ("json", "jsonb") else "varchar"), True


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Source:
    """An open transaction on Postgres; use `open_source`.

    Attributes:
        settled_at: rows recorded before this instant are all in the snapshot, and none will come.
        identity: which Postgres this is.
        horizon: the oldest running transaction: every transaction below it is over.
        tables: what there is to read.
    """

    def __init__(self, connection: adbc.Connection) -> None:
        self._connection = connection
        self.settled_at = self._settled_at()
        self._run("set transaction isolation level repeatable read, read only")
        first = self.read(
            "select (select system_identifier from pg_control_system())::text"
            " || '.' || (select timeline_id from pg_control_checkpoint())::text"
            " || '.' || (select oid from pg_database where datname = current_database())::text as identity,"
            " pg_snapshot_xmin(pg_current_snapshot())::text::bigint as horizon"
        ).to_pylist()[0]
        self.identity: str = first["identity"]
        self.horizon: int = first["horizon"]
        self.tables = self._tables()

    def _settled_at(self) -> datetime:
        """Return an instant before which no row will be recorded any more that the snapshot taken next does not hold.

        A row is recorded at the start of its transaction. Whatever the snapshot will not see either runs already, and
        then the oldest running transaction began no later, or begins after this look. Transactions of other roles are
        seen by a role with pg_read_all_stats only.
        """
        found = self.read(
            "select least(now(), min(xact_start)) as settled_at from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid() and backend_type <> 'autovacuum worker'"
        )
        # The snapshot is taken by the next transaction.
        self._connection.commit()
        settled_at: datetime = found.column(0)[0].as_py()
        return settled_at.astimezone(UTC)

    def _run(self, sql: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)

    def read(self, sql: str) -> pa.Table:
        """Return the rows of a query."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    @contextlib.contextmanager
    def stream(self, table: TableShape) -> Iterator[pa.RecordBatchReader]:
        """Read a whole table batch by batch."""
        with self._connection.cursor() as cursor:
            cursor.execute(_select(table))
            yield cursor.fetch_record_batch()

    def changed(self, table: TableShape, since: int) -> pa.Table:
        """Return the rows written at or past a horizon, in key order (all rows when there is no cursor)."""
        where = f" where chg >= '{int(since)}'::xid8" if table.has_cursor else ""
        return self.read(f"{_select(table)}{where} order by {_key_list(table)}")

    def deleted(self, table: TableShape, since: int) -> pa.Table:
        """Return the keys that were deleted at or past a horizon and are not there again.

        A key may be deleted by a young transaction and inserted again by an older one that is still below the horizon;
        then the tombstone is read again and the row is not. So keys that exist are left out here.
        """
        keys = ", ".join(f"t.row_key ->> '{name}' as {_quoted(name)}" for name, _ in table.key)
        same = " and ".join(f"live.{_quoted(name)} = (t.row_key ->> '{name}')::{kind}" for name, kind in table.key)
        return self.read(
            f"select distinct {keys} from {SCHEMA}.tombstones as t"
            f" where t.table_name = '{table.name}' and t.chg >= '{int(since)}'::xid8"
            f" and not exists (select 1 from {table.relation} as live where {same})"
            f" order by {_key_list(table)}"
        )

    def tombstoned(self, since: int) -> frozenset[str]:
        """Return the names of tables with deletions at or past a horizon."""
        found = self.read(f"select distinct table_name from {SCHEMA}.tombstones where chg >= '{int(since)}'::xid8")
        return frozenset(cast("list[str]", found.column(0).to_pylist()))

    def count(self, table: TableShape) -> int:
        """Return how many rows a table has."""
        return cast(int, self.read(f"select count(*) as n from {table.relation}").column(0)[0].as_py())

    def _tables(self) -> tuple[TableShape, ...]:
        catalogue = self.read(
            "select c.relname::text as relation, c.relkind::text as kind, a.attname::text as name,"
            " regexp_replace(format_type(a.atttypid, a.atttypmod), '^character varying.*', 'text') as type,"
            " coalesce(array_position(i.indkey::int2[], a.attnum), -1)::int as key_position,"
            " case when c.relkind = 'v' then pg_get_viewdef(c.oid)"
            " else c.oid::text || '.' || coalesce(pg_relation_filenode(c.oid)::text, '') end as storage"
            " from pg_class as c"
            " inner join pg_namespace as n on c.relnamespace = n.oid"
            " inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
            " left join pg_index as i on i.indrelid = c.oid and i.indisprimary"
            f" where n.nspname = '{SCHEMA}' and c.relkind in ('r', 'p', 'v')"
            " order by c.relname, a.attnum"
        ).to_pylist()
        by_relation: dict[str, list[dict[str, Any]]] = {}
        for row in catalogue:
            by_relation.setdefault(row["relation"], []).append(row)
        if "tombstones" not in by_relation:
            raise StoreError("This Postgres has no schema 'billing' of ours yet. Run: billing migrate")
        found = [_source_shape(name, by_relation) for name in _SOURCE_COLUMNS]
        for relation, rows in by_relation.items():
            is_followed = rows[0]["kind"] != "v" and any(r["name"] == "chg" for r in rows)
            if is_followed and relation not in _SOURCE_COLUMNS and relation != "tombstones":
                found.append(_table_shape(relation, rows))
        return tuple(found)


def shape_digest(tables: tuple[TableShape, ...], *more: str) -> str:
    """Return a digest that changes whenever the file has to be written from nothing."""
    content = json.dumps([[asdict(t) for t in tables], *more], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def content_digest(tables: list[tuple[str, pa.Table]]) -> str:
    """Return a digest of named rows; empty when there are none at all."""
    digest, is_empty = hashlib.sha256(), True
    for name, table in tables:
        if table.num_rows:
            is_empty = False
            digest.update(f"{name}:{table.num_rows}:".encode())
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table.combine_chunks())
            digest.update(sink.getvalue())
    return "" if is_empty else digest.hexdigest()


@contextlib.contextmanager
def open_source(url: str) -> Iterator[Source]:
    """Open one read-only REPEATABLE READ transaction.

    Args:
        url: libpq URI.

    Raises:
        StoreError: Postgres cannot be reached, refuses, or has no schema of ours. The message never holds the URI.
    """
    try:
        with adbc.connect(url) as connection:
            yield Source(connection)
    except adbc_driver_manager.Error as error:
        first_line = str(error).splitlines()[0].replace(url, "DATABASE_URL")
        raise StoreError(
            f"Postgres could not be read for the warehouse: {first_line}. Check it with: billing doctor"
        ) from error


def _select(table: TableShape) -> str:
    columns = ", ".join(f"{c.select} as {_quoted(c.name)}" for c in table.columns)
    return f"select {columns} from {table.relation}"


def _key_list(table: TableShape) -> str:
    return ", ".join(_quoted(name) for name, _ in table.key)


def _column(name: str, postgres_type: str) -> ColumnShape:
    in_duckdb, is_text = duckdb_type(postgres_type)
    return ColumnShape(name, f"{_quoted(name)}::text" if is_text else _quoted(name), in_duckdb)


def _table_shape(relation: str, rows: list[dict[str, Any]]) -> TableShape:
    in_key = sorted((r for r in rows if r["key_position"] >= 0), key=lambda r: int(r["key_position"]))
    key = tuple((r["name"], r["type"]) for r in in_key)
    if not key:
        raise StoreError(
            f"Table {SCHEMA}.{relation} has a column chg but no primary key, so its changes cannot be followed."
        )
    columns = tuple(_column(r["name"], r["type"]) for r in rows if r["name"] not in ("chg", "raw"))
    return TableShape(relation, f"{SCHEMA}.{_quoted(relation)}", key, columns, False, True, rows[0]["storage"])


def _source_shape(name: str, by_relation: dict[str, list[dict[str, Any]]]) -> TableShape:
    view = f"source_{name}"
    rows = by_relation.get(view)
    if rows is None:
        raise StoreError(f"The view {SCHEMA}.{view} is missing. Run: billing migrate")
    present = {r["name"] for r in rows}
    if missing := [c for c in _SOURCE_COLUMNS[name] if c not in present]:
        raise StoreError(
            f"The view {SCHEMA}.{view} lacks the column {', '.join(missing)}. Correct the SQL file that defines it."
        )
    columns = []
    for column, postgres_type in _SOURCE_COLUMNS[name].items():
        select = f"lower({column}::text)" if column == "currency" else f"{column}::{postgres_type}"
        columns.append(ColumnShape(column, select, duckdb_type(postgres_type)[0]))
    if "recorded_at" in present:
        columns.append(ColumnShape("recorded_at", "recorded_at::timestamp with time zone", "timestamptz"))
    has_cursor = any(r["name"] == "chg" and r["type"] == "xid8" for r in rows)
    key = ((_SOURCE_KEY[name], "text"),)
    return TableShape(name, f"{SCHEMA}.{view}", key, tuple(columns), True, has_cursor, rows[0]["storage"])
