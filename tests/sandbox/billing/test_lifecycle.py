"""What becomes of subscriptions: unpaid, paused, cancelled, expired."""

from __future__ import annotations

from typing import Any

import pytest
import stripe


def test_a_card_that_is_refused_leaves_the_subscription_incomplete_for_23_hours(shop: Any) -> None:
    """Then it has expired and its invoice is void."""
    customer, clock = shop.make_customer(shop.at(2026, 3, 1), "pm_card_chargeCustomerFail")
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    assert made.status == "incomplete"
    shop.move(clock, shop.at(2026, 3, 1, 22))
    assert shop.get(made.id).status == "incomplete"
    shop.move(clock, shop.at(2026, 3, 1, 23))
    assert shop.get(made.id).status == "incomplete_expired"
    assert shop.client.v1.invoices.retrieve(made.latest_invoice).status == "void"


@pytest.mark.parametrize(
    ("behavior", "status"), [("cancel", "canceled"), ("pause", "paused"), ("create_invoice", "active")]
)
def test_a_trial_that_ends_without_a_card_does_what_its_settings_say(shop: Any, behavior: str, status: str) -> None:
    """cancel, pause, or an invoice that nobody can pay."""
    customer, clock = shop.make_customer(shop.at(2026, 3, 1), None)
    made = shop.subscribe(
        customer,
        {"price": shop.price(1000)},
        trial_period_days=7,
        trial_settings={"end_behavior": {"missing_payment_method": behavior}},
    )
    assert made.pending_setup_intent
    shop.move(clock, shop.at(2026, 3, 8))
    assert shop.get(made.id).status == status
    if behavior == "create_invoice":
        shop.move(clock, shop.at(2026, 3, 8, 2))
        assert shop.get(made.id).status == "past_due"
    if behavior == "pause":
        shop.client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
        method = shop.client.v1.payment_methods.list({"customer": customer}).data[0].id
        shop.change(made.id, default_payment_method=method)
        assert shop.client.v1.subscriptions.resume(made.id).status == "active"
        assert shop.invoices(subscription=made.id)[-1].amount_paid == 1000


def test_cancelling_at_the_period_end_bills_what_was_used_and_then_stops(shop: Any) -> None:
    """The last invoice holds the metered usage, not another period."""
    customer, clock = shop.make_customer(shop.at(2026, 3, 1))
    meter = shop.meter("calls")
    made = shop.subscribe(customer, {"price": shop.price(1000)}, {"price": shop.metered(meter, 10)})
    shop.use(customer, "calls", 7)
    changed = shop.change(made.id, cancel_at_period_end=True)
    assert changed.cancel_at == shop.at(2026, 4, 1)
    assert changed.status == "active"
    shop.move(clock, shop.at(2026, 4, 1, 1))
    ended = shop.get(made.id)
    assert (ended.status, ended.ended_at) == ("canceled", shop.at(2026, 4, 1))
    assert ended.cancellation_details.reason == "cancellation_requested"
    last = shop.invoices(subscription=made.id)[-1]
    assert shop.lines(last) == [("7 × Gold (at DKK 0.10 / month)", 70)]
    shop.move(clock, shop.at(2026, 6, 1))
    assert len(shop.invoices(subscription=made.id)) == 2


def test_cancelling_at_once_can_credit_the_rest_on_a_last_invoice(shop: Any) -> None:
    """Half of a 30 day month is credited: −500 becomes the customer's balance."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 4, 16))
    ended = shop.client.v1.subscriptions.cancel(made.id, {"invoice_now": True, "prorate": True})
    assert ended.status == "canceled"
    last = shop.invoices(subscription=made.id)[-1]
    assert (last.total, last.amount_due, last.status) == (-500, 0, "paid")
    assert shop.client.v1.customers.retrieve(customer).balance == -500
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.subscriptions.cancel(made.id)


def test_cancelling_without_prorate_or_invoice_drops_pending_prorations(shop: Any) -> None:
    """What an upgrade left pending is gone."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 4, 16))
    shop.change(made.id, items=[{"id": made["items"].data[0].id, "quantity": 3}])
    assert len(shop.client.v1.invoice_items.list({"customer": customer, "pending": True}).data) == 2
    shop.client.v1.subscriptions.cancel(made.id)
    assert shop.client.v1.invoice_items.list({"customer": customer, "pending": True}).data == []


def test_a_date_of_cancellation_inside_the_period_credits_the_rest(shop: Any) -> None:
    """cancel_at on the 16th of April: −500 on the last invoice."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.change(made.id, cancel_at=shop.at(2026, 4, 16))
    shop.move(clock, shop.at(2026, 4, 16, 1))
    assert shop.get(made.id).status == "canceled"
    assert shop.invoices(subscription=made.id)[-1].total == -500


def test_failed_renewals_are_retried_and_then_cancel_the_subscription(shop: Any) -> None:
    """Past due with the first failure; canceled for payment_failed after the retries on days 3, 8 and 15."""
    customer, clock = shop.make_customer(shop.at(2026, 3, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    bad = shop.client.v1.payment_methods.list({"customer": customer}).data[0].id
    shop.change(made.id, default_payment_method=bad)
    shop.move(clock, shop.at(2026, 4, 1, 2))
    assert shop.get(made.id).status == "past_due"
    invoice = shop.invoices(subscription=made.id)[-1]
    assert (invoice.status, invoice.attempt_count) == ("open", 1)
    assert invoice.next_payment_attempt == shop.at(2026, 4, 4, 1)
    shop.move(clock, shop.at(2026, 4, 17))
    ended = shop.get(made.id)
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "payment_failed")


def test_the_account_may_keep_unpaid_subscriptions_whose_invoices_stay_drafts(shop: Any, sandbox: Any) -> None:
    """after_last_retry=unpaid; a payment of the open invoice makes it active again."""
    sandbox.admin("POST", "/settings", after_last_retry="unpaid")
    customer, clock = shop.make_customer(shop.at(2026, 3, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    bad = shop.client.v1.payment_methods.list({"customer": customer}).data[0].id
    shop.change(made.id, default_payment_method=bad)
    shop.move(clock, shop.at(2026, 4, 20))
    assert shop.get(made.id).status == "unpaid"
    shop.move(clock, shop.at(2026, 5, 2))
    first, failed, waiting = shop.invoices(subscription=made.id)
    assert (first.status, failed.status, waiting.status) == ("paid", "open", "draft")
    assert waiting.auto_advance is False
    shop.client.v1.invoices.pay(failed.id, {"payment_method": "pm_card_visa"})
    assert shop.get(made.id).status == "active"


@pytest.mark.parametrize(
    ("behavior", "status"), [("void", "void"), ("mark_uncollectible", "uncollectible"), ("keep_as_draft", "draft")]
)
def test_paused_collection_keeps_billing_but_collects_nothing(shop: Any, behavior: str, status: str) -> None:
    """The status stays active; invoices end as the pause says, and collection resumes on its date."""
    customer, clock = shop.make_customer(shop.at(2026, 3, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.change(made.id, pause_collection={"behavior": behavior, "resumes_at": shop.at(2026, 4, 20)})
    shop.move(clock, shop.at(2026, 4, 1, 2))
    assert shop.get(made.id).status == "active"
    assert shop.invoices(subscription=made.id)[-1].status == status
    shop.move(clock, shop.at(2026, 5, 1, 2))
    assert shop.get(made.id).pause_collection is None
    assert shop.invoices(subscription=made.id)[-1].status == "paid"


def test_a_paused_subscription_bills_nothing_until_it_is_resumed(shop: Any) -> None:
    """Pausing credits the rest of the month; resuming starts a new period with its own invoice."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 4, 16))
    assert shop.client.v1.subscriptions.pause(made.id).status == "paused"
    shop.move(clock, shop.at(2026, 6, 10))
    assert len(shop.invoices(subscription=made.id)) == 1
    resumed = shop.client.v1.subscriptions.resume(made.id)
    assert (resumed.status, resumed.billing_cycle_anchor) == ("active", shop.at(2026, 6, 10))
    last = shop.invoices(subscription=made.id)[-1]
    assert (last.total, last.status) == (500, "paid")


def test_a_cancellation_can_be_taken_back(shop: Any) -> None:
    """cancel_at_period_end off again: the subscription renews."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.change(made.id, cancel_at_period_end=True, cancellation_details={"comment": "moving"})
    back = shop.change(made.id, cancel_at_period_end=False)
    assert (back.cancel_at, back.canceled_at) == (None, None)
    shop.move(clock, shop.at(2026, 5, 1, 1))
    assert len(shop.invoices(subscription=made.id)) == 2
    shop.client.v1.subscriptions.cancel(made.id)
    with pytest.raises(stripe.InvalidRequestError, match="canceled subscription"):
        shop.change(made.id, cancel_at_period_end=True)
    assert shop.change(made.id, metadata={"why": "moved"}).metadata["why"] == "moved"


def test_a_trial_may_leave_the_billing_date_where_it_is(shop: Any) -> None:
    """Ten days of trial from 1 April, then 20 of 30 days until 1 May: 6.67, then whole months."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(
        customer,
        {"price": shop.price(1000)},
        trial_period_days=10,
        trial_settings={
            "end_behavior": {"missing_payment_method": "create_invoice", "billing_cycle_anchor": "unchanged"}
        },
    )
    shop.move(clock, shop.at(2026, 5, 1, 1))
    assert [i.total for i in shop.invoices(subscription=made.id)] == [0, 667, 1000]


def test_cancelling_at_once_stops_the_collection_of_what_is_open(shop: Any) -> None:
    """The failed invoice stays open and is not tried again by itself."""
    customer, clock = shop.make_customer(shop.at(2026, 3, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    bad = shop.client.v1.payment_methods.list({"customer": customer}).data[0].id
    shop.change(made.id, default_payment_method=bad)
    shop.move(clock, shop.at(2026, 4, 1, 2))
    shop.client.v1.subscriptions.cancel(made.id)
    shop.move(clock, shop.at(2026, 4, 20))
    invoice = shop.invoices(subscription=made.id)[-1]
    assert (invoice.status, invoice.auto_advance, invoice.attempt_count) == ("open", False, 1)
    assert invoice.next_payment_attempt is None
