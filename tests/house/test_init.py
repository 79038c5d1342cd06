"""`billing init` and `billing sandbox`: what is there is never touched, and a restart finds what was there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import stripe

from billing_core import processes
from billing_core.store import embedded


def _home_json(home: Path, **values: object) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "home.json").write_text(json.dumps({"made_on": "2026-11-01", **values}))


@pytest.mark.parametrize(
    ("kind", "asked", "said"),
    [
        ("demo", "--demo", "already holds the demo company since 2026-11-01"),
        ("demo", "--empty", "already holds the demo company since 2026-11-01"),
        ("empty", "--demo", "already holds an empty desk since 2026-11-01"),
        ("empty", "--empty", "already holds an empty desk since 2026-11-01"),
    ],
)
def test_complete_home_is_refused(billing, home: Path, kind: str, asked: str, said: str):
    """What is there stays: init names it and what to do instead."""
    _home_json(home, kind=kind, is_complete=True)
    done = billing("init", asked)
    assert done.returncode == 5
    assert said in done.stderr
    assert "BILLING_HOME" in done.stderr


def test_half_made_home_is_not_turned_into_another_kind(billing, home: Path):
    """A home that was begun as a demo is finished as a demo."""
    _home_json(home, kind="demo", is_complete=False)
    done = billing("init", "--empty")
    assert done.returncode == 5
    assert "billing init --demo" in done.stderr


def test_force_never_deletes_somebodys_data(billing, home: Path):
    """--force is for demos in the embedded Postgres, and for nothing else."""
    _home_json(home, kind="empty", is_complete=True)
    kept = home / "postgres" / "data"
    kept.mkdir(parents=True)
    done = billing("init", "--demo", "--force")
    assert done.returncode == 5
    assert "--force deletes a demo only" in done.stderr
    _home_json(home, kind="demo", is_complete=True)
    done = billing("init", "--demo", "--force", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 5
    assert "DATABASE_URL" in done.stderr
    assert kept.exists()


def test_both_kinds_at_once_are_refused(billing):
    """--demo and --empty exclude each other."""
    assert billing("init", "--demo", "--empty").returncode == 2


def test_empty_desk_has_figures_and_leaves_nothing_running(billing, home: Path):
    """init --empty makes a desk whose reports answer, with rows of nothing, and stops what it started."""
    assert billing("init", "--empty").returncode == 0
    assert not embedded.status(home).is_running
    done = billing("report", "units_daily", "--format", "csv")
    assert (done.returncode, done.stdout.strip()) == (0, "tenant_id,day,units_count")
    assert not embedded.status(home).is_running
    assert processes.http_get("http://127.0.0.1:1/health") is None


@pytest.fixture
def sandbox(environment, tmp_path: Path):
    """Run `billing sandbox …` until the test ends; gives a client of the SDK."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> stripe.StripeClient:
        popen = subprocess.Popen(
            [sys.executable, "-m", "billing_core.cli", "sandbox", *arguments],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(popen)
        assert popen.stdout is not None
        line = popen.stdout.readline()
        assert " at http://127.0.0.1:" in line
        url = line.strip().rsplit(" ", 1)[1]
        return stripe.StripeClient("sk_test_anything", base_addresses={"api": url}, max_network_retries=0)

    def kill() -> None:
        for popen in running:
            popen.kill()
            popen.wait()
            if popen.stdout:
                popen.stdout.close()
        running.clear()

    run.kill = kill  # type: ignore[attr-defined]
    yield run
    kill()


def test_empty_sandbox_begins_without_objects_and_remembers_its_port(sandbox, home: Path):
    """An account begun with --empty is found again on its port after a kill, and another port begins anew."""
    port = str(processes.free_port())
    client = sandbox("--empty", "--port", port)
    assert client.v1.customers.list().data == []
    made = client.v1.customers.create({"name": "Lejlighed 4"})
    sandbox.kill()
    assert [c.id for c in sandbox("--empty", "--port", port).v1.customers.list().data] == [made.id]
    assert sandbox("--empty").v1.customers.list().data == []
    sandbox.kill()
    assert [c.id for c in sandbox("--port", port).v1.customers.list().data] == [made.id]


def test_state_is_served_by_one_process_only(sandbox, billing, home: Path):
    """A second server on the same state would overwrite the first one's; it is told where the first one is."""
    home.mkdir(parents=True)
    (home / "sandbox.sqlite").touch()
    sandbox()
    done = billing("sandbox")
    assert done.returncode == 5
    assert "Another process serves" in done.stderr
    assert "http://127.0.0.1:" in done.stderr
