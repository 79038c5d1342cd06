"""Invoice items: amounts that wait for the next invoice, made by hand or by prorations, and their way onto an invoice.

Our own keys: `_line` (the line it became), `_embedded` (discounts already inside a proration's amount),
`_fixed_discounts` (discount amounts of an itemized proration), `_credited` (as in Stripe's `credited_items`).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from billing_core.sandbox.billing.invoice_objects import add_line, tax_rate_objects
from billing_core.sandbox.billing.pricing import decimal_text
from billing_core.sandbox.context import Context
from billing_core.sandbox.render import bare, presenter
from billing_core.sandbox.state import Obj


def insert_invoiceitem(
    ctx: Context,
    customer: Obj,
    *,
    currency: str,
    amount: int,
    quantity: Fraction | int,
    period: tuple[int, int],
    description: str | None,
    pricing: Obj | None,
    subscription: str | None = None,
    subscription_item: str | None = None,
    **fields: Any,
) -> Obj:
    """Insert a pending invoice item and emit its event.

    Args:
        ctx: the account.
        customer: who will be billed.
        currency: lower case.
        amount: minor units, negative for a credit.
        quantity: what the amount is for.
        period: half-open, Unix seconds.
        description: shown text.
        pricing: Stripe's hash.
        subscription: the subscription whose invoices may hold it; None lets any invoice of the customer take it.
        subscription_item: what was prorated.
        **fields: discountable, discounts, tax_rates (ids), proration, metadata and our own keys.
    """
    exact = Fraction(quantity)
    item: Obj = {
        "id": ctx.state.new_id("ii"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "date": ctx.now(customer),
        "description": description,
        "discountable": True,
        "discounts": [],
        "frozen_fields": None,
        "invoice": None,
        "invoicing_rules": None,
        "livemode": False,
        "metadata": {},
        "net_amount": None,
        "parent": None,
        "period": {"start": period[0], "end": period[1]},
        "pricing": pricing,
        "proration": False,
        "proration_details": None,
        "quantity": int(exact),
        "quantity_decimal": decimal_text(exact),
        "tax_rates": [],
        "test_clock": customer.get("test_clock"),
        "_line": None,
        "_tax_rates": None,
        "_embedded": [],
        "_fixed_discounts": None,
        "_credited": None,
    }
    if subscription:
        item["parent"] = {
            "type": "subscription_details",
            "subscription_details": {"subscription": subscription, "subscription_item": subscription_item},
        }
    item.update(fields)
    ctx.state.insert(item)
    ctx.emit("invoiceitem.created", item)
    return item


@presenter("invoiceitem")
def present_invoiceitem(ctx: Context, item: Obj) -> Obj:
    """Show an invoice item."""
    shown = bare(item)
    shown["tax_rates"] = tax_rate_objects(ctx, item["_tax_rates"])
    shown.pop("created", None)
    return shown


def subscription_of(item: Obj) -> str | None:
    """Return the subscription an invoice item belongs to."""
    return ((item["parent"] or {}).get("subscription_details") or {}).get("subscription")


def pending(ctx: Context, customer_id: str, currency: str, subscription_id: str | None) -> list[Obj]:
    """Return the items that the next invoice takes: those of its subscription and those of no subscription.

    Args:
        ctx: the account.
        customer_id: who is billed.
        currency: only items of this currency.
        subscription_id: None for an invoice made by hand, which takes items of no subscription only.
    """
    return [
        item
        for item in ctx.state.where("invoiceitem", "customer", customer_id)
        if item["invoice"] is None and item["currency"] == currency and subscription_of(item) in (None, subscription_id)
    ]


def put_on_invoice(ctx: Context, invoice: Obj, items: Sequence[Obj]) -> list[Obj]:
    """Make lines of invoice items on a draft; returns the lines."""
    lines = []
    for item in items:
        owner = (item["parent"] or {}).get("subscription_details") or {}
        line = add_line(
            ctx,
            invoice,
            amount=item["amount"],
            description=item["description"],
            period=(item["period"]["start"], item["period"]["end"]),
            pricing=item["pricing"],
            quantity=Fraction(item["quantity_decimal"]),
            parent=line_parent(item, owner.get("subscription"), owner.get("subscription_item")),
            discountable=item["discountable"],
            discounts=item["discounts"],
            tax_rates=item["_tax_rates"],
            metadata=dict(item["metadata"]),
            subscription=owner.get("subscription"),
            _fixed_discounts=item["_fixed_discounts"],
            _embedded=item["_embedded"],
        )
        edited = ctx.state.edit("invoiceitem", item["id"])
        edited["invoice"], edited["_line"] = invoice["id"], line["id"]
        lines.append(line)
    return lines


def line_parent(item: Obj, subscription: str | None, subscription_item: str | None) -> Obj:
    """Return the `parent` of the line that an invoice item becomes."""
    credited = item["_credited"]
    details: Obj = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": credited},
        "subscription": subscription,
    }
    if item["proration"] and subscription_item:
        details["subscription_item"] = subscription_item
        return {
            "type": "subscription_item_details",
            "subscription_item_details": details,
            "invoice_item_details": None,
        }
    return {"type": "invoice_item_details", "invoice_item_details": details, "subscription_item_details": None}
