"""The Stripe balance: fees by card and currency, pending and available money, payouts that carry it off."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
import stripe

# amount, currency, test card → fee in minor units, worked out by hand from the table in docs/decisions.
FEES = [
    (10000, "dkk", "pm_card_dk", 150 + 180),
    (19999, "dkk", "pm_card_de", 300 + 180),  # 1.5 % is 299.985
    (10000, "dkk", "pm_card_gb", 250 + 180),
    (10000, "dkk", "pm_card_visa", 325 + 180),  # issued in the US
    (10000, "eur", "pm_card_fr", 150 + 25),
    (3333, "eur", "pm_card_dk", 50 + 25),  # 1.5 % is 49.995
    (100, "eur", "pm_card_dk", 2 + 25),  # 1.5 % is 1.5, rounded half up
    (10000, "sek", "pm_card_se", 150 + 180),
]


def pay(
    client: stripe.StripeClient, amount: int, currency: str = "dkk", card: str = "pm_card_dk"
) -> stripe.PaymentIntent:
    """Pay at once."""
    return client.v1.payment_intents.create(
        {"amount": amount, "currency": currency, "payment_method": card, "confirm": True}
    )


def move(sandbox, **by: float) -> datetime:
    """Move the account's own clock forward and return its time."""
    now = datetime.fromtimestamp(sandbox.admin("GET")["now"], UTC)
    to = now + timedelta(**by)
    sandbox.admin("POST", "/clock", to=int(to.timestamp()))
    return to


def test_fees_follow_card_and_currency(client: stripe.StripeClient, gaps) -> None:
    """Each payment's fee is the table's, and net is what is left."""
    for amount, currency, card, fee in FEES:
        intent = pay(client, amount, currency, card)
        movement = client.v1.balance_transactions.list({"source": intent.latest_charge}).data[0]
        assert gaps(movement) == []
        assert (movement.amount, movement.fee, movement.net) == (amount, fee, amount - fee), (amount, currency, card)
        assert [(f.amount, f.type) for f in movement.fee_details] == [(fee, "stripe_fee")]
        assert (movement.status, movement.exchange_rate, movement.currency) == ("pending", None, currency)
        assert movement.reporting_category == "charge"
        # Three business days, at midnight UTC.
        created = datetime.fromtimestamp(movement.created, UTC)
        available = datetime.fromtimestamp(movement.available_on, UTC)
        assert (available.hour, available.minute, available.second) == (0, 0, 0)
        assert available.weekday() < 5
        assert 3 <= (available.date() - created.date()).days <= 5


def test_the_balance_is_the_sum_of_its_movements(client: stripe.StripeClient) -> None:
    """Per currency: pending for payments, available for refunds and for the card that skips waiting."""
    first = pay(client, 10000)
    pay(client, 20000, "eur", "pm_card_fr")
    pay(client, 50000, "dkk", "pm_card_bypassPending")
    client.v1.refunds.create({"payment_intent": first.id, "amount": 4000})
    balance = client.v1.balance.retrieve()
    pending = {b.currency: b.amount for b in balance.pending}
    available = {b.currency: b.amount for b in balance.available}
    # 100.00 - 3.30; 200.00 EUR - 3.25; 500.00 - 16.25 - 1.80 at once, less 40.00 refunded.
    assert pending == {"dkk": 9670, "eur": 19675}
    assert available == {"dkk": 50000 - 1805 - 4000, "eur": 0}
    assert sum(m.net for m in client.v1.balance_transactions.list({"currency": "dkk"}).data) == 9670 + 48195 - 4000


def test_automatic_payouts_carry_off_what_is_available(sandbox, client: stripe.StripeClient, gaps) -> None:
    """One payout per currency and day; its transactions sum to zero with its own; it is paid two banking days later."""
    first = pay(client, 10000)
    pay(client, 30000)
    pay(client, 20000, "eur", "pm_card_fr")
    client.v1.refunds.create({"payment_intent": first.id, "amount": 4000})
    assert client.v1.payouts.list({}).data == []
    move(sandbox, days=6)
    # The refund was available at once and alone, so nothing could be paid out before the payments were.
    payouts = {p.currency: p for p in client.v1.payouts.list({}).data}
    assert set(payouts) == {"dkk", "eur"}
    # 100.00 - 3.30 + 300.00 - 6.30 - 40.00; 200.00 - 3.25.
    assert (payouts["dkk"].amount, payouts["eur"].amount) == (35040, 19675)
    for payout in payouts.values():
        assert gaps(payout) == []
        assert payout.automatic is True
        listed = client.v1.balance_transactions.list({"payout": payout.id}).data
        assert sum(m.net for m in listed) == 0
        assert sum(m.net for m in listed if m.type != "payout") == payout.amount
    assert {b.amount for b in client.v1.balance.retrieve().available} == {0}
    move(sandbox, days=5)
    assert {p.status for p in client.v1.payouts.list({}).data} == {"paid"}
    types = {e.type for e in client.v1.events.list({"types": ["payout.created", "payout.paid"]}).data}
    assert types == {"payout.created", "payout.paid"}


def test_a_payout_on_request_may_be_canceled_until_midnight(client: stripe.StripeClient) -> None:
    """It cannot exceed what is available, and canceling it brings the money back."""
    pay(client, 50000, "dkk", "pm_card_bypassPending")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payouts.create({"amount": 48196, "currency": "dkk"})
    assert refused.value.code == "balance_insufficient"
    payout = client.v1.payouts.create({"amount": 48195, "currency": "dkk", "metadata": {"a": "1"}})
    assert (payout.status, payout.automatic, payout.metadata["a"]) == ("pending", False, "1")
    assert client.v1.balance.retrieve().available[0].amount == 0
    assert client.v1.payouts.cancel(payout.id).status == "canceled"
    assert client.v1.balance.retrieve().available[0].amount == 48195
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payouts.cancel(payout.id)


def test_a_payout_fails_on_demand(sandbox, client: stripe.StripeClient) -> None:
    """The money comes back, and the payout says what the bank said."""
    pay(client, 50000, "dkk", "pm_card_bypassPending")
    sandbox.admin("POST", "/settings", payout_failure="account_closed")
    move(sandbox, days=8)
    payouts = client.v1.payouts.list({}).data
    failed = payouts[-1]
    assert (failed.status, failed.failure_code, failed.amount) == ("failed", "account_closed", 48195)
    back = client.v1.balance_transactions.retrieve(failed.failure_balance_transaction)
    assert (back.type, back.amount) == ("payout_failure", 48195)
    # It leaves again with the next payout.
    assert payouts[0].amount == 48195
    assert payouts[0].id != failed.id


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_happens_the_books_are_even(sandbox, client: stripe.StripeClient, seed: int) -> None:
    """All movements sum to the balance, and every automatic payout sums to zero with what it carried."""
    chance = random.Random(seed)
    cards = {"dkk": ["pm_card_dk", "pm_card_createDispute", "pm_card_bypassPending"], "eur": ["pm_card_fr"]}
    for _ in range(12):
        currency = chance.choice(["dkk", "dkk", "eur"])
        intent = pay(client, chance.randint(300, 90000), currency, chance.choice(cards[currency]))
        disputes = client.v1.disputes.list({"payment_intent": intent.id}).data
        if disputes and chance.random() < 0.5:
            client.v1.disputes.update(disputes[0].id, {"evidence": {"uncategorized_text": "winning_evidence"}})
        elif not disputes and chance.random() < 0.4:
            client.v1.refunds.create({"payment_intent": intent.id, "amount": chance.randint(1, intent.amount)})
        if chance.random() < 0.4:
            move(sandbox, days=chance.randint(1, 5))
    sums: dict[str, int] = {}
    for movement in client.v1.balance_transactions.list({"limit": 100}).auto_paging_iter():
        sums[movement.currency] = sums.get(movement.currency, 0) + movement.net
    balance = client.v1.balance.retrieve()
    for available, pending in zip(balance.available, balance.pending, strict=True):
        assert available.amount + pending.amount == sums[available.currency]
    for payout in client.v1.payouts.list({"limit": 100}).data:
        carried = client.v1.balance_transactions.list({"payout": payout.id, "limit": 100}).data
        assert sum(m.net for m in carried) == 0
        assert payout.amount > 0
