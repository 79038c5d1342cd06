"""Writing many rows at once, by key: what is new is inserted, what differs is updated, what is equal is left alone.

A row that is equal is not written, so its `chg` stays and the warehouse does not read it again: running a mirror or an
import twice changes nothing. Rows are written in the order of their keys, so that two writers cannot wait for each
other. Values are what the column holds: int, Decimal, str, bool, date, aware datetime, list (array column), dict or
list (jsonb), None; never a float.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

# One statement takes its rows as one JSON document; this many rows with their raw objects are a few megabytes.
ROWS_PER_STATEMENT = 2000


@dataclass(frozen=True, slots=True)
class UpsertCount:
    """How many rows were new, differed, or were there already as they are."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: UpsertCount) -> UpsertCount:
        return UpsertCount(
            self.inserted + other.inserted, self.updated + other.updated, self.unchanged + other.unchanged
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """Which rows an upsert wrote, by primary key (a tuple), and how many it left alone."""

    inserted: frozenset[tuple[Any, ...]]
    updated: frozenset[tuple[Any, ...]]
    unchanged_count: int


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> UpsertCount:
    """Insert or update rows by primary key, in the caller's transaction.

    Args:
        connection: in a transaction.
        table: any table of `tables.py` whose key is not generated.
        rows: all with the same columns, the key among them; columns left out keep their value, or take their default
            in a new row. Of several rows with one key the last counts.

    Returns:
        The counts; they sum to the number of distinct keys.

    Raises:
        ValueError: rows with different columns, or without the key.
        TypeError: a float, a naive datetime, or anything else without an exact form in Postgres.
    """
    changes = upsert_changes(connection, table, rows)
    return UpsertCount(len(changes.inserted), len(changes.updated), changes.unchanged_count)


def upsert_changes(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> Changes:
    """Do what `upsert` does, and return the keys of the rows that were written."""
    if not rows:
        return Changes(frozenset(), frozenset(), 0)
    columns = tuple(rows[0])
    if any(row.keys() != rows[0].keys() for row in rows):
        raise ValueError(f"rows for {table.name} have different columns")
    keys = _key_columns(table)
    if missing := set(keys) - set(columns):
        raise ValueError(f"rows for {table.name} lack {sorted(missing)}")
    by_key = {tuple(row[key] for key in keys): row for row in rows}
    ordered = [by_key[key] for key in sorted(by_key)]
    statement = _upsert_statement(table, columns)
    inserted: set[tuple[Any, ...]] = set()
    updated: set[tuple[Any, ...]] = set()
    for document in _documents(ordered):
        for is_inserted, *key in connection.execute(statement, {"document": document}):
            (inserted if is_inserted else updated).add(tuple(key))
    return Changes(frozenset(inserted), frozenset(updated), len(by_key) - len(inserted) - len(updated))


def delete(connection: sa.Connection, table: sa.Table, keys: Sequence[Mapping[str, Any]]) -> int:
    """Delete rows by primary key, in the caller's transaction; a tracked table keeps a tombstone of each.

    Args:
        connection: in a transaction.
        table: any table of `tables.py`.
        keys: mappings of the key's columns; keys that are not there are passed over.

    Returns:
        How many rows were deleted.
    """
    names = _key_columns(table)
    ordered = sorted(({name: key[name] for name in names} for key in keys), key=lambda key: tuple(key.values()))
    statement = _delete_statement(table)
    return sum(connection.execute(statement, {"document": document}).rowcount for document in _documents(ordered))


def _documents(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Cut rows into JSON documents of a bounded size."""
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        yield json.dumps([_plain(row) for row in rows[start : start + ROWS_PER_STATEMENT]], default=_nested)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _nested(value) if isinstance(value, float | Decimal | date) else value for name, value in row.items()}


def _nested(value: Any) -> str:
    """Write an exact value as JSON text; Postgres reads it back by the column's type.

    Raises:
        TypeError: the value has no exact text.
    """
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise TypeError(f"{value} has no time zone")
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} ({type(value).__name__}) has no exact form in Postgres")


def _key_columns(table: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.primary_key.columns)


def _name(table: sa.Table) -> str:
    return f'"{table.schema}"."{table.name}"'


def _incoming(table: sa.Table, columns: tuple[str, ...]) -> str:
    """Return the FROM item that reads the document as typed rows."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = ", ".join(f'"{name}" {table.columns[name].type.compile(dialect)}' for name in columns)
    return f"json_to_recordset(cast(:document as json)) as incoming ({types})"


@cache
def _upsert_statement(table: sa.Table, columns: tuple[str, ...]) -> sa.TextClause:
    keys = _key_columns(table)
    names = ", ".join(f'"{name}"' for name in columns)
    values = [name for name in columns if name not in keys]
    if values:
        assignments = ", ".join(f'"{name}" = excluded."{name}"' for name in values)
        stored = ", ".join(f'stored."{name}"' for name in values)
        offered = ", ".join(f'excluded."{name}"' for name in values)
        action = f"update set {assignments} where row({stored}) is distinct from row({offered})"
    else:
        action = "nothing"
    # A row that was just inserted has no deleting or locking transaction (xmax), one that was updated has.
    written = ", ".join(f'stored."{key}"' for key in keys)
    return sa.text(
        f"""
        insert into {_name(table)} as stored ({names})
        select {names} from {_incoming(table, columns)}
        on conflict ({", ".join(f'"{key}"' for key in keys)}) do {action}
        returning (stored.xmax = 0) as is_inserted, {written}
        """
    )


@cache
def _delete_statement(table: sa.Table) -> sa.TextClause:
    keys = _key_columns(table)
    same = " and ".join(f'stored."{key}" = incoming."{key}"' for key in keys)
    names = ", ".join(f'stored."{key}"' for key in keys)
    doomed = " and ".join(f'stored."{key}" = doomed."{key}"' for key in keys)
    return sa.text(
        f"""
        with doomed as (
            select {names} from {_name(table)} as stored join {_incoming(table, keys)} on {same}
            order by {names}
            for update of stored
        )
        delete from {_name(table)} as stored using doomed where {doomed}
        """
    )
