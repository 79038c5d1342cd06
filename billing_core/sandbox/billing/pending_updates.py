"""Updates with `pending_if_incomplete`: the change is made when its invoice is paid, within 23 hours, or not at all."""

from __future__ import annotations

from billing_core.sandbox.billing.account import HOUR
from billing_core.sandbox.billing.invoices import void
from billing_core.sandbox.billing.subscription_objects import emit_updated, items_of, present_item, snapshot
from billing_core.sandbox.billing.timers import EXPIRE, set_renewal
from billing_core.sandbox.context import Context
from billing_core.sandbox.state import Obj, clone


def attempt(ctx: Context, subscription_id: str, params: Obj) -> Obj:
    """Change a subscription if the invoice of the change is paid at once; otherwise keep the change waiting."""
    from billing_core.sandbox.billing import changing

    before = snapshot(ctx, subscription_id)
    old = _copy(ctx, subscription_id)
    invoice = changing.apply(ctx, subscription_id, params)
    if invoice is None:
        emit_updated(ctx, before)
        return ctx.need("subscription", subscription_id)
    shown = [clone(present_item(ctx, i)) for i in items_of(ctx, subscription_id)]
    new = _copy(ctx, subscription_id)
    _put_back(ctx, subscription_id, old)
    subscription = ctx.state.edit("subscription", subscription_id)
    expires_at = ctx.now(subscription) + 23 * HOUR
    subscription["latest_invoice"] = invoice["id"]
    subscription["_pending_update"] = {"invoice": invoice["id"], "new": new}
    subscription["pending_update"] = {
        "billing_cycle_anchor": new["subscription"]["billing_cycle_anchor"],
        "cancel_at_period_end": None,
        "discount": None,
        "discounts": None,
        "expires_at": expires_at,
        "metadata": None,
        "subscription_items": shown,
        "trial_end": new["subscription"]["trial_end"],
        "trial_from_plan": None,
    }
    ctx.schedule(expires_at, EXPIRE, subscription_id, owner=subscription)
    params = {**params, "payment_behavior": "allow_incomplete"}
    changing.announce_and_settle(ctx, subscription_id, invoice, params, before)
    return ctx.need("subscription", subscription_id)


def apply(ctx: Context, subscription_id: str) -> None:
    """Make the change that was waiting: its invoice is paid."""
    before = snapshot(ctx, subscription_id)
    waiting = ctx.need("subscription", subscription_id)["_pending_update"]
    latest = ctx.need("subscription", subscription_id)["latest_invoice"]
    _put_back(ctx, subscription_id, waiting["new"])
    subscription = ctx.state.edit("subscription", subscription_id)
    subscription["latest_invoice"] = latest
    subscription["pending_update"] = subscription["_pending_update"] = None
    ctx.cancel_timers(subscription_id, EXPIRE)
    emit_updated(ctx, before)
    ctx.emit("customer.subscription.pending_update_applied", subscription)


def expire(ctx: Context, subscription_id: str) -> None:
    """Drop the change that was waiting and void its invoice."""
    subscription = ctx.state.edit("subscription", subscription_id)
    invoice_id = subscription["_pending_update"]["invoice"]
    subscription["pending_update"] = subscription["_pending_update"] = None
    if ctx.need("invoice", invoice_id)["status"] == "open":
        void(ctx, invoice_id)
    ctx.emit("customer.subscription.pending_update_expired", subscription)


def _copy(ctx: Context, subscription_id: str) -> Obj:
    kept: Obj = clone(
        {"subscription": ctx.need("subscription", subscription_id), "items": items_of(ctx, subscription_id)}
    )
    return kept


def _put_back(ctx: Context, subscription_id: str, kept: Obj) -> None:
    kept = clone(kept)
    subscription = ctx.state.edit("subscription", subscription_id)
    subscription.clear()
    subscription.update(kept["subscription"])
    wanted = {i["id"]: i for i in kept["items"]}
    for item in items_of(ctx, subscription_id):
        if item["id"] not in wanted:
            ctx.state.delete("subscription_item", item["id"])
    for item_id, item in wanted.items():
        if ctx.state.get("subscription_item", item_id) is None:
            ctx.state.insert(item)
        else:
            edited = ctx.state.edit("subscription_item", item_id)
            edited.clear()
            edited.update(item)
    set_renewal(ctx, subscription_id)
