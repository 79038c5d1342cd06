"""The life of a payment intent: created, tried as often as it takes, succeeded or canceled.

`attempt` never raises for a bank's no: the intent tells how it went, and who asked decides what to make of it. When an
intent that belongs to an invoice succeeds, the invoice is credited, and a test card's dispute comes after that.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from billing_core.money import to_major
from billing_core.sandbox.context import Context, timer
from billing_core.sandbox.errors import StripeFault, card_error, invalid
from billing_core.sandbox.money import charging, payment_methods
from billing_core.sandbox.money.cards import AUTHENTICATION, UNCONFIRMED, Refusal
from billing_core.sandbox.money.changes import merged_metadata
from billing_core.sandbox.money.fees import DAY, SETTLEMENT_DAYS, business_days_after, minimum_charge_minor
from billing_core.sandbox.render import bare, presenter, render
from billing_core.sandbox.state import Obj

KIND = "payment_intent"
MAXIMUM_MINOR = 99_999_999
# How long a bank holds an amount that is not captured.
HOLD_DAYS = 7
WAITING = ("requires_payment_method", "requires_confirmation", "requires_action")


@dataclass(frozen=True)
class Attempt:
    """How one attempt went: the intent's status afterwards, and the bank's no with its charge if there was one."""

    status: str
    refusal: Refusal | None = None
    charge_id: str | None = None

    @property
    def is_paid(self) -> bool:
        return self.status in ("succeeded", "processing", "requires_capture")


def secret(intent_id: str) -> str:
    """Return the client secret that belongs to an intent's id."""
    return f"{intent_id}_secret_{hashlib.blake2b(intent_id.encode(), digest_size=10).hexdigest()}"


def check_amount(amount: int, currency: str) -> None:
    """Refuse what is too small or too large to charge.

    Raises:
        StripeFault: with `amount_too_small`, `amount_too_large` or `parameter_invalid_integer`.
    """
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    least = minimum_charge_minor(currency)
    if amount < least:
        raise invalid(f"Amount must be at least {to_major(least, currency)} {currency}", "amount", "amount_too_small")
    if amount > MAXIMUM_MINOR:
        raise invalid(
            f"Amount must be no more than {to_major(MAXIMUM_MINOR, currency)} {currency}", "amount", "amount_too_large"
        )


def create(ctx: Context, *, amount: int, currency: str, customer: str | None, **fields: Any) -> Obj:
    """Create a payment intent and emit `payment_intent.created`.

    Args:
        amount: minor units.
        currency: lower case.
        customer: id, or None for somebody unknown.
        **fields: Stripe's other fields by name, and `_invoice`.
    """
    intent_id = ctx.state.new_id("pi")
    allowed = fields.get("allowed_payment_method_types")
    intent: Obj = {
        "id": intent_id,
        "object": KIND,
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "allowed_payment_method_types": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": secret(intent_id),
        "confirmation_method": "automatic",
        "created": ctx.now({"customer": customer}),
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_details": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": list(allowed or ["card"]),
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
        "_invoice": None,
    }
    intent.update(fields)
    intent["metadata"] = merged_metadata(None, fields.get("metadata"))
    if intent["payment_method"]:
        intent["status"] = "requires_confirmation"
    ctx.state.insert(intent)
    ctx.emit("payment_intent.created", intent)
    return intent


def attempt(
    ctx: Context, intent_id: str, payment_method_id: str, *, is_off_session: bool, is_authenticated: bool = False
) -> Attempt:
    """Try to take an intent's amount from a payment method.

    Args:
        intent_id: one that waits for payment.
        payment_method_id: usable by the intent's customer.
        is_off_session: the customer is not there to confirm to the bank.
        is_authenticated: the customer has just done so.

    Returns:
        How it went. Charge, balance transaction, events and what the payment is for are booked.
    """
    intent = ctx.state.edit(KIND, intent_id)
    method = ctx.need("payment_method", payment_method_id)
    instrument = payment_methods.instrument_of(method)
    intent["payment_method"] = payment_method_id
    intent["next_action"] = None
    needs = instrument.authentication
    if needs != "never" and not is_authenticated and not (needs == "unless_set_up" and method.get("_is_set_up")):
        if not is_off_session or intent["_invoice"]:
            return _ask_to_authenticate(ctx, intent)
        return _fail(ctx, intent, method, AUTHENTICATION)
    if instrument.type != "card":
        return _debit(ctx, intent, method)
    if instrument.refusal is not None:
        return _fail(ctx, intent, method, instrument.refusal)
    is_captured = intent["capture_method"] != "manual"
    charge = charging.charge(
        ctx, intent, method, refusal=None, is_captured=is_captured, is_authenticated=is_authenticated
    )
    intent["latest_charge"] = charge["id"]
    intent["last_payment_error"] = None
    if not is_captured:
        intent["status"] = "requires_capture"
        intent["amount_capturable"] = intent["amount"]
        ctx.schedule(ctx.now(intent) + HOLD_DAYS * DAY, "payment_intent.expire", intent_id, owner=intent)
        ctx.emit("payment_intent.amount_capturable_updated", intent)
        return Attempt("requires_capture", charge_id=charge["id"])
    _succeed(ctx, intent, charge, intent["amount"])
    return Attempt("succeeded", charge_id=charge["id"])


def _succeed(ctx: Context, intent: Obj, charge: Obj, amount: int) -> None:
    from billing_core.sandbox.money import collection, disputes, invoice_payments

    intent["status"] = "succeeded"
    intent["amount_received"] = amount
    intent["amount_capturable"] = 0
    intent["processing"] = None
    method_id = intent["payment_method"]
    if intent["setup_future_usage"] and intent["customer"]:
        payment_methods.attach(ctx, method_id, intent["customer"])
        if intent["setup_future_usage"] == "off_session":
            payment_methods.mark_set_up(ctx, method_id)
    else:
        payment_methods.spend(ctx, method_id)
    ctx.emit("payment_intent.succeeded", intent)
    if intent["_invoice"]:
        collection.keep_method(ctx, intent["_invoice"], method_id)
    invoice_payments.credit_intent(ctx, intent["id"])
    disputes.open_if_due(ctx, charge["id"])


def _fail(ctx: Context, intent: Obj, method: Obj, refusal: Refusal) -> Attempt:
    charge = charging.charge(ctx, intent, method, refusal=refusal)
    intent["latest_charge"] = charge["id"]
    _note_refusal(ctx, intent, method, refusal, charge["id"])
    return Attempt(intent["status"], refusal, charge["id"])


def _note_refusal(ctx: Context, intent: Obj, method: Obj, refusal: Refusal, charge_id: str | None) -> None:
    intent["status"] = "requires_payment_method"
    intent["payment_method"] = None
    intent["processing"] = None
    intent["last_payment_error"] = {
        "advice_code": "try_again_later" if refusal.decline_code == "generic_decline" else None,
        "charge": charge_id,
        "code": refusal.code,
        "decline_code": refusal.decline_code or None,
        "doc_url": doc_url(refusal.code),
        "message": refusal.message,
        "network_advice_code": None,
        "network_decline_code": "01",
        "payment_method": render(ctx, method),
        "type": "card_error",
    }
    payment_methods.spend(ctx, method["id"])
    ctx.emit("payment_intent.payment_failed", intent)


def _ask_to_authenticate(ctx: Context, intent: Obj) -> Attempt:
    intent["status"] = "requires_action"
    intent["next_action"] = {"type": "use_stripe_sdk"}
    ctx.emit("payment_intent.requires_action", intent)
    return Attempt("requires_action", AUTHENTICATION)


def _debit(ctx: Context, intent: Obj, method: Obj) -> Attempt:
    charge = charging.charge(ctx, intent, method, refusal=None)
    intent["latest_charge"] = charge["id"]
    intent["status"] = "processing"
    intent["last_payment_error"] = None
    ctx.emit("payment_intent.processing", intent)
    ctx.schedule(
        business_days_after(ctx.now(intent), SETTLEMENT_DAYS), "payment_intent.settle", intent["id"], owner=intent
    )
    return Attempt("processing", charge_id=charge["id"])


@timer("payment_intent.expire")
def _expire(ctx: Context, intent_id: str) -> None:
    if ctx.need(KIND, intent_id)["status"] == "requires_capture":
        cancel(ctx, intent_id, "automatic")


@timer("payment_intent.settle")
def _settle_debit(ctx: Context, intent_id: str) -> None:
    from billing_core.sandbox.money import collection

    intent = ctx.state.edit(KIND, intent_id)
    if intent["status"] != "processing":
        return
    method = ctx.need("payment_method", intent["payment_method"])
    refusal = payment_methods.instrument_of(method).refusal
    charge = charging.settle_debit(ctx, intent["latest_charge"], refusal)
    if refusal is None:
        _succeed(ctx, intent, charge, intent["amount"])
        return
    _note_refusal(ctx, intent, method, refusal, charge["id"])
    if intent["_invoice"]:
        failed = Attempt(intent["status"], refusal, charge["id"])
        collection.intent_tried(ctx, intent["_invoice"], failed, is_requested=False)


def finish_authentication(ctx: Context, intent_id: str, *, is_confirmed: bool) -> Attempt:
    """Go on with an intent that waited for its customer: charge it, or take note that he did not confirm."""
    from billing_core.sandbox.money import collection

    intent = ctx.state.edit(KIND, intent_id)
    method = ctx.need("payment_method", intent["payment_method"])
    if is_confirmed:
        outcome = attempt(ctx, intent_id, method["id"], is_off_session=False, is_authenticated=True)
    else:
        intent["next_action"] = None
        _note_refusal(ctx, intent, method, UNCONFIRMED, None)
        outcome = Attempt(intent["status"], UNCONFIRMED)
    if intent["_invoice"]:
        collection.intent_tried(ctx, intent["_invoice"], outcome)
    return outcome


def capture(ctx: Context, intent_id: str, amount: int) -> Obj:
    """Take a reserved amount, or a part of it."""
    intent = ctx.state.edit(KIND, intent_id)
    charge = charging.capture(ctx, intent["latest_charge"], amount)
    _succeed(ctx, intent, charge, amount)
    return intent


def cancel(ctx: Context, intent_id: str, reason: str | None) -> Obj:
    """Cancel an intent; a reserved amount is released. The caller has checked that it may be."""
    intent = ctx.state.edit(KIND, intent_id)
    if intent["status"] == "requires_capture":
        charge = ctx.state.edit("charge", intent["latest_charge"])
        charge |= {"refunded": True, "amount_refunded": charge["amount"]}
        ctx.emit("charge.expired" if reason == "automatic" else "charge.refunded", charge)
    intent["status"] = "canceled"
    intent["canceled_at"] = ctx.now(intent)
    intent["cancellation_reason"] = reason
    intent["amount_capturable"] = 0
    intent["next_action"] = None
    ctx.emit("payment_intent.canceled", intent)
    return intent


def doc_url(code: str) -> str:
    """Return where Stripe explains an error code."""
    return f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def refusal_error(ctx: Context, intent_id: str, refusal: Refusal) -> StripeFault:
    """Return the 402 that tells of a bank's no, with the intent in it."""
    intent = ctx.need(KIND, intent_id)
    last = intent["last_payment_error"] or {}
    return card_error(
        refusal.message,
        refusal.code,
        refusal.decline_code or None,
        charge=last.get("charge"),
        doc_url=doc_url(refusal.code),
        payment_intent=intent,
        payment_method=last.get("payment_method"),
    )


@presenter(KIND)
def _present(ctx: Context, intent: Obj) -> Obj:
    shown = bare(intent)
    if intent["status"] == "requires_action":
        url = f"{ctx.base_url}/authenticate/{intent['id']}"
        if back := intent.get("_return_url"):
            shown["next_action"] = {
                "type": "redirect_to_url",
                "redirect_to_url": {"return_url": back, "url": url},
            }
        else:
            shown["next_action"] = {
                "type": "use_stripe_sdk",
                "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url},
            }
    return shown
