"""Test payment methods: what attaches, what is refused, what is asked of the customer."""

from __future__ import annotations

import httpx
import pytest
import stripe

REFUSED = {
    "pm_card_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_visa_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": ("card_declined", "lost_card"),
    "pm_card_chargeDeclinedStolenCard": ("card_declined", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": ("incorrect_cvc", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": ("processing_error", "processing_error"),
}
PAYING = {
    "pm_card_visa": ("visa", "credit", "4242"),
    "pm_card_visa_debit": ("visa", "debit", "5556"),
    "pm_card_mastercard": ("mastercard", "credit", "4444"),
    "pm_card_amex": ("amex", "credit", "0005"),
    "pm_card_dk": ("visa", "credit", "0001"),
}


def test_cards_that_pay_attach_and_pay(client: stripe.StripeClient, gaps) -> None:
    """Each name makes a payment method of its own with the card's brand, funding and last digits, and pays."""
    customer = client.v1.customers.create({"name": "Lejer"}).id
    made = set()
    for name, (brand, funding, last4) in PAYING.items():
        method = client.v1.payment_methods.attach(name, {"customer": customer})
        assert gaps(method) == []
        assert (method.card.brand, method.card.funding, method.card.last4) == (brand, funding, last4)
        assert method.customer == customer
        intent = client.v1.payment_intents.create(
            {"amount": 5000, "currency": "dkk", "customer": customer, "payment_method": method.id, "confirm": True}
        )
        assert intent.status == "succeeded"
        made.add(method.id)
    assert len(made) == len(PAYING)
    listed = client.v1.customers.payment_methods.list(customer, {"limit": 3})
    assert {m.id for m in listed.auto_paging_iter()} == made
    assert len(client.v1.payment_methods.list({"customer": customer, "type": "sepa_debit"}).data) == 0


@pytest.fixture(scope="module")
def refusals() -> dict[str, tuple[str, str]]:
    return REFUSED


def test_cards_that_are_declined_are_refused_when_attached_and_when_charged(
    client: stripe.StripeClient, refusals: dict[str, tuple[str, str]]
) -> None:
    """The error's code and decline_code are the card's, and a refused charge leaves a failed charge behind."""
    customer = client.v1.customers.create({}).id
    for name, expected in refusals.items():
        with pytest.raises(stripe.CardError) as attaching:
            client.v1.payment_methods.attach(name, {"customer": customer})
        assert (attaching.value.code, attaching.value.error.decline_code) == expected
        with pytest.raises(stripe.CardError) as paying:
            client.v1.payment_intents.create(
                {"amount": 5000, "currency": "dkk", "payment_method": name, "confirm": True}
            )
        error = paying.value.error
        assert (paying.value.http_status, error.code, error.decline_code) == (402, *expected)
        assert error.payment_intent.status == "requires_payment_method"
        charge = client.v1.charges.retrieve(error.payment_intent.latest_charge)
        assert (charge.status, charge.paid, charge.failure_code) == ("failed", False, expected[0])
        assert charge.balance_transaction is None
    with pytest.raises(stripe.CardError):
        client.v1.customers.create({"payment_method": "pm_card_chargeDeclined"})


def test_a_card_that_fails_later_attaches(client: stripe.StripeClient) -> None:
    """`pm_card_chargeCustomerFail` attaches and is declined when charged."""
    customer = client.v1.customers.create({"payment_method": "pm_card_chargeCustomerFail"}).id
    method = client.v1.payment_methods.list({"customer": customer}).data[0]
    assert method.card.last4 == "0341"
    with pytest.raises(stripe.CardError) as refused:
        client.v1.payment_intents.create(
            {"amount": 5000, "currency": "dkk", "customer": customer, "payment_method": method.id, "confirm": True}
        )
    assert refused.value.error.decline_code == "generic_decline"


def test_numbers_and_tokens_lead_to_the_same_cards(client: stripe.StripeClient) -> None:
    """A test number or token makes the card it stands for; any other number is incorrect."""
    by_number = client.v1.payment_methods.create(
        {"type": "card", "card": {"number": "4000002080000001", "exp_month": 4, "exp_year": 2031, "cvc": "123"}}
    )
    assert (by_number.card.country, by_number.card.exp_year, by_number.customer) == ("DK", 2031, None)
    by_token = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    assert by_token.card.last4 == "4242"
    with pytest.raises(stripe.CardError) as wrong:
        client.v1.payment_methods.create({"type": "card", "card": {"number": "4242424242424241"}})
    assert wrong.value.code == "incorrect_number"
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_nobody"}})
    assert unknown.value.code == "resource_missing"


def test_a_detached_payment_method_is_gone_for_good(client: stripe.StripeClient) -> None:
    """Detaching empties the customer's default; the payment method cannot be attached or charged again."""
    customer = client.v1.customers.create(
        {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
    )
    method = customer.invoice_settings.default_payment_method
    assert client.v1.payment_methods.detach(method).customer is None
    assert client.v1.customers.retrieve(customer.id).invoice_settings.default_payment_method is None
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        client.v1.payment_methods.attach(method, {"customer": customer.id})
    types = [e.type for e in client.v1.events.list({"limit": 5}).data]
    assert "payment_method.detached" in types


def test_a_payment_method_belongs_to_one_customer(client: stripe.StripeClient) -> None:
    """It cannot be attached to a second customer, nor pay for one."""
    one = client.v1.customers.create({}).id
    other = client.v1.customers.create({}).id
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": one})
    with pytest.raises(stripe.InvalidRequestError, match="already been attached"):
        client.v1.payment_methods.attach(method.id, {"customer": other})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.create(
            {"amount": 5000, "currency": "dkk", "customer": other, "payment_method": method.id, "confirm": True}
        )
    assert refused.value.code == "resource_missing"
    with pytest.raises(stripe.InvalidRequestError) as missing:
        client.v1.payment_methods.retrieve("pm_nobody")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")


def test_billing_details_and_metadata_merge(client: stripe.StripeClient) -> None:
    """What is not given stays, an empty value unsets, and the update's event tells what was."""
    customer = client.v1.customers.create({}).id
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    client.v1.payment_methods.update(
        method,
        {"billing_details": {"name": "A", "address": {"city": "Aarhus"}}, "metadata": {"a": "1", "b": "2"}},
    )
    client.v1.payment_methods.update(method, {"billing_details": {"email": "a@example.com"}, "metadata": {"a": ""}})
    found = client.v1.payment_methods.retrieve(method)
    assert (found.billing_details.name, found.billing_details.email) == ("A", "a@example.com")
    assert found.billing_details.address.city == "Aarhus"
    assert found.metadata.to_dict() == {"b": "2"}
    event = client.v1.events.list({"type": "payment_method.updated"}).data[0]
    assert event.data.previous_attributes["metadata"].to_dict() == {"a": "1"}


def test_a_bank_debit_settles_days_later(client: stripe.StripeClient, clock_customer, advance) -> None:
    """The intent is processing for three business days, then it succeeds, or fails for an account that refuses."""
    # Monday 2026-01-05 09:00 UTC; three business days later is Thursday the 8th.
    customer, clock = clock_customer(1767603600, payment_method=None)
    outcomes = {}
    for name in ("pm_sepa_debit", "pm_sepaDebit_failed"):
        method = client.v1.payment_methods.attach(name, {"customer": customer}).id
        outcomes[name] = client.v1.payment_intents.create(
            {
                "amount": 5000,
                "currency": "eur",
                "customer": customer,
                "payment_method": method,
                "allowed_payment_method_types": ["sepa_debit"],
                "confirm": True,
            }
        )
    assert {i.status for i in outcomes.values()} == {"processing"}
    advance(clock, 1767830399)
    assert client.v1.payment_intents.retrieve(outcomes["pm_sepa_debit"].id).status == "processing"
    advance(clock, 1767830400)
    paid = client.v1.payment_intents.retrieve(outcomes["pm_sepa_debit"].id, {"expand": ["latest_charge"]})
    assert (paid.status, paid.amount_received, paid.latest_charge.status) == ("succeeded", 5000, "succeeded")
    failed = client.v1.payment_intents.retrieve(outcomes["pm_sepaDebit_failed"].id)
    assert failed.status == "requires_payment_method"
    assert failed.last_payment_error.code == "payment_intent_payment_attempt_failed"


def test_a_card_that_wants_authentication_waits_for_its_customer(client: stripe.StripeClient, sandbox) -> None:
    """On session the intent requires action and succeeds when the customer confirms; off session it is refused."""
    for name in ("pm_card_authenticationRequired", "pm_card_threeDSecure2Required"):
        waiting = client.v1.payment_intents.create(
            {"amount": 5000, "currency": "dkk", "payment_method": name, "confirm": True, "return_url": "http://a.test"}
        )
        assert (waiting.status, waiting.next_action.type) == ("requires_action", "redirect_to_url")
        page = waiting.next_action.redirect_to_url.url
        assert "3D Secure" in httpx.get(page, trust_env=False).text
        httpx.post(page, data={"outcome": "succeed"}, trust_env=False).raise_for_status()
        paid = client.v1.payment_intents.retrieve(waiting.id, {"expand": ["latest_charge"]})
        assert paid.status == "succeeded"
        assert paid.latest_charge.payment_method_details.card.three_d_secure.result == "authenticated"
        with pytest.raises(stripe.CardError) as refused:
            client.v1.payment_intents.create(
                {"amount": 5000, "currency": "dkk", "payment_method": name, "confirm": True, "off_session": True}
            )
        assert refused.value.code == "authentication_required"
        assert refused.value.error.payment_intent.status == "requires_payment_method"
    failing = client.v1.payment_intents.create(
        {"amount": 5000, "currency": "dkk", "payment_method": "pm_card_authenticationRequired", "confirm": True}
    )
    httpx.post(f"{sandbox.url}/authenticate/{failing.id}", data={"outcome": "fail"}, trust_env=False)
    after = client.v1.payment_intents.retrieve(failing.id)
    assert after.status == "requires_payment_method"
    assert after.last_payment_error.code == "payment_intent_authentication_failure"


def test_a_setup_intent_makes_a_card_ready_for_payments_without_its_customer(
    client: stripe.StripeClient, sandbox, gaps
) -> None:
    """A card that must be set up first pays off session once its setup intent has succeeded."""
    customer = client.v1.customers.create({}).id
    intent = client.v1.setup_intents.create({"customer": customer, "allowed_payment_method_types": ["card"]})
    assert gaps(intent) == []
    assert (intent.status, intent.usage) == ("requires_payment_method", "off_session")
    waiting = client.v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_authenticationRequiredOnSetup"})
    assert waiting.status == "requires_action"
    httpx.post(f"{sandbox.url}/authenticate/{intent.id}", data={"outcome": "succeed"}, trust_env=False)
    done = client.v1.setup_intents.retrieve(intent.id)
    assert done.status == "succeeded"
    assert client.v1.payment_methods.retrieve(done.payment_method).customer == customer
    paid = client.v1.payment_intents.create(
        {
            "amount": 5000,
            "currency": "dkk",
            "customer": customer,
            "payment_method": done.payment_method,
            "confirm": True,
            "off_session": True,
        }
    )
    assert paid.status == "succeeded"
    with pytest.raises(stripe.CardError) as refused:
        client.v1.setup_intents.create(
            {"customer": customer, "payment_method": "pm_card_chargeDeclined", "confirm": True}
        )
    assert refused.value.error.setup_intent.status == "requires_payment_method"
    other = client.v1.setup_intents.create({"customer": customer})
    assert client.v1.setup_intents.cancel(other.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as late:
        client.v1.setup_intents.confirm(other.id, {"payment_method": "pm_card_visa"})
    assert late.value.code == "setup_intent_unexpected_state"
