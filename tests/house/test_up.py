"""`billing up` as a user meets it: starts, survives kills, stops, and starts again with everything there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from billing_core import processes
from billing_core.store import embedded

PATIENCE_SECONDS = 120.0


class Desk:
    """A running `billing up`."""

    def __init__(self, home: Path, environment: dict[str, str], log: Path) -> None:
        self.home = home
        self.port = processes.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        with log.open("a") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "billing_core.cli", "up", "--port", str(self.port), "--no-browser"],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def until(self, condition, what: str) -> None:
        """Wait for something to become true; the desk must not end meanwhile."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert self.popen.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"{what}: {self.log.read_text()}"
            time.sleep(0.1)

    def is_healthy(self) -> bool:
        """Whether the first page can show figures."""
        got = processes.http_get(f"{self.url}/health")
        return got is not None and got[0] == 200

    def until_ready(self) -> None:
        """Wait until it says that it is ready."""
        self.until(lambda: "Ready after" in self.log.read_text(), "ready")

    def child(self, name: str) -> processes.Process | None:
        """Return a living child."""
        run = processes.read_run(self.home)
        return run.child(name) if run else None

    def end(self, number: int) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(60)


@pytest.fixture
def start(home: Path, environment, tmp_path: Path):
    """Start desks that end with the test."""
    desks: list[Desk] = []

    def run(**settings: str) -> Desk:
        desk = Desk(home, {**environment, **settings}, tmp_path / f"up-{len(desks)}.log")
        desks.append(desk)
        return desk

    yield run
    for desk in desks:
        if desk.popen.poll() is None:
            desk.end(signal.SIGTERM)


def _is_everything_over(run: processes.Run, home: Path) -> bool:
    return not any(child.is_alive for child in run.children) and not embedded.status(home).is_running


def test_desk_survives_the_death_of_each_part_and_of_the_whole(start, billing, home: Path):
    """Whatever is killed comes back; a killed parent leaves nothing running; a stopped desk leaves nothing at all."""
    assert billing("init", "--empty").returncode == 0
    desk = start()
    desk.until_ready()
    assert desk.is_healthy()

    second = billing("up", "--no-browser")
    assert second.returncode == 5
    assert f"already runs on {home} at {desk.url}" in second.stderr

    before = {name: desk.child(name) for name in ("web", "sandbox", "worker", "postgres")}
    for child in before.values():
        assert child is not None
        os.kill(child.pid, signal.SIGKILL)
    for name, child in before.items():
        desk.until(lambda name=name, child=child: desk.child(name) not in (None, child), f"{name} is back")
    postmaster = embedded.status(home).pid
    assert postmaster is not None
    os.kill(postmaster, signal.SIGKILL)
    desk.until(lambda: embedded.status(home).pid not in (None, postmaster), "Postgres is back")
    desk.until(desk.is_healthy, "the first page is back")

    run = processes.read_run(home)
    assert run is not None
    desk.end(signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _is_everything_over(run, home):
        assert time.monotonic() < deadline, [child for child in run.children if child.is_alive]
        time.sleep(0.1)

    again = start()
    again.until_ready()
    assert again.is_healthy()
    run = processes.read_run(home)
    assert run is not None
    assert again.end(signal.SIGINT) == 130
    assert _is_everything_over(run, home)
    assert not (home / "run.json").exists()


def test_demo_that_was_cut_in_the_middle_is_completed(start, billing, home: Path):
    """A first start that is killed while it makes the demo goes on at the next start, and figures are there."""
    small = {"BILLING_DEMO_MONTHS": "3", "BILLING_DEMO_TENANTS": "12"}
    cut = start(**small)
    cut.until(lambda: (home / "demo.new").exists(), "the history is being made")
    cut.end(signal.SIGKILL)
    state = json.loads((home / "home.json").read_text())
    assert (state["kind"], state["is_complete"]) == ("demo", False)

    desk = start(**small)
    desk.until_ready()
    assert desk.is_healthy()
    state = json.loads((home / "home.json").read_text())
    assert (state["kind"], state["is_complete"]) == ("demo", True)
    assert not (home / "demo.new").exists()

    tenants = billing("report", "tenants_list", "--format", "csv").stdout.splitlines()
    assert len(tenants) == 1 + 12
    revenue = billing("report", "revenue_monthly", "--format", "csv").stdout.splitlines()
    assert any(int(line.split(",")[2]) > 0 for line in revenue[1:])

    mirrored = json.loads(billing("mirror", "--full", "--json").stdout)
    assert sum(count["inserted"] + count["updated"] for count in mirrored["tables"].values()) == 0
    assert desk.end(signal.SIGTERM) == 130
    refused = billing("up", "--no-browser", STRIPE_API_KEY="sk_test_abcdefghijkl")
    assert refused.returncode == 5
    assert "holds the demo company" in refused.stderr


def test_no_process_of_ours_waits_for_a_terminal(start, billing, home: Path):
    """Children have sessions of their own, so that Ctrl-C reaches the parent only and everything ends in order."""
    assert billing("init", "--empty", BILLING_OFFLINE="1").returncode == 0
    desk = start(BILLING_OFFLINE="1")
    desk.until_ready()
    run = processes.read_run(home)
    assert run is not None
    sessions = {os.getsid(child.pid) for child in run.children}
    assert os.getsid(desk.popen.pid) not in sessions
    assert len(sessions) == len(run.children)
    assert all(not psutil.Process(child.pid).terminal() for child in run.children)
    desk.popen.send_signal(signal.SIGTERM)
    following = start(BILLING_OFFLINE="1")
    following.until_ready()
    assert desk.popen.poll() == 130


def test_desk_ends_with_the_make_that_started_it(environment, billing, home: Path):
    """make run is one thing: when make is killed, everything it started ends."""
    assert billing("init", "--empty", BILLING_OFFLINE="1").returncode == 0
    port = processes.free_port()
    command = f"'{sys.executable}' -m billing_core.cli up --port {port} --no-browser --until-parent-ends; true"
    make = subprocess.Popen(["sh", "-c", command], env={**environment, "BILLING_OFFLINE": "1"}, start_new_session=True)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not ((run := processes.read_run(home)) and run.child("web")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    make.kill()
    make.wait()
    while run.parent.is_alive or not _is_everything_over(run, home):
        assert time.monotonic() < deadline
        time.sleep(0.1)
