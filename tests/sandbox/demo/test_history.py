"""The demo company is the same for a seed and a day, hangs together, and looks like a business."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing_core.errors import ConflictError
from tests.sandbox.demo.conftest import MONTHS, TENANTS, TODAY, Demo, make

ZONE = ZoneInfo("Europe/Copenhagen")


def content(home: Path) -> tuple[list[Any], dict[str, bytes]]:
    """Return all stored objects and all files of a demo."""
    with sqlite3.connect(home / "sandbox.sqlite") as db:
        objects = db.execute("select kind, id, seq, body from objects order by seq, kind, id").fetchall()
    return objects, {p.name: p.read_bytes() for p in sorted((home / "demo").iterdir())}


def test_the_same_seed_and_day_give_the_same_bytes(tmp_path: Path) -> None:
    """Every object and every file; another seed gives another company."""
    one = content(make(tmp_path / "one", months=2, tenants=14))
    two = content(make(tmp_path / "two", months=2, tenants=14))
    other = content(make(tmp_path / "other", months=2, tenants=14, seed=2))
    assert one == two
    assert one[1]["occupancies.csv"] != other[1]["occupancies.csv"]


@pytest.mark.parametrize(("months", "tenants"), [(1, 12), (3, 20)])
def test_short_and_small_histories_work(tmp_path: Path, months: int, tenants: int) -> None:
    """Stories that do not fit are left out, nothing breaks."""
    home = make(tmp_path / "small", months=months, tenants=tenants)
    assert len((home / "demo" / "tenants.csv").read_text(encoding="utf-8").splitlines()) == tenants + 1
    with pytest.raises(ConflictError, match="exists already"):
        make(home)


def test_every_object_can_be_retrieved_and_is_complete(demo: Demo, gaps: Callable[[Any], list[str]]) -> None:
    """Listed in full by the SDK; retrieved one by one in samples; all as the SDK's classes have them."""
    v1 = demo.client.v1
    lists: list[Any] = [
        (v1.customers, {}),
        (v1.subscriptions, {"status": "all"}),
        (v1.invoices, {}),
        (v1.charges, {}),
        (v1.payment_intents, {}),
        (v1.refunds, {}),
        (v1.disputes, {}),
        (v1.credit_notes, {}),
        (v1.balance_transactions, {}),
        (v1.payouts, {}),
        (v1.prices, {}),
        (v1.products, {}),
        (v1.invoice_items, {}),
    ]
    counts = {}
    for service, params in lists:
        found = list(service.list({"limit": 100, **params}).auto_paging_iter())
        name = type(service).__name__
        counts[name] = len(found)
        assert len({o.id for o in found}) == len(found), name
        for obj in found[:: max(1, len(found) // 5)]:
            assert gaps(obj) == [], name
            assert gaps(service.retrieve(obj.id)) == [], name
    assert counts["CustomerService"] >= TENANTS - 3
    assert min(counts.values()) >= 1, counts


def test_sums_by_month_equal_the_invoices_as_the_sdk_lists_them(demo: Demo) -> None:
    """The admin route's sums, straight from the state, and the API agree to the minor unit."""
    wanted: dict[tuple[str, str], int] = defaultdict(int)
    for invoice in demo.client.v1.invoices.list({"limit": 100}).auto_paging_iter():
        at = invoice.status_transitions.finalized_at
        month = datetime.fromtimestamp(at, UTC).strftime("%Y-%m") if at else "draft"
        wanted[month, str(invoice.currency)] += invoice.total
        assert invoice.amount_due == invoice.amount_paid + invoice.amount_remaining or invoice.status == "void"
    sums = demo.server.admin("GET", "/sums")["months"]
    assert {(row["month"], row["currency"]): row["total_minor"] for row in sums} == dict(wanted)
    months = {row["month"] for row in sums} - {"draft"}
    # Sign-ups of the first morning may lie in the month before in UTC.
    assert MONTHS <= len(months) <= MONTHS + 1


def test_every_kind_of_life_is_there(demo: Demo) -> None:
    """Statuses, reasons, currencies, ways to pay, taxes."""
    v1 = demo.client.v1
    subscriptions = list(v1.subscriptions.list({"status": "all", "limit": 100}).auto_paging_iter())
    statuses = Counter(s.status for s in subscriptions)
    assert {"active", "past_due", "trialing", "canceled", "paused"} <= set(statuses)
    assert any(s.pause_collection for s in subscriptions)
    assert any(s.cancel_at_period_end or s.cancel_at for s in subscriptions if s.status == "active")
    assert {s.collection_method for s in subscriptions} == {"charge_automatically", "send_invoice"}
    invoices = list(v1.invoices.list({"limit": 100}).auto_paging_iter())
    assert {"paid", "open", "void", "uncollectible"} <= {str(i.status) for i in invoices}
    assert {"subscription_create", "subscription_cycle", "subscription_update", "manual"} <= {
        str(i.billing_reason) for i in invoices
    }
    assert {str(i.currency) for i in invoices} == {"dkk", "eur"}
    taxed = [i for i in invoices if i.currency == "dkk" and i.total > 0 and i.total_taxes]
    assert taxed
    assert all(sum(t.amount for t in i.total_taxes or []) == i.total - (i.total_excluding_tax or 0) for i in taxed)
    assert all(i.total == i.total_excluding_tax for i in invoices if i.currency == "eur")
    assert any((i.metadata or {}) and "bank_reference" in i.metadata for i in invoices)
    assert {d.status for d in v1.disputes.list().data} == {"won", "lost", "needs_response"}
    assert v1.payouts.list().data[0].status in ("paid", "in_transit", "pending")
    assert any(i.total_discount_amounts for i in invoices)


def counts_of(demo: Demo) -> Callable[[str, date], int]:
    """Return how many distinct units a tenant has on a day, from the CSV alone."""
    spans: dict[str, list[tuple[str, date, date]]] = defaultdict(list)
    for row in demo.rows("occupancies.csv"):
        if not row["deleted_at"]:
            ends_on = date.fromisoformat(row["ends_on"]) if row["ends_on"] else date.max
            spans[row["tenant_id"]].append((row["unit_id"], date.fromisoformat(row["starts_on"]), ends_on))

    def on(tenant_id: str, day: date) -> int:
        return len({unit for unit, starts_on, ends_on in spans[tenant_id] if starts_on <= day < ends_on})

    return on


def metered_lines(demo: Demo) -> list[tuple[str, Any, Any]]:
    """Return the tenant, invoice and line of every unit that was billed by meter."""
    v1 = demo.client.v1
    unit_prices = {p.id for p in v1.prices.list({"limit": 100}).data if p.metadata.to_dict().get("role") == "unit"}
    tenant_of = {
        c.id: c.metadata.to_dict().get("tenant_id", "")
        for c in v1.customers.list({"limit": 100}).auto_paging_iter()
        if c.metadata
    }
    found = []
    for invoice in v1.invoices.list({"limit": 100}).auto_paging_iter():
        if invoice.status == "draft":
            continue
        for line in invoice.lines.auto_paging_iter():
            price = line.pricing and line.pricing.price_details and line.pricing.price_details.price
            if price in unit_prices and invoice.customer in tenant_of:
                found.append((tenant_of[str(invoice.customer)], invoice, line))
    return found


def test_billed_units_are_the_peak_of_the_period_but_for_the_planted_faults(demo: Demo) -> None:
    """An independent count of the CSV meets every metered line; where it does not, faults.json says so."""
    on = counts_of(demo)
    wrong = set()
    lines = metered_lines(demo)
    for tenant_id, _, line in lines:
        start, end = (datetime.fromtimestamp(t, ZONE).date() for t in (line.period.start, line.period.end))
        days = [start + timedelta(days=n) for n in range(max(1, (end - start).days))]
        if line.quantity != max(on(tenant_id, d) for d in days):
            wrong.add((tenant_id, datetime.fromtimestamp(line.period.start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
    planted = {(f["tenant_id"], f["period_start"]) for f in demo.listed("faults.json") if f["period_start"]}
    assert len(lines) > 100
    assert wrong == planted


def test_a_fresh_demo_has_unit_changes_that_are_due(demo: Demo) -> None:
    """Licensed quantities that no longer fit today, in both directions, besides the planted one."""
    on = counts_of(demo)
    changes = []
    for subscription in demo.client.v1.subscriptions.list({"limit": 100}).auto_paging_iter():
        tenant_id = subscription.metadata.to_dict().get("tenant_id")
        items = subscription.items.data
        if tenant_id and len(items) == 1 and "quantity" in items[0]:
            changes.append(on(tenant_id, TODAY) - items[0].quantity)
    assert any(c > 0 for c in changes)
    assert any(c < 0 for c in changes)


def test_the_files_hold_together(demo: Demo) -> None:
    """Tenants, occupancies, usage and details name the same tenants; numbers have valid check digits."""
    tenants = {row["tenant_id"]: row for row in demo.rows("tenants.csv")}
    assert len(tenants) == TENANTS
    assert {row["tenant_id"] for row in demo.rows("occupancies.csv")} <= set(tenants)
    for row in demo.rows("occupancies.csv"):
        assert not row["ends_on"] or row["ends_on"] >= row["starts_on"], row
    usage = demo.rows("usage.csv")
    assert {row["metric"] for row in usage} == {"heat_kwh", "api_calls"}
    assert len({(row["tenant_id"], row["idempotency_key"]) for row in usage}) == len(usage)
    for details in demo.listed("details.json"):
        assert details["tenant_id"] in tenants
        if details["cvr"]:
            weights = (2, 7, 6, 5, 4, 3, 2, 1)
            assert sum(int(d) * w for d, w in zip(details["cvr"], weights, strict=True)) % 11 == 0
        if details["ean"]:
            assert sum(int(d) * (3 if n % 2 else 1) for n, d in enumerate(details["ean"])) % 10 == 0
    assert all(row["email"].endswith(".example") for row in tenants.values())


def test_each_planted_fault_can_be_seen_in_stripe(demo: Demo) -> None:
    """The kinds are there, and what the list says of them is so."""
    v1 = demo.client.v1
    faults = demo.listed("faults.json")
    by_kind = {f["kind"]: f for f in faults}
    assert set(by_kind) == {
        "no_subscription",
        "missing_unit_price",
        "two_metered_subscriptions",
        "period_not_reported",
        "reported_not_counted",
        "billed_not_reported",
        "billed_vacancy",
        "flat_fee_missing",
        "collection_stopped",
        "invoice_number_gap",
        "field_differs",
        "late_registration",
        "orphan_customer",
    }
    tenants = {row["tenant_id"]: row for row in demo.rows("tenants.csv")}
    known = {c.metadata.to_dict().get("tenant_id") for c in v1.customers.list({"limit": 100}).data if c.metadata}
    assert by_kind["no_subscription"]["tenant_id"] not in known
    orphan = v1.customers.retrieve(by_kind["orphan_customer"]["customer_id"])
    assert orphan.metadata is not None
    assert orphan.metadata.to_dict() == {}
    roles = {p.id: p.metadata.to_dict()["role"] for p in v1.prices.list({"limit": 100}).data}

    def items(kind: str) -> list[str]:
        items = v1.subscriptions.retrieve(by_kind[kind]["subscription_id"]).items.data
        return [roles[i.price.id] for i in items]

    assert items("missing_unit_price") == ["flat"]
    assert items("flat_fee_missing") == ["unit"]
    twice = v1.subscriptions.list({"customer": by_kind["two_metered_subscriptions"]["customer_id"]}).data
    assert len(twice) == 2
    stopped = v1.invoices.retrieve(by_kind["collection_stopped"]["invoice_id"])
    assert (stopped.status, stopped.auto_advance) == ("open", False)
    assert stopped.amount_remaining == by_kind["collection_stopped"]["amount_minor"]
    gap = by_kind["invoice_number_gap"]
    missing = gap["note"].removeprefix("There is no invoice ").rstrip(".")
    numbers = {i.number for i in v1.invoices.list({"customer": gap["customer_id"], "limit": 100}).data}
    prefix, _, number = missing.rpartition("-")
    assert missing not in numbers
    assert {f"{prefix}-{int(number) + n:04d}" for n in (-1, 1)} <= numbers
    differs = by_kind["field_differs"]
    assert v1.customers.retrieve(differs["customer_id"]).email != tenants[differs["tenant_id"]]["email"]
    vacancy = by_kind["billed_vacancy"]
    assert vacancy["billed_units"] > vacancy["expected_units"]
    assert vacancy["amount_minor"] < 0
    for fault in faults:
        if fault["period_start"]:
            assert fault["amount_minor"] == (fault["expected_units"] - fault["billed_units"]) * 1900


def test_a_renewal_can_be_previewed_and_an_invoice_credited(tmp_path: Path) -> None:
    """The history is no picture: the SDK goes on from it."""
    home = make(tmp_path / "own", months=2, tenants=18)
    from tests.sandbox.conftest import Server, free_port

    port = free_port()
    server = Server(f"http://127.0.0.1:{port}", home / "sandbox.sqlite", port)
    server.start()
    try:
        v1 = server.client().v1
        subscription = next(s for s in v1.subscriptions.list({"status": "active", "limit": 100}).data)
        preview = v1.invoices.create_preview({"subscription": subscription.id})
        assert preview.lines.data
        invoice = next(i for i in v1.invoices.list({"status": "open", "limit": 100}).data if i.amount_remaining > 100)
        note = v1.credit_notes.create({"invoice": invoice.id, "amount": 100})
        assert v1.invoices.retrieve(invoice.id).amount_remaining == invoice.amount_remaining - 100
        assert note.pre_payment_amount == 100
        assert json.loads(str(note))["object"] == "credit_note"
    finally:
        server.stop()
