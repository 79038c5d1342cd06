"""Child processes, the run file, locks and ports: what runs under one `BILLING_HOME`, and where.

`billing up` is the parent. It holds `run.lock` for as long as it lives and writes `run.json`, which names every process
with its start time, so that a number that was reused by another program is never taken for ours. Each child reads its
standard input: that pipe closes when the parent ends, however it ends, and the child then stops itself. Instants here
are Unix seconds, as the operating system gives them.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Any, NoReturn

import psutil

from billing_core.errors import ConflictError
from billing_core.settings import Settings

STOP_SECONDS = 10.0
LOG_BYTES = 5_000_000
LOGS_KEPT = 3
RESTARTS = 5
RESTARTS_WITHIN_SECONDS = 60.0
ATTACHED = "--attached"


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
    """What `run.json` says: the parent, and its children by name."""

    parent: Process
    mode: str
    children: tuple[Process, ...]

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
            Process(**value["parent"]), str(value["mode"]), tuple(Process(**child) for child in value["children"])
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
        {"parent": row(run.parent), "mode": run.mode, "children": [row(child) for child in run.children]},
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
    """Hold a home for the life of `billing up` or `billing init`; the operating system lets go when the process ends in
    any way.

    Raises:
        ConflictError: another process holds it; says where it serves.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            run = read_run(home)
            if run and run.parent.url:
                where = f"at {run.parent.url} (process {run.parent.pid}): open it, or stop it there with Ctrl-C"
            else:
                where = "and is being prepared: wait for it, or stop it with Ctrl-C"
            raise ConflictError(f"Billing Desk already runs on {home} {where}.") from None
        yield


@contextmanager
def shared(path: Path, *, on_enter: Callable[[], None], on_last: Callable[[], None]) -> Iterator[None]:
    """Use something together with other processes: the last one out calls `on_last`, whoever came first.

    A lock file counts the users, so that a killed one no longer counts. Nobody can come in while `on_last` runs.

    Args:
        path: the lock file.
        on_enter: called when in; must do no harm when another user has done it already.
        on_last: called by the one who leaves last.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
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


def is_port_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


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


# --- children ---------------------------------------------------------------------------------------------------------


def settings_environment(settings: Settings) -> dict[str, str]:
    """Return the settings as environment variables, so that a child sees what its parent saw, wherever it runs."""
    names = {
        name: str(field.validation_alias) if field.validation_alias else f"BILLING_{name.upper()}"
        for name, field in type(settings).model_fields.items()
    }
    values = {**settings.model_dump(), "home": settings.home.absolute()}
    return {names[name]: str(value) for name, value in values.items() if value is not None}


def billing_command(*arguments: str) -> tuple[str, ...]:
    """Return the command line of one of our own commands, run by this interpreter."""
    return (sys.executable, "-m", "billing_core.cli", *arguments)


def end_with_parent() -> None:
    """Make the calling process stop when its standard input closes: gracefully at first, surely after a while."""

    def wait_for_end() -> None:
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_SECONDS)
        os._exit(1)

    threading.Thread(target=wait_for_end, name="end-with-parent", daemon=True).start()


def exit_on_sigterm() -> None:
    """Make SIGTERM end the calling process through its `finally` blocks.

    A server library that ends on SIGTERM sends itself the signal again when it is done, which would otherwise skip them.
    """

    def leave(_number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)


def open_log(path: Path) -> IO[bytes]:
    """Open a log for appending; one that has grown large moves aside first (`web.log.1`, …)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        for number in range(LOGS_KEPT - 1, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{number + 1}"))
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to start a child, and where it answers when it is ready."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    ready_path: str = "/"


class Child:
    """A running child process; its standard input is the pipe that ends it."""

    def __init__(self, spec: ChildSpec, logs: Path) -> None:
        self.spec = spec
        self.log = logs / f"{spec.name}.log"
        self.started: list[float] = []
        self.start()

    def start(self) -> None:
        """Start (again), in a session of its own so that Ctrl-C in a terminal reaches the parent only."""
        self.started.append(time.monotonic())
        self.restart_at: float | None = None
        with open_log(self.log) as output:
            self.popen = subprocess.Popen(
                self.spec.command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.spec.environment},
                start_new_session=True,
            )
        try:
            created = psutil.Process(self.popen.pid).create_time()
        except psutil.Error:
            created = time.time()
        self.process = Process(self.spec.name, self.popen.pid, created, self.spec.url)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.popen.poll() is None

    def ask_to_stop(self) -> None:
        """Close the pipe and ask politely."""
        if self.popen.stdin:
            with suppress(OSError):
                self.popen.stdin.close()
        with suppress(ProcessLookupError):
            self.popen.terminate()

    def stop(self, *, patience_seconds: float = STOP_SECONDS) -> None:
        """Stop it, by force after a while, and reap it."""
        self.ask_to_stop()
        try:
            self.popen.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def recent_starts(self) -> int:
        """Count the starts of the last minute."""
        return sum(time.monotonic() - at < RESTARTS_WITHIN_SECONDS for at in self.started)

    def may_restart(self) -> bool:
        """Whether it has not ended too often lately."""
        return self.recent_starts() <= RESTARTS

    def pause_seconds(self) -> float:
        """How long to wait before the next start: nothing the first time, then longer and longer."""
        starts = self.recent_starts()
        return 0.0 if starts <= 1 else min(0.25 * 2**starts, 4.0)

    def last_words(self, lines: int = 3) -> str:
        """Return the end of its log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


class Supervisor:
    """Starts children, keeps them running, and stops them in the reverse order of their start."""

    def __init__(self, home: Path, *, say: Callable[[str], None], on_change: Callable[[list[Process]], None]) -> None:
        self.logs = home / "logs"
        self.children: list[Child] = []
        self.given_up: set[str] = set()
        self._say = say
        self._on_change = on_change

    def start(self, spec: ChildSpec) -> Child:
        """Start a child and have it watched."""
        child = Child(spec, self.logs)
        self.children.append(child)
        self._announce()
        return child

    def check(self) -> None:
        """Start again what has ended; give up on what ends too often, and say so once."""
        for child in self.children:
            name = child.spec.name
            if child.is_running or name in self.given_up:
                continue
            if child.restart_at is None:
                child.restart_at = time.monotonic() + child.pause_seconds()
                self._say(f"The {name} process ended (code {child.popen.returncode}) and is started again.")
            if time.monotonic() < child.restart_at:
                continue
            if child.may_restart():
                child.start()
                self._announce()
            else:
                self.given_up.add(name)
                self._say(
                    f"The {name} process ended {RESTARTS + 1} times within a minute and stays down. "
                    f"Its log is {child.log}; it ends with:\n{child.last_words()}"
                )

    def wait_ready(self, child: Child, *, patience_seconds: float) -> tuple[bool, str]:
        """Wait until a child answers 200 on its ready path, starting again what ends meanwhile.

        Returns:
            Whether it is ready, and the last answer when it is not.
        """
        deadline, answer = time.monotonic() + patience_seconds, "nobody answers"
        while time.monotonic() < deadline and child.spec.name not in self.given_up:
            self.check()
            got = http_get(f"{child.spec.url}{child.spec.ready_path}")
            if got and got[0] == 200:
                return True, ""
            answer = got[1].strip() if got else answer
            time.sleep(0.1)
        return False, answer

    def stop(self) -> None:
        """Stop all, last started first."""
        for child in reversed(self.children):
            child.stop()
        self.children.clear()

    def _announce(self) -> None:
        self._on_change([child.process for child in self.children])
