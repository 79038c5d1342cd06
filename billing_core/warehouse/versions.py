"""The directory of published files: numbering, the `CURRENT` pointer, the lock, and what is thrown away.

A version is in force from the moment `CURRENT` is renamed into place; whatever a crash leaves before that (a temporary
file, a version that `CURRENT` never named) is ignored by readers and swept in time. A path is never written
twice, because an open reader keeps it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from billing_core.errors import ConflictError, SettingError

KEPT_VERSIONS = 3
PATIENCE_SECONDS = 120.0
_CURRENT = "CURRENT"


@dataclass(frozen=True, slots=True)
class State:
    """What `CURRENT` says.

    Attributes:
        version: number of the file in force, from 1.
        refreshed_at: the rows are as Postgres had them at this instant (UTC).
        published_at: when the file itself was written; earlier than `refreshed_at` when nothing has changed since.
        horizon: transaction id; every transaction below it is in the file.
        identity: which Postgres the horizon belongs to (system identifier, timeline, database).
        shape: digest of tables, columns, time zone and shared SQL; another one means a full refresh.
        zone: the reporting time zone.
        sources: for each source view a digest of what was read from it.
        pending: digest of rows at or past the horizon, read again each time while an old transaction is open; empty
            without such.
        full_bytes: size of the file when it was last written in full.
        settled_at: the file holds all rows recorded before this instant, and none will come later; None in a pointer
            of an older version.
    """

    version: int
    refreshed_at: datetime
    published_at: datetime
    horizon: int
    identity: str
    shape: str
    zone: str
    sources: dict[str, str] = field(default_factory=dict)
    pending: str = ""
    full_bytes: int = 0
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A published state of the warehouse, as a refresh returns it and readers show it.

    Attributes:
        version: number of the file in force.
        path: that file.
        refreshed_at: as-of instant, UTC.
        horizon: transaction id up to which everything is included.
        rows_read: rows that this refresh took from Postgres (0 for a reader's view).
        is_full: whether the file was written from nothing.
        is_new: whether this refresh published a file; false when nothing had changed.
        zone: reporting time zone of the dates inside.
        settled_at: what was recorded before this instant is all inside, whatever is committed later; None: unknown.
    """

    version: int
    path: Path
    refreshed_at: datetime
    horizon: int
    rows_read: int
    is_full: bool
    is_new: bool
    zone: str
    settled_at: datetime | None = None


def file_of(directory: Path, version: int) -> Path:
    """Return the path of a version's file."""
    return directory / f"v{version}.duckdb"


def read_state(directory: Path) -> State | None:
    """Return what `CURRENT` says, or None when nothing usable is published (no pointer, torn, or its file is gone)."""
    try:
        content: dict[str, Any] = json.loads((directory / _CURRENT).read_text(encoding="utf-8"))
        for name in ("refreshed_at", "published_at", "settled_at"):
            if content.get(name) is not None:
                content[name] = datetime.fromisoformat(content[name])
        state = State(**content)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    return state if file_of(directory, state.version).exists() else None


def write_state(directory: Path, state: State) -> None:
    """Move `CURRENT`: written beside, synced, renamed over the old pointer."""
    content = asdict(state) | {
        "refreshed_at": state.refreshed_at.isoformat(),
        "published_at": state.published_at.isoformat(),
        "settled_at": state.settled_at.isoformat() if state.settled_at else None,
    }
    beside = directory / f"{_CURRENT}.tmp"
    with beside.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, directory / _CURRENT)


def next_version(directory: Path, current: State | None) -> int:
    """Return a number that no file and no pointer has used."""
    numbers = [int(p.stem[1:]) for p in directory.glob("v*.duckdb")]
    return max([*numbers, current.version if current else 0], default=0) + 1


def draft_of(directory: Path, version: int) -> Path:
    """Return the name under which a version is written before it exists."""
    return directory / f"draft-v{version}.tmp"


def promote(directory: Path, version: int) -> Path:
    """Give a finished draft its final name, synced to disk; readers still see the old version until `write_state`."""
    draft, final = draft_of(directory, version), file_of(directory, version)
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    os.rename(draft, final)
    return final


def sweep_drafts(directory: Path) -> None:
    """Remove what an interrupted refresh left half written. Call it only under the lock."""
    _remove(directory.glob("draft-*"))


def sweep(directory: Path, in_force: int) -> None:
    """Remove all but the last few versions. Call it only under the lock, after a version came into force.

    Not before: the numbers of the files that are there are what keeps a number from being used twice.
    """
    oldest_kept = in_force - KEPT_VERSIONS + 1
    _remove(p for p in directory.glob("v*.duckdb*") if int(p.name.split(".")[0][1:]) < oldest_kept)


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        # A reader on Windows keeps its file locked; a later sweep takes it.
        with contextlib.suppress(PermissionError, FileNotFoundError):
            path.unlink()


@contextlib.contextmanager
def only_refresher(directory: Path, wait_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the right to publish; the operating system frees it when the holder dies.

    Raises:
        ConflictError: another refresh kept it for longer than `wait_seconds`.
        SettingError: nothing can be written there.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory / "refresh.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise not_writable(directory, error) from error
    try:
        deadline = time.monotonic() + wait_seconds
        while not _try_lock(handle):
            if time.monotonic() > deadline:
                raise ConflictError(
                    f"Another refresh of {directory} has been running for {wait_seconds:.0f} s. Try again later."
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def not_writable(directory: Path, error: Exception) -> SettingError:
    """Return the sentence for a directory that takes no file: read-only, full, or another user's."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0]
    return SettingError(
        f"The figures cannot be written to {directory} ({reason}). Make room there and make it writable, or set "
        "BILLING_HOME to another directory."
    )


def _try_lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
