"""Readers: open the file in force read-only and run a named query with bound values.

A connection can neither reach the file system or the network nor change its settings; values are bound, never pasted.
Each call has a cursor of its own, so threads do not share one. A reader that holds an old version keeps it, whatever is
published meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from billing_core.errors import QueryError
from billing_core.warehouse import headers, versions
from billing_core.warehouse.versions import Snapshot, State

_OPEN_ATTEMPTS = 5
_opening = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Open:
    state: State
    connection: duckdb.DuckDBPyConnection


class Warehouse:
    """The published figures under one directory; cheap to make, safe to share between threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._open: _Open | None = None
        self._is_pinned = False

    def snapshot(self) -> Snapshot:
        """Return what is in force and as of when.

        Raises:
            QueryError: nothing has been published.
        """
        state = self._open.state if self._is_pinned and self._open else self._state()
        path = versions.file_of(self.directory, state.version)
        return Snapshot(state.version, path, state.refreshed_at, state.horizon, 0, False, False, state.zone)

    def pinned(self) -> Warehouse:
        """Return a reader that stays on the version now in force, so that all figures of one page agree."""
        pinned = Warehouse(self.directory)
        pinned._open, pinned._is_pinned = self._current(), True
        return pinned

    def run(self, name: str, params: Mapping[str, Any]) -> pa.Table:
        """Run `queries/<name>.sql`.

        Args:
            name: a report.
            params: values by name; those that the query does not name are not sent.

        Returns:
            Columns as the query's header lists them.

        Raises:
            QueryError: no such report, a value that it needs is missing, nothing is published yet, or the query says
                what is wrong.
        """
        query = headers.header(name)
        if missing := [p for p in query.params if p not in params]:
            raise QueryError(f"Report '{name}' needs a value for {', '.join(missing)}.")
        bound = {p: params[p] for p in query.params}
        cursor = self._current().connection.cursor()
        try:
            return cursor.sql(query.sql, params=bound).to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(f"Report '{name}' could not be computed: {str(error).splitlines()[0]}") from error
        finally:
            cursor.close()

    def _state(self) -> State:
        state = versions.read_state(self.directory)
        if state is None:
            raise QueryError("There are no figures yet: nothing has been published to read from. Run: billing refresh")
        return state

    def _current(self) -> _Open:
        held = self._open
        if held is not None and self._is_pinned:
            return held
        for _ in range(_OPEN_ATTEMPTS):
            state = self._state()
            if held is not None and (held.state.version, held.state.published_at) == (
                state.version,
                state.published_at,
            ):
                if held.state != state:
                    # The file stayed because nothing had changed, but Postgres was looked at again since.
                    held = self._open = _Open(state, held.connection)
                return held
            held = self._open = None
            try:
                held = _Open(state, _connect(versions.file_of(self.directory, state.version)))
            except duckdb.IOException:
                # The version was swept between the look at CURRENT and the opening: look again.
                continue
            self._open = held
            return held
        raise QueryError(f"The published figures under {self.directory} cannot be opened. Run: billing refresh --full")


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    with _opening:
        connection = duckdb.connect(str(path), read_only=True, config={"enable_external_access": "false"})
        # Connections of one process to one file share an instance, whose settings the first one has locked.
        [(is_locked,)] = connection.execute("select current_setting('lock_configuration')").fetchall()
        if not is_locked:
            connection.execute("set global timezone = 'UTC'")
            connection.execute("set global lock_configuration = true")
        return connection
