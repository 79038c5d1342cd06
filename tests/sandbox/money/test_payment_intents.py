"""Payment intents and charges: states, reservations, and what is refused."""

from __future__ import annotations

import pytest
import stripe


def test_a_payment_tells_its_story_in_order(client: stripe.StripeClient, gaps) -> None:
    """Created, charged, succeeded: three events in that order, and complete objects."""
    intent = client.v1.payment_intents.create({"amount": 12345, "currency": "dkk", "payment_method": "pm_card_visa"})
    assert intent.status == "requires_confirmation"
    paid = client.v1.payment_intents.confirm(intent.id)
    assert gaps(paid) == []
    assert (paid.status, paid.amount_received) == ("succeeded", 12345)
    charge = client.v1.charges.retrieve(paid.latest_charge, {"expand": ["balance_transaction", "refunds"]})
    assert gaps(charge) == []
    assert (charge.amount_captured, charge.paid, charge.refunded) == (12345, True, False)
    assert charge.balance_transaction.source == charge.id
    assert charge.refunds.data == []
    assert charge.outcome.type == "authorized"
    types = [e.type for e in reversed(client.v1.events.list({}).data)]
    assert [t for t in types if t.startswith(("payment_intent", "charge"))] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


def test_a_refused_payment_can_be_tried_again(client: stripe.StripeClient) -> None:
    """The intent asks for another payment method, keeps the error until then, and lists both charges."""
    intent = client.v1.payment_intents.create({"amount": 5000, "currency": "dkk"})
    assert intent.status == "requires_payment_method"
    with pytest.raises(stripe.InvalidRequestError) as nothing:
        client.v1.payment_intents.confirm(intent.id)
    assert nothing.value.code == "payment_intent_unexpected_state"
    with pytest.raises(stripe.CardError):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_chargeDeclined"})
    waiting = client.v1.payment_intents.retrieve(intent.id)
    assert waiting.last_payment_error.payment_method.card.last4 == "0002"
    paid = client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.last_payment_error) == ("succeeded", None)
    charges = client.v1.charges.list({"payment_intent": intent.id}).data
    assert [c.status for c in charges] == ["succeeded", "failed"]
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.payment_intents.confirm(intent.id)
    assert again.value.code == "payment_intent_unexpected_state"


def test_a_reserved_amount_is_captured_in_part(client: stripe.StripeClient) -> None:
    """Only what is captured is received and costs a fee; the rest is released."""
    held = client.v1.payment_intents.create(
        {
            "amount": 10000,
            "currency": "dkk",
            "payment_method": "pm_card_dk",
            "capture_method": "manual",
            "confirm": True,
        }
    )
    assert (held.status, held.amount_capturable, held.amount_received) == ("requires_capture", 10000, 0)
    assert client.v1.balance_transactions.list({}).data == []
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.capture(held.id, {"amount_to_capture": 10001})
    taken = client.v1.payment_intents.capture(held.id, {"amount_to_capture": 6000})
    assert (taken.status, taken.amount_received, taken.amount_capturable) == ("succeeded", 6000, 0)
    movement = client.v1.balance_transactions.list({}).data[0]
    # 1.5 % of 60.00 is 0.90, and 1.80 more.
    assert (movement.amount, movement.fee, movement.net) == (6000, 270, 5730)
    charge = client.v1.charges.retrieve(taken.latest_charge)
    assert (charge.amount_captured, charge.amount_refunded) == (6000, 4000)


def test_an_intent_can_be_changed_and_canceled_until_it_succeeds(client: stripe.StripeClient) -> None:
    """Amount and description change before; after, only what does not touch the money."""
    customer = client.v1.customers.create({}).id
    intent = client.v1.payment_intents.create({"amount": 5000, "currency": "dkk", "metadata": {"a": "1"}})
    changed = client.v1.payment_intents.update(
        intent.id, {"amount": 7000, "customer": customer, "metadata": {"b": "2"}, "description": "Leje"}
    )
    assert (changed.amount, changed.customer, changed.description) == (7000, customer, "Leje")
    assert changed.metadata.to_dict() == {"a": "1", "b": "2"}
    assert [i.id for i in client.v1.payment_intents.list({"customer": customer}).data] == [intent.id]
    canceled = client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(stripe.InvalidRequestError) as late:
        client.v1.payment_intents.update(intent.id, {"amount": 100})
    assert late.value.code == "payment_intent_unexpected_state"


def test_amounts_have_limits(client: stripe.StripeClient) -> None:
    """Too little, too much and nothing at all are refused with Stripe's codes."""
    expected = {249: "amount_too_small", 100_000_000: "amount_too_large", 0: "parameter_invalid_integer"}
    for amount, code in expected.items():
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.payment_intents.create({"amount": amount, "currency": "dkk"})
        assert (refused.value.code, refused.value.param) == (code, "amount")
    assert client.v1.payment_intents.create({"amount": 250, "currency": "dkk"}).amount == 250
    with pytest.raises(stripe.InvalidRequestError, match="payment_intents"):
        client.v1.charges.create({"amount": 5000, "currency": "dkk", "source": "tok_visa"})


def test_a_reserved_amount_is_released_after_a_week(client: stripe.StripeClient, clock_customer, advance) -> None:
    """Nobody captured: the intent is canceled automatically and no money moves."""
    customer, clock = clock_customer(1767603600)
    method = client.v1.payment_methods.list({"customer": customer}).data[0].id
    held = client.v1.payment_intents.create(
        {
            "amount": 10000,
            "currency": "dkk",
            "customer": customer,
            "payment_method": method,
            "capture_method": "manual",
            "confirm": True,
        }
    )
    advance(clock, 1767603600 + 7 * 86400)
    after = client.v1.payment_intents.retrieve(held.id)
    assert (after.status, after.cancellation_reason) == ("canceled", "automatic")
    assert client.v1.balance_transactions.list({}).data == []


def test_a_currency_that_does_not_exist_is_refused(client: stripe.StripeClient) -> None:
    """Not three letters: Stripe's sentence, not a broken server."""
    with pytest.raises(stripe.InvalidRequestError, match="Invalid currency: kroner"):
        client.v1.payment_intents.create({"amount": 5000, "currency": "kroner"})
    customer = client.v1.customers.create({}).id
    with pytest.raises(stripe.InvalidRequestError, match="Invalid currency"):
        client.v1.customers.balance_transactions.create(customer, {"amount": 5000, "currency": "d"})
