"""A mirror that is killed in the middle: the next one goes on where it was cut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import stripe

from tests.mirror.conftest import Mirroring
from tests.sandbox.conftest import Server

CHILD = """
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
from billing_core.gateway import open_gateway
from billing_core.services.mirror import mirror
from billing_core.settings import load_settings
from billing_core.store.database import database_at

url, database = sys.argv[1:]
mirror(
    database_at(database),
    open_gateway(load_settings(), sandbox_url=url),
    zone=ZoneInfo("Europe/Copenhagen"),
    now=datetime.now(UTC),
    progress=lambda resource, count: print(resource, count, flush=True),
)
"""


def _start(mirroring: Mirroring, sandbox: Server) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, sandbox.url, mirroring.database.url],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )


def test_a_full_mirror_killed_between_pages_goes_on_and_is_complete(
    client: stripe.StripeClient, mirroring: Mirroring, sandbox: Server
) -> None:
    """230 customers are three pages; the child dies after the first, and then one is changed, one deleted."""
    made = [client.v1.customers.create({"name": f"C{i}"}).id for i in range(230)]
    sandbox.admin("POST", "/faults", kind="latency", path="/v1/customers", skip=1, times=None, seconds=30)
    child = _start(mirroring, sandbox)
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("customer "):
            break
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    sandbox.admin("DELETE", "/faults")
    kept = len(mirroring.rows("customers"))
    assert kept == 100
    client.v1.customers.update(made[-1], {"name": "Changed meanwhile"})
    client.v1.customers.delete(made[0])
    late = client.v1.customers.create({"name": "Late"}).id
    result = mirroring.run()
    assert result.is_full
    rows = {row.customer_id: row for row in mirroring.rows("customers")}
    assert rows.keys() >= {*made[1:], late}
    assert rows[made[-1]].name == "Changed meanwhile"
    assert rows[made[0]].is_deleted
    assert sum(not row.is_deleted for row in rows.values()) == 230
    # The pages that were there before the cut were not read again.
    assert result.tables["customers"].inserted < 150
    assert mirroring.run().changed_count == 0
    before = mirroring.state()
    mirroring.run(full=True)
    assert mirroring.difference(before) == []


def test_events_killed_in_the_middle_are_neither_lost_nor_done_twice(
    client: stripe.StripeClient, mirroring: Mirroring, sandbox: Server
) -> None:
    """150 events are two pages; the child dies in the second; the rerun has each event once."""
    client.v1.products.create({"name": "Before"})
    mirroring.run()
    for i in range(150):
        client.v1.products.create({"name": f"P{i}"})
    sandbox.admin("POST", "/faults", kind="latency", path="/v1/products/*", skip=120, times=None, seconds=30)
    child = _start(mirroring, sandbox)
    assert child.stdout is not None
    assert child.stdout.readline().startswith("events 100")
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    sandbox.admin("DELETE", "/faults")
    assert len(mirroring.rows("products")) == 101
    assert mirroring.run().events_count == 50
    assert len(mirroring.rows("products")) == 151
    assert len(mirroring.rows("stripe_events")) == 150
