"""Collecting invoices: at finalization, on request, outside Stripe, in parts, and again after a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

MONDAY = 1767603600  # 2026-01-05 09:00 UTC
DAY = 86400


def draft_of(client: stripe.StripeClient, customer: str, amount: int = 10000, **params: Any) -> str:
    """Make a draft with one line."""
    draft = client.v1.invoices.create({"customer": customer, "currency": "dkk", **params})
    client.v1.invoice_items.create(
        {"customer": customer, "invoice": draft.id, "amount": amount, "currency": "dkk", "description": "Leje"}
    )
    return draft.id


def open_invoice(client: stripe.StripeClient, customer: str, amount: int = 10000, **params: Any) -> stripe.Invoice:
    """Finalize an invoice without collecting it."""
    return client.v1.invoices.finalize_invoice(draft_of(client, customer, amount, **params), {"auto_advance": False})


def subscribed(client: stripe.StripeClient, customer: str, **params: Any) -> stripe.Subscription:
    """Subscribe to 100.00 DKK a month."""
    product = client.v1.products.create({"name": "Flat"}).id
    price = client.v1.prices.create(
        {"product": product, "unit_amount": 10000, "currency": "dkk", "recurring": {"interval": "month"}}
    ).id
    return client.v1.subscriptions.create({"customer": customer, "items": [{"price": price}], **params})


def swap_card(client: stripe.StripeClient, customer: str, name: str) -> str:
    """Make a test card the customer's default."""
    method = client.v1.payment_methods.attach(name, {"customer": customer}).id
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": method}})
    return method


def story(client: stripe.StripeClient, *prefixes: str) -> list[str]:
    """Return event types in order."""

    def all_types() -> Iterator[str]:
        for event in client.v1.events.list({"limit": 100}).auto_paging_iter():
            if event.type.startswith(prefixes):
                yield event.type

    return list(all_types())[::-1]


def test_an_invoice_is_paid_by_the_customers_card(client: stripe.StripeClient, clock_customer, gaps) -> None:
    """On request: the default payment is paid by an intent, and the events come in Stripe's order."""
    customer, _ = clock_customer(MONDAY, payment_method="pm_card_dk")
    invoice = open_invoice(client, customer)
    waiting = client.v1.invoice_payments.list({"invoice": invoice.id}).data[0]
    assert gaps(waiting) == []
    assert (waiting.status, waiting.is_default, waiting.amount_requested, waiting.amount_paid) == (
        "open",
        True,
        10000,
        None,
    )
    paid = client.v1.invoices.pay(invoice.id, {"expand": ["payments", "amount_paid_off_stripe"]})
    assert (paid.status, paid.amount_paid, paid.amount_remaining, paid.attempt_count) == ("paid", 10000, 0, 1)
    assert (paid.attempted, paid.next_payment_attempt, paid.amount_paid_off_stripe) == (True, None, 0)
    payment = paid.payments.data[0]
    assert (payment.id, payment.status, payment.amount_paid) == (waiting.id, "paid", 10000)
    intent = client.v1.payment_intents.retrieve(
        payment.payment.payment_intent, {"expand": ["latest_charge.balance_transaction"]}
    )
    assert (intent.status, intent.amount_received, intent.created) == ("succeeded", 10000, MONDAY)
    movement = intent.latest_charge.balance_transaction
    assert (movement.amount, movement.fee, movement.net, movement.created) == (10000, 330, 9670, MONDAY)
    assert story(client, "payment_intent", "charge", "invoice.", "invoice_payment")[-8:] == [
        "payment_intent.created",
        "invoice.finalized",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
    ]
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        client.v1.invoices.pay(invoice.id)


def test_a_refused_payment_is_a_card_error_with_its_intent(client: stripe.StripeClient, clock_customer) -> None:
    """402 with code, decline_code and the intent; the attempt is kept, and the invoice stays open."""
    customer, _ = clock_customer(MONDAY, payment_method="pm_card_chargeCustomerFail")
    invoice = open_invoice(client, customer)
    with pytest.raises(stripe.CardError) as refused:
        client.v1.invoices.pay(invoice.id)
    error = refused.value.error
    assert (refused.value.http_status, error.code, error.decline_code) == (402, "card_declined", "generic_decline")
    assert error.payment_intent.status == "requires_payment_method"
    after = client.v1.invoices.retrieve(invoice.id)
    assert (after.status, after.attempted, after.attempt_count, after.amount_remaining) == ("open", True, 1, 10000)
    assert story(client, "payment_intent", "charge", "invoice.")[-4:] == [
        "charge.failed",
        "payment_intent.payment_failed",
        "invoice.updated",
        "invoice.payment_failed",
    ]
    other = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    paid = client.v1.invoices.pay(invoice.id, {"payment_method": other})
    assert (paid.status, paid.attempt_count) == ("paid", 1)
    assert client.v1.payment_intents.retrieve(error.payment_intent.id).status == "succeeded"


def test_a_customer_without_a_card_is_told_so(client: stripe.StripeClient) -> None:
    """Nothing is attempted when there is nothing to charge."""
    customer = client.v1.customers.create({}).id
    invoice = open_invoice(client, customer)
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        client.v1.invoices.pay(invoice.id)
    assert client.v1.invoices.retrieve(invoice.id).attempt_count == 0


def test_an_invoice_is_paid_outside_stripe(client: stripe.StripeClient) -> None:
    """A payment record takes the place of the intent, which is canceled; nothing reaches the Stripe balance."""
    customer = client.v1.customers.create({"name": "Boligselskabet"}).id
    invoice = open_invoice(client, customer, collection_method="send_invoice", days_until_due=14)
    paid = client.v1.invoices.pay(
        invoice.id, {"paid_out_of_band": True, "expand": ["payments", "amount_paid_off_stripe"]}
    )
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 10000, 0)
    assert paid.amount_paid_off_stripe == 10000
    by_status = {p.status: p for p in paid.payments.data}
    assert set(by_status) == {"paid", "canceled"}
    record = client.v1.payment_records.retrieve(by_status["paid"].payment.payment_record)
    assert (record.amount_guaranteed.value, record.customer_details.name) == (10000, "Boligselskabet")
    assert client.v1.payment_intents.retrieve(by_status["canceled"].payment.payment_intent).status == "canceled"
    assert client.v1.balance_transactions.list({}).data == []


def test_an_invoice_is_paid_in_parts(client: stripe.StripeClient, gaps) -> None:
    """Intents and payment records are credited as they come; the default payment follows what remains."""
    customer = client.v1.customers.create({"payment_method": "pm_card_dk"}).id
    method = client.v1.payment_methods.list({"customer": customer}).data[0].id
    invoice = open_invoice(client, customer, collection_method="send_invoice", days_until_due=14)
    part = client.v1.payment_intents.create({"amount": 2500, "currency": "dkk", "customer": customer})
    client.v1.invoices.attach_payment(invoice.id, {"payment_intent": part.id})
    assert client.v1.invoices.retrieve(invoice.id).amount_paid == 0
    client.v1.payment_intents.confirm(part.id, {"payment_method": method})
    half = client.v1.invoices.retrieve(invoice.id)
    assert (half.status, half.amount_paid, half.amount_remaining) == ("open", 2500, 7500)
    record = client.v1.payment_records.report_payment(
        {
            "amount_requested": {"value": 4500, "currency": "dkk"},
            "initiated_at": MONDAY,
            "outcome": "guaranteed",
            "guaranteed": {"guaranteed_at": MONDAY},
            "payment_method_details": {"type": "custom", "custom": {"display_name": "Bank transfer"}},
            "processor_details": {"type": "custom", "custom": {"payment_reference": "+71<123>"}},
            "customer_details": {"customer": customer},
        }
    )
    assert gaps(record) == []
    assert record.processor_details.custom.payment_reference == "+71<123>"
    more = client.v1.invoices.attach_payment(invoice.id, {"payment_record": record.id})
    assert (more.amount_paid, more.amount_remaining) == (7000, 3000)
    default = next(p for p in client.v1.invoice_payments.list({"invoice": invoice.id}).data if p.is_default)
    assert (default.status, default.amount_requested) == ("open", 3000)
    assert client.v1.payment_intents.retrieve(default.payment.payment_intent).amount == 3000
    too_much = client.v1.payment_intents.create({"amount": 3001, "currency": "dkk", "customer": customer})
    with pytest.raises(stripe.InvalidRequestError, match="greater than the amount remaining"):
        client.v1.invoices.attach_payment(invoice.id, {"payment_intent": too_much.id})
    paid = client.v1.invoices.pay(invoice.id, {"payment_method": method, "expand": ["amount_paid_off_stripe"]})
    assert (paid.status, paid.amount_paid, paid.amount_paid_off_stripe) == ("paid", 10000, 4500)
    assert sorted(p.amount_paid for p in client.v1.invoice_payments.list({"invoice": invoice.id}).data) == [
        2500,
        3000,
        4500,
    ]
    found = client.v1.invoice_payments.list({"payment": {"type": "payment_record", "payment_record": record.id}})
    assert [p.amount_paid for p in found.data] == [4500]


def test_a_renewal_is_retried_on_schedule_until_it_is_paid(
    client: stripe.StripeClient, clock_customer, advance
) -> None:
    """Refused on renewal, again after 3 and 5 days, paid after 7 more with a new card: past due, then active."""
    customer, clock = clock_customer(MONDAY)
    subscription = subscribed(client, customer)
    assert subscription.status == "active"
    swap_card(client, customer, "pm_card_chargeCustomerFail")
    renewal = MONDAY + 31 * DAY
    first = renewal + 3600
    advance(clock, first)
    invoice = client.v1.invoices.list({"subscription": subscription.id, "limit": 1}).data[0]
    assert (invoice.status, invoice.attempt_count) == ("open", 1)
    assert invoice.next_payment_attempt == first + 3 * DAY
    assert client.v1.customers.retrieve(customer).delinquent is True
    assert client.v1.subscriptions.retrieve(subscription.id).status == "past_due"
    advance(clock, first + 3 * DAY)
    invoice = client.v1.invoices.retrieve(invoice.id)
    assert (invoice.attempt_count, invoice.next_payment_attempt) == (2, first + 8 * DAY)
    # A manual attempt in between moves nothing.
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(invoice.id)
    advance(clock, first + 8 * DAY)
    invoice = client.v1.invoices.retrieve(invoice.id)
    assert (invoice.attempt_count, invoice.next_payment_attempt) == (3, first + 15 * DAY)
    swap_card(client, customer, "pm_card_visa")
    advance(clock, first + 15 * DAY)
    invoice = client.v1.invoices.retrieve(invoice.id)
    assert (invoice.status, invoice.attempt_count, invoice.next_payment_attempt) == ("paid", 4, None)
    assert invoice.status_transitions.paid_at == first + 15 * DAY
    assert client.v1.customers.retrieve(customer).delinquent is False
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"
    assert len(client.v1.charges.list({"customer": customer, "limit": 20}).data) == 6


@pytest.mark.parametrize(("wanted", "expected"), [(None, "canceled"), ("unpaid", "unpaid"), ("past_due", "past_due")])
def test_the_last_retry_decides_about_the_subscription(
    sandbox, client: stripe.StripeClient, clock_customer, advance, wanted: str | None, expected: str
) -> None:
    """After four attempts the subscription ends, or the account's setting leaves it unpaid or past due."""
    if wanted:
        sandbox.admin("POST", "/settings", after_last_retry=wanted)
    customer, clock = clock_customer(MONDAY)
    subscription = subscribed(client, customer)
    swap_card(client, customer, "pm_card_chargeCustomerFail")
    first = MONDAY + 31 * DAY + 3600
    advance(clock, first + 15 * DAY - 1)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "past_due"
    advance(clock, first + 15 * DAY)
    assert client.v1.subscriptions.retrieve(subscription.id).status == expected
    invoice = client.v1.invoices.list({"subscription": subscription.id, "limit": 1}).data[0]
    assert (invoice.status, invoice.attempt_count, invoice.next_payment_attempt) == ("open", 4, None)
    assert len(story(client, "invoice.payment_failed")) == 4


def test_a_hard_decline_asks_no_bank_again(client: stripe.StripeClient, clock_customer, advance) -> None:
    """A card that must be authenticated is charged once; retries count on until there is another card."""
    customer, clock = clock_customer(MONDAY)
    subscription = subscribed(client, customer)
    swap_card(client, customer, "pm_card_authenticationRequired")
    first = MONDAY + 31 * DAY + 3600
    advance(clock, first + 3 * DAY)
    invoice = client.v1.invoices.list({"subscription": subscription.id, "limit": 1}).data[0]
    assert (invoice.status, invoice.attempt_count) == ("open", 2)
    intents = client.v1.payment_intents.list({"customer": customer}).data
    assert (len(client.v1.charges.list({"customer": customer}).data), intents[0].status) == (1, "requires_action")
    assert "invoice.payment_action_required" in story(client, "invoice.payment_action_required")
    swap_card(client, customer, "pm_card_visa")
    advance(clock, first + 8 * DAY)
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


def test_a_first_payment_that_needs_the_customer_leaves_the_subscription_incomplete(
    sandbox, client: stripe.StripeClient, clock_customer
) -> None:
    """The invoice's secret leads to the intent; when the customer confirms, the subscription becomes active."""
    customer, _ = clock_customer(MONDAY, payment_method="pm_card_threeDSecure2Required")
    subscription = subscribed(
        client,
        customer,
        payment_behavior="allow_incomplete",
        expand=["latest_invoice.confirmation_secret", "latest_invoice.payments"],
    )
    assert subscription.status == "incomplete"
    intent = subscription.latest_invoice.payments.data[0].payment.payment_intent
    assert subscription.latest_invoice.confirmation_secret.client_secret.startswith(f"{intent}_secret_")
    assert client.v1.payment_intents.retrieve(intent).status == "requires_action"
    assert subscription.latest_invoice.next_payment_attempt is None
    httpx.post(f"{sandbox.url}/authenticate/{intent}", data={"outcome": "succeed"}, trust_env=False)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"
    assert client.v1.invoices.retrieve(subscription.latest_invoice.id).status == "paid"


def test_a_trials_setup_intent_gives_the_subscription_its_card(client: stripe.StripeClient, clock_customer) -> None:
    """A trial without a card waits for a setup intent; its card becomes the subscription's default."""
    customer, _ = clock_customer(MONDAY, payment_method=None)
    subscription = subscribed(client, customer, trial_period_days=14)
    assert subscription.pending_setup_intent is not None
    client.v1.setup_intents.confirm(subscription.pending_setup_intent, {"payment_method": "pm_card_visa"})
    after = client.v1.subscriptions.retrieve(subscription.id)
    assert after.pending_setup_intent is None
    assert client.v1.payment_methods.retrieve(after.default_payment_method).customer == customer


def test_voiding_and_writing_off_end_the_default_payment(client: stripe.StripeClient) -> None:
    """The intent is canceled; what was written off can still be paid, what is void cannot."""
    customer = client.v1.customers.create({"payment_method": "pm_card_visa"}).id
    method = client.v1.payment_methods.list({"customer": customer}).data[0].id
    voided = open_invoice(client, customer)
    client.v1.invoices.void_invoice(voided.id)
    payment = client.v1.invoice_payments.list({"invoice": voided.id}).data[0]
    intent = client.v1.payment_intents.retrieve(payment.payment.payment_intent)
    assert (payment.status, intent.status, intent.cancellation_reason) == ("canceled", "canceled", "void_invoice")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.pay(voided.id, {"payment_method": method})
    lost = open_invoice(client, customer)
    client.v1.invoices.mark_uncollectible(lost.id)
    assert client.v1.invoices.pay(lost.id, {"payment_method": method}).status == "paid"


def test_the_card_that_pays_first_stays_with_the_subscription(client: stripe.StripeClient, clock_customer) -> None:
    """`save_default_payment_method=on_subscription`: whoever confirms the first payment leaves his card."""
    customer, _ = clock_customer(MONDAY, payment_method=None)
    subscription = subscribed(
        client,
        customer,
        payment_behavior="default_incomplete",
        payment_settings={"save_default_payment_method": "on_subscription"},
        expand=["latest_invoice.payments"],
    )
    assert (subscription.status, subscription.default_payment_method) == ("incomplete", None)
    intent = subscription.latest_invoice.payments.data[0].payment.payment_intent
    with pytest.raises(stripe.CardError):
        client.v1.payment_intents.confirm(intent, {"payment_method": "pm_card_chargeDeclined"})
    assert client.v1.subscriptions.retrieve(subscription.id).status == "incomplete"
    client.v1.payment_intents.confirm(intent, {"payment_method": "pm_card_visa"})
    after = client.v1.subscriptions.retrieve(subscription.id)
    assert after.status == "active"
    assert client.v1.payment_methods.retrieve(after.default_payment_method).customer == customer


def test_a_passed_due_date_makes_a_customer_delinquent(client: stripe.StripeClient, clock_customer, advance) -> None:
    """Overdue is bad news; writing the invoice off ends it."""
    customer, clock = clock_customer(MONDAY, payment_method=None)
    invoice = open_invoice(client, customer, collection_method="send_invoice", days_until_due=14)
    advance(clock, MONDAY + 14 * DAY)
    assert client.v1.customers.retrieve(customer).delinquent is True
    client.v1.invoices.mark_uncollectible(invoice.id)
    assert client.v1.customers.retrieve(customer).delinquent is False


def test_a_bank_debit_pays_an_invoice_days_later(client: stripe.StripeClient, clock_customer, advance) -> None:
    """The subscription begins while the debit is under way; the invoice is open until the money comes."""
    for name, status, subscription_status in (
        ("pm_sepa_debit", "paid", "active"),
        ("pm_sepaDebit_failed", "open", "past_due"),
    ):
        customer, clock = clock_customer(MONDAY, payment_method=name)
        subscription = subscribed(client, customer, expand=["latest_invoice"])
        invoice = subscription.latest_invoice.id
        assert (subscription.status, subscription.latest_invoice.status) == ("active", "open")
        with pytest.raises(stripe.InvalidRequestError, match="payments that are open"):
            client.v1.invoices.void_invoice(invoice)
        advance(clock, MONDAY + 4 * DAY)
        assert client.v1.invoices.retrieve(invoice).status == status
        assert client.v1.subscriptions.retrieve(subscription.id).status == subscription_status


def test_an_invoice_with_a_part_paid_cannot_be_voided(client: stripe.StripeClient) -> None:
    """It can be written off, though: what was paid stays paid."""
    customer = client.v1.customers.create({"payment_method": "pm_card_visa"}).id
    method = client.v1.payment_methods.list({"customer": customer}).data[0].id
    invoice = open_invoice(client, customer, collection_method="send_invoice", days_until_due=14)
    part = client.v1.payment_intents.create(
        {"amount": 4000, "currency": "dkk", "customer": customer, "payment_method": method, "confirm": True}
    )
    client.v1.invoices.attach_payment(invoice.id, {"payment_intent": part.id})
    with pytest.raises(stripe.InvalidRequestError, match="payments that are open or paid"):
        client.v1.invoices.void_invoice(invoice.id)
    lost = client.v1.invoices.mark_uncollectible(invoice.id)
    assert (lost.status, lost.amount_paid, lost.amount_remaining) == ("uncollectible", 4000, 6000)


def test_a_card_that_is_refused_when_attached_shows_it_in_the_payment(client: stripe.StripeClient) -> None:
    """Given to `/pay` by its test name it is charged and refused, with the intent in the error."""
    customer = client.v1.customers.create({}).id
    invoice = open_invoice(client, customer)
    with pytest.raises(stripe.CardError) as refused:
        client.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_chargeDeclinedInsufficientFunds"})
    assert refused.value.error.decline_code == "insufficient_funds"
    assert refused.value.error.payment_intent.status == "requires_payment_method"
    assert client.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_visa"}).status == "paid"


def test_more_than_is_due_becomes_credit(client: stripe.StripeClient) -> None:
    """A transfer of 120.00 for 100.00 pays the invoice; 20.00 waits on the customer's balance."""
    customer = client.v1.customers.create({}).id
    invoice = open_invoice(client, customer, collection_method="send_invoice", days_until_due=14)
    record = client.v1.payment_records.report_payment(
        {
            "amount_requested": {"value": 12000, "currency": "dkk"},
            "initiated_at": MONDAY,
            "outcome": "guaranteed",
            "payment_method_details": {"type": "custom", "custom": {"display_name": "Bank transfer"}},
        }
    )
    paid = client.v1.invoices.attach_payment(invoice.id, {"payment_record": record.id})
    assert (paid.status, paid.amount_paid, paid.amount_overpaid, paid.amount_remaining) == ("paid", 10000, 2000, 0)
    assert client.v1.customers.retrieve(customer).balance == -2000
    entry = client.v1.customers.balance_transactions.list(customer).data[0]
    assert (entry.type, entry.amount, entry.invoice) == ("invoice_overpaid", -2000, invoice.id)
