"""Subscriptions: how they begin, renew and end."""

from __future__ import annotations

from typing import Any

import pytest
import stripe


def test_a_first_invoice_is_finalized_and_paid_with_the_request(shop: Any, gaps: Any) -> None:
    """3 × 19.00 is charged at once, in advance; subscription and invoice are as the SDK's classes say."""
    customer, _ = shop.make_customer(shop.at(2026, 1, 31, 12))
    made = shop.subscribe(customer, {"price": shop.price(1900), "quantity": 3})
    invoice = shop.client.v1.invoices.retrieve(made.latest_invoice)
    assert (made.status, invoice.status, invoice.billing_reason, invoice.total) == (
        "active",
        "paid",
        "subscription_create",
        5700,
    )
    assert shop.lines(invoice) == [("3 × Gold (at DKK 19.00 / month)", 5700)]
    assert invoice.parent.subscription_details.subscription == made.id
    assert gaps(made) == []
    assert gaps(invoice) == []


def test_month_ends_follow_the_anchor_and_do_not_drift(shop: Any) -> None:
    """31 January → 28 February → 31 March → 30 April."""
    customer, clock = shop.make_customer(shop.at(2026, 1, 31, 12))
    made = shop.subscribe(customer, {"price": shop.price(1900)})
    ends = []
    for month, day in ((2, 28), (3, 31), (4, 30)):
        ends.append(shop.get(made.id)["items"].data[0].current_period_end)
        assert ends[-1] == shop.at(2026, month, day, 12)
        shop.move(clock, ends[-1])
    periods = [i.lines.data[0].period for i in shop.invoices(subscription=made.id)]
    assert [p.start for p in periods][1:] == ends


def test_a_renewal_is_a_draft_for_an_hour_and_then_paid(shop: Any) -> None:
    """The draft says when it finalizes; nothing is due to be collected before."""
    customer, clock = shop.make_customer(shop.at(2026, 3, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 4, 1))
    draft = shop.invoices(subscription=made.id)[-1]
    assert (draft.status, draft.billing_reason, draft.auto_advance) == ("draft", "subscription_cycle", True)
    assert draft.automatically_finalizes_at == draft.next_payment_attempt == shop.at(2026, 4, 1, 1)
    assert draft.period_start == shop.at(2026, 3, 1)
    assert draft.period_end == shop.at(2026, 4, 1)
    assert draft.number is None
    shop.move(clock, shop.at(2026, 4, 1, 1))
    paid = shop.client.v1.invoices.retrieve(draft.id)
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 1000, 0)
    assert paid.number.endswith("-0002")
    assert paid.status_transitions.finalized_at == shop.at(2026, 4, 1, 1)


def test_events_of_a_renewal_come_in_stripes_order(shop: Any) -> None:
    """upcoming a week before, then created, updated, finalized, paid, payment_succeeded."""
    customer, clock = shop.make_customer(shop.at(2026, 3, 1))
    shop.subscribe(customer, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 4, 1, 2))
    names = [
        "invoice.upcoming",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
    ]
    seen = [e for e in shop.events(*names) if e.created > shop.at(2026, 3, 2)]
    assert [e.type for e in seen] == [
        "invoice.upcoming",
        "invoice.created",
        "customer.subscription.updated",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]
    upcoming = seen[0].data.object
    assert "id" not in upcoming
    assert upcoming.total == 1000
    assert seen[0].created == shop.at(2026, 3, 25)
    assert "latest_invoice" in seen[2].data.previous_attributes


def test_default_incomplete_waits_for_a_payment_and_becomes_active_with_it(shop: Any) -> None:
    """The invoice is open with a secret to confirm; paying it activates the subscription."""
    customer, _ = shop.make_customer(shop.at(2026, 3, 1), None)
    made = shop.subscribe(customer, {"price": shop.price(1000)}, payment_behavior="default_incomplete")
    assert made.status == "incomplete"
    invoice = shop.client.v1.invoices.retrieve(made.latest_invoice, {"expand": ["confirmation_secret"]})
    assert invoice.status == "open"
    assert invoice.confirmation_secret.client_secret
    shop.client.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_visa"})
    assert shop.get(made.id).status == "active"


def test_error_if_incomplete_makes_nothing_when_the_card_is_refused(shop: Any) -> None:
    """402, and neither subscription nor invoice is there afterwards."""
    customer, _ = shop.make_customer(shop.at(2026, 3, 1), "pm_card_chargeCustomerFail")
    price = shop.price(1000)
    with pytest.raises(stripe.CardError):
        shop.subscribe(customer, {"price": price}, payment_behavior="error_if_incomplete")
    assert shop.client.v1.subscriptions.list({"customer": customer, "status": "all"}).data == []
    assert shop.invoices(customer=customer) == []


def test_without_a_payment_method_a_charged_subscription_is_refused(shop: Any) -> None:
    """Stripe asks for a default payment method first."""
    customer, _ = shop.make_customer(shop.at(2026, 3, 1), None)
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        shop.subscribe(customer, {"price": shop.price(1000)})


def test_sent_invoices_start_as_a_draft_and_are_due_on_their_terms(shop: Any) -> None:
    """Net 14: open after an hour, due 14 days after that, overdue and past due then, active once paid."""
    customer, clock = shop.make_customer(shop.at(2026, 3, 1), None)
    made = shop.subscribe(customer, {"price": shop.price(1000)}, collection_method="send_invoice", days_until_due=14)
    assert made.status == "active"
    assert shop.client.v1.invoices.retrieve(made.latest_invoice).status == "draft"
    shop.move(clock, shop.at(2026, 3, 1, 1))
    invoice = shop.client.v1.invoices.retrieve(made.latest_invoice)
    assert (invoice.status, invoice.due_date) == ("open", shop.at(2026, 3, 15, 1))
    shop.move(clock, shop.at(2026, 3, 16))
    assert shop.get(made.id).status == "past_due"
    assert [e.type for e in shop.events("invoice.sent", "invoice.will_be_due", "invoice.overdue")] == [
        "invoice.sent",
        "invoice.will_be_due",
        "invoice.overdue",
    ]
    shop.client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert shop.get(made.id).status == "active"


def test_a_trial_costs_nothing_and_then_begins_to(shop: Any) -> None:
    """14 days: an invoice of 0 at once, a warning three days before the end, the first charge at the end."""
    customer, clock = shop.make_customer(shop.at(2026, 3, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)}, trial_period_days=14)
    first = shop.client.v1.invoices.retrieve(made.latest_invoice)
    assert (made.status, first.total, first.status) == ("trialing", 0, "paid")
    assert made.trial_end == made.billing_cycle_anchor == shop.at(2026, 3, 15)
    assert shop.lines(first) == [("Trial period for Gold", 0)]
    shop.move(clock, shop.at(2026, 3, 12))
    assert len(shop.events("customer.subscription.trial_will_end")) == 1
    shop.move(clock, shop.at(2026, 3, 15, 1))
    assert shop.get(made.id).status == "active"
    assert [i.total for i in shop.invoices(subscription=made.id)] == [0, 1000]
    assert shop.get(made.id)["items"].data[0].current_period_end == shop.at(2026, 4, 15)


def test_a_list_without_a_status_leaves_ended_subscriptions_out(shop: Any) -> None:
    """`all` has them, `canceled` only them; the price narrows."""
    customer, _ = shop.make_customer(shop.at(2026, 3, 1))
    gold, silver = shop.price(1000), shop.price(500, name="Silver")
    one = shop.subscribe(customer, {"price": gold})
    two = shop.subscribe(customer, {"price": silver})
    shop.client.v1.subscriptions.cancel(one.id)
    listed = shop.client.v1.subscriptions.list
    assert [s.id for s in listed({"customer": customer}).data] == [two.id]
    assert [s.id for s in listed({"customer": customer, "status": "all"}).data] == [two.id, one.id]
    assert [s.id for s in listed({"customer": customer, "status": "canceled"}).data] == [one.id]
    assert [s.id for s in listed({"price": gold, "status": "all"}).data] == [one.id]


def test_a_future_anchor_makes_a_shorter_first_period(shop: Any) -> None:
    """From 16 April to 1 May is 15 of 30 days: 500, then whole months."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 16))
    made = shop.subscribe(customer, {"price": shop.price(1000)}, billing_cycle_anchor=shop.at(2026, 5, 1))
    shop.move(clock, shop.at(2026, 5, 1, 1))
    assert [i.total for i in shop.invoices(subscription=made.id)] == [500, 1000]
    free = shop.subscribe(
        customer,
        {"price": shop.price(1000)},
        billing_cycle_anchor_config={"day_of_month": 1, "hour": 0, "minute": 0, "second": 0},
        proration_behavior="none",
    )
    assert shop.client.v1.invoices.retrieve(free.latest_invoice).total == 0
    assert free["items"].data[0].current_period_end == shop.at(2026, 6, 1)


def test_a_start_in_the_past_is_billed_from_then(shop: Any) -> None:
    """Backdated from 10 April to 1 February: February, March and the running period."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 10))
    made = shop.subscribe(customer, {"price": shop.price(1000)}, backdate_start_date=shop.at(2026, 2, 1))
    assert shop.client.v1.invoices.retrieve(made.latest_invoice).total == 3000
    assert made.start_date == shop.at(2026, 2, 1)
    assert made["items"].data[0].current_period_end == shop.at(2026, 5, 1)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"items": []}, "items"),
        ({"trial_period_days": 3, "trial_end": 4102444800}, "one of these"),
        ({"collection_method": "send_invoice"}, "days_until_due"),
        ({"billing_cycle_anchor": 946684800}, "future"),
        ({"days_until_due": 3}, "send_invoice"),
    ],
)
def test_what_makes_no_sense_is_refused(shop: Any, params: dict[str, Any], message: str) -> None:
    """With Stripe's exception type, and nothing is made."""
    customer, _ = shop.make_customer(shop.at(2026, 3, 1))
    given = {"customer": customer, "items": [{"price": shop.price(1000)}], **params}
    with pytest.raises(stripe.InvalidRequestError, match=message):
        shop.client.v1.subscriptions.create(given)
    assert shop.invoices(customer=customer) == []


def test_currencies_do_not_mix(shop: Any) -> None:
    """Neither on one subscription nor by a change of price."""
    customer, _ = shop.make_customer(shop.at(2026, 3, 1))
    dkk = shop.price(1000)
    eur = shop.price(100, currency="eur")
    with pytest.raises(stripe.InvalidRequestError, match="same currency"):
        shop.subscribe(customer, {"price": dkk}, {"price": eur})
    made = shop.subscribe(customer, {"price": dkk})
    with pytest.raises(stripe.InvalidRequestError, match="eur"):
        shop.change(made.id, items=[{"id": made["items"].data[0].id, "price": eur}])


def test_prices_of_several_intervals_renew_each_in_their_time(shop: Any) -> None:
    """Monthly 10.00, quarterly 30.00 and yearly 100.00 on one flexible subscription; classic refuses the mix."""
    prices = [
        shop.price(1000),
        shop.price(3000, name="Quarter", recurring={"interval_count": 3}),
        shop.price(10000, name="Year", interval="year"),
    ]
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, *({"price": p} for p in prices))
    for month in (5, 6, 7):
        shop.move(clock, shop.at(2026, month, 1, 1))
    assert [i.total for i in shop.invoices(subscription=made.id)] == [14000, 1000, 1000, 4000]
    with pytest.raises(stripe.InvalidRequestError, match="must have the same"):
        shop.subscribe(customer, *({"price": p} for p in prices), billing_mode={"type": "classic"})


def test_an_inline_price_is_made_for_the_item(shop: Any) -> None:
    """price_data makes an inactive price of the product."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    inline = {
        "currency": "dkk",
        "product": shop.product("Gold"),
        "unit_amount": 700,
        "recurring": {"interval": "month"},
    }
    made = shop.subscribe(customer, {"price_data": inline, "quantity": 2})
    assert shop.client.v1.invoices.retrieve(made.latest_invoice).total == 1400
    assert made["items"].data[0].price.active is False


def test_one_time_extras_come_with_the_first_or_the_next_invoice(shop: Any) -> None:
    """A setup fee at the start; a later one with the renewal."""
    fee = shop.client.v1.prices.create({"product": shop.product("Setup"), "currency": "dkk", "unit_amount": 500}).id
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)}, add_invoice_items=[{"price": fee}])
    shop.change(made.id, add_invoice_items=[{"price": fee, "quantity": 2}])
    shop.move(clock, shop.at(2026, 5, 1, 1))
    assert [i.total for i in shop.invoices(subscription=made.id)] == [1500, 2000]


def test_two_items_cannot_have_the_same_price(shop: Any) -> None:
    """In one request, beside an item that has it, and by a change to it; a swap of two prices is none of these."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    gold, silver = shop.price(1900), shop.price(900, name="Silver")
    with pytest.raises(stripe.InvalidRequestError, match="multiple subscription items with the same plan") as twice:
        shop.subscribe(customer, {"price": gold}, {"price": gold, "quantity": 2})
    assert (twice.value.http_status, twice.value.param) == (400, "plan")
    made = shop.subscribe(customer, {"price": gold}, {"price": silver})
    first, second = (i.id for i in made["items"].data)
    for items in ([{"price": gold}], [{"id": second, "price": gold}]):
        with pytest.raises(stripe.InvalidRequestError, match=f"Subscription Item {first} is already using that Price"):
            shop.change(made.id, items=items)
    swapped = shop.change(made.id, items=[{"id": first, "price": silver}, {"id": second, "price": gold}])
    assert [i.price.id for i in swapped["items"].data] == [silver, gold]
    again = shop.change(made.id, items=[{"id": first, "deleted": True}, {"price": silver, "quantity": 2}])
    assert [(i.price.id, i.quantity) for i in again["items"].data] == [(gold, 1), (silver, 2)]


def test_a_subscription_has_twenty_items_at_most(shop: Any) -> None:
    """The twenty-first is refused."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    items = [{"price": shop.price(100 + n)} for n in range(21)]
    with pytest.raises(stripe.InvalidRequestError, match="at most 20 items"):
        shop.subscribe(customer, *items)
    assert len(shop.subscribe(customer, *items[:20])["items"].data) == 10
