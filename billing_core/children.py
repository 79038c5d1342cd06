"""Children of `billing up` and of commands: started with a pipe that ends them, watched, started again, stopped.

Each child reads its standard input: that pipe closes when the parent ends, however it ends, and the child then stops
itself. What a child prints goes to `BILLING_HOME/logs/<name>.log`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

import psutil

from billing_core.processes import STOP_SECONDS, Process, http_get
from billing_core.settings import Settings

LOG_BYTES = 5_000_000
LOGS_KEPT = 3
RESTARTS = 5
RESTARTS_WITHIN_SECONDS = 60.0
ATTACHED = "--attached"


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


def exit_on_signals() -> None:
    """Make SIGTERM and SIGINT end the calling process through its `finally` blocks.

    A server library that ends on SIGTERM sends itself the signal again when it is done, which would skip them. A shell
    starts background jobs with SIGINT ignored, which Python would leave so.
    """

    def leave(_number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
        return 0.0 if starts <= 1 else min(0.25 * 2**starts, 2.0)

    def last_words(self, lines: int = 3) -> str:
        """Return the end of its log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


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

    def wait_ready(
        self, child: Child, *, patience_seconds: float, is_any_answer_enough: bool = False
    ) -> tuple[bool, str]:
        """Wait until a child answers 200 on its ready path.

        A child that was killed meanwhile is started again; one that ended by itself would only do so again.

        Args:
            child: one that was started here.
            patience_seconds: how long to wait at most.
            is_any_answer_enough: whether "not yet" counts as well: the child serves and gets there by itself.

        Returns:
            Whether it is ready, and the last answer when it is not.
        """
        deadline, answer = time.monotonic() + patience_seconds, "nobody answers"
        while time.monotonic() < deadline and child.spec.name not in self.given_up:
            if (child.popen.poll() or -1) > 0:
                return False, f"it ended with: {child.last_words(1)}"
            self.check()
            got = http_get(f"{child.spec.url}{child.spec.ready_path}")
            if got and (got[0] == 200 or is_any_answer_enough):
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
