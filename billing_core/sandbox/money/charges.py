"""The routes of charges. Charges are made by payment intents only; a bare `POST /v1/charges` is refused."""

from __future__ import annotations

from html import escape

from billing_core.money import to_major
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money import intents
from billing_core.sandbox.money.changes import merged_metadata, updating
from billing_core.sandbox.render import includable, list_object, render
from billing_core.sandbox.routes import Page, Raw, route
from billing_core.sandbox.state import Obj


@route("POST", "/v1/charges")
def create(ctx: Context, params: Obj) -> Obj:
    """Refuse: payments are made with payment intents."""
    raise invalid("The sandbox makes charges through payment intents only: use POST /v1/payment_intents.")


@route("GET", "/v1/charges/{charge}")
def retrieve(ctx: Context, params: Obj, charge: str) -> Obj:
    """Return one charge, refused ones too."""
    return ctx.need("charge", charge)


@route("GET", "/v1/charges")
def list_all(ctx: Context, params: Obj) -> Page:
    """List charges, newest first, by payment intent or customer."""
    if "payment_intent" in params:
        found = ctx.state.where("charge", "payment_intent", params["payment_intent"])
    elif "customer" in params:
        found = ctx.state.where("charge", "customer", params["customer"])
    else:
        found = ctx.state.all("charge")
    return Page([o for o in found[::-1] if params.get("customer") in (None, o["customer"])], "/v1/charges")


@route("POST", "/v1/charges/{charge}")
def update(ctx: Context, params: Obj, charge: str) -> Obj:
    """Change description, metadata, receipt address, shipping or the report of fraud."""
    ctx.need("charge", charge)
    with updating(ctx, "charge", charge) as obj:
        for key in ("description", "receipt_email", "shipping", "transfer_group"):
            if key in params:
                obj[key] = params[key] or None
        if "fraud_details" in params:
            report = params["fraud_details"]["user_report"]
            obj["fraud_details"] = {"user_report": report} if report else {}
        if "metadata" in params:
            obj["metadata"] = merged_metadata(obj["metadata"], params["metadata"])
    return obj


@route("POST", "/v1/charges/{charge}/capture")
def capture(ctx: Context, params: Obj, charge: str) -> Obj:
    """Capture the payment intent that a charge belongs to."""
    current = ctx.need("charge", charge)
    intent = ctx.need("payment_intent", current["payment_intent"])
    if intent["status"] != "requires_capture":
        raise invalid(f"Charge {charge} has already been captured.", code="charge_already_captured")
    amount = int(params["amount"] if "amount" in params else intent["amount_capturable"])
    if not 0 < amount <= intent["amount_capturable"]:
        raise invalid("The amount to capture is greater than the amount reserved.", "amount", "amount_too_large")
    intents.capture(ctx, intent["id"], amount)
    return ctx.need("charge", charge)


@includable("charge", "refunds")
def _refunds(ctx: Context, charge: Obj) -> Obj:
    found = [render(ctx, r) for r in reversed(ctx.state.where("refund", "charge", charge["id"]))]
    return list_object(found, f"/v1/charges/{charge['id']}/refunds", len(found))


@route("GET", "/v1/charges/{charge}/refunds")
def list_refunds(ctx: Context, params: Obj, charge: str) -> Page:
    """List a charge's refunds, newest first."""
    ctx.need("charge", charge)
    return Page(ctx.state.where("refund", "charge", charge)[::-1], f"/v1/charges/{charge}/refunds")


@route("GET", "/receipts/{charge}")
def receipt(ctx: Context, params: Obj, charge: str) -> Raw:
    """Show a receipt as a page."""
    obj = ctx.need("charge", charge)
    amount = f"{to_major(obj['amount_captured'], obj['currency'])} {obj['currency'].upper()}"
    page = (
        '<!doctype html><html lang="en"><title>Receipt</title>'
        f"<h1>Receipt</h1><p>{escape(obj['description'] or 'Payment')}</p><p>{amount}</p><p>{escape(charge)}</p></html>"
    )
    return Raw(page.encode(), "text/html; charset=utf-8")
