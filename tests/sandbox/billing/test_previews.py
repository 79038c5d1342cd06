"""Previews: what is shown is what is then charged, and nothing is left behind."""

from __future__ import annotations

from typing import Any

import pytest
import stripe


def item(subscription: Any, index: int = 0) -> str:
    """Return the id of an item."""
    return str(subscription["items"].data[index].id)


def preview(shop: Any, **params: Any) -> Any:
    """Make a preview."""
    return shop.client.v1.invoices.create_preview(params)


def comparable(shop: Any, invoice: Any) -> Any:
    """Return what must be the same of a preview and of the invoice that comes of it."""
    lines = [
        (x.description, x.amount, x.period.start, x.period.end, [t.amount for t in x.taxes])
        for x in invoice.lines.auto_paging_iter()
    ]
    return invoice.subtotal, invoice.total, invoice.amount_due, lines


def test_a_preview_of_the_renewal_equals_the_renewal(shop: Any, gaps: Any) -> None:
    """With tax, a discount, usage and a pending item."""
    tax = shop.client.v1.tax_rates.create({"display_name": "moms", "percentage": 25, "inclusive": False}).id
    coupon = shop.client.v1.coupons.create({"amount_off": 333, "currency": "dkk", "duration": "forever"}).id
    meter = shop.meter("calls")
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(
        customer,
        {"price": shop.price(1999), "quantity": 3},
        {"price": shop.metered(meter, 7)},
        default_tax_rates=[tax],
        discounts=[{"coupon": coupon}],
    )
    shop.use(customer, "calls", 13)
    shop.client.v1.invoice_items.create({"customer": customer, "amount": 451, "currency": "dkk"})
    shown = preview(shop, subscription=made.id)
    assert gaps(shown) == []
    assert shown.id.startswith("upcoming_in")
    assert shown.billing_reason == "upcoming"
    assert shown.status == "draft"
    assert shown.created == shop.at(2026, 5, 1)
    shop.move(clock, shop.at(2026, 5, 1, 1))
    assert comparable(shop, shop.invoices(subscription=made.id)[-1]) == comparable(shop, shown)


@pytest.mark.parametrize("behavior", ["create_prorations", "always_invoice", "none"])
def test_a_previewed_change_is_charged_as_shown(shop: Any, behavior: str) -> None:
    """With the frozen proration_date, although the change comes later."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1, 3, 4, 5))
    made = shop.subscribe(customer, {"price": shop.price(1999), "quantity": 3})
    shop.move(clock, shop.at(2026, 4, 12, 7, 8, 9))
    frozen = {} if behavior == "none" else {"proration_date": shop.at(2026, 4, 12, 7, 8, 9)}
    change: dict[str, Any] = {"items": [{"id": item(made), "quantity": 8}], "proration_behavior": behavior, **frozen}
    before = shop.get(made.id)
    shown = preview(shop, subscription=made.id, subscription_details=change)
    if frozen:
        assert shown.parent.subscription_details.subscription_proration_date == frozen["proration_date"]
    assert shop.get(made.id) == before
    assert len(shop.invoices(subscription=made.id)) == 1
    shop.move(clock, shop.at(2026, 4, 12, 7, 20))
    shop.change(made.id, **change)
    if behavior != "always_invoice":
        shop.move(clock, shop.at(2026, 5, 1, 5))
    assert comparable(shop, shop.invoices(subscription=made.id)[-1]) == comparable(shop, shown)


def test_more_than_ten_lines_of_a_preview_are_paged(shop: Any) -> None:
    """The SDK fetches the rest from the preview's own address."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, *({"price": shop.price(100 + n, name=f"P{n}")} for n in range(14)))
    shown = preview(shop, subscription=made.id)
    assert len(shown.lines.data) == 10
    assert shown.lines.has_more
    assert [line.amount for line in shown.lines.auto_paging_iter()] == [100 + n for n in range(14)]


def test_a_new_subscription_can_be_previewed(shop: Any) -> None:
    """For a customer, with a coupon and a trial; nothing is created."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1), None)
    price = shop.price(1000)
    coupon = shop.client.v1.coupons.create({"percent_off": 10, "duration": "once"}).id
    details = {"items": [{"price": price, "quantity": 2}]}
    shown = preview(shop, customer=customer, subscription_details=details, discounts=[{"coupon": coupon}])
    assert (shown.total, [d.amount for d in shown.total_discount_amounts]) == (1800, [200])
    assert shop.client.v1.subscriptions.list({"customer": customer, "status": "all"}).data == []
    assert shop.client.v1.coupons.retrieve(coupon).times_redeemed == 0


def test_a_preview_of_a_cancellation_shows_the_credit(shop: Any) -> None:
    """cancel_now in the middle of the month: −500."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 4, 16))
    assert preview(shop, subscription=made.id, subscription_details={"cancel_now": True}).total == -500
    assert shop.get(made.id).status == "active"


def test_recurring_mode_shows_the_plain_renewal(shop: Any) -> None:
    """Without the prorations that wait."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 4, 16))
    shop.change(made.id, items=[{"id": item(made), "quantity": 3}])
    assert preview(shop, subscription=made.id).total == -500 + 1500 + 3000
    assert preview(shop, subscription=made.id, preview_mode="recurring").total == 3000


def test_extra_items_of_a_preview_are_only_shown(shop: Any) -> None:
    """invoice_items adds a line; no item waits afterwards."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shown = preview(shop, subscription=made.id, invoice_items=[{"amount": 55, "currency": "dkk", "description": "Fee"}])
    assert shown.total == 1055
    assert shop.client.v1.invoice_items.list({"customer": customer}).data == []


def test_nothing_upcoming_is_said_with_stripes_code(shop: Any) -> None:
    """404 invoice_upcoming_none."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.client.v1.subscriptions.cancel(made.id)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        preview(shop, subscription=made.id)
    assert refused.value.code == "invoice_upcoming_none"
    with pytest.raises(stripe.InvalidRequestError) as also:
        preview(shop, customer=customer)
    assert also.value.code == "invoice_upcoming_none"


def test_a_preview_leaves_the_order_of_items_and_lines_as_it_was(shop: Any) -> None:
    """Also when it takes the first of three items away."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, *({"price": shop.price(100 + n, name=f"P{n}")} for n in range(3)))
    preview(shop, subscription=made.id, subscription_details={"items": [{"id": item(made), "deleted": True}]})
    assert [i.id for i in shop.get(made.id)["items"].data] == [i.id for i in made["items"].data]
    assert [x.amount for x in preview(shop, subscription=made.id).lines.data] == [100, 101, 102]


def test_a_preview_may_ask_as_if_the_customer_were_exempt(shop: Any) -> None:
    """customer_details change nothing but the preview."""
    tax = shop.client.v1.tax_rates.create({"display_name": "moms", "percentage": 25, "inclusive": False}).id
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)}, default_tax_rates=[tax])
    shown = preview(shop, subscription=made.id, customer_details={"tax_exempt": "reverse"})
    assert (shown.total, preview(shop, subscription=made.id).total) == (1000, 1250)
