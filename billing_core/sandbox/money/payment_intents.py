"""The routes of payment intents; what happens to one is in `intents.py`."""

from __future__ import annotations

from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault, card_error, invalid
from billing_core.sandbox.money import intents, payment_methods
from billing_core.sandbox.money.cards import AUTHENTICATION
from billing_core.sandbox.money.changes import merged_metadata
from billing_core.sandbox.resources.prices import check_currency
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

KIND = intents.KIND
PLAIN = (
    "allowed_payment_method_types",
    "capture_method",
    "confirmation_method",
    "description",
    "metadata",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
# What may still be changed after the money was taken.
LATE = frozenset({"description", "metadata", "receipt_email", "shipping", "transfer_group"})


def _unexpected(intent: Obj, message: str) -> StripeFault:
    return StripeFault(message, code="payment_intent_unexpected_state", payment_intent=intent)


def _method_in(ctx: Context, params: Obj, customer_id: str | None) -> str | None:
    if "payment_method_data" in params:
        owner = ctx.state.get("customer", customer_id)
        return str(payment_methods.create_from(ctx, params["payment_method_data"], owner)["id"])
    if "payment_method" not in params:
        return None
    given = params["payment_method"]
    owner = ctx.state.get("customer", customer_id)
    found = payment_methods.find(ctx, given, customer=owner)
    return str(payment_methods.usable(ctx, found["id"], customer_id)["id"])


@route("POST", "/v1/payment_intents")
def create(ctx: Context, params: Obj) -> Obj:
    """Create a payment intent, and confirm it when asked to."""
    currency = check_currency(params["currency"])
    intents.check_amount(params["amount"], currency)
    customer = params.get("customer")
    if customer:
        ctx.need("customer", customer, "customer")
    if "off_session" in params and not params.get("confirm"):
        raise invalid("The parameter `off_session` may only be used when `confirm` is true.", "off_session")
    fields = {k: params[k] for k in PLAIN if k in params}
    if "automatic_payment_methods" in params:
        fields["automatic_payment_methods"] = {"allow_redirects": "always"} | params["automatic_payment_methods"]
    method = _method_in(ctx, params, customer)
    intent = intents.create(
        ctx, amount=params["amount"], currency=currency, customer=customer, payment_method=method, **fields
    )
    return _confirm(ctx, intent["id"], {**params, "payment_method": method}) if params.get("confirm") else intent


def _confirm(ctx: Context, intent_id: str, params: Obj) -> Obj:
    intent = ctx.need(KIND, intent_id)
    if intent["status"] not in intents.WAITING:
        done = "it has already succeeded after being previously confirmed"
        why = done if intent["status"] == "succeeded" else f"it has a status of {intent['status']}"
        raise _unexpected(intent, f"You cannot confirm this PaymentIntent because {why}.")
    method = params.get("payment_method") or intent["payment_method"]
    if method is None:
        raise _unexpected(
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the"
            " PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a"
            " payment method or ConfirmationToken.",
        )
    edited = ctx.state.edit(KIND, intent_id)
    edited["_return_url"] = params.get("return_url")
    for key in ("receipt_email", "setup_future_usage", "shipping", "capture_method"):
        if key in params:
            edited[key] = params[key] or None
    outcome = intents.attempt(ctx, intent_id, method, is_off_session=bool(params.get("off_session")))
    if intent["_invoice"]:
        from billing_core.sandbox.money import collection

        collection.intent_tried(ctx, intent["_invoice"], outcome)
    if outcome.status == "requires_action" and params.get("error_on_requires_action"):
        raise card_error(AUTHENTICATION.message, AUTHENTICATION.code, payment_intent=ctx.need(KIND, intent_id))
    if outcome.refusal is not None and outcome.status != "requires_action":
        raise intents.refusal_error(ctx, intent_id, outcome.refusal)
    return ctx.need(KIND, intent_id)


@route("POST", "/v1/payment_intents/{intent}/confirm")
def confirm(ctx: Context, params: Obj, intent: str) -> Obj:
    """Try to take the amount; a bank's no is a 402 with the intent in it."""
    current = ctx.need(KIND, intent)
    method = _method_in(ctx, params, current["customer"])
    return _confirm(ctx, intent, {**params, "payment_method": method})


@route("POST", "/v1/payment_intents/{intent}/capture")
def capture(ctx: Context, params: Obj, intent: str) -> Obj:
    """Take a reserved amount, or a part of it; the rest is released."""
    current = ctx.need(KIND, intent)
    if current["status"] != "requires_capture":
        raise _unexpected(
            current,
            f"This PaymentIntent could not be captured because it has a status of {current['status']}. Only a"
            " PaymentIntent with one of the following statuses may be captured: requires_capture.",
        )
    amount = int(params["amount_to_capture"] if "amount_to_capture" in params else current["amount_capturable"])
    if not 0 < amount <= current["amount_capturable"]:
        raise invalid(
            "The amount to capture is greater than the amount that can be captured.",
            "amount_to_capture",
            "amount_too_large",
        )
    return intents.capture(ctx, intent, amount)


@route("POST", "/v1/payment_intents/{intent}/cancel")
def cancel(ctx: Context, params: Obj, intent: str) -> Obj:
    """Cancel an intent that has not succeeded; an invoice's own intent goes with its invoice."""
    current = ctx.need(KIND, intent)
    if current["status"] not in (*intents.WAITING, "requires_capture"):
        raise _unexpected(
            current, f"You cannot cancel this PaymentIntent because it has a status of {current['status']}."
        )
    if current["_invoice"]:
        raise invalid(
            "You cannot cancel this PaymentIntent because it belongs to an invoice. Void the invoice instead."
        )
    canceled = intents.cancel(ctx, intent, params.get("cancellation_reason"))
    for payment in ctx.state.where("invoice_payment", "_payment_intent", intent):
        if payment["status"] == "open":
            from billing_core.sandbox.money import invoice_payments

            invoice_payments.cancel(ctx, payment["id"])
    return canceled


def _refuse_changes(current: Obj, params: Obj) -> None:
    changed = set(params)
    if current["status"] in ("succeeded", "canceled", "processing", "requires_capture") and not changed <= LATE:
        raise _unexpected(
            current,
            f"This PaymentIntent's {sorted(changed - LATE)[0]} could not be updated because it has a status of"
            f" {current['status']}.",
        )
    if current["_invoice"] and changed & {"amount", "currency", "customer"}:
        raise invalid("The PaymentIntent of an invoice cannot be changed; it follows the invoice.")


@route("POST", "/v1/payment_intents/{intent}")
def update(ctx: Context, params: Obj, intent: str) -> Obj:
    """Change an intent without confirming it."""
    current = ctx.need(KIND, intent)
    _refuse_changes(current, params)
    if "customer" in params and params["customer"] != current["customer"]:
        if current["customer"]:
            raise invalid("You cannot modify `customer` on a PaymentIntent once it already has been set.", "customer")
        ctx.need("customer", params["customer"], "customer")
        # The customer is indexed, and an indexed field changes only with a new insertion.
        ctx.state.delete(KIND, intent)
        ctx.state.insert({**current, "customer": params["customer"]})
    obj = ctx.state.edit(KIND, intent)
    if "amount" in params or "currency" in params:
        obj["currency"] = check_currency(str(params.get("currency", obj["currency"])))
        obj["amount"] = params.get("amount", obj["amount"])
        intents.check_amount(obj["amount"], obj["currency"])
    method = _method_in(ctx, params, obj["customer"])
    if method:
        obj |= {"payment_method": method, "status": "requires_confirmation"}
    for key in PLAIN:
        if key in params and key != "metadata":
            obj[key] = params[key] if params[key] != "" else None
    if "metadata" in params:
        obj["metadata"] = merged_metadata(obj["metadata"], params["metadata"])
    return obj


@route("GET", "/v1/payment_intents/{intent}")
def retrieve(ctx: Context, params: Obj, intent: str) -> Obj:
    """Return one payment intent."""
    return ctx.need(KIND, intent)


@route("GET", "/v1/payment_intents")
def list_all(ctx: Context, params: Obj) -> Page:
    """List payment intents, newest first, of one customer or of all."""
    found: Any = ctx.state.where(KIND, "customer", params["customer"]) if "customer" in params else ctx.state.all(KIND)
    return Page(found[::-1], "/v1/payment_intents")
