"""The run file, locks and ports: what runs under one `BILLING_HOME`, and where.

`billing up` is the parent. It holds `run.lock` for as long as it lives and writes `run.json`, which names every process
with its start time, so that a number that was reused by another program is never taken for ours. Instants here are
Unix seconds, as the operating system gives them. Starting and watching children is in `children.py`.
"""

from __future__ import annotations

import errno
import fcntl
import http.client
import json
import os
import signal
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import psutil

from billing_core.errors import BillingError, ConflictError, SettingError

STOP_SECONDS = 10.0
STOPPING_SECONDS = 60.0
GRACE_SECONDS = 1.0
LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Process:
    """A process of ours: name, pid, start time and, when it serves one, its URL."""

    name: str
    pid: int
    created: float
    url: str | None = None

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs; the same number given to another program does not count."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


@dataclass(frozen=True, slots=True)
class Run:
    """What `run.json` says: the parent, its children, and whether the parent is about to end."""

    parent: Process
    mode: str
    children: tuple[Process, ...]
    is_stopping: bool = False

    def child(self, name: str) -> Process | None:
        """Return a child that is alive, by name."""
        return next((c for c in self.children if c.name == name and c.is_alive), None)


def this_process(name: str, url: str | None = None) -> Process:
    """Describe the calling process."""
    return Process(name, os.getpid(), psutil.Process().create_time(), url)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a small JSON file so that a reader sees the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read such a file; None when there is none or it is not one of ours."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def recorded_run(home: Path) -> Run | None:
    """Return what the run file says, whether or not it is still true."""
    value = read_json(home / "run.json")
    if value is None:
        return None
    try:
        return Run(
            Process(**value["parent"]),
            str(value["mode"]),
            tuple(Process(**child) for child in value["children"]),
            bool(value.get("is_stopping")),
        )
    except (KeyError, TypeError):
        return None


def read_run(home: Path) -> Run | None:
    """Return what runs under a home; None when nothing does, a run file of a parent that was killed included."""
    run = recorded_run(home)
    return run if run and run.parent.is_alive else None


def write_run(home: Path, run: Run) -> None:
    """Replace the run file."""

    def row(process: Process) -> dict[str, Any]:
        return {"name": process.name, "pid": process.pid, "created": process.created, "url": process.url}

    write_json(
        home / "run.json",
        {
            "parent": row(run.parent),
            "mode": run.mode,
            "is_stopping": run.is_stopping,
            "children": [row(child) for child in run.children],
        },
    )


def end_leftovers(home: Path, *, patience_seconds: float = STOP_SECONDS) -> list[str]:
    """Wait for the children of a parent that was killed to end by themselves, end those that do not, and forget the run
    file.

    Returns:
        The names of the children that were still alive when this was called.
    """
    run = recorded_run(home)
    if run is None or run.parent.is_alive:
        return []
    alive = [child for child in run.children if child.is_alive]
    deadline = time.monotonic() + patience_seconds
    while any(child.is_alive for child in alive) and time.monotonic() < deadline:
        time.sleep(0.1)
    for child in alive:
        if child.is_alive:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
    (home / "run.json").unlink(missing_ok=True)
    return [child.name for child in alive]


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Hold a home for the life of `billing up` or `billing init`; a holder that is just stopping is waited for.

    The operating system lets go when the process ends in any way.

    Raises:
        ConflictError: another process holds it; says where it serves.
        SettingError: nothing can be written there.
    """
    with lock_file(home / "run.lock") as lock:
        started = time.monotonic()
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                run = read_run(home)
                # Without a run file its holder is just beginning or has just ended.
                patience = GRACE_SECONDS if run is None else STOPPING_SECONDS if run.is_stopping else 0.0
                if time.monotonic() - started >= patience:
                    raise _already_held(home, run) from None
                time.sleep(0.1)
        yield


def lock_file(path: Path) -> TextIO:
    """Open a file of a home to lock it; made when missing.

    Raises:
        SettingError: nothing can be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+")
    except OSError as error:
        raise SettingError(
            f"{path.parent} cannot be used ({error.strerror}): Billing Desk keeps its data there. Make it a directory "
            "that you can write to, or set BILLING_HOME to another one."
        ) from error


def _already_held(home: Path, run: Run | None) -> ConflictError:
    if run and run.parent.url:
        where = f"at {run.parent.url} (process {run.parent.pid}): open it, or stop it there with Ctrl-C"
    else:
        where = "and is being prepared: wait for it, or stop it with Ctrl-C"
    return ConflictError(f"Billing Desk already runs on {home} {where}.")


@contextmanager
def shared(path: Path, *, on_enter: Callable[[], None], on_last: Callable[[], None]) -> Iterator[None]:
    """Use something together with other processes: the last one out calls `on_last`, whoever came first.

    A lock file counts the users, so that a killed one no longer counts. Nobody can come in while `on_last` runs.

    Args:
        path: the lock file.
        on_enter: called when in; must do no harm when another user has done it already.
        on_last: called by the one who leaves last.

    Raises:
        SettingError: nothing can be written there.
    """
    with lock_file(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            on_enter()
            yield
        finally:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                on_last()


# --- ports and HTTP ---------------------------------------------------------------------------------------------------


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def why_not_listen(host: str, port: int) -> BillingError | None:
    """Return why a server could not listen there now, as an error to raise; None when it could."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            return ConflictError(
                f"Port {port} on {host} is reserved for the system. Choose one from 1024 on: --port (or BILLING_PORT)."
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return ConflictError(
                    f"Port {port} on {host} is taken by another program. Choose another: --port "
                    f"{port + 1 if port < LAST_PORT else port - 1} (or BILLING_PORT)."
                )
            return SettingError(
                f"BILLING_HOST is '{host}', which is not an address of this machine. Use 127.0.0.1, or 0.0.0.0 for all."
            )
        return None


def http_get(url: str, *, timeout_seconds: float = 5.0) -> tuple[int, str] | None:
    """Return (status, body) of a GET on loopback, or None when nobody answers."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=timeout_seconds)
    try:
        connection.request("GET", parts.path or "/")
        response = connection.getresponse()
        return response.status, response.read(100_000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
