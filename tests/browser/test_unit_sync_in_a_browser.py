"""Unit sync in a browser: from an empty page to numbers that were read back, with a worker that does the job."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from billing_core.services import plans
from billing_core.services.access import DEMO_ADMIN
from billing_core.store.database import Database
from billing_core.warehouse.refresh import refresh
from tests.actions.conftest import Field, desk, gateway, shop
from tests.browser.conftest import ROOT, Look, serving
from tests.sandbox.conftest import Server, advance, client, clock_customer, sandbox
from tests.world import ZONE, World

__all__ = ["advance", "client", "clock_customer", "desk", "gateway", "sandbox", "shop"]


@pytest.fixture
def company(shop: Field, sandbox: Server, database: Database, tmp_path: Path) -> World:
    """Two tenants to report, one licensed and one metered, and one without a subscription, which is left alone."""
    shop.tenant("havneby", "licensed", 8, quantity=6)
    shop.tenant("skovlunden", "metered", 4)
    shop.tenant("strandparken", None, 2)
    refresh(database.url, tmp_path / "warehouse", zone=ZONE, now=datetime.now(UTC))
    return {"DATABASE_URL": database.url, "BILLING_HOME": str(tmp_path), "STRIPE_API_BASE": sandbox.url}


@pytest.fixture
def worker(company: World) -> Iterator[None]:
    """A worker in a process of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BILLING_", "STRIPE_", "DATABASE_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "billing_core.cli", "worker"],
        cwd=ROOT,
        env={**kept, **company},
        stderr=subprocess.DEVNULL,
    )
    yield
    process.terminate()
    process.wait(30)


def test_units_are_compared_reported_and_verified(company: World, shop: Field, worker: None, look: Look) -> None:
    """Empty page → comparison → reason → the button that says what it does, pressed twice → closed tab → result."""
    with serving(company) as url:
        tab = look(url)
        tab.go("/unit_sync?as=oliver@demo.example")
        assert "Units have not been reported from here yet." in tab.text()
        tab.page.get_by_role("button", name="Compare all 3 tenants with Stripe").click()
        tab.page.wait_for_url("**plan=plan_*")
        tab.settle()
        assert "1 tenant is left alone" in tab.text()
        tab.page.get_by_role("textbox", name="Why is this reported now?").fill("Two tenants grew")
        tab.page.get_by_role("button", name="Report 2 tenants to Stripe").dblclick()
        tab.page.get_by_text("It goes on when you leave this page").or_(
            tab.page.get_by_text("2 changes are reported")
        ).first.wait_for(timeout=60_000)
        link = tab.page.url.removeprefix(url)
        tab.page.close()
        again = look(url)
        again.go(link)
        again.page.get_by_text("2 changes are reported").wait_for(timeout=90_000)
        again.settle()
        assert "Reported by Oliver Krogh" in again.text()
        assert again.complaints == []
    (done,) = plans.history(shop.desk, DEMO_ADMIN)
    assert (done.state, done.reason, done.counts["done"]) == ("done", "Two tenants grew", 2)
    assert shop.plan().actions == ()
