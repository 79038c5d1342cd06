"""Readers: open the file in force read-only and run a named query with bound values.

A connection can neither reach the file system or the network nor change its settings; values are bound, never pasted.
Each call has a cursor of its own, so threads do not share one. A reader that holds an old version keeps it, whatever is
published meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from billing_core.errors import QueryError
from billing_core.language import _
from billing_core.warehouse import headers, versions
from billing_core.warehouse.known import Known, as_known
from billing_core.warehouse.versions import Snapshot, State

_OPEN_ATTEMPTS = 5
_KNOWN_KEPT = 2
_opening = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Open:
    state: State
    connection: duckdb.DuckDBPyConnection


class _KnownCache:
    """The last few warehouses as known at an instant, shared by a reader and those pinned from it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[tuple[Path, datetime, datetime], Known] = {}

    def get(self, path: Path, published_at: datetime, known_at: datetime) -> Known:
        with self._lock:
            key = (path, published_at, known_at)
            known = self._held.pop(key, None) or as_known(path, known_at)
            self._held[key] = known
            # Not closed here: another thread may be reading from it. It goes with its last cursor.
            for oldest in list(self._held)[:-_KNOWN_KEPT]:
                del self._held[oldest]
            return known


class Warehouse:
    """The published figures under one directory; cheap to make, safe to share between threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._open: _Open | None = None
        self._is_pinned = False
        self._known = _KnownCache()

    def snapshot(self) -> Snapshot:
        """Return what is in force and as of when.

        Raises:
            QueryError: nothing has been published.
        """
        state = self._open.state if self._is_pinned and self._open else self._state()
        path = versions.file_of(self.directory, state.version)
        return Snapshot(
            state.version, path, state.refreshed_at, state.horizon, 0, False, False, state.zone, state.settled_at
        )

    def pinned(self) -> Warehouse:
        """Return a reader that stays on the version now in force, so that all figures of one page agree."""
        pinned = Warehouse(self.directory)
        pinned._open, pinned._is_pinned, pinned._known = self._current(), True, self._known
        return pinned

    def unversioned(self, known_at: datetime) -> tuple[str, ...]:
        """Return the tables that a report as known at an instant has to take as they are now."""
        return self._as_known(known_at).unversioned

    def run(self, name: str, params: Mapping[str, Any], *, known_at: datetime | None = None) -> pa.Table:
        """Run `queries/<name>.sql`.

        Args:
            name: a report.
            params: values by name; those that the query does not name are not sent.
            known_at: aware; what was recorded later is left out (see `known`). None: everything that is published.

        Returns:
            Columns as the query's header lists them.

        Raises:
            QueryError: no such report, a value that it needs is missing, nothing is published yet, or the query says
                what is wrong.
        """
        query = headers.header(name)
        given = {**query.defaults, **params}
        if missing := [p for p in query.params if p not in given]:
            raise QueryError(_("Report '{name}' needs a value for {missing}.", name=name, missing=", ".join(missing)))
        bound = {p: given[p] for p in query.params}
        held = self._current() if known_at is None else self._as_known(known_at)
        cursor = held.connection.cursor()
        try:
            return cursor.sql(query.sql, params=bound).to_arrow_table()
        except duckdb.Error as error:
            said = str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
            raise QueryError(f"Report '{name}' could not be computed: {said}") from error
        finally:
            cursor.close()

    def _as_known(self, known_at: datetime) -> Known:
        # Without a hold on a connection of its own a file can be swept; then the next version is taken.
        for _attempt in range(_OPEN_ATTEMPTS):
            state = self._current().state
            try:
                return self._known.get(versions.file_of(self.directory, state.version), state.published_at, known_at)
            except duckdb.IOException:
                if self._is_pinned:
                    break
        raise QueryError(_("The published figures were replaced while they were being read. Ask again."))

    def _state(self) -> State:
        state = versions.read_state(self.directory)
        if state is None:
            raise QueryError(
                _("There are no figures yet: nothing has been published to read from. Run: billing refresh")
            )
        return state

    def _current(self) -> _Open:
        held = self._open
        if held is not None and self._is_pinned:
            return held
        for _attempt in range(_OPEN_ATTEMPTS):
            state = self._state()
            if held is not None and (held.state.version, held.state.published_at) == (
                state.version,
                state.published_at,
            ):
                # The same file may have become newer: nothing had changed when Postgres was last looked at.
                held = self._open = replace(held, state=state)
                return held
            held = self._open = None
            try:
                held = _Open(state, _connect(versions.file_of(self.directory, state.version)))
            except duckdb.IOException:
                # The version was swept between the look at CURRENT and the opening: look again.
                continue
            self._open = held
            return held
        raise QueryError(
            _(
                "The published figures under {directory} cannot be opened. Run: billing refresh --full",
                directory=self.directory,
            )
        )


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    with _opening:
        connection = duckdb.connect(str(path), read_only=True, config={"enable_external_access": "false"})
        # Connections of one process to one file share an instance, whose settings the first one has locked.
        [(is_locked,)] = connection.execute("select current_setting('lock_configuration')").fetchall()
        if not is_locked:
            connection.execute("set global timezone = 'UTC'")
            connection.execute("set global lock_configuration = true")
        return connection
