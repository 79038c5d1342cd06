"""What support sees of one tenant: the profile agrees with the reports it sums up, the lists with what happened."""

from __future__ import annotations

from datetime import date
from typing import Any

from billing_core.store import tables
from tests.queries.priced_items import item, price


def lived_in(company: Any) -> None:
    """A tenant with units, an item, a paid, an open and a foreign invoice, a failure, a refund and a credit note."""
    company.tenant("t1", created="2025-01-01")
    company.add(tables.tenant_details, tenant_id="t1", cvr_number="37284726", ean_number="579", order_reference="PO-1")
    company.add(
        tables.customers,
        customer_id="cus_1",
        tenant_id="t1",
        currency="dkk",
        balance_minor=-700,
        created_at="2025-01-01",
    )
    price(company, "p_seat", unit_amount="4900", role="licensed")
    item(company, "t1", "p_seat", "2025-06-01", quantity="2", amount=9800, status="past_due")
    company.occupancy("t1", "u1", "2025-02-01")
    company.occupancy("t1", "u2", "2026-11-01", "2026-11-11")
    company.occupancy("t1", "u3", "2026-12-01")
    company.invoice("in_1", "t1", 1250, tax=250, finalized="2025-03-01", status="paid", paid=1250, paid_on="2025-03-09")
    company.payment("in_1", 1250, "2025-03-09", payment_id="pay_1", tenant_id="t1", reference="Bank 1")
    company.refund("in_1", 300, "2026-03-01")
    company.credit_note("in_1", 250, "2026-03-01", tax=50)
    company.invoice("in_2", "t1", 2500, tax=500, finalized="2026-10-01", due="2026-10-31")
    company.charge(
        "in_2",
        2500,
        "2026-11-02",
        tenant_id="t1",
        charge_id="ch_1",
        failure_code="card_declined",
        decline_code="insufficient_funds",
        failure_message="No money.",
        card_brand="visa",
        card_last4="4242",
    )
    company.invoice("in_3", "t1", 900, finalized="2026-10-01", currency="eur")


def test_the_profile_says_it_all_in_one_row(company: Any) -> None:
    """By hand, in the tenant's own currency."""
    lived_in(company)
    [row] = company.report("tenant_profile", tenant_id="t1")
    expected = {
        "currency": "dkk",
        "cvr_number": "37284726",
        "ean_number": "579",
        "order_reference": "PO-1",
        "customer_ids": "cus_1",
        "customers_count": 1,
        "status": "past_due",
        "subscriptions_count": 1,
        "units_count": 1,
        "peak_units_count": 2,
        "units_year_ago_count": 1,
        "next_move_on": date(2026, 12, 1),
        "committed_minor": 9800,
        "usage_minor": 0,
        "invoiced_minor": 3000,
        "credited_minor": 200,
        "collected_minor": 1250,
        "refunded_minor": 300,
        "invoiced_year_minor": 1800,
        "collected_year_minor": -300,
        "open_minor": 2500,
        "past_due_minor": 2500,
        "past_due_since_on": date(2026, 11, 1),
        "open_invoices_count": 1,
        "credit_minor": 700,
        "last_invoiced_on": date(2026, 10, 1),
        "last_paid_on": date(2025, 3, 9),
        "last_failed_on": date(2026, 11, 2),
        "last_failure": "No money.",
        "card": "visa …4242",
        "other_currencies": "eur",
    }
    assert {name: row[name] for name in expected} == expected


def test_the_profile_agrees_with_the_reports_it_sums_up(company: Any) -> None:
    """Today and on a past day: list of tenants, recurring revenue, units, revenue rows and payments."""
    lived_in(company)
    for day in ("2026-11-22", "2026-02-28", "2025-03-05"):
        [row] = company.report("tenant_profile", tenant_id="t1", as_of=day)
        [listed] = company.report("tenants_list", tenant_id="t1", as_of=day)
        for name in ("units_count", "open_minor", "past_due_minor"):
            assert row[name] == listed[name], name
        months = company.report("mrr_by_tenant", tenant_id="t1", as_of=day, currency="dkk", from_date=day)
        assert row["committed_minor"] == sum(m["committed_minor"] for m in months)
        rows = company.report("revenue_rows", tenant_id="t1", currency="dkk", as_of=day)
        for name in ("invoiced_minor", "credited_minor", "collected_minor", "refunded_minor"):
            assert row[name] == sum(r[name] for r in rows), name
        paid = company.report("tenant_payments", tenant_id="t1", currency="dkk", as_of=day)
        assert sum(p["signed_minor"] for p in paid) == row["collected_minor"] - row["refunded_minor"]


def test_a_tenant_with_nothing_has_a_profile_of_zeros(company: Any) -> None:
    """No customer, unit, subscription or invoice."""
    company.tenant("t1")
    [row] = company.report("tenant_profile")
    counted = [v for k, v in row.items() if k.endswith(("_minor", "_count"))]
    assert set(counted) == {0}
    assert row["status"] is None


def test_payments_come_newest_first_with_method_and_reason(company: Any) -> None:
    """A refund that failed moved nothing; neither did a declined card."""
    lived_in(company)
    company.refund("in_1", 50, "2026-11-20", status="failed")
    columns = ("kind", "on_date", "signed_minor", "method", "reason", "failure_code", "invoice_number")
    assert company.cells("tenant_payments", *columns, tenant_id="t1") == [
        ("refund", "2026-11-20", 0, None, None, None, "IN_1"),
        ("failed_attempt", "2026-11-02", 0, "visa …4242", "No money.", "insufficient_funds", "IN_2"),
        ("refund", "2026-03-01", -300, None, None, None, "IN_1"),
        ("payment", "2025-03-09", 1250, None, "Bank 1", None, "IN_1"),
    ]


def test_the_timeline_has_each_event_once_on_its_day(company: Any) -> None:
    """Moves, documents and money; what is known for days to come is ahead."""
    lived_in(company)
    rows = company.cells("tenant_timeline", "on_date", "kind", "detail", "is_ahead", from_date="2026-10-01")
    assert rows == [
        ("2026-12-01", "move_in", "u3", True),
        ("2026-11-11", "move_out", "u2", False),
        ("2026-11-02", "failed_attempt", "visa …4242, No money.", False),
        ("2026-11-01", "move_in", "u2", False),
        ("2026-10-01", "invoice", "IN_2", False),
        ("2026-10-01", "invoice", "IN_3", False),
    ]
    kinds = {k for (k,) in company.cells("tenant_timeline", "kind", tenant_id="t1")}
    assert kinds == {
        "created",
        "move_in",
        "move_out",
        "subscription_started",
        "invoice",
        "payment",
        "refund",
        "credit_note",
        "failed_attempt",
    }


def test_a_change_of_what_is_subscribed_says_what_changed(company: Any) -> None:
    """Quantity, price, status and pause of one item, version by version; the first version is no change."""
    company.tenant("t1")
    versions = (
        ("2026-01-01", "2026-02-01", {"quantity": 4, "price_id": "a", "status": "active"}),
        ("2026-02-01", "2026-03-01", {"quantity": 6, "price_id": "a", "status": "past_due"}),
        ("2026-03-01", "2026-04-01", {"quantity": 6, "price_id": "b", "status": "active", "is_paused": True}),
        ("2026-04-01", None, {"quantity": 6, "price_id": "b", "status": "active", "is_paused": False}),
    )
    for starts, ends, values in versions:
        company.add(
            tables.subscription_item_versions,
            version_id=f"v_{starts}",
            tenant_id="t1",
            subscription_id="sub",
            subscription_item_id="si",
            product="Seats",
            usage_type="licensed",
            currency="dkk",
            interval="month",
            interval_count=1,
            valid_from=starts,
            valid_from_on=date.fromisoformat(starts),
            valid_to=ends,
            valid_to_on=date.fromisoformat(ends) if ends else None,
            source="event",
            **values,
        )
    changes = [r for r in company.cells("tenant_timeline", "on_date", "detail", "kind") if r[2] == "changed"]
    assert changes == [
        ("2026-04-01", "collection resumed", "changed"),
        ("2026-03-01", "Seats at another price, past due → active, collection paused", "changed"),
        ("2026-02-01", "Seats 4 → 6, active → past due", "changed"),
    ]


def test_as_of_a_day_the_timeline_ends_with_it(company: Any) -> None:
    """Nothing later, and nothing ahead."""
    lived_in(company)
    days = company.cells("tenant_timeline", "on_date", "is_ahead", as_of="2026-10-31")
    assert max(day for day, _ in days) == "2026-10-01"
    assert not [1 for _, is_ahead in days if is_ahead]
