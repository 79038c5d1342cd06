"""Money that moves after the invoice: records from outside Stripe, refunds, disputes, payouts, balances, voids."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import stripe

from tests.mirror.conftest import Mirroring
from tests.sandbox.conftest import Server

Tenant = Callable[..., tuple[str, str]]


def _invoice(client: stripe.StripeClient, customer: str, amount: int, **more: Any) -> str:
    params: dict[str, Any] = {
        "customer": customer, "collection_method": "send_invoice", "days_until_due": 14, "currency": "dkk",
        "auto_advance": False, **more,
    }  # fmt: skip
    invoice = client.v1.invoices.create(params)  # type: ignore[arg-type]
    client.v1.invoice_items.create({"customer": customer, "invoice": invoice.id, "amount": amount, "currency": "dkk"})
    return client.v1.invoices.finalize_invoice(invoice.id).id


def test_two_bank_transfers_share_an_invoices_tax_and_keep_their_references(
    client: stripe.StripeClient, tenant: Tenant, mirroring: Mirroring
) -> None:
    """10,000 + 25 % = 12,500, paid 5,000 and 7,500 by bank: tax 1,000 and 1,500, each with what the bank called it."""
    v1 = client.v1
    customer, _ = tenant()
    rate = v1.tax_rates.create({"display_name": "Moms", "percentage": 25, "inclusive": False}).id
    invoice = _invoice(client, customer, 10000, default_tax_rates=[rate])
    mirroring.run()
    at = mirroring.one("invoices").finalized_at
    for i, amount in enumerate((5000, 7500)):
        paid_at = int((at + timedelta(hours=i + 1)).timestamp())
        record = v1.payment_records.report_payment(
            {
                "amount_requested": {"value": amount, "currency": "dkk"},
                "initiated_at": paid_at,
                "outcome": "guaranteed",
                "guaranteed": {"guaranteed_at": paid_at},
                "payment_method_details": {"type": "custom", "custom": {"display_name": "Bank transfer"}},
                "processor_details": {"type": "custom", "custom": {"payment_reference": f"bank-{i}"}},
            }
        )
        v1.invoices.attach_payment(invoice, {"payment_record": record.id})
        mirroring.run()
    rows = sorted(mirroring.rows("payments"), key=lambda p: p.amount_minor)
    assert [(p.amount_minor, p.tax_minor, p.reference, p.is_outside_stripe) for p in rows] == [
        (5000, 1000, "bank-0", True),
        (7500, 1500, "bank-1", True),
    ]
    assert mirroring.one("invoices").status == "paid"
    assert mirroring.run(full=True).changed_count == 0


def test_refund_dispute_and_payout_arrive_with_their_movements(
    client: stripe.StripeClient, mirroring: Mirroring, sandbox: Server
) -> None:
    """By events alone: amounts, the tenant of each, and which payout took what; a full mirror then changes nothing."""
    v1 = client.v1
    mirroring.run()
    made: dict[str, str] = {}
    for tenant_id, card in (("t_good", "pm_card_visa"), ("t_bad", "pm_card_createDispute")):
        customer = v1.customers.create(
            {
                "name": tenant_id,
                "metadata": {"tenant_id": tenant_id},
                "payment_method": card,
                "invoice_settings": {"default_payment_method": card},
            }
        )
        made[tenant_id] = _invoice(client, customer.id, 100000)
        v1.invoices.pay(made[tenant_id])
    intent = v1.invoice_payments.list({"invoice": made["t_good"]}).data[0].payment.payment_intent
    v1.refunds.create({"payment_intent": str(intent), "amount": 40000})
    mirroring.run()
    refund = mirroring.one("refunds")
    assert (refund.amount_minor, refund.tenant_id, refund.invoice_id) == (40000, "t_good", made["t_good"])
    assert mirroring.one("charges", tenant_id="t_good").amount_refunded_minor == 40000
    dispute = mirroring.one("disputes")
    assert (dispute.amount_minor, dispute.tenant_id, dispute.reason) == (100000, "t_bad", "fraudulent")
    assert mirroring.one("charges", tenant_id="t_bad").is_disputed
    sandbox.admin("POST", "/clock", advance_seconds=20 * 86400)
    mirroring.run(at=mirroring.now + timedelta(days=20))
    payouts = mirroring.rows("payouts")
    assert payouts
    taken = mirroring.rows("balance_transactions")
    for payout in payouts:
        nets = [t.net_minor for t in taken if t.payout_id == payout.payout_id]
        assert sum(nets) == payout.amount_minor
    before = mirroring.state()
    mirroring.run(full=True)
    assert mirroring.difference(before) == []


def test_void_and_uncollectible_keep_their_dates_and_a_credit_moves_the_balance(
    client: stripe.StripeClient, tenant: Tenant, mirroring: Mirroring
) -> None:
    """One invoice voided, one given up, one paid and credited to the customer's balance."""
    v1 = client.v1
    mirroring.run()
    customer, _ = tenant()
    void, lost, paid = (_invoice(client, customer, amount) for amount in (1000, 2000, 3000))
    v1.invoices.void_invoice(void)
    v1.invoices.mark_uncollectible(lost)
    v1.invoices.pay(paid)
    v1.credit_notes.create(
        {"invoice": paid, "amount": 500, "credit_amount": 500, "reason": "order_change", "memo": "M"}
    )
    mirroring.run()
    assert mirroring.one("invoices", invoice_id=void).voided_on is not None
    assert mirroring.one("invoices", invoice_id=lost).marked_uncollectible_on is not None
    note = mirroring.one("credit_notes")
    assert (note.total_minor, note.post_payment_minor, note.pre_payment_minor) == (500, 500, 0)
    assert (note.invoice_id, note.tenant_id, note.reason, note.memo) == (paid, "t_1", "order_change", "M")
    assert sum(line.amount_minor for line in mirroring.rows("credit_note_lines")) == 500
    movement = mirroring.one("customer_balance_transactions")
    assert (movement.amount_minor, movement.credit_note_id) == (-500, note.credit_note_id)
    assert mirroring.one("customers").balance_minor == -500
    assert mirroring.run(full=True).changed_count == 0
