"""The mirror by events: what changed in Stripe since, deletions among it, and the history of subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
import stripe

from billing_core.store import tables
from tests.mirror.conftest import JULY, Catalogue, Mirroring
from tests.sandbox.conftest import Server

Tenant = Callable[..., tuple[str, str]]
Advance = Callable[..., None]


def _history(mirroring: Mirroring, subscription_id: str) -> list[tuple[Any, ...]]:
    """Return (from, to, status, quantity, amount, paused) of a subscription's licensed versions, oldest first."""
    rows = mirroring.rows("subscription_item_versions", subscription_id=subscription_id)
    return [
        (r.valid_from, r.valid_to, r.status, int(r.quantity), r.period_amount_minor, r.is_paused)
        for r in sorted(rows, key=lambda r: (r.valid_from, r.subscription_item_id))
        if r.usage_type == "licensed"
    ]


def test_a_payment_made_in_stripe_shows_after_the_next_mirror(
    client: stripe.StripeClient, catalogue: Catalogue, tenant: Tenant, mirroring: Mirroring
) -> None:
    """An open invoice is paid by card: status, payment, charge and movement of the balance arrive."""
    customer, _ = tenant()
    invoice = client.v1.invoices.create(
        {
            "customer": customer,
            "collection_method": "send_invoice",
            "days_until_due": 14,
            "currency": "dkk",
            "auto_advance": False,
        }
    )
    client.v1.invoice_items.create({"customer": customer, "invoice": invoice.id, "amount": 50000, "currency": "dkk"})
    client.v1.invoices.finalize_invoice(invoice.id)
    mirroring.run()
    assert (mirroring.one("invoices").status, mirroring.rows("payments")) == ("open", [])
    client.v1.invoices.pay(invoice.id)
    result = mirroring.run()
    assert not result.is_full
    assert result.events_count > 0
    assert result.failed_count == 0
    paid = mirroring.one("invoices")
    assert (paid.status, paid.amount_paid_minor, paid.amount_remaining_minor) == ("paid", 50000, 0)
    payment = mirroring.one("payments")
    charge = mirroring.one("charges")
    assert (payment.amount_minor, payment.charge_id, payment.is_outside_stripe) == (50000, charge.charge_id, False)
    assert (charge.invoice_id, charge.tenant_id) == (invoice.id, "t_1")
    movement = mirroring.one("balance_transactions", balance_transaction_id=charge.balance_transaction_id)
    assert movement.amount_minor == 50000
    assert mirroring.run().changed_count == 0


def test_incremental_and_full_agree_row_for_row(
    client: stripe.StripeClient, catalogue: Catalogue, tenant: Tenant, mirroring: Mirroring, advance: Advance
) -> None:
    """Two months of life mirrored by events only; then a full mirror finds nothing to change."""
    mirroring.run()
    customer, clock = tenant()
    v1 = client.v1
    subscription = v1.subscriptions.create(
        {
            "customer": customer,
            "items": [
                {"price": catalogue.flat},
                {"price": catalogue.unit, "quantity": 2},
                {"price": catalogue.metered},
            ],
            "default_tax_rates": [catalogue.tax_rate],
        }
    )
    mirroring.run()
    advance(clock, JULY + timedelta(days=10))
    item = next(i for i in subscription.items.data if i.price.id == catalogue.unit)
    v1.subscription_items.update(item.id, {"quantity": 6})
    mirroring.run()
    advance(clock, JULY + timedelta(days=32))
    mirroring.run()
    first = v1.invoices.list({"customer": customer}).data[-1]
    v1.credit_notes.create({"invoice": first.id, "amount": 1000, "credit_amount": 1000})
    mirroring.run()
    advance(clock, JULY + timedelta(days=64))
    mirroring.run()
    # Movements of the balance become available without an event; they are looked at once an hour.
    mirroring.run(at=mirroring.now + timedelta(hours=2))
    for table in ("invoices", "invoice_lines", "payments", "charges", "credit_notes", "customer_balance_transactions"):
        assert mirroring.rows(table), table
    before = mirroring.state()
    assert mirroring.run(full=True).changed_count == 0
    assert mirroring.difference(before) == []


def test_a_deleted_customer_is_kept_and_marked(
    client: stripe.StripeClient, tenant: Tenant, mirroring: Mirroring
) -> None:
    """Others refer to it: the row stays, with its tenant."""
    customer, _ = tenant("t_gone")
    mirroring.run()
    client.v1.customers.delete(customer)
    mirroring.run()
    row = mirroring.one("customers")
    assert (row.is_deleted, row.tenant_id) == (True, "t_gone")
    assert mirroring.run(full=True).changed_count == 0


def test_a_deleted_draft_is_gone_and_leaves_tombstones(
    client: stripe.StripeClient, tenant: Tenant, mirroring: Mirroring
) -> None:
    """The invoice and its line are deleted here as there."""
    customer, _ = tenant()
    draft = client.v1.invoices.create({"customer": customer, "auto_advance": False, "currency": "dkk"})
    client.v1.invoice_items.create({"customer": customer, "invoice": draft.id, "amount": 700, "currency": "dkk"})
    mirroring.run()
    assert len(mirroring.rows("invoice_lines")) == 1
    client.v1.invoices.delete(draft.id)
    mirroring.run()
    assert mirroring.rows("invoices") == mirroring.rows("invoice_lines") == []
    with mirroring.database.connect() as connection:
        dead = connection.execute(sa.select(tables.tombstones.c.table_name)).scalars().all()
    assert {"invoices", "invoice_lines"} <= set(dead)


def test_lines_that_a_draft_no_longer_has_are_removed(
    client: stripe.StripeClient, tenant: Tenant, mirroring: Mirroring
) -> None:
    """An item is deleted from a draft."""
    customer, _ = tenant()
    draft = client.v1.invoices.create({"customer": customer, "auto_advance": False, "currency": "dkk"})
    items = [
        client.v1.invoice_items.create({"customer": customer, "invoice": draft.id, "amount": n, "currency": "dkk"}).id
        for n in (100, 200)
    ]
    mirroring.run()
    client.v1.invoice_items.delete(items[0])
    mirroring.run()
    assert [line.amount_minor for line in mirroring.rows("invoice_lines")] == [200]
    assert mirroring.one("invoices").total_minor == 200


def test_a_removed_item_is_kept_and_marked_and_its_history_ends(
    client: stripe.StripeClient, catalogue: Catalogue, tenant: Tenant, mirroring: Mirroring, advance: Advance
) -> None:
    """The flat fee is removed on the fifth day."""
    customer, clock = tenant()
    subscription = client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": catalogue.flat}, {"price": catalogue.unit, "quantity": 2}]}
    )
    mirroring.run()
    advance(clock, JULY + timedelta(days=5))
    flat = next(i for i in subscription.items.data if i.price.id == catalogue.flat)
    client.v1.subscription_items.delete(flat.id)
    mirroring.run()
    assert mirroring.one("subscription_items", subscription_item_id=flat.id).is_deleted
    assert [i.subscription_item_id for i in mirroring.rows("subscription_items", is_deleted=False)] != [flat.id]
    ended = mirroring.one("subscription_item_versions", subscription_item_id=flat.id)
    assert (ended.valid_from, ended.valid_to) == (JULY, JULY + timedelta(days=5))
    assert str(ended.valid_to_on) == "2026-07-06"


@pytest.mark.parametrize("is_watched", [True, False], ids=["as it happens", "afterwards"])
def test_the_history_of_a_subscription_is_the_same_watched_or_read_afterwards(
    client: stripe.StripeClient,
    catalogue: Catalogue,
    tenant: Tenant,
    mirroring: Mirroring,
    advance: Advance,
    is_watched: bool,
) -> None:
    """2 units, 5 from day 3, 4 a second after 9, paused from day 10 to 12, cancelled on day 20."""

    def look() -> None:
        if is_watched:
            mirroring.run()

    customer, clock = tenant()
    v1 = client.v1
    subscription = v1.subscriptions.create({"customer": customer, "items": [{"price": catalogue.unit, "quantity": 2}]})
    item = subscription.items.data[0].id
    look()
    day = lambda n: JULY + timedelta(days=n)  # noqa: E731
    advance(clock, day(3))
    v1.subscription_items.update(item, {"quantity": 5})
    look()
    advance(clock, day(6))
    # Two changes within one second of the clock: the second one counts.
    v1.subscription_items.update(item, {"quantity": 9})
    v1.subscription_items.update(item, {"quantity": 4})
    look()
    advance(clock, day(10))
    v1.subscriptions.update(subscription.id, {"pause_collection": {"behavior": "void"}})
    look()
    advance(clock, day(12))
    v1.subscriptions.update(subscription.id, {"pause_collection": ""})
    look()
    advance(clock, day(20))
    v1.subscriptions.cancel(subscription.id)
    mirroring.run(at=mirroring.now + timedelta(hours=2))
    assert _history(mirroring, subscription.id) == [
        (JULY, day(3), "active", 2, 9800, False),
        (day(3), day(6), "active", 5, 24500, False),
        (day(6), day(10), "active", 4, 19600, False),
        (day(10), day(12), "active", 4, 19600, True),
        (day(12), day(20), "active", 4, 19600, False),
    ]
    assert mirroring.one("subscriptions").status == "canceled"
    before = mirroring.state()
    mirroring.run(full=True)
    assert mirroring.difference(before) == []


def test_a_trial_is_a_version_of_its_own_and_discounts_are_told_apart(
    client: stripe.StripeClient, catalogue: Catalogue, tenant: Tenant, mirroring: Mirroring, advance: Advance
) -> None:
    """14 days of trial, then active; 10 % for ever and 50 % once: of 14,700 that is 1,470 and 6,615."""
    v1 = client.v1
    customer, clock = tenant()
    forever = v1.coupons.create({"percent_off": 10, "duration": "forever"}).id
    once = v1.coupons.create({"percent_off": 50, "duration": "once"}).id
    subscription = v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": catalogue.unit, "quantity": 3}],
            "trial_period_days": 14,
            "discounts": [{"coupon": forever}, {"coupon": once}],
        }
    )
    mirroring.run()
    trial = mirroring.one("subscription_item_versions")
    assert (trial.is_trial, trial.status, trial.valid_to) == (True, "trialing", None)
    assert (trial.period_amount_minor, trial.forever_discount_minor) == (14700, 1470)
    assert trial.other_discount_minor == 6615
    advance(clock, JULY + timedelta(days=16))
    mirroring.run()
    first, *later = sorted(mirroring.rows("subscription_item_versions"), key=lambda r: r.valid_from)
    assert (first.is_trial, first.valid_to) == (True, JULY + timedelta(days=14))
    assert [(r.is_trial, r.status) for r in later] == [(False, "active")] * len(later)
    assert all(r.forever_discount_minor == 1470 for r in later)
    assert {r.subscription_id for r in later} == {subscription.id}


def test_a_failed_payment_leaves_its_reason(
    client: stripe.StripeClient, catalogue: Catalogue, tenant: Tenant, mirroring: Mirroring
) -> None:
    """A card that is declined: a charge with failure and decline code, no payment, the invoice open."""
    mirroring.run()
    customer, _ = tenant(payment_method="pm_card_chargeCustomerFail")
    client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": catalogue.flat}], "payment_behavior": "allow_incomplete"}
    )
    mirroring.run()
    charge = mirroring.one("charges")
    assert (charge.status, charge.failure_code) == ("failed", "card_declined")
    assert charge.decline_code
    assert charge.invoice_id == mirroring.one("invoices").invoice_id
    assert (mirroring.one("invoices").status, mirroring.rows("payments")) == ("open", [])


def test_more_events_than_a_page_are_all_read_in_order(client: stripe.StripeClient, mirroring: Mirroring) -> None:
    """130 customers and one renamed 20 times: 150 events in two pages, every one kept, none again."""
    mirroring.run()
    made = [client.v1.customers.create({"name": f"C{i}"}).id for i in range(130)]
    for n in range(20):
        client.v1.customers.update(made[0], {"name": f"N{n}"})
    result = mirroring.run()
    assert result.events_count == 150
    assert mirroring.one("customers", customer_id=made[0]).name == "N19"
    assert len(mirroring.rows("customers")) == 130
    assert {e.state for e in mirroring.rows("stripe_events")} == {"processed"}
    assert mirroring.run().events_count == 0
    assert mirroring.run(at=mirroring.now + timedelta(hours=1)).events_count == 0
    client.v1.customers.update(made[1], {"name": "Late"})
    assert mirroring.run(at=mirroring.now + timedelta(hours=1)).events_count == 1


def test_a_new_price_and_its_tiers_arrive_and_a_product_is_renamed(
    client: stripe.StripeClient, catalogue: Catalogue, mirroring: Mirroring
) -> None:
    """Catalogue changes come by events too."""
    mirroring.run()
    price = client.v1.prices.create(
        {
            "product": catalogue.product,
            "currency": "dkk",
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "recurring": {"interval": "month"},
            "tiers": [{"up_to": 10, "unit_amount": 1000}, {"up_to": "inf", "unit_amount": 800, "flat_amount": 500}],
        }
    ).id
    client.v1.products.update(catalogue.product, {"name": "Renamed"})
    mirroring.run()
    assert mirroring.one("products").name == "Renamed"
    assert mirroring.one("prices", price_id=price).role == "unit"
    tiers = [(t.up_to, t.unit_amount_decimal, t.flat_amount_decimal) for t in mirroring.rows("price_tiers")]
    assert [(up_to, unit) for up_to, unit, _ in tiers] == [(10, Decimal(1000)), (None, Decimal(800))]
    assert tiers[1][2] == Decimal(500)


def test_events_of_no_interest_are_kept_and_ignored(
    client: stripe.StripeClient, mirroring: Mirroring, sandbox: Server
) -> None:
    """A coupon is not mirrored; its event is in the inbox all the same."""
    mirroring.run()
    client.v1.coupons.create({"percent_off": 5, "duration": "once"})
    mirroring.run()
    event = mirroring.one("stripe_events")
    assert (event.type, event.state) == ("coupon.created", "ignored")
    assert event.raw["data"]["object"]["percent_off"] == 5
