"""Invoice items over the API."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from billing_core.money import round_minor
from billing_core.sandbox.billing.invoiceitems import insert_invoiceitem, put_on_invoice
from billing_core.sandbox.billing.invoices import recalculate_and_tell
from billing_core.sandbox.billing.pricing import amount_for, decimal_text, description, pricing_of, resolve_price
from billing_core.sandbox.billing.terms import set_discounts, tax_rate_ids
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money.changes import merged_metadata
from billing_core.sandbox.render import deleted
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

KIND = "invoiceitem"


@route("POST", "/v1/invoiceitems")
def create(ctx: Context, params: Obj) -> Obj:
    """Create an item that waits for the customer's next invoice, or that goes on a draft at once."""
    if not params.get("customer"):
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    return make(ctx, ctx.need("customer", params["customer"], "customer"), params)


def make(ctx: Context, customer: Obj, params: Obj) -> Obj:
    """Create an invoice item from checked parameters.

    Raises:
        StripeFault: no amount and no price, both of them, a price of another kind, a draft that is none.
    """
    invoice = None
    if params.get("invoice"):
        invoice = ctx.need("invoice", params["invoice"], "invoice")
        if invoice["customer"] != customer["id"]:
            raise invalid("The invoice belongs to another customer.", "invoice")
        _must_be_draft(invoice)
    subscription = params.get("subscription")
    if subscription:
        ctx.need("subscription", subscription, "subscription")
    worth = worth_of(ctx, params, (invoice or {}).get("currency") or params.get("currency") or customer.get("currency"))
    if invoice and invoice["currency"] != worth["currency"]:
        raise invalid("The currency of the invoice item must be that of the invoice.", "currency")
    now = ctx.now(customer)
    period = params.get("period") or {"start": now, "end": now}
    if period["end"] < period["start"]:
        raise invalid("The period's end must not be before its start.", "period[end]")
    item = insert_invoiceitem(
        ctx,
        customer,
        currency=worth["currency"],
        amount=worth["amount"],
        quantity=worth["quantity"],
        period=(period["start"], period["end"]),
        description=params.get("description") or worth["description"],
        pricing=worth["pricing"],
        subscription=subscription,
        discountable=params.get("discountable", worth["amount"] >= 0),
        metadata=merged_metadata(None, params.get("metadata")),
        _tax_rates=tax_rate_ids(ctx, params.get("tax_rates"), "tax_rates") or None,
    )
    if params.get("discounts"):
        set_discounts(ctx, KIND, item["id"], params["discounts"])
    if not customer.get("currency"):
        ctx.state.edit("customer", customer["id"])["currency"] = worth["currency"]
    if invoice:
        put_on_invoice(ctx, invoice, [item])
        recalculate_and_tell(ctx, invoice["id"])
    return item


def worth_of(ctx: Context, params: Obj, currency: str | None) -> Obj:
    """Return amount, quantity, pricing and text of what parameters describe: a price, a unit amount, or an amount."""
    quantity = Fraction(params.get("quantity_decimal") or params.get("quantity", 1))
    price = resolve_price(ctx, params, "", is_recurring=False)
    named = [k for k in ("amount", "unit_amount_decimal") if k in params]
    if (price is not None and named) or len(named) > 1:
        raise invalid("You may only specify one of these parameters: amount, pricing, price_data, unit_amount_decimal.")
    if price is not None:
        if currency and params.get("currency") and price["currency"] != params["currency"]:
            raise invalid(
                f"The price specified only supports `{price['currency']}`. This doesn't match the expected currency:"
                f" `{params['currency']}`.",
                "currency",
            )
        return {
            "amount": round_minor(amount_for(price, quantity)),
            "quantity": quantity,
            "currency": price["currency"],
            "pricing": pricing_of(price),
            "description": description(ctx, price, quantity),
        }
    if not named:
        raise invalid("Missing required param: amount.", "amount", "parameter_missing")
    if not currency:
        raise invalid("Missing required param: currency.", "currency", "parameter_missing")
    if "amount" in params:
        if "quantity" in params or "quantity_decimal" in params:
            raise invalid("You may only specify one of these parameters: amount, quantity.", "quantity")
        unit, amount = Fraction(params["amount"]), int(params["amount"])
    else:
        unit = Fraction(Decimal(params["unit_amount_decimal"]))
        amount = round_minor(unit * quantity)
    return {
        "amount": amount,
        "quantity": quantity,
        "currency": currency.lower(),
        "pricing": {"type": "price_details", "price_details": None, "unit_amount_decimal": decimal_text(unit)},
        "description": None,
    }


def _must_be_draft(invoice: Obj) -> None:
    if invoice["status"] != "draft":
        raise invalid(
            "This invoice is no longer editable: only drafts take invoice items.", "invoice", "invoice_not_editable"
        )


@route("GET", "/v1/invoiceitems/{invoiceitem}")
def retrieve(ctx: Context, params: Obj, invoiceitem: str) -> Obj:
    """Return one invoice item."""
    return ctx.need(KIND, invoiceitem)


@route("GET", "/v1/invoiceitems")
def list_all(ctx: Context, params: Obj) -> Page:
    """List invoice items, newest first."""
    found = ctx.state.where(KIND, "customer", params["customer"]) if params.get("customer") else ctx.state.all(KIND)
    if params.get("invoice"):
        found = [i for i in found if i["invoice"] == params["invoice"]]
    if "pending" in params:
        found = [i for i in found if (i["invoice"] is None) is params["pending"]]
    return Page([{**i, "created": i["date"]} for i in found] if "created" in params else found, "/v1/invoiceitems")


@route("POST", "/v1/invoiceitems/{invoiceitem}")
def update(ctx: Context, params: Obj, invoiceitem: str) -> Obj:
    """Change an invoice item that no finalized invoice holds."""
    return change(ctx, invoiceitem, params)


def change(ctx: Context, invoiceitem: str, params: Obj) -> Obj:
    """Change an invoice item, and its line when it is on a draft.

    Raises:
        StripeFault: its invoice is finalized, or a proration's amount is touched.
    """
    current = ctx.need(KIND, invoiceitem)
    if current["invoice"]:
        _must_be_draft(ctx.need("invoice", current["invoice"]))
    worth_names = {"amount", "pricing", "price_data", "unit_amount_decimal", "quantity", "quantity_decimal"} & set(
        params
    )
    if current["proration"] and worth_names:
        name = sorted(worth_names)[0]
        raise invalid(f"You cannot change `{name}` of an invoice item that is a proration.", name)
    if "discounts" in params:
        set_discounts(ctx, KIND, invoiceitem, params["discounts"])
    # Stripe has no event for a changed invoice item.
    item = ctx.state.edit(KIND, invoiceitem)
    for name in ("description", "discountable"):
        if name in params:
            item[name] = params[name] if params[name] != "" else None
    if "metadata" in params:
        item["metadata"] = merged_metadata(item["metadata"], params["metadata"])
    if "period" in params:
        item["period"] = {"start": params["period"]["start"], "end": params["period"]["end"]}
    if "tax_rates" in params:
        item["_tax_rates"] = tax_rate_ids(ctx, params["tax_rates"], "tax_rates") or None
    if worth_names:
        _take_worth(ctx, item, params)
    if item["_line"]:
        line = ctx.state.edit("line_item", item["_line"])
        for name in ("amount", "description", "discountable", "discounts", "period", "pricing", "quantity"):
            line[name] = item[name]
        line["quantity_decimal"], line["metadata"] = item["quantity_decimal"], dict(item["metadata"])
        line["_tax_rates"] = item["_tax_rates"]
        recalculate_and_tell(ctx, item["invoice"])
    return item


def _take_worth(ctx: Context, item: Obj, params: Obj) -> None:
    given = dict(params)
    if not {"amount", "pricing", "price_data", "unit_amount_decimal"} & set(given):
        price = ((item["pricing"] or {}).get("price_details") or {}).get("price")
        if price:
            given["pricing"] = {"price": price}
        else:
            given["unit_amount_decimal"] = item["pricing"]["unit_amount_decimal"]
    elif "amount" not in given and "quantity" not in given and "quantity_decimal" not in given:
        given["quantity_decimal"] = item["quantity_decimal"]
    worth = worth_of(ctx, given, item["currency"])
    item["amount"], item["pricing"] = worth["amount"], worth["pricing"]
    item["quantity"], item["quantity_decimal"] = int(worth["quantity"]), decimal_text(worth["quantity"])


@route("DELETE", "/v1/invoiceitems/{invoiceitem}")
def delete(ctx: Context, params: Obj, invoiceitem: str) -> Obj:
    """Delete an invoice item that no finalized invoice holds; its line goes from the draft."""
    item = ctx.need(KIND, invoiceitem)
    if item["invoice"]:
        _must_be_draft(ctx.need("invoice", item["invoice"]))
        ctx.state.delete("line_item", item["_line"])
        recalculate_and_tell(ctx, item["invoice"])
    ctx.state.delete(KIND, invoiceitem)
    ctx.emit("invoiceitem.deleted", item)
    return deleted(item)
