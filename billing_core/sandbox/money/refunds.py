"""Refunds: money back to the payment method, all at once or in parts.

A refund is booked against the balance at once; Stripe's fee for the payment is not given back. The refunds of two test
cards change later: one fails (`refundFail`), one waits before it succeeds (`pendingRefund`).
"""

from __future__ import annotations

import hashlib
from typing import Any

from billing_core.money import to_major
from billing_core.sandbox.context import Context, timer
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.money import ledger
from billing_core.sandbox.money.changes import merged_metadata, previous_attributes, updating
from billing_core.sandbox.money.payment_methods import instrument_of
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

KIND = "refund"
# Seconds until the bank's late answer.
LATER = 2


def refund(
    ctx: Context, charge_id: str, amount: int | None = None, *, reason: str | None = None, metadata: Any = None
) -> Obj:
    """Refund a charge.

    Args:
        charge_id: a charge that succeeded.
        amount: minor units; what is left of the charge when left out.
        reason: Stripe's word.
        metadata: key-value pairs.

    Returns:
        The refund; the charge's and the refund's events are emitted.

    Raises:
        StripeFault: nothing (or less) is left to refund, or the charge is disputed or failed.
    """
    charge = ctx.need("charge", charge_id, "charge")
    wanted = _refundable(ctx, charge, amount)
    instrument = instrument_of(charge)
    is_waiting = instrument.refund == "waits" or instrument.type != "card"
    is_card = instrument.type == "card"
    method = instrument.type
    digits = int(hashlib.blake2b(charge_id.encode(), digest_size=6).hexdigest(), 16)
    destination: Obj = {"type": method}
    if is_card:
        destination["card"] = {
            "reference": None if is_waiting else f"{digits:016d}"[:16],
            "reference_status": "pending" if is_waiting else "available",
            "reference_type": "acquirer_reference_number",
            "type": "pending" if is_waiting else "refund",
        }
    obj: Obj = {
        "id": ctx.state.new_id("re" if is_card else "pyr"),
        "object": KIND,
        "amount": wanted,
        "balance_transaction": None,
        "charge": charge_id,
        "created": ctx.now(charge),
        "currency": charge["currency"],
        "destination_details": destination,
        "metadata": merged_metadata(None, metadata),
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if is_waiting else "succeeded",
        "transfer_reversal": None,
        "_customer": charge["customer"],
    }
    if is_waiting:
        obj["pending_reason"] = "processing"
    ctx.state.insert(obj)
    entry = ledger.book(
        ctx,
        "refund" if is_card else "payment_refund",
        -wanted,
        charge["currency"],
        obj,
        description="REFUND FOR CHARGE" + (f" ({charge['description']})" if charge["description"] else ""),
    )
    obj["balance_transaction"] = entry["id"]
    _move(ctx, charge_id, wanted, "charge.refunded")
    ctx.emit("refund.created", obj)
    if is_waiting:
        ctx.schedule(ctx.now(obj) + LATER, "refund.arrive", obj["id"], owner=obj)
    elif instrument.refund == "fails":
        ctx.schedule(ctx.now(obj) + LATER, "refund.fail", obj["id"], owner=obj)
    return obj


def _refundable(ctx: Context, charge: Obj, amount: int | None) -> int:
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise invalid(f"Charge {charge['id']} cannot be refunded because it has not succeeded.")
    left = charge["amount_captured"] - _refunded(charge)
    if left == 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if charge["disputed"] and not all(
        d["is_charge_refundable"] for d in ctx.state.where("dispute", "charge", charge["id"])
    ):
        raise invalid(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    wanted = left if amount is None else amount
    if wanted < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    if wanted > left:
        currency = charge["currency"]
        what = f"unrefunded amount on charge ({to_major(left, currency)} {currency.upper()})"
        raise invalid(
            f"Refund amount ({to_major(wanted, currency)} {currency.upper()}) is greater than {what}", "amount"
        )
    return wanted


def _refunded(charge: Obj) -> int:
    # What was reserved and never captured counts as refunded on the charge.
    return int(charge["amount_refunded"] - (charge["amount"] - charge["amount_captured"]))


def _move(ctx: Context, charge_id: str, amount: int, event: str) -> None:
    with updating(ctx, "charge", charge_id, event) as charge:
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] >= charge["amount"]


@timer("refund.arrive")
def _arrive(ctx: Context, refund_id: str) -> None:
    obj = ctx.state.edit(KIND, refund_id)
    if obj["status"] != "pending":
        return
    before = dict(obj)
    obj["status"] = "succeeded"
    obj.pop("pending_reason", None)
    _tell(ctx, obj, before, "refund.updated")


@timer("refund.fail")
def _fail(ctx: Context, refund_id: str) -> None:
    obj = ctx.state.edit(KIND, refund_id)
    before = dict(obj)
    entry = ledger.book(ctx, "refund_failure", obj["amount"], obj["currency"], obj, description="REFUND FAILURE")
    obj["status"] = "failed"
    obj["failure_reason"] = "expired_or_canceled_card"
    obj["failure_balance_transaction"] = entry["id"]
    _move(ctx, obj["charge"], -obj["amount"], "charge.updated")
    _tell(ctx, obj, before, "refund.failed")


def _tell(ctx: Context, obj: Obj, before: Obj, event: str) -> None:
    previous = previous_attributes(before, obj)
    ctx.emit("charge.refund.updated", obj, previous)
    ctx.emit("refund.updated", obj, previous)
    if event != "refund.updated":
        ctx.emit(event, obj)


@route("POST", "/v1/refunds")
def create(ctx: Context, params: Obj) -> Obj:
    """Refund a charge, or the successful charge of a payment intent."""
    if params.get("origin") or params.get("customer"):
        raise invalid("The sandbox refunds payments only, not cash balances.", "origin")
    if ("charge" in params) == ("payment_intent" in params):
        raise StripeFault(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
        )
    charge_id = params.get("charge")
    if charge_id is None:
        intent = ctx.need("payment_intent", params["payment_intent"], "payment_intent")
        if intent["status"] not in ("succeeded", "requires_capture") or not intent["latest_charge"]:
            raise invalid(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", "payment_intent"
            )
        charge_id = intent["latest_charge"]
    return refund(ctx, charge_id, params.get("amount"), reason=params.get("reason"), metadata=params.get("metadata"))


@route("GET", "/v1/refunds/{refund}")
def retrieve(ctx: Context, params: Obj, refund: str) -> Obj:
    """Return one refund."""
    return ctx.need(KIND, refund)


@route("POST", "/v1/refunds/{refund}")
def update(ctx: Context, params: Obj, refund: str) -> Obj:
    """Change metadata."""
    ctx.need(KIND, refund)
    with updating(ctx, KIND, refund) as obj:
        obj["metadata"] = merged_metadata(obj["metadata"], params.get("metadata"))
    return obj


@route("POST", "/v1/refunds/{refund}/cancel")
def cancel(ctx: Context, params: Obj, refund: str) -> Obj:
    """Refuse: only refunds that wait for their customer's bank details can be canceled, and there are none here."""
    obj = ctx.need(KIND, refund)
    raise invalid(
        f"You cannot cancel this refund because it has a status of {obj['status']}. Only a refund with one of the"
        " following statuses may be canceled: requires_action."
    )


@route("GET", "/v1/refunds")
def list_all(ctx: Context, params: Obj) -> Page:
    """List refunds, newest first, by charge or payment intent."""
    if "charge" in params:
        found = ctx.state.where(KIND, "charge", params["charge"])
    elif "payment_intent" in params:
        found = ctx.state.where(KIND, "payment_intent", params["payment_intent"])
    else:
        found = ctx.state.all(KIND)
    return Page([o for o in found[::-1] if params.get("payment_intent") in (None, o["payment_intent"])], "/v1/refunds")
