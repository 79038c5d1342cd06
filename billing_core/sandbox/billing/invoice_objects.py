"""Invoices and their lines as objects: how they begin and how they are shown.

Our own keys on an invoice: `_subscription` (id or None), `_tax_rates` (default tax rates, ids), `_token` (of its hosted
page). On a line: `_tax_rates` (ids; None takes the invoice's), `_product`, `_usage` (what a metered line counts),
`_fixed_discounts` (amounts that were settled when a proration was made).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from billing_core.sandbox.billing.account import setting
from billing_core.sandbox.billing.pricing import decimal_text
from billing_core.sandbox.context import Context
from billing_core.sandbox.render import bare, list_object, presenter, render
from billing_core.sandbox.state import Obj


def new_invoice(
    ctx: Context,
    customer: Obj,
    *,
    currency: str,
    billing_reason: str,
    subscription: Obj | None = None,
    period: tuple[int, int] | None = None,
    **fields: Any,
) -> Obj:
    """Insert an empty draft.

    Args:
        ctx: the account.
        customer: who is billed.
        currency: lower case.
        billing_reason: Stripe's word.
        subscription: what it is for; its collection method, tax rates and texts are taken over.
        period: `period_start` and `period_end`, by default now.
        **fields: overrides of Stripe's fields and of our own keys.
    """
    now = ctx.now(customer)
    start, end = period or (now, now)
    settings = (subscription or {}).get("invoice_settings") or {}
    defaults = customer.get("invoice_settings") or {}
    invoice: Obj = {
        "id": ctx.state.new_id("in"),
        "object": "invoice",
        "account_country": setting(ctx, "country"),
        "account_name": setting(ctx, "name"),
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": subscription is not None,
        "automatic_tax": _no_automatic_tax(),
        "automatically_finalizes_at": None,
        "billing_reason": billing_reason,
        "collection_method": (subscription or {}).get("collection_method") or "charge_automatically",
        "created": now,
        "currency": currency,
        "custom_fields": settings.get("custom_fields") or defaults.get("custom_fields"),
        "customer": customer["id"],
        "customer_account": None,
        **customer_details(ctx, customer),
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": settings.get("description"),
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": settings.get("footer") or defaults.get("footer"),
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": None,
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": end,
        "period_start": start,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_details": None,
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "test_clock": customer.get("test_clock"),
        "threshold_reason": None,
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": now,
        "_subscription": None,
        "_tax_rates": [],
        "_days_until_due": None,
    }
    if subscription is not None:
        invoice["_subscription"] = subscription["id"]
        invoice["_tax_rates"] = list(subscription["default_tax_rates"])
        invoice["_days_until_due"] = subscription["days_until_due"]
        invoice["default_payment_method"] = subscription["default_payment_method"]
        invoice["automatic_tax"] = {**_no_automatic_tax(), "enabled": subscription["automatic_tax"]["enabled"]}
        invoice["parent"] = {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {
                "metadata": dict(subscription["metadata"]),
                "subscription": subscription["id"],
            },
        }
    invoice.update(fields)
    invoice["_token"] = invoice["id"].removeprefix("in_")
    return ctx.state.insert(invoice)


def customer_details(ctx: Context, customer: Obj) -> Obj:
    """Return what an invoice keeps of its customer; settled when it is finalized."""
    return {
        "customer_address": customer.get("address"),
        "customer_email": customer.get("email"),
        "customer_name": customer.get("name"),
        "customer_phone": customer.get("phone"),
        "customer_shipping": customer.get("shipping"),
        "customer_tax_exempt": customer.get("tax_exempt") or "none",
        "customer_tax_ids": [
            {"type": t["type"], "value": t["value"]} for t in ctx.state.where("tax_id", "customer", customer["id"])
        ],
    }


def _no_automatic_tax() -> Obj:
    return {"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None}


def add_line(
    ctx: Context,
    invoice: Obj,
    *,
    amount: int,
    description: str | None,
    period: tuple[int, int],
    pricing: Obj | None,
    quantity: Fraction | int | None,
    parent: Obj | None,
    discountable: bool = True,
    discounts: Sequence[str] = (),
    tax_rates: Sequence[str] | None = None,
    **own: Any,
) -> Obj:
    """Insert a line of a draft; its discounts and taxes are filled in by `recalculate`.

    Args:
        ctx: the account.
        invoice: the draft.
        amount: minor units before discounts and exclusive tax.
        description: shown text.
        period: half-open, Unix seconds.
        pricing: Stripe's hash, or None for a bare amount.
        quantity: None when there is none.
        parent: Stripe's hash.
        discountable: whether discounts of the invoice touch it.
        discounts: discounts of the line itself, ids.
        tax_rates: ids; None takes the invoice's defaults.
        **own: metadata, subscription and our own keys.
    """
    line: Obj = {
        "id": ctx.state.new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": invoice["currency"],
        "description": description,
        "discount_amounts": [],
        "discountable": discountable,
        "discounts": list(discounts),
        "invoice": invoice["id"],
        "livemode": False,
        "metadata": {},
        "parent": parent,
        "period": {"start": period[0], "end": period[1]},
        "pretax_credit_amounts": [],
        "pricing": pricing,
        "quantity": None,
        "quantity_decimal": None,
        "subscription": None,
        "subtotal": amount,
        "taxes": [],
        "_tax_rates": None if tax_rates is None else list(tax_rates),
        "_product": ((pricing or {}).get("price_details") or {}).get("product"),
        "_usage": None,
        "_fixed_discounts": None,
    }
    line.update(own)
    if quantity is not None:
        set_quantity(line, quantity)
    return ctx.state.insert(line)


def set_quantity(line: Obj, quantity: Fraction | int) -> None:
    """Set a line's quantity in both of its spellings."""
    line["quantity"], line["quantity_decimal"] = int(quantity), decimal_text(Fraction(quantity))


def tax_rate_objects(ctx: Context, ids: Sequence[str] | None) -> list[Obj]:
    """Return tax rates as they are shown inside other objects."""
    return [render(ctx, rate) for i in ids or () if (rate := ctx.state.get("tax_rate", i))]


@presenter("invoice")
def present_invoice(ctx: Context, invoice: Obj) -> Obj:
    """Show an invoice with its first ten lines; a preview is shown as it was made."""
    if "_token" not in invoice:
        return bare(invoice)
    shown = bare(invoice)
    lines = ctx.state.where("line_item", "invoice", invoice["id"])
    shown["lines"] = list_object(
        [present_line(ctx, line) for line in lines[:10]], f"/v1/invoices/{invoice['id']}/lines", len(lines)
    )
    shown["default_tax_rates"] = tax_rate_objects(ctx, invoice["_tax_rates"])
    if invoice["status"] in ("open", "paid", "uncollectible", "void"):
        shown["hosted_invoice_url"] = f"{ctx.base_url}/i/{invoice['_token']}"
        shown["invoice_pdf"] = f"{ctx.base_url}/i/{invoice['_token']}/pdf"
    return shown


@presenter("line_item")
def present_line(ctx: Context, line: Obj) -> Obj:
    """Show a line."""
    return bare(line)
