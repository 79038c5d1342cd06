"""Credit notes before and after payment, with tax and discounts, and the limits they keep."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def moms(client: stripe.StripeClient, **params: Any) -> str:
    """Make the Danish rate, on top of prices."""
    return client.v1.tax_rates.create(
        {"display_name": "Moms", "percentage": 25, "inclusive": False, "country": "DK", **params}
    ).id


def invoice_of(
    client: stripe.StripeClient, *items: dict[str, Any], card: str = "pm_card_dk", **params: Any
) -> stripe.Invoice:
    """Finalize an invoice of a new customer."""
    customer = client.v1.customers.create(
        {"payment_method": card, "invoice_settings": {"default_payment_method": card}}
    ).id
    draft = client.v1.invoices.create({"customer": customer, "currency": "dkk", **params})
    for item in items:
        client.v1.invoice_items.create({"customer": customer, "invoice": draft.id, "currency": "dkk", **item})
    return client.v1.invoices.finalize_invoice(draft.id, {"auto_advance": False})


def test_a_credit_note_before_payment_lowers_what_is_due(client: stripe.StripeClient, gaps) -> None:
    """100.00 and 25 % moms; 40.00 credited is 50.00 with moms; 75.00 remains and is what is paid."""
    invoice = invoice_of(client, {"amount": 10000, "description": "Leje", "tax_rates": [moms(client)]})
    assert (invoice.total, invoice.amount_due) == (12500, 12500)
    line = invoice.lines.data[0].id
    wanted = {
        "invoice": invoice.id,
        "lines": [{"type": "invoice_line_item", "invoice_line_item": line, "amount": 4000}],
        "reason": "order_change",
        "memo": "For meget",
    }
    seen = client.v1.credit_notes.preview(wanted)
    assert client.v1.credit_notes.list({"invoice": invoice.id}).data == []
    note = client.v1.credit_notes.create(wanted)
    assert gaps(note) == []
    assert (note.subtotal, note.total_taxes[0].amount, note.total, note.amount) == (4000, 1000, 5000, 5000)
    assert (seen.total, seen.number, seen.type) == (note.total, note.number, note.type)
    assert (note.total_excluding_tax, note.type, note.status) == (4000, "pre_payment", "issued")
    assert (note.pre_payment_amount, note.post_payment_amount) == (5000, 0)
    assert note.number == f"{invoice.number}-CN-01"
    shown = note.lines.data[0]
    assert gaps(shown) == []
    assert (shown.amount, shown.invoice_line_item, shown.taxes[0].amount) == (4000, line, 1000)
    assert httpx.get(note.pdf, trust_env=False).content.startswith(b"%PDF-")
    after = client.v1.invoices.retrieve(invoice.id)
    assert (after.status, after.total, after.amount_due, after.amount_remaining) == ("open", 12500, 7500, 7500)
    assert after.pre_payment_credit_notes_amount == 5000
    paid = client.v1.invoices.pay(invoice.id)
    assert (paid.status, paid.amount_paid) == ("paid", 7500)
    assert client.v1.balance_transactions.list({}).data[0].amount == 7500


def test_crediting_all_of_an_open_invoice_pays_it(client: stripe.StripeClient) -> None:
    """Nothing remains: the invoice is paid without a payment, its intent canceled."""
    invoice = invoice_of(client, {"amount": 10000, "description": "Leje"})
    line = invoice.lines.data[0].id
    client.v1.credit_notes.create(
        {
            "invoice": invoice.id,
            "lines": [{"type": "invoice_line_item", "invoice_line_item": line, "quantity": 1}],
        }
    )
    after = client.v1.invoices.retrieve(invoice.id)
    assert (after.status, after.amount_paid, after.amount_remaining) == ("paid", 0, 0)
    payment = client.v1.invoice_payments.list({"invoice": invoice.id}).data[0]
    assert payment.status == "canceled"
    types = [e.type for e in client.v1.events.list({"limit": 20}).data]
    assert types.index("credit_note.created") > types.index("invoice.paid")


def test_after_payment_somebody_says_where_the_money_goes(client: stripe.StripeClient, gaps) -> None:
    """125.00 paid; 62.50 credited: 30.00 refunded, 20.00 credit, 12.50 outside; other sums are refused."""
    invoice = invoice_of(
        client, {"unit_amount_decimal": "1000", "quantity": 10, "description": "Enheder", "tax_rates": [moms(client)]}
    )
    client.v1.invoices.pay(invoice.id)
    line = invoice.lines.data[0].id
    wanted: dict[str, Any] = {
        "invoice": invoice.id,
        "lines": [{"type": "invoice_line_item", "invoice_line_item": line, "quantity": 5}],
    }
    for ways in ({}, {"refund_amount": 6249}, {"refund_amount": 3000, "credit_amount": 3251}):
        with pytest.raises(stripe.InvalidRequestError, match="must equal the post payment amount"):
            client.v1.credit_notes.create({**wanted, **ways})
    note = client.v1.credit_notes.create(
        {**wanted, "refund_amount": 3000, "credit_amount": 2000, "out_of_band_amount": 1250}
    )
    assert gaps(note) == []
    assert (note.total, note.type, note.post_payment_amount, note.pre_payment_amount) == (6250, "post_payment", 6250, 0)
    assert (note.lines.data[0].quantity, note.lines.data[0].unit_amount) == (5, 1000)
    refund = client.v1.refunds.retrieve(note.refunds[0].refund)
    assert (refund.amount, note.refunds[0].amount_refunded, note.out_of_band_amount) == (3000, 3000, 1250)
    credit = client.v1.customers.balance_transactions.retrieve(invoice.customer, note.customer_balance_transaction)
    assert (credit.type, credit.amount, credit.credit_note) == ("credit_note", -2000, note.id)
    assert client.v1.customers.retrieve(invoice.customer).balance == -2000
    after = client.v1.invoices.retrieve(invoice.id)
    assert (after.status, after.amount_due, after.post_payment_credit_notes_amount) == ("paid", 12500, 6250)
    with pytest.raises(stripe.InvalidRequestError, match="only void"):
        client.v1.credit_notes.void_credit_note(note.id)


def test_a_partly_paid_invoice_is_lowered_first(client: stripe.StripeClient) -> None:
    """Of 100.00, 70.00 is paid; 50.00 credited takes the 30.00 that remain and leaves 20.00 to give back."""
    invoice = invoice_of(
        client, {"amount": 10000, "description": "Leje"}, collection_method="send_invoice", days_until_due=14
    )
    method = client.v1.payment_methods.list({"customer": invoice.customer}).data[0].id
    part = client.v1.payment_intents.create(
        {
            "amount": 7000,
            "currency": "dkk",
            "customer": invoice.customer,
            "payment_method": method,
            "confirm": True,
        }
    )
    client.v1.invoices.attach_payment(invoice.id, {"payment_intent": part.id})
    note = client.v1.credit_notes.create({"invoice": invoice.id, "amount": 5000, "refund_amount": 2000})
    assert (note.type, note.pre_payment_amount, note.post_payment_amount) == ("mixed", 3000, 2000)
    assert note.lines.data[0].type == "custom_line_item"
    after = client.v1.invoices.retrieve(invoice.id)
    assert (after.status, after.amount_paid, after.amount_due) == ("paid", 7000, 7000)


def test_credit_notes_and_refunds_never_exceed_the_invoice(client: stripe.StripeClient) -> None:
    """A refund made apart counts, unless a credit note takes it up."""
    invoice = invoice_of(client, {"amount": 10000, "description": "Leje"})
    client.v1.invoices.pay(invoice.id)
    charge = client.v1.charges.list({"customer": invoice.customer}).data[0].id
    refund = client.v1.refunds.create({"charge": charge, "amount": 4000})
    with pytest.raises(stripe.InvalidRequestError, match="must not exceed"):
        client.v1.credit_notes.create({"invoice": invoice.id, "amount": 6001, "credit_amount": 6001})
    taken_up = client.v1.credit_notes.create(
        {"invoice": invoice.id, "amount": 4000, "refunds": [{"refund": refund.id}]}
    )
    assert taken_up.refunds[0].refund == refund.id
    assert client.v1.refunds.list({"charge": charge}).data[0].id == refund.id
    with pytest.raises(stripe.InvalidRequestError, match="no credit note covers"):
        client.v1.credit_notes.create({"invoice": invoice.id, "amount": 100, "refunds": [{"refund": refund.id}]})
    client.v1.credit_notes.create({"invoice": invoice.id, "amount": 6000, "credit_amount": 6000})
    with pytest.raises(stripe.InvalidRequestError, match="must not exceed"):
        client.v1.credit_notes.create({"invoice": invoice.id, "amount": 1, "credit_amount": 1})


def test_a_voided_credit_note_makes_the_invoice_due_again(client: stripe.StripeClient) -> None:
    """Numbers go on, memo and metadata change, and the voided note no longer counts."""
    invoice = invoice_of(client, {"amount": 10000, "description": "Leje"})
    first = client.v1.credit_notes.create({"invoice": invoice.id, "amount": 4000})
    changed = client.v1.credit_notes.update(first.id, {"memo": "Rettet", "metadata": {"a": "1"}})
    assert (changed.memo, changed.metadata["a"]) == ("Rettet", "1")
    voided = client.v1.credit_notes.void_credit_note(first.id)
    assert voided.status == "void"
    assert voided.voided_at is not None
    after = client.v1.invoices.retrieve(invoice.id)
    assert (after.amount_due, after.pre_payment_credit_notes_amount) == (10000, 0)
    second = client.v1.credit_notes.create({"invoice": invoice.id, "amount": 9000})
    assert second.number == f"{invoice.number}-CN-02"
    assert [n.id for n in client.v1.credit_notes.list({"customer": invoice.customer}).data] == [second.id, first.id]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.credit_notes.void_credit_note(first.id)


def test_wrong_credit_notes_are_refused(client: stripe.StripeClient) -> None:
    """Drafts, foreign lines, too much of a line, amount and quantity mixed, nothing at all."""
    other = invoice_of(client, {"amount": 5000, "description": "Anden"})
    invoice = invoice_of(client, {"unit_amount_decimal": "1000", "quantity": 3, "description": "Enheder"})
    line = invoice.lines.data[0].id

    def refuse(match: str, **params: Any) -> None:
        with pytest.raises(stripe.InvalidRequestError, match=match):
            client.v1.credit_notes.create({"invoice": invoice.id, **params})

    refuse("one of amount, lines")
    of_line = {"type": "invoice_line_item", "invoice_line_item": line}
    refuse("No such invoice line", lines=[{**of_line, "invoice_line_item": other.lines.data[0].id, "amount": 1}])
    refuse("between 1 and what is left", lines=[{**of_line, "quantity": 4}])
    refuse("between 0 and what is left", lines=[{**of_line, "amount": 3001}])
    refuse("either `amount` or `quantity`", lines=[of_line])
    client.v1.credit_notes.create({"invoice": invoice.id, "lines": [{**of_line, "quantity": 1}]})
    refuse("credited by quantity", lines=[{**of_line, "amount": 500}])
    refuse("must equal the sum", amount=1, lines=[{**of_line, "quantity": 1}])
    draft = client.v1.invoices.create({"customer": invoice.customer})
    with pytest.raises(stripe.InvalidRequestError, match="draft"):
        client.v1.credit_notes.create({"invoice": draft.id, "amount": 100})


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    amount=st.integers(300, 99999),
    percent=st.sampled_from([25, 12.5, 19.6]),
    cuts=st.lists(st.integers(10, 50000), min_size=1, max_size=3),
    off=st.sampled_from([None, 10, 33.33]),
)
def test_a_line_credited_in_parts_comes_to_what_it_was_billed(
    client: stripe.StripeClient, amount: int, percent: float, cuts: list[int], off: float | None
) -> None:
    """Whatever the parts: amounts, tax and discounts of all credit notes sum to the invoice's."""
    discounts = [{"coupon": client.v1.coupons.create({"percent_off": off, "duration": "once"}).id}] if off else []
    invoice = invoice_of(
        client,
        {"amount": amount, "description": "Leje", "tax_rates": [moms(client, percentage=percent)]},
        collection_method="send_invoice",
        days_until_due=14,
        discounts=discounts,
    )
    line, left, notes = invoice.lines.data[0].id, amount, []
    for part in [*cuts, amount]:
        part = min(part, left)
        if part:
            notes.append(
                client.v1.credit_notes.create(
                    {
                        "invoice": invoice.id,
                        "lines": [{"type": "invoice_line_item", "invoice_line_item": line, "amount": part}],
                    }
                )
            )
            left -= part
    assert sum(n.subtotal for n in notes) == amount
    assert sum(n.total for n in notes) == invoice.total
    assert sum(t.amount for n in notes for t in n.total_taxes) == sum(t.amount for t in invoice.total_taxes)
    assert sum(n.discount_amount for n in notes) == sum(d.amount for d in invoice.total_discount_amounts)
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"
