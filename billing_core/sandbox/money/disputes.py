"""Disputes: a customer asks his bank for the money back, and what becomes of it.

Opening one takes the amount and a fee from the balance (an inquiry takes nothing). Evidence `winning_evidence` or
`losing_evidence` in `uncategorized_text` decides it, as in Stripe's test mode; unanswered it is lost when its time
is up. A dispute that is won brings the amount back, not the fee.
"""

from __future__ import annotations

from typing import Any

from billing_core.sandbox.context import Context, timer
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money import ledger
from billing_core.sandbox.money.changes import merged_metadata, previous_attributes, updating
from billing_core.sandbox.money.fees import DAY, dispute_fee_minor
from billing_core.sandbox.money.payment_methods import instrument_of
from billing_core.sandbox.render import bare, presenter, render
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

KIND = "dispute"
ANSWER_DAYS = 9
NETWORK_CODES = {"fraudulent": "10.4", "product_not_received": "13.1"}
OVER = ("won", "lost", "warning_closed", "prevented")

EVIDENCE = (
    "access_activity_log",
    "appeal",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


def open_if_due(ctx: Context, charge_id: str) -> Obj | None:
    """Open the dispute that a test card's payment leads to; returns it, or None when there is none to open."""
    instrument = instrument_of(ctx.need("charge", charge_id))
    if instrument.dispute is None:
        return None
    return dispute(ctx, charge_id, instrument.dispute, is_inquiry=instrument.is_inquiry)


def dispute(ctx: Context, charge_id: str, reason: str, *, is_inquiry: bool = False) -> Obj:
    """Open a dispute about a whole charge.

    Args:
        charge_id: a charge that succeeded.
        reason: Stripe's word, such as `fraudulent`.
        is_inquiry: the bank only asks; no money moves unless the inquiry is escalated.
    """
    charge = ctx.need("charge", charge_id)
    details = charge["payment_method_details"].get("card") or {}
    due_by = (ctx.now(charge) // DAY + ANSWER_DAYS + 1) * DAY - 1
    code = NETWORK_CODES.get(reason, "10.4")
    intent = ctx.state.get("payment_intent", charge["payment_intent"]) or {}
    customer = ctx.state.get("customer", charge["customer"]) or {}
    obj: Obj = {
        "id": ctx.state.new_id("du"),
        "object": KIND,
        "amount": charge["amount_captured"],
        "charge": charge_id,
        "created": ctx.now(charge),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(EVIDENCE)
        | {
            "customer_email_address": customer.get("email"),
            "customer_name": customer.get("name"),
            "enhanced_evidence": {},
        },
        "evidence_details": {
            "due_by": due_by,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "intended_submission_method": None,
        "is_charge_refundable": is_inquiry,
        "livemode": False,
        "metadata": {},
        "network_reason_code": code,
        "payment_intent": intent.get("id"),
        "payment_method_details": {
            "card": {
                "brand": details.get("brand", "visa"),
                "case_type": "inquiry" if is_inquiry else "chargeback",
                "network": details.get("brand", "visa"),
                "network_reason_code": code,
            },
            "type": "card",
        },
        "reason": reason,
        "status": "warning_needs_response" if is_inquiry else "needs_response",
        "_entries": [],
        "_customer": charge["customer"],
    }
    ctx.state.insert(obj)
    with updating(ctx, "charge", charge_id) as changed:
        changed["disputed"] = True
    if is_inquiry:
        ctx.emit("charge.dispute.created", obj)
    else:
        _withdraw(ctx, obj, event="charge.dispute.created")
    ctx.schedule(due_by, "dispute.due", obj["id"], owner=obj)
    return obj


def _withdraw(ctx: Context, obj: Obj, *, event: str) -> None:
    entry = ledger.book(
        ctx,
        "adjustment",
        -obj["amount"],
        obj["currency"],
        obj,
        fee=dispute_fee_minor(obj["currency"]),
        fee_description="Dispute fee",
        description=f"Chargeback withdrawal for {obj['charge']}",
    )
    obj["_entries"] = [*obj["_entries"], entry["id"]]
    ctx.emit(event, obj)
    ctx.emit("charge.dispute.funds_withdrawn", obj)


def _close(ctx: Context, dispute_id: str, status: str) -> Obj:
    obj = ctx.state.edit(KIND, dispute_id)
    obj["status"] = status
    ctx.cancel_timers(dispute_id)
    if status == "won":
        entry = ledger.book(
            ctx,
            "adjustment",
            obj["amount"],
            obj["currency"],
            obj,
            description=f"Chargeback reversal for {obj['charge']}",
            reporting_category="dispute_reversal",
        )
        obj["_entries"] = [*obj["_entries"], entry["id"]]
        ctx.emit("charge.dispute.funds_reinstated", obj)
    ctx.emit("charge.dispute.closed", obj)
    return obj


@timer("dispute.due")
def _time_is_up(ctx: Context, dispute_id: str) -> None:
    obj = ctx.state.edit(KIND, dispute_id)
    if obj["status"] not in ("needs_response", "warning_needs_response"):
        return
    obj["evidence_details"] = obj["evidence_details"] | {"past_due": True}
    _close(ctx, dispute_id, "lost" if obj["status"] == "needs_response" else "warning_closed")


@presenter(KIND)
def _present(ctx: Context, obj: Obj) -> Obj:
    entries = [render(ctx, ctx.need(ledger.KIND, i)) for i in obj["_entries"]]
    return bare(obj) | {"balance_transactions": entries}


@route("POST", "/v1/disputes/{dispute}")
def update(ctx: Context, params: Obj, dispute: str) -> Obj:
    """Add evidence, and submit it unless told not to; the two magic words decide the dispute at once."""
    current = ctx.need(KIND, dispute)
    if current["status"] in OVER and "evidence" in params:
        raise invalid("This dispute is already closed.", code="dispute_closed")
    given = params.get("evidence") or {}
    obj = ctx.state.edit(KIND, dispute)
    before = dict(obj)
    if given:
        cleaned = {k: (v or None) for k, v in given.items() if k in EVIDENCE}
        obj["evidence"] = obj["evidence"] | cleaned
        obj["evidence_details"] = obj["evidence_details"] | {"has_evidence": True}
    if "metadata" in params:
        obj["metadata"] = merged_metadata(obj["metadata"], params["metadata"])
    if "intended_submission_method" in params:
        obj["intended_submission_method"] = params["intended_submission_method"]
    is_submitted = obj["evidence_details"]["has_evidence"] and params.get("submit", bool(given))
    if is_submitted and obj["status"] not in OVER:
        obj["status"] = "warning_under_review" if obj["status"].startswith("warning") else "under_review"
        count = obj["evidence_details"]["submission_count"] + 1
        obj["evidence_details"] = obj["evidence_details"] | {"submission_count": count, "submission_method": "manual"}
    ctx.emit("charge.dispute.updated", obj, previous_attributes(before, obj))
    return _decide(ctx, obj) if is_submitted else obj


def _decide(ctx: Context, obj: Obj) -> Obj:
    words = obj["evidence"].get("uncategorized_text")
    is_inquiry = obj["status"].startswith("warning")
    if words == "winning_evidence":
        return _close(ctx, obj["id"], "warning_closed" if is_inquiry else "won")
    if words == "losing_evidence":
        return _close(ctx, obj["id"], "warning_closed" if is_inquiry else "lost")
    if words == "escalate_inquiry_evidence" and is_inquiry:
        obj["status"] = "needs_response"
        obj["is_charge_refundable"] = False
        card = obj["payment_method_details"]["card"] | {"case_type": "chargeback"}
        obj["payment_method_details"] = {"card": card, "type": "card"}
        _withdraw(ctx, obj, event="charge.dispute.updated")
    return obj


@route("POST", "/v1/disputes/{dispute}/close")
def close(ctx: Context, params: Obj, dispute: str) -> Obj:
    """Give up: the dispute is lost."""
    current = ctx.need(KIND, dispute)
    if current["status"] in OVER:
        raise invalid("This dispute is already closed.", code="dispute_closed")
    return _close(ctx, dispute, "warning_closed" if current["status"].startswith("warning") else "lost")


@route("GET", "/v1/disputes/{dispute}")
def retrieve(ctx: Context, params: Obj, dispute: str) -> Obj:
    """Return one dispute."""
    return ctx.need(KIND, dispute)


@route("GET", "/v1/disputes")
def list_all(ctx: Context, params: Obj) -> Page:
    """List disputes, newest first, by charge or payment intent."""
    found: Any = ctx.state.where(KIND, "charge", params["charge"]) if "charge" in params else ctx.state.all(KIND)
    return Page([o for o in found[::-1] if params.get("payment_intent") in (None, o["payment_intent"])], "/v1/disputes")
