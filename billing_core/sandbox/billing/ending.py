"""How a subscription ends: at once, on a date, at the end of its period, or because nobody paid."""

from __future__ import annotations

from collections.abc import Sequence

from billing_core.sandbox.billing.assemble import Closing, closing_windows, subscription_invoice
from billing_core.sandbox.billing.invoiceitems import pending, subscription_of
from billing_core.sandbox.billing.invoices import advance, finalize, schedule_finalization
from billing_core.sandbox.billing.prorations import credit_unused
from billing_core.sandbox.billing.subscription_objects import ENDED, emit_updated, items_of, snapshot
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import missing
from billing_core.sandbox.state import Obj


def end(
    ctx: Context, subscription_id: str, *, before: Obj, closing: Sequence[Closing], reason: str | None = None
) -> Obj:
    """End a subscription that time or a failed payment ends; what is left to bill goes on a last draft.

    Args:
        ctx: the account.
        subscription_id: which.
        before: its snapshot, for the event.
        closing: metered windows still to bill.
        reason: for `cancellation_details`.
    """
    subscription = ctx.need("subscription", subscription_id)
    now = ctx.now(subscription)
    if subscription["_cancel_prorates"]:
        for item in items_of(ctx, subscription_id):
            if item["current_period_end"] > now:
                credit_unused(ctx, item, now)
    invoice = None
    if reason is None:
        start = min((i["current_period_start"] for i in items_of(ctx, subscription_id)), default=now)
        invoice = subscription_invoice(ctx, subscription, "subscription_cycle", closing=closing, period=(start, now))
        if invoice is not None:
            schedule_finalization(ctx, invoice["id"])
            ctx.emit("invoice.created", invoice)
    return _close(ctx, subscription_id, now, reason or "cancellation_requested", before)


def cancel(
    ctx: Context,
    subscription_id: str,
    *,
    invoice_now: bool = False,
    prorate: bool = False,
    details: Obj | None = None,
) -> Obj:
    """Cancel a subscription at once.

    Args:
        ctx: the account.
        subscription_id: which.
        invoice_now: bill open usage and pending items on a last invoice now; otherwise usage is not billed.
        prorate: credit what was billed for the time after now.
        details: comment and feedback.

    Raises:
        StripeFault: there is none, or it has ended.
    """
    subscription = ctx.state.get("subscription", subscription_id)
    if subscription is None or subscription["status"] in ENDED:
        raise missing("subscription", subscription_id)
    before = snapshot(ctx, subscription_id)
    now = ctx.now(subscription)
    is_trial = subscription["status"] == "trialing"
    edited = ctx.state.edit("subscription", subscription_id)
    edited["cancellation_details"] = {**edited["cancellation_details"], **(details or {})}
    if prorate and not is_trial:
        for item in items_of(ctx, subscription_id):
            credit_unused(ctx, item, now)
    if not invoice_now and not prorate:
        _drop_pending_prorations(ctx, subscription)
    if invoice_now:
        closing = [] if is_trial else closing_windows(ctx, subscription, now)
        invoice = subscription_invoice(ctx, subscription, "subscription_update", closing=closing)
        if invoice is not None:
            ctx.emit("invoice.created", invoice)
            finalize(ctx, invoice["id"])
            advance(ctx, invoice["id"])
    if subscription["status"] in ENDED:
        return subscription
    ended = _close(ctx, subscription_id, now, "cancellation_requested", before)
    stop_collection(ctx, subscription["customer"])
    return ended


def _drop_pending_prorations(ctx: Context, subscription: Obj) -> None:
    for item in pending(ctx, subscription["customer"], subscription["currency"], subscription["id"]):
        if item["proration"] and subscription_of(item) == subscription["id"]:
            ctx.state.delete("invoiceitem", item["id"])
            ctx.emit("invoiceitem.deleted", item)


def _close(ctx: Context, subscription_id: str, now: int, reason: str, before: Obj) -> Obj:
    from billing_core.sandbox.billing import schedules

    subscription = ctx.state.edit("subscription", subscription_id)
    was_incomplete = subscription["status"] == "incomplete"
    subscription["status"] = "canceled"
    subscription["ended_at"] = now
    subscription["canceled_at"] = subscription["canceled_at"] or now
    subscription["pending_update"] = subscription["_pending_update"] = None
    subscription["cancellation_details"] = {
        **subscription["cancellation_details"],
        "reason": subscription["cancellation_details"]["reason"] or reason,
    }
    ctx.cancel_timers(subscription_id)
    if subscription["schedule"]:
        schedules.subscription_ended(ctx, subscription_id)
    if was_incomplete:
        emit_updated(ctx, before)
    ctx.emit("customer.subscription.deleted", subscription)
    return subscription


def stop_collection(ctx: Context, customer_id: str) -> None:
    """Stop the automatic collection of all finalized invoices of a customer, as a cancellation at once does."""
    for invoice in ctx.state.where("invoice", "customer", customer_id):
        if invoice["status"] != "open" or not invoice["auto_advance"]:
            continue
        edited = ctx.state.edit("invoice", invoice["id"])
        previous = {"auto_advance": True, "next_payment_attempt": edited["next_payment_attempt"]}
        edited["auto_advance"], edited["next_payment_attempt"] = False, None
        ctx.emit("invoice.updated", edited, previous)
