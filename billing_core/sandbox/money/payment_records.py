"""Money that came in outside Stripe, as reported: a bank transfer with its reference.

A record holds amounts by what became of them; `guaranteed` means that the money is there. Attached to an invoice it
pays it (`invoice_payments.py`).
"""

from __future__ import annotations

from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money.changes import merged_metadata
from billing_core.sandbox.resources.prices import check_currency
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

KIND = "payment_record"
OUTCOMES = ("guaranteed", "failed", "canceled")


def report(
    ctx: Context,
    *,
    amount: int,
    currency: str,
    customer: Obj | None = None,
    outcome: str | None = "guaranteed",
    description: str | None = None,
    reference: str | None = None,
    method: Obj | None = None,
    **fields: Any,
) -> Obj:
    """Record a payment that was made outside Stripe.

    Args:
        amount: minor units.
        currency: lower case.
        customer: who paid, if he is known.
        outcome: `guaranteed`, `failed`, `canceled`, or None while it is under way.
        description: as shown.
        reference: the payment's reference at the bank.
        method: how it was paid (`display_name`, `type`).
        **fields: `metadata`, `customer_presence`, `shipping_details`, `customer_details`.
    """
    zero = {"currency": currency, "value": 0}
    whole = {"currency": currency, "value": amount}
    details = fields.get("customer_details") or {}
    return ctx.state.insert(
        {
            "id": ctx.state.new_id("pr"),
            "object": KIND,
            "amount": whole,
            "amount_authorized": dict(zero),
            "amount_canceled": dict(whole if outcome == "canceled" else zero),
            "amount_failed": dict(whole if outcome == "failed" else zero),
            "amount_guaranteed": dict(whole if outcome == "guaranteed" else zero),
            "amount_refunded": dict(zero),
            "amount_requested": dict(whole),
            "application": None,
            "created": ctx.now(customer),
            "customer_details": {
                "customer": customer["id"] if customer else None,
                "email": details.get("email") or (customer or {}).get("email"),
                "name": details.get("name") or (customer or {}).get("name"),
                "phone": details.get("phone") or (customer or {}).get("phone"),
            },
            "customer_presence": fields.get("customer_presence"),
            "description": description,
            "latest_payment_attempt_record": None,
            "livemode": False,
            "metadata": merged_metadata(None, fields.get("metadata")),
            "payment_method_details": {
                "billing_details": None,
                "custom": {
                    "display_name": (method or {}).get("display_name", "Outside of Stripe"),
                    "type": (method or {}).get("type"),
                },
                "payment_method": None,
                "type": "custom",
            },
            "processor_details": {"custom": {"payment_reference": reference}, "type": "custom"},
            "reported_by": "self",
            "shipping_details": fields.get("shipping_details"),
            "_customer": customer["id"] if customer else None,
        }
    )


@route("POST", "/v1/payment_records/report_payment")
def report_payment(ctx: Context, params: Obj) -> Obj:
    """Report a payment made outside Stripe."""
    details = params.get("customer_details") or {}
    customer = (
        ctx.need("customer", details["customer"], "customer_details[customer]") if "customer" in details else None
    )
    wanted = params["amount_requested"]
    if wanted["value"] < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount_requested[value]")
    reference = ((params.get("processor_details") or {}).get("custom") or {}).get("payment_reference")
    rest = {k: params[k] for k in ("metadata", "customer_presence", "shipping_details") if k in params}
    return report(
        ctx,
        amount=wanted["value"],
        currency=check_currency(wanted["currency"], "amount_requested[currency]"),
        customer=customer,
        outcome=params.get("outcome"),
        description=params.get("description"),
        reference=reference,
        method=params["payment_method_details"].get("custom"),
        customer_details=details,
        **rest,
    )


def _settle(ctx: Context, record_id: str, outcome: str) -> Obj:
    from billing_core.sandbox.money import invoice_payments

    if any(ctx.need(KIND, record_id)[f"amount_{name}"]["value"] for name in OUTCOMES):
        raise invalid("The outcome of this payment has been reported already.")
    obj = ctx.state.edit(KIND, record_id)
    obj[f"amount_{outcome}"] = dict(obj["amount_requested"])
    for payment in ctx.state.where("invoice_payment", "_payment_intent", record_id):
        if payment["status"] == "open" and outcome == "guaranteed":
            invoice_payments.credit(ctx, payment["id"], obj["amount_requested"]["value"])
        elif payment["status"] == "open":
            invoice_payments.cancel(ctx, payment["id"])
    return obj


@route("POST", "/v1/payment_records/{id}/report_payment_attempt_guaranteed")
def guaranteed(ctx: Context, params: Obj, id: str) -> Obj:
    """Report that the money has come; invoices it is attached to are credited."""
    return _settle(ctx, id, "guaranteed")


@route("POST", "/v1/payment_records/{id}/report_payment_attempt_failed")
def failed(ctx: Context, params: Obj, id: str) -> Obj:
    """Report that the money did not come."""
    return _settle(ctx, id, "failed")


@route("POST", "/v1/payment_records/{id}/report_payment_attempt_canceled")
def canceled(ctx: Context, params: Obj, id: str) -> Obj:
    """Report that the payment was called off."""
    return _settle(ctx, id, "canceled")


@route("POST", "/v1/payment_records/{id}/report_refund")
def report_refund(ctx: Context, params: Obj, id: str) -> Obj:
    """Report money given back outside Stripe, all of it or a part."""
    current = ctx.need(KIND, id)
    left = current["amount_guaranteed"]["value"] - current["amount_refunded"]["value"]
    amount = params["amount"]["value"] if "amount" in params else left
    if not 0 < amount <= left:
        raise invalid("The refund is greater than what is left of this payment.", "amount[value]")
    obj = ctx.state.edit(KIND, id)
    refunded = obj["amount_refunded"]
    obj["amount_refunded"] = {**refunded, "value": refunded["value"] + amount}
    group = ((params.get("processor_details") or {}).get("custom") or {}).get("refund_reference")
    obj["_refunds"] = [*obj.get("_refunds", []), {"refund_group": group, "amount": amount}]
    return obj


@route("GET", "/v1/payment_records")
def list_all(ctx: Context, params: Obj) -> Page:
    """List records, newest first."""
    after, before = params.get("created_after"), params.get("created_before")
    found = [
        o
        for o in ctx.state.all(KIND)[::-1]
        if (after is None or o["created"] > after) and (before is None or o["created"] < before)
    ]
    return Page(found, "/v1/payment_records")


@route("GET", "/v1/payment_records/{id}")
def retrieve(ctx: Context, params: Obj, id: str) -> Obj:
    """Return one record."""
    return ctx.need(KIND, id)
