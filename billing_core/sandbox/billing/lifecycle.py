"""What time and payments do to a subscription: renewal, trial end, past due, expiry, the end.

One timer per subscription stands at the next end of a period. When it falls due, in this order: what metered items saw
is set aside at its old price, the schedule moves on, the subscription ends or the next period begins, and one draft
bills it all. Payments report back through `invoice_paid` and `invoice_payment_failed`.
"""

from __future__ import annotations

from billing_core.sandbox.billing import schedules
from billing_core.sandbox.billing.account import DAY, setting
from billing_core.sandbox.billing.assemble import closing_windows, subscription_invoice
from billing_core.sandbox.billing.calendar import period_around
from billing_core.sandbox.billing.ending import end
from billing_core.sandbox.billing.invoices import mark_paid, schedule_finalization, void
from billing_core.sandbox.billing.pricing import price_of
from billing_core.sandbox.billing.subscription_objects import (
    ENDED,
    drop_ended_discounts,
    emit_updated,
    items_of,
    snapshot,
)
from billing_core.sandbox.billing.timers import (
    CANCEL,
    EXPIRE,
    RENEW,
    RESUME_COLLECTION,
    TRIAL_WILL_END,
    UPCOMING,
    set_renewal,
)
from billing_core.sandbox.context import Context, timer
from billing_core.sandbox.state import Obj


@timer(RENEW)
def renew(ctx: Context, subscription_id: str) -> None:
    """Begin the next period of a subscription whose period has ended."""
    subscription = ctx.state.get("subscription", subscription_id)
    if subscription is None or subscription["status"] in (*ENDED, "paused", "incomplete"):
        return
    now = ctx.now(subscription)
    if all(i["current_period_end"] > now for i in items_of(ctx, subscription_id)):
        return
    before = snapshot(ctx, subscription_id)
    is_trial_over = subscription["status"] == "trialing" and subscription["trial_end"] <= now
    closing = [] if is_trial_over else closing_windows(ctx, subscription, now, only_due=True)
    starts = [i["current_period_start"] for i in items_of(ctx, subscription_id)]
    schedules.move_on(ctx, subscription_id)
    subscription = ctx.state.edit("subscription", subscription_id)
    is_last = subscription["cancel_at"] is not None and subscription["cancel_at"] <= now
    if is_last or (is_trial_over and _lacks_payment_method(ctx, subscription, "cancel")):
        end(ctx, subscription_id, before=before, closing=closing)
        return
    if is_trial_over and _lacks_payment_method(ctx, subscription, "pause"):
        subscription["status"] = "paused"
        subscription["status_details"] = {
            "paused": {
                "subscription": {"type": "trial_end_without_payment_method"},
                "transitioned_at": now,
                "type": "subscription",
            }
        }
        emit_updated(ctx, before)
        ctx.emit("customer.subscription.paused", subscription)
        return
    drop_ended_discounts(ctx, subscription, now)
    due = start_periods(ctx, subscription, now)
    if is_trial_over:
        subscription["status"] = "active"
    invoice = subscription_invoice(
        ctx,
        subscription,
        "subscription_cycle",
        starting=due,
        closing=closing,
        period=(min(starts, default=now), now),
    )
    if invoice is not None:
        leave_as_draft(ctx, subscription, invoice)
    set_renewal(ctx, subscription_id)
    if invoice is not None:
        ctx.emit("invoice.created", invoice)
    emit_updated(ctx, before)


def start_periods(ctx: Context, subscription: Obj, now: int) -> list[str]:
    """Move every item whose period has ended to its next one; returns their ids."""
    moved = []
    for item in items_of(ctx, subscription["id"]):
        if item["current_period_end"] > now:
            continue
        recurring = price_of(ctx, item)["recurring"]
        edited = ctx.state.edit("subscription_item", item["id"])
        begin = item["current_period_end"]
        _, finish = period_around(subscription["billing_cycle_anchor"], recurring, begin)
        edited["current_period_start"], edited["current_period_end"] = begin, finish
        edited["billed_until"], edited["_usage_from"] = finish, begin
        moved.append(item["id"])
    return moved


def leave_as_draft(ctx: Context, subscription: Obj, invoice: Obj) -> None:
    """Let a draft of a subscription go its way: by itself, or not when nothing is to be collected now."""
    pause = subscription["pause_collection"]
    if subscription["status"] == "unpaid" or (pause and pause["behavior"] == "keep_as_draft"):
        ctx.state.edit("invoice", invoice["id"])["auto_advance"] = False
    else:
        schedule_finalization(ctx, invoice["id"])


def _lacks_payment_method(ctx: Context, subscription: Obj, behavior: str) -> bool:
    settings = subscription["trial_settings"] or {}
    wanted = (settings.get("end_behavior") or {}).get("missing_payment_method")
    is_charged = subscription["collection_method"] == "charge_automatically"
    return wanted == behavior and is_charged and not has_payment_method(ctx, subscription)


def has_payment_method(ctx: Context, subscription: Obj) -> bool:
    """Tell whether a subscription can be charged: a default of its own, or the customer's."""
    customer = ctx.need("customer", subscription["customer"])
    return bool(
        subscription["default_payment_method"]
        or subscription["default_source"]
        or (customer.get("invoice_settings") or {}).get("default_payment_method")
        or customer.get("default_source")
    )


@timer(UPCOMING)
def _upcoming(ctx: Context, subscription_id: str) -> None:
    from billing_core.sandbox.billing.previews import upcoming

    subscription = ctx.state.get("subscription", subscription_id)
    if subscription is None or subscription["status"] not in ("active", "past_due", "trialing"):
        return
    shown = upcoming(ctx, subscription_id)
    if shown is not None:
        ctx.emit("invoice.upcoming", shown)


@timer(TRIAL_WILL_END)
def _trial_will_end(ctx: Context, subscription_id: str) -> None:
    subscription = ctx.state.get("subscription", subscription_id)
    if subscription and subscription["status"] == "trialing":
        ctx.emit("customer.subscription.trial_will_end", subscription)


@timer(EXPIRE)
def _expire(ctx: Context, subscription_id: str) -> None:
    """Give up on a first payment that did not come within 23 hours."""
    subscription = ctx.state.get("subscription", subscription_id)
    if not subscription:
        return
    if subscription["pending_update"]:
        from billing_core.sandbox.billing.pending_updates import expire

        expire(ctx, subscription_id)
    if subscription["status"] not in ("incomplete", "paused"):
        return
    invoice = ctx.state.get("invoice", subscription["latest_invoice"])
    if invoice and invoice["status"] == "open":
        void(ctx, invoice["id"])


def expire_incomplete(ctx: Context, subscription_id: str) -> None:
    """Turn an incomplete subscription into an expired one."""
    before = snapshot(ctx, subscription_id)
    edited = ctx.state.edit("subscription", subscription_id)
    edited["status"] = "incomplete_expired"
    edited["ended_at"] = edited["canceled_at"] = ctx.now(edited)
    ctx.cancel_timers(subscription_id)
    emit_updated(ctx, before)


@timer(CANCEL)
def _cancel_at(ctx: Context, subscription_id: str) -> None:
    subscription = ctx.state.get("subscription", subscription_id)
    if not subscription or subscription["status"] in ENDED:
        return
    now = ctx.now(subscription)
    if subscription["cancel_at"] is None or subscription["cancel_at"] > now:
        return
    before = snapshot(ctx, subscription_id)
    closing = [] if subscription["status"] == "trialing" else closing_windows(ctx, subscription, now)
    end(ctx, subscription_id, before=before, closing=closing)


@timer(RESUME_COLLECTION)
def _resume_collection(ctx: Context, subscription_id: str) -> None:
    subscription = ctx.state.get("subscription", subscription_id)
    if subscription and subscription["pause_collection"] and subscription["status"] not in ENDED:
        before = snapshot(ctx, subscription_id)
        ctx.state.edit("subscription", subscription_id)["pause_collection"] = None
        emit_updated(ctx, before)


# --- what payments report --------------------------------------------------------------------------------------------


def invoice_paid(ctx: Context, invoice_id: str, paid_at: int) -> None:
    """Bring a subscription into the state that a paid invoice means; marks the invoice as paid when nobody has."""
    invoice = ctx.need("invoice", invoice_id)
    if invoice["status"] != "paid":
        mark_paid(ctx, invoice_id, paid_at)
        return
    subscription = ctx.state.get("subscription", invoice["_subscription"])
    if subscription is None or subscription["status"] in ENDED:
        return
    if subscription["_pending_update"] and subscription["_pending_update"]["invoice"] == invoice_id:
        from billing_core.sandbox.billing.pending_updates import apply

        apply(ctx, subscription["id"])
        return
    if subscription["status"] == "incomplete" and invoice["billing_reason"] == "subscription_create":
        ctx.cancel_timers(subscription["id"], EXPIRE)
        _become_active(ctx, subscription["id"])
    elif subscription["status"] == "paused" and invoice.get("_resumes"):
        from billing_core.sandbox.billing.pausing import resumed

        resumed(ctx, subscription["id"])
    elif subscription["status"] in ("past_due", "unpaid") and _is_settled(ctx, subscription):
        _become_active(ctx, subscription["id"])


def _is_settled(ctx: Context, subscription: Obj) -> bool:
    """Tell whether the last invoice that was finalized and not voided has been paid or written off."""
    for invoice in reversed(ctx.state.where("invoice", "_subscription", subscription["id"])):
        if invoice["status"] not in ("draft", "void"):
            return bool(invoice["status"] in ("paid", "uncollectible"))
    return True


def _become_active(ctx: Context, subscription_id: str) -> None:
    before = snapshot(ctx, subscription_id)
    ctx.state.edit("subscription", subscription_id)["status"] = "active"
    emit_updated(ctx, before)


def invoice_processing(ctx: Context, invoice_id: str) -> None:
    """Let an incomplete subscription begin while a bank debit for its first invoice is on its way."""
    invoice = ctx.need("invoice", invoice_id)
    subscription = ctx.state.get("subscription", invoice["_subscription"])
    if subscription and subscription["status"] == "incomplete" and invoice["billing_reason"] == "subscription_create":
        ctx.cancel_timers(subscription["id"], EXPIRE)
        _become_active(ctx, subscription["id"])


def invoice_payment_failed(ctx: Context, invoice_id: str, error: object = None) -> None:
    """Bring a subscription into the state that a failed payment means.

    The first invoice leaves it incomplete. Later ones make it past due; after the last retry the account's setting
    decides whether it ends, becomes unpaid, or stays past due.
    """
    invoice = ctx.need("invoice", invoice_id)
    subscription = ctx.state.get("subscription", invoice["_subscription"])
    if subscription is None or subscription["status"] in (*ENDED, "incomplete", "paused", "unpaid"):
        return
    if subscription["_pending_update"] and subscription["_pending_update"]["invoice"] == invoice_id:
        return
    before = snapshot(ctx, subscription["id"])
    is_last = bool(invoice["auto_advance"] and invoice["attempted"] and invoice["next_payment_attempt"] is None)
    if is_last and setting(ctx, "after_last_retry") == "cancel":
        end(ctx, subscription["id"], before=before, closing=[], reason="payment_failed")
        return
    status = "unpaid" if is_last and setting(ctx, "after_last_retry") == "unpaid" else "past_due"
    ctx.state.edit("subscription", subscription["id"])["status"] = status
    emit_updated(ctx, before)


def invoice_voided(ctx: Context, invoice_id: str) -> None:
    """Follow a voided invoice: the first one ends an incomplete subscription, a later one may settle it."""
    invoice = ctx.need("invoice", invoice_id)
    subscription = ctx.state.get("subscription", invoice["_subscription"])
    if subscription is None:
        return
    if subscription["status"] == "incomplete" and invoice["billing_reason"] == "subscription_create":
        expire_incomplete(ctx, subscription["id"])
    elif subscription["status"] in ("past_due", "unpaid") and _is_settled(ctx, subscription):
        _become_active(ctx, subscription["id"])


def invoice_uncollectible(ctx: Context, invoice_id: str) -> None:
    """Follow an invoice that was written off: it no longer keeps its subscription past due."""
    invoice = ctx.need("invoice", invoice_id)
    subscription = ctx.state.get("subscription", invoice["_subscription"])
    if subscription and subscription["status"] in ("past_due", "unpaid") and _is_settled(ctx, subscription):
        _become_active(ctx, subscription["id"])


def invoice_overdue(ctx: Context, invoice_id: str) -> None:
    """Make a subscription past due whose sent invoice was not paid in time."""
    invoice = ctx.need("invoice", invoice_id)
    subscription = ctx.state.get("subscription", invoice["_subscription"])
    if subscription and subscription["status"] == "active":
        before = snapshot(ctx, subscription["id"])
        ctx.state.edit("subscription", subscription["id"])["status"] = "past_due"
        emit_updated(ctx, before)


def trial_warning_at(trial_end: int, now: int) -> int:
    """Return when `trial_will_end` is due: three days before, or now when the trial is shorter than that."""
    return max(now, trial_end - 3 * DAY)
