"""A process that is killed between Stripe's effect and our result row: whoever runs next puts it right."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from billing_core.store import tables
from tests.actions.conftest import Field

Start = Callable[[str], subprocess.Popen[str]]
ROOT = Path(__file__).resolve().parents[2]
# Works like the worker, in a process of its own that can be killed.
WORK = """
import sys
from datetime import UTC, datetime
from billing_core.gateway import open_gateway
from billing_core.services import runs
from billing_core.services.desk import open_desk
from billing_core.settings import load_settings
settings = load_settings()
desk = open_desk(settings)
print("at work", flush=True)
runs.run(desk, open_gateway(settings), sys.argv[1], clock=lambda: datetime.now(UTC))
"""


@pytest.fixture
def start(shop: Field) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Begin to work on a plan in another process; it does not outlive the test."""
    begun: list[subprocess.Popen[str]] = []

    def begin(plan_id: str) -> subprocess.Popen[str]:
        begun.append(_start(shop, plan_id))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.wait(10)


def _start(shop: Field, plan_id: str) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BILLING_", "STRIPE_", "DATABASE_URL"))}
    environment |= {
        "DATABASE_URL": shop.desk.database.url,
        "STRIPE_API_BASE": shop.server.url,
        "BILLING_HOME": str(shop.desk.settings.home),
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        [sys.executable, "-c", WORK, plan_id],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        cwd=shop.desk.settings.home,
    )


def await_struck(shop: Field, count: int = 1) -> None:
    """Wait until a fault has struck."""
    for _ in range(1200):
        if sum(rule["struck"] for rule in shop.server.admin("GET", "/faults")["rules"]) >= count:
            return
        time.sleep(0.05)
    raise AssertionError("the call never came")


@pytest.mark.parametrize("price", ["licensed", "metered"])
def test_killed_after_the_effect_and_before_the_result(shop: Field, start: Start, price: str) -> None:
    """Stripe has done it and is slow to say so; the process dies. The next run finds it done and changes nothing."""
    subscription = shop.tenant("t_1", price, 8, **({"quantity": 7} if price == "licensed" else {}))
    plan = shop.apply(shop.plan(), work=False)
    shop.fault("hang", effect="after", seconds=8)
    process = start(plan.plan_id)
    await_struck(shop)
    # The effect comes before the wait; a read shows it.
    for _ in range(200):
        if not shop.plan().actions:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert [i.state for i in shop.rows(tables.intents)] == ["intended"]
    shop.server.admin("DELETE", "/faults")
    done = shop.work(plan)
    assert done.state == "done", done.trouble
    assert [i.state for i in shop.rows(tables.intents)] == ["done"]
    if price == "licensed":
        assert shop.quantity(subscription) == 8
        pending = shop.client.v1.invoice_items.list({"customer": shop.customers["t_1"], "pending": True}).data
        assert len(pending) == 2
    else:
        assert [value for _, value in shop.events("t_1")] == [8]
        assert shop.server.admin("GET")["objects"]["billing.meter_event"] == 1


def test_killed_before_the_effect(shop: Field, start: Start) -> None:
    """The call never took effect. While Stripe still has its key in use the next run says unknown; then it is made."""
    subscription = shop.tenant("t_1", "licensed", 8, quantity=7)
    plan = shop.apply(shop.plan(), work=False)
    shop.fault("hang", effect="before", seconds=4)
    process = start(plan.plan_id)
    await_struck(shop)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    shop.server.admin("DELETE", "/faults")
    done = shop.work(plan)
    for _ in range(40):
        if done.state == "done":
            break
        assert done.state == "unknown"
        time.sleep(0.25)
        done = shop.apply(done)
    (intent,) = shop.rows(tables.intents)
    assert (intent.state, intent.attempt) == ("done", 1)
    assert shop.quantity(subscription) == 8
