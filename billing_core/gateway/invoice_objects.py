"""Invoices, what was paid on them and what was credited, as frozen dataclasses; conventions as in `objects.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Self

from billing_core.gateway.shapes import Raw, amount, decimal, entries, instant, link, part, total_of
from billing_core.periods import utc


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line. `amount_minor` is before its discounts and, for exclusive tax, before tax.

    The period is [start, end). Rate and reason are those of its tax when it has exactly one.
    """

    invoice_line_id: str
    invoice_id: str
    subscription_id: str | None
    subscription_item_id: str | None
    price_id: str | None
    product_id: str | None
    description: str | None
    position: int
    quantity: Decimal | None
    unit_amount_decimal: Decimal | None
    amount_minor: int
    discount_minor: int
    tax_minor: int
    currency: str
    period_start_at: datetime | None
    period_end_at: datetime | None
    is_proration: bool
    tax_rate_id: str | None
    taxability_reason: str | None
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw, invoice_id: str, position: int) -> Self:
        """Read a line.

        Before 2025-03-31 price, proration and subscription stood on the line itself, tax in `tax_amounts`.
        """
        parent = part(raw, "parent", "subscription_item_details") or part(raw, "parent", "invoice_item_details") or raw
        quantity = decimal(raw, "quantity_decimal")
        taxes: Sequence[Raw] = (raw["taxes"] if "taxes" in raw else raw.get("tax_amounts")) or ()
        only_tax = taxes[0] if len(taxes) == 1 else None
        return cls(
            invoice_line_id=raw["id"],
            invoice_id=invoice_id,
            subscription_id=link(parent, "subscription") or link(raw, "subscription"),
            subscription_item_id=link(parent, "subscription_item"),
            price_id=link(raw, "pricing", "price_details", "price") or link(raw, "price"),
            product_id=link(raw, "pricing", "price_details", "product") or link(raw, "price", "product"),
            description=raw.get("description"),
            position=position,
            quantity=decimal(raw, "quantity") if quantity is None else quantity,
            unit_amount_decimal=decimal(raw, "pricing", "unit_amount_decimal")
            if raw.get("pricing")
            else decimal(raw, "price", "unit_amount_decimal"),
            amount_minor=int(raw["amount"]),
            discount_minor=total_of(raw.get("discount_amounts")),
            tax_minor=total_of(taxes),
            currency=raw["currency"],
            period_start_at=instant(raw, "period", "start"),
            period_end_at=instant(raw, "period", "end"),
            is_proration=bool(parent.get("proration")),
            tax_rate_id=link(only_tax, "tax_rate_details", "tax_rate") or link(only_tax, "tax_rate"),
            taxability_reason=part(only_tax, "taxability_reason"),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class InvoiceItem:
    """An amount that waits for an invoice or is on one; `amount_minor` is negative for a credit.

    The period is [start, end); `created_at` is when the item was made.
    """

    invoice_item_id: str
    customer_id: str | None
    subscription_id: str | None
    subscription_item_id: str | None
    price_id: str | None
    quantity: Decimal | None
    amount_minor: int
    currency: str
    period_start_at: datetime | None
    period_end_at: datetime | None
    is_proration: bool
    created_at: datetime | None
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read an invoice item; before 2025-03-31 subscription and price stood on the item itself."""
        parent = part(raw, "parent", "subscription_details") or raw
        quantity = decimal(raw, "quantity_decimal")
        return cls(
            invoice_item_id=raw["id"],
            customer_id=link(raw, "customer"),
            subscription_id=link(parent, "subscription"),
            subscription_item_id=link(parent, "subscription_item"),
            price_id=link(raw, "pricing", "price_details", "price") or link(raw, "price"),
            quantity=decimal(raw, "quantity") if quantity is None else quantity,
            amount_minor=int(raw["amount"]),
            currency=raw["currency"],
            period_start_at=instant(raw, "period", "start"),
            period_end_at=instant(raw, "period", "end"),
            is_proration=bool(raw.get("proration")),
            created_at=instant(raw, "date"),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class InvoicePayment:
    """The part that one payment has in an invoice. `amount_minor` is what was paid: 0 until `status` is `paid`.

    A payment record is money that came outside Stripe; `reference` is what the bank called it.
    """

    payment_id: str
    invoice_id: str | None
    payment_intent_id: str | None
    charge_id: str | None
    currency: str
    amount_minor: int
    status: str
    is_outside_stripe: bool
    reference: str | None
    paid_at: datetime | None
    created_at: datetime | None
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read an invoice payment, its payment record expanded or not."""
        record = part(raw, "payment", "payment_record")
        return cls(
            payment_id=raw["id"],
            invoice_id=link(raw, "invoice"),
            payment_intent_id=link(raw, "payment", "payment_intent"),
            charge_id=link(raw, "payment", "charge") or link(raw, "payment", "payment_intent", "latest_charge"),
            currency=raw["currency"],
            amount_minor=amount(raw, "amount_paid") if raw["status"] == "paid" else 0,
            status=raw["status"],
            is_outside_stripe=record is not None,
            reference=part(record, "processor_details", "custom", "payment_reference"),
            paid_at=instant(raw, "status_transitions", "paid_at"),
            created_at=instant(raw, "created"),
            raw=raw,
        )


def _tax_id(given: Sequence[Raw]) -> str | None:
    """Return the VAT number among a customer's tax ids, else the first of them."""
    ranked = sorted(given, key=lambda tax_id: tax_id.get("type") != "eu_vat")
    return str(ranked[0]["value"]) if ranked else None


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice with all its lines; `payments` is None when the answer did not hold them."""

    invoice_id: str
    customer_id: str | None
    tenant_id: str | None
    subscription_id: str | None
    number: str | None
    status: str
    billing_reason: str | None
    collection_method: str | None
    currency: str
    subtotal_minor: int
    discount_minor: int
    tax_minor: int
    total_excluding_tax_minor: int
    total_minor: int
    amount_due_minor: int
    amount_paid_minor: int
    amount_remaining_minor: int
    pre_payment_credit_minor: int
    post_payment_credit_minor: int
    starting_balance_minor: int
    ending_balance_minor: int | None
    attempt_count: int | None
    next_payment_attempt_at: datetime | None
    created_at: datetime | None
    finalized_at: datetime | None
    due_at: datetime | None
    paid_at: datetime | None
    voided_at: datetime | None
    marked_uncollectible_at: datetime | None
    automatically_finalizes_at: datetime | None
    hosted_invoice_url: str | None
    invoice_pdf: str | None
    customer_country: str | None
    customer_tax_exempt: str | None
    customer_tax_id: str | None
    lines: tuple[InvoiceLine, ...]
    payments: tuple[InvoicePayment, ...] | None
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read an invoice.

        Before 2025-03-31 the subscription stood on the invoice itself and tax in `tax` or `total_tax_amounts`.
        """
        details = part(raw, "parent", "subscription_details") or raw
        taxes = raw["total_taxes"] if "total_taxes" in raw else raw.get("total_tax_amounts")
        tax_minor = total_of(taxes)
        without_tax = raw.get("total_excluding_tax")
        return cls(
            invoice_id=raw["id"],
            customer_id=link(raw, "customer"),
            tenant_id=part(details, "metadata", "tenant_id") or None,
            subscription_id=link(details, "subscription"),
            number=raw.get("number"),
            status=raw["status"],
            billing_reason=raw.get("billing_reason"),
            collection_method=raw.get("collection_method"),
            currency=raw["currency"],
            subtotal_minor=int(raw["subtotal"]),
            discount_minor=total_of(raw.get("total_discount_amounts")),
            tax_minor=tax_minor,
            total_excluding_tax_minor=int(raw["total"]) - tax_minor if without_tax is None else int(without_tax),
            total_minor=int(raw["total"]),
            amount_due_minor=amount(raw, "amount_due"),
            amount_paid_minor=amount(raw, "amount_paid"),
            amount_remaining_minor=amount(raw, "amount_remaining"),
            pre_payment_credit_minor=amount(raw, "pre_payment_credit_notes_amount"),
            post_payment_credit_minor=amount(raw, "post_payment_credit_notes_amount"),
            starting_balance_minor=amount(raw, "starting_balance"),
            ending_balance_minor=raw.get("ending_balance"),
            attempt_count=raw.get("attempt_count"),
            next_payment_attempt_at=instant(raw, "next_payment_attempt"),
            created_at=instant(raw, "created"),
            finalized_at=instant(raw, "status_transitions", "finalized_at"),
            due_at=instant(raw, "due_date"),
            paid_at=instant(raw, "status_transitions", "paid_at"),
            voided_at=instant(raw, "status_transitions", "voided_at"),
            marked_uncollectible_at=instant(raw, "status_transitions", "marked_uncollectible_at"),
            automatically_finalizes_at=instant(raw, "automatically_finalizes_at"),
            hosted_invoice_url=raw.get("hosted_invoice_url"),
            invoice_pdf=raw.get("invoice_pdf"),
            customer_country=part(raw, "customer_address", "country"),
            customer_tax_exempt=raw.get("customer_tax_exempt"),
            customer_tax_id=_tax_id(raw.get("customer_tax_ids") or ()),
            lines=tuple(InvoiceLine.from_raw(line, raw["id"], i) for i, line in enumerate(entries(raw, "lines"))),
            payments=tuple(InvoicePayment.from_raw(p) for p in entries(raw, "payments"))
            if raw.get("payments")
            else None,
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class CreditNoteLine:
    """One line of a credit note; amounts are positive."""

    credit_note_line_id: str
    credit_note_id: str
    invoice_line_id: str | None
    description: str | None
    quantity: Decimal | None
    amount_minor: int
    discount_minor: int
    tax_minor: int
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw, credit_note_id: str) -> Self:
        """Read a line; before 2025-03-31 tax stood in `tax_amounts`."""
        return cls(
            credit_note_line_id=raw["id"],
            credit_note_id=credit_note_id,
            invoice_line_id=link(raw, "invoice_line_item"),
            description=raw.get("description"),
            quantity=decimal(raw, "quantity"),
            amount_minor=int(raw["amount"]),
            discount_minor=amount(raw, "discount_amount"),
            tax_minor=total_of(raw["taxes"] if "taxes" in raw else raw.get("tax_amounts")),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class CreditNote:
    """A credit note with all its lines; amounts are positive. It counts from `effective_at` where that was set."""

    credit_note_id: str
    invoice_id: str | None
    customer_id: str | None
    number: str | None
    status: str
    type: str | None
    reason: str | None
    memo: str | None
    currency: str
    subtotal_minor: int
    discount_minor: int
    tax_minor: int
    total_excluding_tax_minor: int
    total_minor: int
    pre_payment_minor: int
    post_payment_minor: int
    outside_stripe_minor: int
    issued_at: datetime
    voided_at: datetime | None
    lines: tuple[CreditNoteLine, ...]
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a credit note."""
        tax_minor = total_of(raw["total_taxes"] if "total_taxes" in raw else raw.get("tax_amounts"))
        without_tax = raw.get("total_excluding_tax")
        return cls(
            credit_note_id=raw["id"],
            invoice_id=link(raw, "invoice"),
            customer_id=link(raw, "customer"),
            number=raw.get("number"),
            status=raw["status"],
            type=raw.get("type"),
            reason=raw.get("reason"),
            memo=raw.get("memo"),
            currency=raw["currency"],
            subtotal_minor=int(raw["subtotal"]),
            discount_minor=amount(raw, "discount_amount"),
            tax_minor=tax_minor,
            total_excluding_tax_minor=int(raw["total"]) - tax_minor if without_tax is None else int(without_tax),
            total_minor=int(raw["total"]),
            pre_payment_minor=amount(raw, "pre_payment_amount"),
            post_payment_minor=amount(raw, "post_payment_amount"),
            outside_stripe_minor=amount(raw, "out_of_band_amount"),
            issued_at=instant(raw, "effective_at") or utc(int(raw["created"])),
            voided_at=instant(raw, "voided_at"),
            lines=tuple(CreditNoteLine.from_raw(line, raw["id"]) for line in entries(raw, "lines")),
            raw=raw,
        )
