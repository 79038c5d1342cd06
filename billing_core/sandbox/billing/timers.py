"""The timers of a subscription: their names, and setting the ones that follow from its periods."""

from __future__ import annotations

from billing_core.sandbox.billing.account import DAY, setting
from billing_core.sandbox.billing.subscription_objects import ENDED, items_of
from billing_core.sandbox.context import Context

RENEW = "subscription.renew"
UPCOMING = "subscription.upcoming"
TRIAL_WILL_END = "subscription.trial_will_end"
EXPIRE = "subscription.expire"
CANCEL = "subscription.cancel"
RESUME_COLLECTION = "subscription.resume_collection"


def set_renewal(ctx: Context, subscription_id: str) -> None:
    """Set the timers for the next end of a period and for the announcement before it, in place of those set before."""
    subscription = ctx.need("subscription", subscription_id)
    ctx.cancel_timers(subscription_id, RENEW)
    ctx.cancel_timers(subscription_id, UPCOMING)
    ends = [i["current_period_end"] for i in items_of(ctx, subscription_id)]
    if subscription["status"] in ENDED or not ends:
        return
    when = min(ends)
    ctx.schedule(when, RENEW, subscription_id, owner=subscription)
    lead = int(setting(ctx, "upcoming_days")) * DAY
    if lead and when - lead > ctx.now(subscription):
        ctx.schedule(when - lead, UPCOMING, subscription_id, owner=subscription)


def set_cancel(ctx: Context, subscription_id: str) -> None:
    """Set the timer for a cancellation that is due on a date."""
    subscription = ctx.need("subscription", subscription_id)
    ctx.cancel_timers(subscription_id, CANCEL)
    if subscription["cancel_at"] is not None and subscription["status"] not in ENDED:
        ctx.schedule(subscription["cancel_at"], CANCEL, subscription_id, owner=subscription)
