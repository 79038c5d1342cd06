"""Exact incremental refresh: Postgres → Arrow → a new DuckDB file → `CURRENT`.

A transaction id horizon, not a time stamp, says what is new: `h` is the oldest transaction still running when the
snapshot is taken, so all below it is committed or gone for ever. Rows with `chg >= last h` are read and laid over the
previous file; what an unfinished transaction wrote is read by the next refresh, whatever order they commit in. Rows
past the horizon may be read twice, which changes nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from billing_core.warehouse import shared, versions
from billing_core.warehouse.source import Source, TableShape, content_digest, open_source, shape_digest
from billing_core.warehouse.versions import Snapshot, State

_FORMAT = "2"
# A file that was changed in place many times is written anew once it has grown this much.
_GROWTH, _GROWTH_FLOOR_BYTES = 3, 64 * 2**20


@dataclass(frozen=True, slots=True)
class Change:
    """What happened since the last horizon.

    Attributes:
        rows: written rows per table; for a source view without a cursor all of its rows.
        deleted: keys per table, as text.
        sources: digest per source view.
        replaced: tables whose rows are given in full.
    """

    rows: Mapping[str, pa.Table]
    deleted: Mapping[str, pa.Table]
    sources: Mapping[str, str]
    replaced: frozenset[str]

    @property
    def pending(self) -> str:
        """Digest of all that came through cursors and tombstones; empty when that is nothing."""
        followed = [(name, rows) for name, rows in self.rows.items() if name not in self.replaced]
        return content_digest(
            sorted([*followed, *((f"-{name}", keys) for name, keys in self.deleted.items())], key=lambda x: x[0])
        )

    @property
    def rows_read(self) -> int:
        """Rows and keys taken from Postgres."""
        return sum(t.num_rows for t in (*self.rows.values(), *self.deleted.values()))


def refresh(
    url: str,
    directory: Path,
    *,
    zone: ZoneInfo,
    now: datetime,
    full: bool = False,
    patience_seconds: float = versions.PATIENCE_SECONDS,
) -> Snapshot:
    """Bring the warehouse up to date with Postgres.

    One refresh runs at a time; another one waits. A crash at any point leaves the previous version in force. When
    nothing has changed no file is written and only the as-of time moves.

    Args:
        url: libpq URI of the Postgres to read.
        directory: where the versions are published; created when missing.
        zone: reporting time zone; another one than last time means a full refresh.
        now: the present instant, becomes `refreshed_at`.
        full: read everything again.
        patience_seconds: how long to wait for another refresh to end.

    Returns:
        The snapshot now in force.

    Raises:
        StoreError: Postgres cannot be read, or is not migrated.
        ConflictError: another refresh does not end.
        SettingError: the directory cannot be written to.
    """
    with versions.only_refresher(directory, patience_seconds):
        current = versions.read_state(directory)
        versions.sweep_drafts(directory)
        with open_source(url) as source:
            shape = shape_digest(source.tables, shared.text(), str(zone), _FORMAT, duckdb.__version__)
            try:
                if full or current is None or not _continues(current, source, shape, directory):
                    return _refresh_full(source, directory, current, shape, zone, now)
                return _refresh_changes(source, directory, current, now)
            except (OSError, duckdb.IOException) as error:
                raise versions.not_writable(directory, error) from error


def _continues(current: State, source: Source, shape: str, directory: Path) -> bool:
    """Tell whether the horizon of the last refresh means anything for this Postgres and this file."""
    size = versions.file_of(directory, current.version).stat().st_size
    return (
        current.identity == source.identity
        and current.shape == shape
        and current.horizon <= source.horizon
        and size <= max(_GROWTH * current.full_bytes, _GROWTH_FLOOR_BYTES)
    )


def _refresh_full(
    source: Source, directory: Path, current: State | None, shape: str, zone: ZoneInfo, now: datetime
) -> Snapshot:
    version = versions.next_version(directory, current)
    draft = versions.draft_of(directory, version)
    rows_read = 0
    with duckdb.connect(str(draft)) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("begin")
        for table in source.tables:
            rows_read += _create(connection, source, table)
        state = State(
            version=version,
            refreshed_at=now,
            published_at=now,
            horizon=source.horizon,
            identity=source.identity,
            shape=shape,
            zone=str(zone),
            sources=_source_digests(source, {}),
            settled_at=source.settled_at,
        )
        _write_info(connection, state)
        _write_catalogue(connection, source)
        shared.install(connection, None)
        connection.execute("commit")
    full_bytes = draft.stat().st_size
    return _publish(directory, replace(state, full_bytes=full_bytes), rows_read, is_full=True)


def _refresh_changes(source: Source, directory: Path, current: State, now: datetime) -> Snapshot:
    change = _read_change(source, current)
    state = replace(
        current,
        refreshed_at=now,
        horizon=source.horizon,
        sources=dict(change.sources),
        pending=change.pending,
        settled_at=source.settled_at,
    )
    is_known = not state.pending or state.pending == current.pending
    if is_known and state.sources == current.sources:
        versions.write_state(directory, state)
        return _snapshot(directory, state, change.rows_read, is_full=False, is_new=False)
    state = replace(state, version=versions.next_version(directory, current), published_at=now)
    draft = versions.draft_of(directory, state.version)
    shutil.copyfile(versions.file_of(directory, current.version), draft)
    with duckdb.connect(str(draft)) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("begin")
        touched = _apply(connection, source, change)
        _write_info(connection, state)
        shared.install(connection, touched)
        connection.execute("commit")
        connection.execute("force checkpoint")
    return _publish(directory, state, change.rows_read, is_full=False)


def _publish(directory: Path, state: State, rows_read: int, *, is_full: bool) -> Snapshot:
    versions.promote(directory, state.version)
    versions.write_state(directory, state)
    versions.sweep(directory, state.version)
    return _snapshot(directory, state, rows_read, is_full=is_full, is_new=True)


def _snapshot(directory: Path, state: State, rows_read: int, *, is_full: bool, is_new: bool) -> Snapshot:
    path = versions.file_of(directory, state.version)
    return Snapshot(
        state.version,
        path,
        state.refreshed_at,
        state.horizon,
        rows_read,
        is_full,
        is_new,
        state.zone,
        state.settled_at,
    )


def _read_change(source: Source, current: State) -> Change:
    tombstoned = source.tombstoned(current.horizon)
    rows, deleted, replaced = {}, {}, set()
    for table in source.tables:
        rows[table.name] = source.changed(table, current.horizon)
        if not table.has_cursor:
            replaced.add(table.name)
        elif not table.is_view and table.name in tombstoned:
            deleted[table.name] = source.deleted(table, current.horizon)
    return Change(rows, deleted, _source_digests(source, rows), frozenset(replaced))


def _source_digests(source: Source, read: Mapping[str, pa.Table]) -> dict[str, str]:
    """Return per source view its row count, or for one without a cursor a digest of its rows."""
    digests = {}
    for table in source.tables:
        if table.is_view and table.has_cursor:
            digests[table.name] = str(source.count(table))
        elif table.is_view:
            rows = read.get(table.name)
            digests[table.name] = content_digest([(table.name, rows if rows is not None else source.changed(table, 0))])
    return digests


def _create(connection: duckdb.DuckDBPyConnection, source: Source, table: TableShape) -> int:
    columns = ", ".join(f'"{c.name}" {c.duckdb_type}' for c in table.columns)
    connection.execute(f'create or replace table "{table.name}" ({columns})')
    with source.stream(table) as batches:
        return _insert(connection, table, batches)


def _insert(connection: duckdb.DuckDBPyConnection, table: TableShape, rows: pa.Table | pa.RecordBatchReader) -> int:
    connection.register("incoming", rows)
    values = ", ".join(f'cast("{c.name}" as {c.duckdb_type})' for c in table.columns)
    [(inserted,)] = connection.execute(f'insert into "{table.name}" select {values} from incoming').fetchall()
    connection.unregister("incoming")
    return int(inserted)


def _apply(connection: duckdb.DuckDBPyConnection, source: Source, change: Change) -> frozenset[str]:
    """Lay a change over the tables of an open file; returns the names of the tables it touched."""
    touched = set()
    for table in source.tables:
        rows, deleted = change.rows[table.name], change.deleted.get(table.name)
        if table.name in change.replaced:
            touched.add(table.name)
            connection.execute(f'delete from "{table.name}"').fetchall()
            _insert(connection, table, rows)
            continue
        # Deletions first: a key that was deleted and written again is among the rows.
        for keys in (deleted, rows):
            if keys is not None and keys.num_rows:
                touched.add(table.name)
                _delete(connection, table, keys)
        if rows.num_rows:
            _insert(connection, table, rows)
        if table.is_view and str(_count(connection, table)) != change.sources[table.name]:
            touched.add(table.name)
            _create(connection, source, table)
    return frozenset(touched)


def _delete(connection: duckdb.DuckDBPyConnection, table: TableShape, keys: pa.Table) -> None:
    types = {c.name: c.duckdb_type for c in table.columns}
    connection.register("incoming", keys)
    same = " and ".join(f'old."{name}" = cast(incoming."{name}" as {types[name]})' for name, _ in table.key)
    connection.execute(f'delete from "{table.name}" as old using incoming where {same}').fetchall()
    connection.unregister("incoming")


def _count(connection: duckdb.DuckDBPyConnection, table: TableShape) -> int:
    [(found,)] = connection.execute(f'select count(*) from "{table.name}"').fetchall()
    return int(found)


def _write_info(connection: duckdb.DuckDBPyConnection, state: State) -> None:
    connection.execute(
        "create or replace table warehouse_info as select $version::bigint as version,"
        " $published_at::timestamptz as published_at, $horizon::bigint as horizon,"
        " $identity::varchar as identity, $zone::varchar as reporting_timezone",
        {
            "version": state.version,
            "published_at": state.published_at.isoformat(),
            "horizon": state.horizon,
            "identity": state.identity,
            "zone": state.zone,
        },
    )


def _write_catalogue(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Say which tables came from Postgres, and by which columns their rows are known."""
    connection.execute("create or replace table warehouse_tables (table_name varchar, key_columns varchar[])")
    connection.executemany(
        "insert into warehouse_tables values ($1, $2)",
        [(table.name, [name for name, _ in table.key]) for table in source.tables],
    )
