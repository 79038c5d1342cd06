"""Processes: the run file is believed only while it is true, and children never outlive their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from billing_core import processes
from billing_core.children import LOG_BYTES, Child, ChildSpec, Supervisor, open_log, settings_environment
from billing_core.errors import ConflictError
from billing_core.processes import Process, Run

CHILD = "from billing_core.children import end_with_parent; import time; end_with_parent(); time.sleep(600)"
PARENT = """
import sys, time
from pathlib import Path
from billing_core import children, processes
home = Path(sys.argv[1])
parent = processes.this_process("up", "http://127.0.0.1:1")
def record(listed):
    processes.write_run(home, processes.Run(parent, "demo", tuple(listed)))
with processes.hold(home):
    supervisor = children.Supervisor(home, say=print, on_change=record)
    for name in ("first", "second"):
        supervisor.start(children.ChildSpec(name, (sys.executable, "-c", sys.argv[2])))
    print("started", flush=True)
    time.sleep(600)
"""


def _until(condition, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def parent(home: Path, environment):
    """A real parent with two real children, holding the home."""
    popen = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(home), CHILD], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert popen.stdout is not None
    assert popen.stdout.readline() == "started\n"
    yield popen
    popen.kill()
    popen.wait()


def test_children_end_when_the_parent_is_killed(parent, home: Path):
    """kill -9 of the parent closes the pipes, and the children stop by themselves."""
    run = processes.read_run(home)
    assert run is not None
    assert [child.name for child in run.children if child.is_alive] == ["first", "second"]
    parent.kill()
    parent.wait()
    assert _until(lambda: not any(child.is_alive for child in run.children))


def test_run_file_of_a_killed_parent_counts_as_nothing_and_is_cleaned(parent, home: Path):
    """What a killed parent left is recognised, its children are waited for, and the file goes."""
    parent.kill()
    parent.wait()
    assert processes.recorded_run(home) is not None
    assert processes.read_run(home) is None
    processes.end_leftovers(home)
    assert processes.recorded_run(home) is None


def test_child_that_does_not_end_by_itself_is_ended(home: Path):
    """A leftover child that ignores everything is killed after a while, and named."""
    stubborn = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    child = Process("stubborn", stubborn.pid, psutil.Process(stubborn.pid).create_time())
    dead = Process("up", 2**22 + 1, 0.0)
    processes.write_run(home, Run(dead, "demo", (child,)))
    assert processes.end_leftovers(home, patience_seconds=0.3) == ["stubborn"]
    assert stubborn.wait(10) == -signal.SIGKILL


def test_reused_process_number_is_not_ours(home: Path):
    """A number that now belongs to another program is not taken for the process in the run file."""
    other = Process("up", os.getpid(), psutil.Process().create_time() - 3600)
    processes.write_run(home, Run(other, "demo", ()))
    assert processes.read_run(home) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"parent": 1}', '{"parent": {}, "mode": "demo", "children": []}'])
def test_damaged_run_file_counts_as_nothing(home: Path, text: str):
    """A run file that cannot be read stops nobody from starting."""
    home.mkdir(parents=True)
    (home / "run.json").write_text(text)
    assert processes.read_run(home) is None
    with processes.hold(home):
        assert processes.end_leftovers(home) == []


def test_second_holder_is_told_where_the_first_serves(parent, home: Path):
    """A home is held once; the sentence names the URL and the process."""
    said = rf"already runs .* at http://127.0.0.1:1 \(process {parent.pid}\)"
    with pytest.raises(ConflictError, match=said), processes.hold(home):
        pass


def test_ended_child_is_started_again_with_its_number_recorded(home: Path):
    """A child that was killed is replaced, and the run file follows."""
    seen: list[list[int]] = []
    said: list[str] = []
    supervisor = Supervisor(home, say=said.append, on_change=lambda children: seen.append([c.pid for c in children]))
    child = supervisor.start(ChildSpec("web", (sys.executable, "-c", CHILD)))
    try:
        first = child.popen.pid
        child.popen.kill()
        assert _until(lambda: supervisor.check() or (child.is_running and child.popen.pid != first))
        assert seen == [[first], [child.popen.pid]]
        assert "web" in said[0]
    finally:
        supervisor.stop()
    assert not child.is_running


def test_child_that_ends_at_once_is_given_up_with_its_last_words(home: Path):
    """A child that cannot run is not started for ever; what it said last is shown once."""
    said: list[str] = []
    supervisor = Supervisor(home, say=said.append, on_change=lambda _: None)
    supervisor.start(ChildSpec("web", (sys.executable, "-c", "raise SystemExit('no such table')")))
    assert _until(lambda: supervisor.check() or "web" in supervisor.given_up, 60.0)
    supervisor.check()
    assert sum("stays down" in line for line in said) == 1
    assert "no such table" in said[-1]


def test_last_one_out_calls_the_end_even_when_the_first_left_before(tmp_path: Path):
    """Of two users it is the later leaver, not the first comer, that ends what they share."""
    calls: list[str] = []
    path = tmp_path / "users"

    def use(name: str):
        return processes.shared(
            path, on_enter=lambda: calls.append(f"{name} in"), on_last=lambda: calls.append(f"{name} ends it")
        )

    first, second = use("first"), use("second")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert calls == ["first in", "second in"]
    second.__exit__(None, None, None)
    assert calls[-1] == "second ends it"


def test_large_log_moves_aside(tmp_path: Path):
    """A log beyond the limit becomes `.1`, the one before `.2`; the newest lines go to a new file."""
    log = tmp_path / "web.log"
    log.write_bytes(b"x" * (LOG_BYTES + 1))
    (tmp_path / "web.log.1").write_text("older")
    with open_log(log) as output:
        output.write(b"new\n")
    assert log.read_text() == "new\n"
    assert (tmp_path / "web.log.1").stat().st_size == LOG_BYTES + 1
    assert (tmp_path / "web.log.2").read_text() == "older"


def test_child_sees_the_settings_of_its_parent(home: Path, environment):
    """Settings travel by environment under their own names, unset ones stay unset."""
    from billing_core.settings import Settings

    settings = Settings(home=home, port=8600, demo_tenants=20, browser=False)
    passed = settings_environment(settings)
    assert passed["BILLING_HOME"] == str(home)
    assert passed["BILLING_PORT"] == "8600"
    assert "STRIPE_API_KEY" not in passed
    code = "from billing_core.settings import load_settings; s = load_settings(); "
    code += "print(s.port, s.demo_tenants, s.browser, s.home)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**environment, **passed}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["8600", "20", "False", str(home)]


def test_child_ends_when_asked(home: Path):
    """Stopping a child is polite first and leaves no zombie."""
    child = Child(ChildSpec("web", (sys.executable, "-c", CHILD)), home / "logs")
    child.stop()
    assert child.popen.returncode is not None
    assert not child.process.is_alive
