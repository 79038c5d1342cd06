"""Pausing a whole subscription (status `paused`: no periods, no invoices) and resuming it."""

from __future__ import annotations

from billing_core.sandbox.billing.account import HOUR
from billing_core.sandbox.billing.assemble import subscription_invoice
from billing_core.sandbox.billing.calendar import period_around
from billing_core.sandbox.billing.collecting import first_payment
from billing_core.sandbox.billing.pricing import price_of
from billing_core.sandbox.billing.prorations import bill_usage, credit_unused, debit_remaining
from billing_core.sandbox.billing.subscription_objects import emit_updated, items_of, snapshot
from billing_core.sandbox.billing.timers import EXPIRE, RENEW, UPCOMING, set_renewal
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.state import Obj


def pause(ctx: Context, subscription_id: str, params: Obj) -> Obj:
    """Pause a subscription now: unused time is credited and open usage billed, as asked.

    Raises:
        StripeFault: it is not running, or a schedule drives it.
    """
    current = ctx.need("subscription", subscription_id)
    if current["status"] not in ("active", "trialing", "past_due"):
        raise invalid(f"Subscriptions that are {current['status']} cannot be paused.")
    if current["schedule"]:
        raise invalid("Subscriptions with an attached schedule cannot be paused.")
    before = snapshot(ctx, subscription_id)
    subscription = ctx.state.edit("subscription", subscription_id)
    now = ctx.now(subscription)
    bill_for = params.get("bill_for") or {}
    unused = (bill_for.get("unused_time_from") or {}).get("type") or "now"
    usage = (bill_for.get("outstanding_usage_through") or {}).get("type") or "now"
    for item in items_of(ctx, subscription_id) if subscription["status"] != "trialing" else []:
        if unused != "none":
            credit_unused(ctx, item, now if unused == "now" else item["current_period_start"])
        if usage == "now":
            bill_usage(ctx, item, now)
            ctx.state.edit("subscription_item", item["id"])["_usage_from"] = now
    subscription["status"] = "paused"
    subscription["status_details"] = {
        "paused": {"subscription": {"type": "pause_requested"}, "transitioned_at": now, "type": "subscription"}
    }
    ctx.cancel_timers(subscription_id, RENEW)
    ctx.cancel_timers(subscription_id, UPCOMING)
    invoice = None
    if params.get("invoicing_behavior") == "invoice":
        invoice = subscription_invoice(ctx, subscription, "subscription_update")
    emit_updated(ctx, before)
    ctx.emit("customer.subscription.paused", subscription)
    if invoice is not None:
        ctx.emit("invoice.created", invoice)
        first_payment(ctx, invoice["id"], "allow_incomplete", is_off_session=True)
    return subscription


def resume(ctx: Context, subscription_id: str, params: Obj) -> Obj:
    """Resume a paused subscription; it is active as soon as nothing is left to pay.

    Raises:
        StripeFault: it is not paused, or its invoices are sent.
    """
    current = ctx.need("subscription", subscription_id)
    if current["status"] != "paused":
        raise invalid("This subscription cannot be resumed because its status is not `paused`.")
    if current["collection_method"] != "charge_automatically":
        raise invalid("Resume is only available for subscriptions that use charge_automatically collection.")
    before = snapshot(ctx, subscription_id)
    subscription = ctx.state.edit("subscription", subscription_id)
    now = ctx.now(subscription)
    is_unchanged = (params.get("billing_cycle_anchor") or {}).get("type") == "unchanged"
    behavior = params.get("proration_behavior") or "create_prorations"
    at = params.get("proration_date") or now
    if not is_unchanged:
        subscription["billing_cycle_anchor"] = now
    for item in items_of(ctx, subscription_id):
        edited = ctx.state.edit("subscription_item", item["id"])
        start, end = period_around(subscription["billing_cycle_anchor"], price_of(ctx, item)["recurring"], now)
        edited["current_period_start"], edited["current_period_end"] = start, end
        edited["billed_until"], edited["_usage_from"] = end, now
        if is_unchanged and behavior != "none":
            debit_remaining(ctx, edited, at)
    invoice = None
    if not is_unchanged:
        starting = [i["id"] for i in items_of(ctx, subscription_id)]
        invoice = subscription_invoice(ctx, subscription, "subscription_update", starting=starting)
    elif behavior == "always_invoice":
        invoice = subscription_invoice(ctx, subscription, "subscription_update")
    emit_updated(ctx, before)
    if invoice is None:
        resumed(ctx, subscription_id)
        return subscription
    ctx.state.edit("invoice", invoice["id"])["_resumes"] = True
    ctx.emit("invoice.created", invoice)
    ctx.schedule(now + 23 * HOUR, EXPIRE, subscription_id, owner=subscription)
    waits = params.get("payment_behavior") == "resume_on_payment_success"
    first_payment(ctx, invoice["id"], "default_incomplete" if waits else "allow_incomplete", is_off_session=False)
    if not waits and subscription["status"] == "paused":
        resumed(ctx, subscription_id)
    return subscription


def resumed(ctx: Context, subscription_id: str) -> None:
    """Let a paused subscription run again."""
    before = snapshot(ctx, subscription_id)
    subscription = ctx.state.edit("subscription", subscription_id)
    subscription["status"] = "active"
    subscription["status_details"] = None
    ctx.cancel_timers(subscription_id, EXPIRE)
    set_renewal(ctx, subscription_id)
    emit_updated(ctx, before)
    ctx.emit("customer.subscription.resumed", subscription)
