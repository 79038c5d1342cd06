"""The whole way of a payment: paid through the SDK, on the page two commands later; every month agrees with Stripe."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
import stripe
from streamlit.testing.v1 import AppTest

from billing_core import processes

ROOT = Path(__file__).resolve().parents[2]
ZONE = ZoneInfo("Europe/Copenhagen")
SMALL = {"BILLING_DEMO_MONTHS": "4", "BILLING_DEMO_TENANTS": "12"}


@pytest.fixture
def account(billing, environment: dict[str, str], tmp_path: Path) -> Iterator[stripe.StripeClient]:
    """The SDK, pointed at the sandbox of a small demo that `billing init --demo` made."""
    made = billing("init", "--demo", **SMALL)
    assert made.returncode == 0, made.stderr
    port = processes.free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "billing_core.cli", "sandbox", "--port", str(port)],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        assert server.poll() is None, "the sandbox ended"
        assert time.monotonic() < deadline, "the sandbox does not answer"
        try:
            if httpx.get(f"{base}/health", timeout=2).status_code == 200:
                break
        except httpx.TransportError:
            time.sleep(0.1)
    yield stripe.StripeClient("sk_test_house", base_addresses={"api": base, "meter_events": base})
    server.terminate()
    server.wait(timeout=30)


def rows(text: str) -> list[dict[str, str]]:
    """Read a report that was written as CSV."""
    return list(csv.DictReader(io.StringIO(text)))


def expected_months(account: stripe.StripeClient) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Count, total and open amount of all invoices per local month and currency, as the SDK lists them."""
    found: dict[tuple[str, str], tuple[int, int, int]] = {}
    for invoice in account.v1.invoices.list({"limit": 100}).auto_paging_iter():
        at = invoice.status_transitions.finalized_at or invoice.created
        month = datetime.fromtimestamp(at, UTC).astimezone(ZONE).strftime("%Y-%m-01")
        count, total, left = found.get((month, invoice.currency), (0, 0, 0))
        is_open = invoice.status == "open"
        found[month, invoice.currency] = (
            count + 1,
            total + invoice.total,
            left + (invoice.amount_remaining if is_open else 0),
        )
    return found


def test_a_payment_in_stripe_is_on_the_page_after_mirror_and_refresh(
    account: stripe.StripeClient, billing, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """123.45 DKK paid by card shows as a paid invoice; the totals of every month are Stripe's, to the minor unit."""
    customer = next(
        c for c in account.v1.customers.list({"limit": 100}).data if c.currency == "dkk" and "tenant_id" in c.metadata
    )
    draft = account.v1.invoices.create({"customer": customer.id, "auto_advance": False, "currency": "dkk"})
    assert draft.id is not None
    account.v1.invoice_items.create(
        {"customer": customer.id, "invoice": draft.id, "amount": 12345, "currency": "dkk", "description": "Keys"}
    )
    account.v1.invoices.finalize_invoice(draft.id)
    card = account.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    paid = account.v1.invoices.pay(draft.id, {"payment_method": card.id})
    assert (paid.status, paid.amount_paid) == ("paid", paid.total)

    assert billing("mirror").returncode == 0
    assert billing("refresh").returncode == 0

    report = rows(billing("report", "invoice_status", "--format", "csv").stdout)
    months: dict[tuple[str, str], tuple[int, int, int]] = {}
    for row in report:
        key = (row["month"], row["currency"])
        count, total, left = months.get(key, (0, 0, 0))
        months[key] = (
            count + int(row["invoices_count"]),
            total + int(row["total_minor"]),
            left + int(row["open_minor"]),
        )
    assert months == expected_months(account)

    for name in ("DATABASE_URL", "STRIPE_API_KEY", "BILLING_OFFLINE", "BILLING_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BILLING_HOME", str(home))
    from pages import _desk

    _desk.desk.clear()
    _desk._report.clear()
    try:
        app = AppTest.from_file(str(ROOT / "pages" / "ui.py"), default_timeout=60)
        app.context["locale"] = "en-GB"
        app.run()
        app.query_params["invoice"] = draft.id
        app.switch_page("invoices.py").run()
        kinds = (app.title, app.header, app.subheader, app.markdown, app.metric)
        shown = " ".join(str(element.value) for kind in kinds for element in kind)
        assert not app.exception
        assert paid.number is not None
        assert paid.number in shown
        assert "123.45" in shown
    finally:
        _desk.desk.clear()
        _desk._report.clear()
