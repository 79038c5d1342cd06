"""Many tenants, many faults, many kills: afterwards nothing is lost, nothing happened twice, nothing is unresolved.

The small dose is a part of every test run; the full one is `make torture`, with its figures in docs/reliability.md.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable

import pytest

from billing_core.services import plans
from billing_core.store import tables
from tests.actions.conftest import ASTA, MIKKEL, Field
from tests.actions.test_killed import Start, start

__all__ = ["start"]

# Kind and moment of each fault; each strikes its share of all calls, reads and writes.
FAULTS = (
    ("reset", "before"),
    ("reset", "after"),
    ("cut", "after"),
    ("conflict", "before"),
    ("conflict", "after"),
    ("rate_limit", "before"),
    ("server_error", "before"),
    ("server_error", "after"),
    ("hang", "before"),
    ("latency", "after"),
)


def populate(shop: Field, count: int, rng: random.Random) -> tuple[dict[str, int], dict[str, str]]:
    """Make tenants, half of them licensed with a quantity that is off; returns units and licensed subscriptions."""
    units, licensed = {}, {}
    for n in range(count):
        tenant_id = f"t_{n:04d}"
        units[tenant_id] = rng.randint(1, 12)
        if n % 2:
            off = units[tenant_id] + rng.choice((-1, 1, 2))
            licensed[tenant_id] = shop.tenant(tenant_id, "licensed", units[tenant_id], quantity=max(0, off))
        else:
            shop.tenant(tenant_id, "metered", units[tenant_id])
    return units, licensed


def let_loose(shop: Field, share: float, *, writes_only: bool = False) -> None:
    """Have every kind of fault strike its share of the calls, drawn from a fixed seed."""
    for seed, (kind, effect) in enumerate(FAULTS):
        rule = {"kind": kind, "effect": effect, "times": None, "probability": share, "seed": seed, "seconds": 0.2}
        shop.server.admin("POST", "/faults", **rule, **({"method": "POST"} if writes_only else {}))


def struck(shop: Field) -> int:
    """How many calls were struck."""
    return sum(rule["struck"] for rule in shop.server.admin("GET", "/faults")["rules"])


def check(shop: Field, plan_id: str, units: dict[str, int], licensed: dict[str, str]) -> None:
    """Nothing lost, nothing twice, nothing unresolved, and Stripe holds what is occupied."""
    found = plans.get(shop.desk, ASTA, plan_id)
    assert found.state == "done", found.trouble
    assert Counter(a.state for a in found.actions) == {"done": len(found.actions)}
    assert shop.plan().actions == ()
    assert {t: shop.quantity(s) for t, s in licensed.items()} == {t: units[t] for t in licensed}
    open_intents = [i for i in shop.rows(tables.intents) if i.state in ("intended", "unknown")]
    assert open_intents == []
    reports = Counter(r.tenant_id for r in shop.rows(tables.meter_reports))
    assert reports == dict.fromkeys(units.keys() - licensed.keys(), 1)
    assert shop.server.admin("GET")["objects"]["billing.meter_event"] == len(reports)
    for tenant_id in licensed:
        pending = shop.client.v1.invoice_items.list({"customer": shop.customers[tenant_id], "pending": True}).data
        # One change: a credit and a debit (only one of them where the other side is nothing).
        assert 1 <= len(pending) <= 2, tenant_id


def approved(shop: Field) -> str:
    """Make the plan, apply it and have it approved when it takes that; returns its id."""
    plan = shop.plan()
    found = shop.apply(plan, work=False)
    if found.state == "waiting":
        plans.approve(shop.desk, MIKKEL, plan.plan_id, "All of them")
    return plan.plan_id


def test_a_dozen_tenants_through_every_fault(shop: Field) -> None:
    """The small dose: a fifth of all writes is struck, runs go on until all is done."""
    units, licensed = populate(shop, 12, random.Random(7))
    plan_id = approved(shop)
    let_loose(shop, 0.03, writes_only=True)
    for _ in range(20):
        found = shop.work(plans.get(shop.desk, ASTA, plan_id))
        if found.state == "done":
            break
        plans.submit(shop.desk, ASTA, plan_id)
    hits = struck(shop)
    shop.server.admin("DELETE", "/faults")
    assert hits >= 1
    check(shop, plan_id, units, licensed)


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_five_hundred_tenants_a_thousand_faults_fifty_kills(shop: Field, start: Start) -> None:
    """The full dose: two in five calls are struck; two processes at a time compete for the run and are killed."""
    rng = random.Random(20261122)
    began = time.monotonic()
    units, licensed = populate(shop, 500, rng)
    plan_id = approved(shop)
    let_loose(shop, 0.04)
    # The first run compares everything again before it begins; the kills are to strike at the calls.
    first = start(plan_id)
    while not shop.rows(tables.intents) and first.poll() is None:
        time.sleep(0.2)
    first.kill()
    first.wait(30)
    kills, runs = 1, 1
    while plans.get(shop.desk, ASTA, plan_id).state != "done":
        plans.submit(shop.desk, ASTA, plan_id)
        runs += 1
        kills += compete(start, plan_id, rng, may_kill=kills < 50)
    faults = struck(shop)
    shop.server.admin("DELETE", "/faults")
    check(shop, plan_id, units, licensed)
    seconds = time.monotonic() - began
    print(f"\n{len(units)} tenants, {faults} faults, {kills} kills, {runs} runs, {seconds:.0f} s")
    assert faults >= 1000
    assert kills >= 50


def compete(begin: Callable[[str], subprocess.Popen[str]], plan_id: str, rng: random.Random, *, may_kill: bool) -> int:
    """Have two processes work on a plan; kill what is at work at a random moment. Returns how many were killed."""
    both = [begin(plan_id), begin(plan_id)]
    for process in both:
        assert process.stdout is not None
        process.stdout.readline()
    if may_kill:
        time.sleep(rng.uniform(0.1, 2.5))
    killed = 0
    for process in both:
        if may_kill and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait(900)
    return killed
