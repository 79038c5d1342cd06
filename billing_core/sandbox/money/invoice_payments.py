"""Which payments belong to an invoice, and what they have paid of it.

Each open invoice has one default payment, kept in step with what remains; more may be attached for partial payments. A
payment is a payment intent, or a payment record for money that came outside Stripe. `_payment_intent` holds the id of
either, for the index.
"""

from __future__ import annotations

from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.money.changes import updating
from billing_core.sandbox.render import includable, list_object, render
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

KIND = "invoice_payment"


def payments_of(ctx: Context, invoice_id: str) -> list[Obj]:
    """Return an invoice's payments in order of creation."""
    return ctx.state.where(KIND, "invoice", invoice_id)


def default_payment(ctx: Context, invoice_id: str) -> Obj | None:
    """Return the open default payment of an invoice, or None."""
    return next((p for p in payments_of(ctx, invoice_id) if p["is_default"] and p["status"] == "open"), None)


def add(ctx: Context, invoice: Obj, amount: int, payment: Obj, *, is_default: bool) -> Obj:
    """Tie a payment (`{"type": …, <type>: id}`) to an invoice."""
    return ctx.state.insert(
        {
            "id": ctx.state.new_id("inpay"),
            "object": KIND,
            "amount_paid": None,
            "amount_requested": amount,
            "created": ctx.now(invoice),
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": is_default,
            "livemode": False,
            "payment": payment,
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
            "_payment_intent": payment.get("payment_intent") or payment.get("payment_record"),
            "_customer": invoice["customer"],
        }
    )


def cancel(ctx: Context, payment_id: str) -> None:
    """Mark a payment of an invoice as canceled."""
    obj = ctx.state.edit(KIND, payment_id)
    obj["status"] = "canceled"
    obj["status_transitions"] = {"canceled_at": ctx.now(obj), "paid_at": None}


def credit(ctx: Context, payment_id: str, received: int) -> int:
    """Enter money that came in on an invoice.

    The invoice is paid when nothing remains; until then its default payment follows what does.

    Args:
        payment_id: an open payment of the invoice.
        received: minor units; more than remains becomes the customer's credit.

    Returns:
        Minor units credited to the invoice.
    """
    from billing_core.sandbox.billing.invoices import mark_paid
    from billing_core.sandbox.money import collection, customer_balance

    obj = ctx.state.edit(KIND, payment_id)
    with updating(ctx, "invoice", obj["invoice"]) as invoice:
        now = ctx.now(invoice)
        amount = min(received, invoice["amount_remaining"])
        invoice["amount_paid"] += amount
        invoice["amount_remaining"] -= amount
        invoice["amount_overpaid"] += received - amount
        if invoice["amount_remaining"] == 0:
            invoice["attempted"] = True
    obj["status"] = "paid"
    obj["amount_paid"] = amount
    obj["status_transitions"] = {"canceled_at": None, "paid_at": now}
    if received > amount:
        customer_balance.adjust(
            ctx,
            invoice["customer"],
            amount - received,
            "invoice_overpaid",
            currency=invoice["currency"],
            invoice=invoice["id"],
        )
    if invoice["amount_remaining"] == 0:
        close_open(ctx, invoice["id"])
        mark_paid(ctx, invoice["id"], now)
        collection.mark_delinquent(ctx, invoice["customer"], False)
    else:
        follow(ctx, invoice["id"])
    ctx.emit("invoice_payment.paid", obj)
    return int(amount)


def credit_intent(ctx: Context, intent_id: str) -> bool:
    """Enter a payment intent that succeeded on the invoices it is attached to; returns whether there were any."""
    left = ctx.need("payment_intent", intent_id)["amount_received"]
    open_ones = [p for p in ctx.state.where(KIND, "_payment_intent", intent_id) if p["status"] == "open"]
    for index, payment in enumerate(open_ones):
        is_last = index == len(open_ones) - 1
        left -= credit(ctx, payment["id"], left if is_last else min(left, payment["amount_requested"]))
    return bool(open_ones)


def follow(ctx: Context, invoice_id: str) -> None:
    """Keep the open default payment and its intent in step with what remains to be paid."""
    payment = default_payment(ctx, invoice_id)
    remaining = ctx.need("invoice", invoice_id)["amount_remaining"]
    if payment is None or payment["amount_requested"] == remaining:
        return
    if remaining == 0:
        close_open(ctx, invoice_id)
        return
    ctx.state.edit(KIND, payment["id"])["amount_requested"] = remaining
    intent_id = payment["_payment_intent"]
    if intent_id and ctx.need("payment_intent", intent_id)["status"] not in ("succeeded", "canceled", "processing"):
        ctx.state.edit("payment_intent", intent_id)["amount"] = remaining


def close_open(ctx: Context, invoice_id: str, *, reason: str = "automatic") -> None:
    """Cancel whatever is still open of an invoice's payments, with the intents behind them."""
    from billing_core.sandbox.money.intents import cancel as cancel_intent

    for payment in payments_of(ctx, invoice_id):
        if payment["status"] != "open":
            continue
        cancel(ctx, payment["id"])
        intent = ctx.state.get("payment_intent", payment["_payment_intent"])
        if intent and payment["is_default"] and intent["status"] not in ("succeeded", "canceled", "processing"):
            cancel_intent(ctx, intent["id"], reason)


def off_stripe_minor(ctx: Context, invoice_id: str) -> int:
    """Return what was paid on an invoice outside Stripe, in minor units."""
    return sum(
        p["amount_paid"]
        for p in payments_of(ctx, invoice_id)
        if p["status"] == "paid" and p["payment"]["type"] == "payment_record"
    )


@includable("invoice", "amount_paid_off_stripe")
def _off_stripe(ctx: Context, invoice: Obj) -> int:
    return off_stripe_minor(ctx, invoice["id"])


@includable("invoice", "payments")
def _payments(ctx: Context, invoice: Obj) -> Obj:
    found = [render(ctx, p) for p in reversed(payments_of(ctx, invoice["id"]))]
    return list_object(found, f"/v1/invoice_payments?invoice={invoice['id']}", len(found))


@includable("invoice", "confirmation_secret")
def _secret(ctx: Context, invoice: Obj) -> Obj | None:
    payment = default_payment(ctx, invoice["id"])
    intent = ctx.state.get("payment_intent", payment["_payment_intent"]) if payment else None
    return {"client_secret": intent["client_secret"], "type": "payment_intent"} if intent else None


@route("GET", "/v1/invoice_payments")
def list_all(ctx: Context, params: Obj) -> Page:
    """List payments of invoices, newest first, by invoice, payment and status."""
    given: Any = params.get("payment") or {}
    if "invoice" in params:
        ctx.need("invoice", params["invoice"], "invoice")
        found = payments_of(ctx, params["invoice"])
    elif "payment_intent" in given:
        found = ctx.state.where(KIND, "_payment_intent", given["payment_intent"])
    else:
        found = ctx.state.all(KIND)
    return Page(
        [
            p
            for p in reversed(found)
            if params.get("status") in (None, p["status"])
            and all(p["payment"].get(key) == value for key, value in given.items())
        ],
        "/v1/invoice_payments",
    )


@route("GET", "/v1/invoice_payments/{invoice_payment}")
def retrieve(ctx: Context, params: Obj, invoice_payment: str) -> Obj:
    """Return one payment of an invoice."""
    return ctx.need(KIND, invoice_payment)


@route("POST", "/v1/invoices/{invoice}/attach_payment")
def attach_payment(ctx: Context, params: Obj, invoice: str) -> Obj:
    """Attach a payment intent, or a record of money from outside Stripe, to an open invoice.

    What has succeeded already is credited at once, the rest when it does.
    """
    current = ctx.need("invoice", invoice)
    chosen = [k for k in ("payment_intent", "payment_record") if k in params]
    if len(chosen) != 1:
        raise StripeFault(
            "You must provide one of payment_intent or payment_record.",
            code="parameter_missing",
            param="payment_intent",
        )
    if current["status"] not in ("open", "uncollectible"):
        raise invalid(f"You can only attach payments to open invoices. This invoice is {current['status']}.")
    kind = chosen[0]
    if kind == "payment_record":
        _attach_record(ctx, current, ctx.need(kind, params[kind], kind))
    else:
        _attach_intent(ctx, current, ctx.need(kind, params[kind], kind))
    return ctx.need("invoice", invoice)


def _attach_record(ctx: Context, invoice: Obj, record: Obj) -> None:
    amount = record["amount_guaranteed"]["value"]
    if record["amount"]["currency"] != invoice["currency"]:
        raise invalid("The payment record's currency must be the invoice's.", "payment_record")
    if ctx.state.where(KIND, "_payment_intent", record["id"]):
        raise invalid("This payment record is already attached to an invoice.", "payment_record")
    payment = add(ctx, invoice, amount, {"type": "payment_record", "payment_record": record["id"]}, is_default=False)
    if amount:
        credit(ctx, payment["id"], amount)


def _attach_intent(ctx: Context, invoice: Obj, intent: Obj) -> None:
    if intent["currency"] != invoice["currency"]:
        raise invalid("The payment intent's currency must be the invoice's.", "payment_intent")
    if intent["customer"] != invoice["customer"]:
        raise invalid("The payment intent's customer must be the invoice's.", "payment_intent")
    if intent["status"] == "canceled":
        raise invalid("You cannot attach a canceled payment intent to an invoice.", "payment_intent")
    if any(p["status"] != "canceled" for p in ctx.state.where(KIND, "_payment_intent", intent["id"])):
        raise invalid("This payment intent is already attached to an invoice.", "payment_intent")
    if intent["amount"] > invoice["amount_remaining"]:
        raise invalid(
            "The payment intent's amount is greater than the amount remaining on the invoice.", "payment_intent"
        )
    payment = add(
        ctx,
        invoice,
        intent["amount"],
        {"type": "payment_intent", "payment_intent": intent["id"]},
        is_default=False,
    )
    if intent["status"] == "succeeded":
        credit(ctx, payment["id"], intent["amount_received"])
