"""`billing units`, `approve`, `reject` and `writes` as a script uses them: JSON, exit codes, one sentence each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from billing_core.cli import main
from billing_core.store import tables
from tests.actions.conftest import Field


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


Billing = Callable[..., Ran]


@pytest.fixture
def billing(shop: Field, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Billing:
    """Run `billing …` in this process, on the test's database and sandbox; no worker runs."""
    monkeypatch.setenv("DATABASE_URL", shop.desk.database.url)
    monkeypatch.setenv("STRIPE_API_BASE", shop.server.url)
    monkeypatch.setenv("BILLING_HOME", str(shop.desk.settings.home))

    def run(*arguments: str, **settings: str) -> Ran:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["billing", *arguments])
            for name, value in settings.items():
                patch.setenv(name, value)
            try:
                main()
            except SystemExit as end:
                said = capsys.readouterr()
                return Ran(int(end.code or 0), said.out, said.err)
        raise AssertionError("the command did not end")

    return run


def test_plan_apply_and_nothing_left(shop: Field, billing: Billing) -> None:
    """The shapes a script reads: plan, run, and a plan made right after without actions."""
    shop.tenant("t_1", "metered", 4)
    shop.tenant("t_2", None, 9)
    made = json.loads(billing("units", "plan", "--json").stdout)
    assert set(made) == {"plan_id", "hash", "actions", "skipped"}
    (action,) = made["actions"]
    assert {k: action[k] for k in action if k != "key"} == {
        "tenant_id": "t_1",
        "before_count": 0,
        "after_count": 4,
        "effect_minor": 7600,
        "currency": "dkk",
        "note": action["note"],
    }
    assert made["skipped"] == [
        {"tenant_id": "t_2", "reason": "no subscription in Stripe: 9 units are occupied and billed to nobody"}
    ]
    done = billing("units", "apply", made["plan_id"], "--wait", "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert (run["state"], run["counts"]["done"], run["counts"]["failed"], run["counts"]["skipped"]) == ("done", 1, 0, 1)
    assert json.loads(billing("units", "plan", "--json").stdout)["actions"] == []


def test_a_plan_that_needs_a_second_person(shop: Field, billing: Billing) -> None:
    """It waits with exit code 5, the one who asked is refused with 4, another one lets it through."""
    subscription = shop.tenant("t_1", "licensed", 20, quantity=10)
    made = json.loads(billing("units", "plan", "--json").stdout)
    waiting = billing("units", "apply", made["plan_id"], "--wait")
    assert waiting.returncode == 5
    assert "A second person has to approve: t_1 changes +100 % against 10." in waiting.stdout
    own = billing("approve", made["plan_id"], "--reason", "I say so")
    assert (own.returncode, "somebody else has to decide" in own.stderr) == (4, True)
    other = billing("approve", made["plan_id"], "--reason", "They bought a house", "--as", "mikkel@demo.example")
    assert other.returncode == 0, other.stderr
    assert billing("units", "apply", made["plan_id"], "--wait").returncode == 0
    assert shop.quantity(subscription) == 20


def test_what_goes_wrong_is_one_sentence(shop: Field, billing: Billing) -> None:
    """No such plan, no such tenant, a stale plan, stopped writes, offline: each with its exit code, nothing written."""
    shop.tenant("t_1", "licensed", 8, quantity=7)
    plan = shop.plan()
    assert billing("writes", "stop", "--reason", "Month end").returncode == 0
    said = [
        (billing("units", "apply", "plan_nope"), 3, "There is no plan 'plan_nope'"),
        (billing("units", "plan", "--tenant", "t_9"), 3, "There is no tenant 't_9'"),
        (billing("units", "apply", plan.plan_id, "--hash", "00"), 5, "is not the one that was looked at"),
        (billing("units", "apply", plan.plan_id), 5, "has stopped all writes to Stripe (Month end)"),
        (billing("units", "plan", BILLING_OFFLINE="1"), 5, "BILLING_OFFLINE is set"),
        (billing("units", "plan", "--as", "who@example.com"), 4, "not on the staff list"),
        (billing("writes", "allow", "--reason", " "), 2, "A reason is needed"),
    ]
    for found, code, sentence in said:
        assert (found.returncode, sentence in found.stderr) == (code, True), found.stderr
        assert "Traceback" not in found.stderr
    assert shop.rows(tables.intents) == []
