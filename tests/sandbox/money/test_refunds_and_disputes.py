"""Money that goes back: refunds on request, disputes on the bank's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import stripe

MONDAY = 1767603600  # 2026-01-05 09:00 UTC


def pay(client: stripe.StripeClient, amount: int, name: str = "pm_card_dk", **params: Any) -> stripe.PaymentIntent:
    """Pay at once with a test card."""
    return client.v1.payment_intents.create(
        {"amount": amount, "currency": "dkk", "payment_method": name, "confirm": True, **params}
    )


def until(check: Callable[[], bool]) -> None:
    """Wait for what the bank answers later."""
    for _ in range(200):
        if check():
            return
        time.sleep(0.05)
    raise AssertionError("it never happened")


def test_a_payment_is_refunded_in_parts(client: stripe.StripeClient, gaps) -> None:
    """Parts add up, the fee is not given back, and more than was paid is refused."""
    intent = pay(client, 10000)
    first = client.v1.refunds.create({"payment_intent": intent.id, "amount": 3000, "reason": "duplicate"})
    assert gaps(first) == []
    assert (first.amount, first.status, first.reason) == (3000, "succeeded", "duplicate")
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 7001})
    second = client.v1.refunds.create({"charge": intent.latest_charge})
    assert second.amount == 7000
    charge = client.v1.charges.retrieve(intent.latest_charge, {"expand": ["refunds"]})
    assert (charge.amount_refunded, charge.refunded) == (10000, True)
    assert [r.id for r in charge.refunds.data] == [second.id, first.id]
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.refunds.create({"charge": intent.latest_charge})
    assert again.value.code == "charge_already_refunded"
    movements = client.v1.balance_transactions.list({}).data
    # 100.00 less 1.50 and 1.80; then 70.00 and 30.00 back without a fee.
    assert [(m.type, m.amount, m.fee, m.net) for m in movements] == [
        ("refund", -7000, 0, -7000),
        ("refund", -3000, 0, -3000),
        ("charge", 10000, 330, 9670),
    ]
    types = [e.type for e in reversed(client.v1.events.list({"limit": 4}).data)]
    assert types == ["charge.refunded", "refund.created", "charge.refunded", "refund.created"]


def test_what_cannot_be_refunded_says_why(client: stripe.StripeClient) -> None:
    """Nothing named, nothing paid, nothing known: three different refusals."""
    with pytest.raises(stripe.InvalidRequestError) as nothing:
        client.v1.refunds.create({"amount": 100})
    assert nothing.value.code == "parameter_missing"
    unpaid = client.v1.payment_intents.create({"amount": 5000, "currency": "dkk"})
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        client.v1.refunds.create({"payment_intent": unpaid.id})
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        client.v1.refunds.create({"charge": "ch_nobody"})
    assert unknown.value.code == "resource_missing"


def test_a_refund_may_fail_later(client: stripe.StripeClient, clock_customer, advance) -> None:
    """The amount comes back to the balance, the charge is no longer refunded, and the failure has its event."""
    customer, clock = clock_customer(MONDAY, payment_method=None)
    method = client.v1.payment_methods.attach("pm_card_refundFail", {"customer": customer}).id
    intent = pay(client, 10000, method, customer=customer)
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    advance(clock, MONDAY + 60)
    failed = client.v1.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    back = failed.failure_balance_transaction
    assert (back.type, back.amount, back.reporting_category) == ("refund_failure", 10000, "refund_failure")
    charge = client.v1.charges.retrieve(intent.latest_charge)
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    types = [e.type for e in reversed(client.v1.events.list({"limit": 6}).data) if "refund" in e.type]
    assert types == ["charge.refund.updated", "refund.updated", "refund.failed"]


def test_a_refund_may_wait(client: stripe.StripeClient) -> None:
    """On the account's own clock the bank answers within seconds."""
    intent = pay(client, 10000, "pm_card_pendingRefund")
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert (refund.status, refund.pending_reason) == ("pending", "processing")
    until(lambda: client.v1.refunds.retrieve(refund.id).status == "succeeded")


def test_a_dispute_takes_amount_and_fee(client: stripe.StripeClient, gaps) -> None:
    """The money leaves at once; winning brings the amount back, not the fee."""
    intent = pay(client, 50000, "pm_card_createDispute")
    dispute = client.v1.disputes.list({"payment_intent": intent.id}).data[0]
    assert gaps(dispute) == []
    assert (dispute.status, dispute.amount, dispute.reason) == ("needs_response", 50000, "fraudulent")
    assert client.v1.charges.retrieve(intent.latest_charge).disputed is True
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"
    withdrawn = dispute.balance_transactions[0]
    assert (withdrawn.amount, withdrawn.fee, withdrawn.net) == (-50000, 11000, -61000)
    assert (withdrawn.type, withdrawn.reporting_category) == ("adjustment", "dispute")
    client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}, "submit": False})
    assert client.v1.disputes.retrieve(dispute.id).status == "needs_response"
    won = client.v1.disputes.update(dispute.id, {"submit": True})
    assert (won.status, won.evidence_details.submission_count) == ("won", 1)
    assert sum(m.net for m in won.balance_transactions) == -11000
    types = [e.type for e in reversed(client.v1.events.list({}).data) if e.type.startswith("charge.dispute")]
    assert types == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.updated",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    ]
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        client.v1.disputes.close(dispute.id)


def test_a_dispute_is_lost_by_bad_evidence_by_giving_up_or_by_silence(
    client: stripe.StripeClient, clock_customer, advance
) -> None:
    """Three ways to lose; the money stays away each time."""
    customer, clock = clock_customer(MONDAY, payment_method=None)
    method = client.v1.payment_methods.attach("pm_card_createDisputeProductNotReceived", {"customer": customer}).id
    intents = [pay(client, 10000, method, customer=customer) for _ in range(3)]
    disputes = [client.v1.disputes.list({"payment_intent": i.id}).data[0] for i in intents]
    assert {d.reason for d in disputes} == {"product_not_received"}
    client.v1.disputes.update(disputes[0].id, {"evidence": {"uncategorized_text": "losing_evidence"}})
    client.v1.disputes.close(disputes[1].id)
    advance(clock, disputes[2].evidence_details.due_by)
    after = [client.v1.disputes.retrieve(d.id) for d in disputes]
    assert [d.status for d in after] == ["lost", "lost", "lost"]
    assert after[2].evidence_details.past_due is True
    assert [len(d.balance_transactions) for d in after] == [1, 1, 1]


def test_an_inquiry_moves_no_money_until_it_is_escalated(client: stripe.StripeClient) -> None:
    """An inquiry can still be refunded; escalated it is a dispute like any other."""
    first = pay(client, 10000, "pm_card_createDisputeInquiry")
    inquiry = client.v1.disputes.list({"charge": first.latest_charge}).data[0]
    assert (inquiry.status, inquiry.is_charge_refundable, inquiry.balance_transactions) == (
        "warning_needs_response",
        True,
        [],
    )
    assert client.v1.refunds.create({"charge": first.latest_charge, "amount": 500}).status == "succeeded"
    assert client.v1.disputes.close(inquiry.id).status == "warning_closed"
    second = pay(client, 10000, "pm_card_createDisputeInquiry")
    inquiry = client.v1.disputes.list({"charge": second.latest_charge}).data[0]
    grown = client.v1.disputes.update(inquiry.id, {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}})
    assert (grown.status, len(grown.balance_transactions)) == ("needs_response", 1)
