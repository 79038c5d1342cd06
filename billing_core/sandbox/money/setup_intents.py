"""Setup intents: a payment method made ready for later without a payment.

A subscription that starts with nothing to pay waits for one (`pending_setup_intent`); when it succeeds, the payment
method becomes the subscription's default and the subscription no longer waits.
"""

from __future__ import annotations

from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault, card_error, invalid
from billing_core.sandbox.money import payment_methods
from billing_core.sandbox.money.cards import UNCONFIRMED, Refusal
from billing_core.sandbox.money.changes import merged_metadata, updating
from billing_core.sandbox.money.intents import doc_url, secret
from billing_core.sandbox.render import bare, presenter, render
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

KIND = "setup_intent"
WAITING = ("requires_payment_method", "requires_confirmation", "requires_action")


def _insert(ctx: Context, *, customer: str | None, **fields: Any) -> Obj:
    intent_id = ctx.state.new_id("seti")
    allowed = fields.get("allowed_payment_method_types")
    intent: Obj = {
        "id": intent_id,
        "object": KIND,
        "application": None,
        "allowed_payment_method_types": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "cancellation_reason": None,
        "client_secret": secret(intent_id),
        "created": ctx.now({"customer": customer}),
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": list(allowed or ["card"]),
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": "off_session",
    }
    intent.update(fields)
    intent["metadata"] = merged_metadata(None, fields.get("metadata"))
    if intent["payment_method"]:
        intent["status"] = "requires_confirmation"
    ctx.state.insert(intent)
    ctx.emit("setup_intent.created", intent)
    return intent


def finish(ctx: Context, intent_id: str, *, is_confirmed: bool) -> Obj:
    """Go on with an intent that waited for its customer's confirmation to the bank.

    Raises:
        StripeFault: it does not wait for that.
    """
    intent = ctx.state.edit(KIND, intent_id)
    if intent["status"] != "requires_action":
        raise invalid(f"This setup intent does not wait for its customer: {intent['status']}.")
    if is_confirmed:
        _succeed(ctx, intent)
    else:
        _refuse(ctx, intent, UNCONFIRMED)
    return intent


def _succeed(ctx: Context, intent: Obj) -> None:
    method_id = intent["payment_method"]
    if intent["customer"]:
        payment_methods.attach(ctx, method_id, intent["customer"])
    payment_methods.mark_set_up(ctx, method_id)
    intent["status"] = "succeeded"
    intent["next_action"] = None
    intent["last_setup_error"] = None
    ctx.emit("setup_intent.succeeded", intent)
    for subscription in ctx.state.where("subscription", "customer", intent["customer"]) if intent["customer"] else ():
        if subscription.get("pending_setup_intent") != intent["id"]:
            continue
        with updating(ctx, "subscription", subscription["id"], "customer.subscription.updated") as changed:
            changed["pending_setup_intent"] = None
            changed["default_payment_method"] = changed.get("default_payment_method") or method_id


def _refuse(ctx: Context, intent: Obj, refusal: Refusal) -> StripeFault:
    method = ctx.need("payment_method", intent["payment_method"])
    intent["status"] = "requires_payment_method"
    intent["payment_method"] = None
    intent["next_action"] = None
    intent["last_setup_error"] = {
        "code": refusal.code,
        "decline_code": refusal.decline_code or None,
        "doc_url": doc_url(refusal.code),
        "message": refusal.message,
        "payment_method": render(ctx, method),
        "type": "card_error",
    }
    ctx.emit("setup_intent.setup_failed", intent)
    return card_error(
        refusal.message,
        refusal.code,
        refusal.decline_code or None,
        doc_url=doc_url(refusal.code),
        setup_intent=intent,
        payment_method=method,
    )


def _confirm(ctx: Context, intent_id: str, params: Obj) -> Obj:
    current = ctx.need(KIND, intent_id)
    if current["status"] not in WAITING:
        raise invalid(
            f"You cannot confirm this SetupIntent because it has a status of {current['status']}.",
            code="setup_intent_unexpected_state",
        )
    given = _method_in(ctx, params, current["customer"]) or current["payment_method"]
    if given is None:
        raise invalid(
            "You cannot confirm this SetupIntent because it's missing a payment method. Update the SetupIntent with a"
            " payment method and then confirm it again.",
            code="setup_intent_unexpected_state",
        )
    intent = ctx.state.edit(KIND, intent_id)
    intent["payment_method"] = given
    intent["_return_url"] = params.get("return_url")
    instrument = payment_methods.instrument_of(ctx.need("payment_method", given))
    if instrument.refusal is not None and instrument.is_refused_at_once:
        raise _refuse(ctx, intent, instrument.refusal)
    if instrument.authentication != "never":
        intent["status"] = "requires_action"
        intent["next_action"] = {"type": "use_stripe_sdk"}
        ctx.emit("setup_intent.requires_action", intent)
        return intent
    _succeed(ctx, intent)
    return intent


def _method_in(ctx: Context, params: Obj, customer_id: str | None) -> str | None:
    if "payment_method_data" in params:
        owner = ctx.state.get("customer", customer_id)
        return str(payment_methods.create_from(ctx, params["payment_method_data"], owner)["id"])
    if "payment_method" not in params:
        return None
    # It is attached when the intent succeeds, and the bank may refuse it until then.
    found = payment_methods.find(ctx, params["payment_method"], customer=ctx.state.get("customer", customer_id))
    if found["customer"] is None:
        return str(found["id"])
    return str(payment_methods.usable(ctx, found["id"], customer_id)["id"])


@route("POST", "/v1/setup_intents")
def create(ctx: Context, params: Obj) -> Obj:
    """Create a setup intent, and confirm it when asked to."""
    customer = params.get("customer")
    if customer:
        ctx.need("customer", customer, "customer")
    fields = {k: params[k] for k in ("allowed_payment_method_types", "description", "metadata", "usage") if k in params}
    intent = _insert(ctx, customer=customer, payment_method=_method_in(ctx, params, customer), **fields)
    if params.get("confirm"):
        return _confirm(ctx, intent["id"], {"return_url": params.get("return_url")})
    return intent


@route("POST", "/v1/setup_intents/{intent}/confirm")
def confirm(ctx: Context, params: Obj, intent: str) -> Obj:
    """Ask the bank; the payment method is attached to the customer when it agrees."""
    return _confirm(ctx, intent, params)


@route("POST", "/v1/setup_intents/{intent}/cancel")
def cancel(ctx: Context, params: Obj, intent: str) -> Obj:
    """Cancel an intent that has not succeeded."""
    current = ctx.need(KIND, intent)
    if current["status"] not in WAITING:
        raise invalid(
            f"You cannot cancel this SetupIntent because it has a status of {current['status']}.",
            code="setup_intent_unexpected_state",
        )
    obj = ctx.state.edit(KIND, intent)
    obj |= {"status": "canceled", "cancellation_reason": params.get("cancellation_reason"), "next_action": None}
    ctx.emit("setup_intent.canceled", obj)
    return obj


@route("POST", "/v1/setup_intents/{intent}")
def update(ctx: Context, params: Obj, intent: str) -> Obj:
    """Change customer, payment method, description or metadata."""
    current = ctx.need(KIND, intent)
    obj = ctx.state.edit(KIND, intent)
    if "customer" in params and params["customer"] != current["customer"]:
        if current["customer"]:
            raise invalid("The customer of a SetupIntent cannot be changed.", "customer")
        ctx.need("customer", params["customer"], "customer")
        obj["customer"] = params["customer"]
    method = _method_in(ctx, params, obj["customer"])
    if method:
        obj |= {"payment_method": method, "status": "requires_confirmation"}
    if "description" in params:
        obj["description"] = params["description"] or None
    if "metadata" in params:
        obj["metadata"] = merged_metadata(obj["metadata"], params["metadata"])
    return obj


@route("GET", "/v1/setup_intents/{intent}")
def retrieve(ctx: Context, params: Obj, intent: str) -> Obj:
    """Return one setup intent."""
    return ctx.need(KIND, intent)


@route("GET", "/v1/setup_intents")
def list_all(ctx: Context, params: Obj) -> Page:
    """List setup intents, newest first."""
    wanted = {k: params[k] for k in ("customer", "payment_method") if k in params}
    found = [o for o in ctx.state.all(KIND)[::-1] if all(o[k] == v for k, v in wanted.items())]
    return Page(found, "/v1/setup_intents")


@presenter(KIND)
def _present(ctx: Context, intent: Obj) -> Obj:
    shown = bare(intent)
    if intent["status"] == "requires_action":
        url = f"{ctx.base_url}/authenticate/{intent['id']}"
        if back := intent.get("_return_url"):
            shown["next_action"] = {"type": "redirect_to_url", "redirect_to_url": {"return_url": back, "url": url}}
        else:
            shown["next_action"] = {
                "type": "use_stripe_sdk",
                "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url},
            }
    return shown
