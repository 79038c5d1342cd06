"""What else a request changes on a subscription: its cancellation, a pause of its collection, one-time extras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from billing_core.money import round_minor
from billing_core.sandbox.billing.invoiceitems import insert_invoiceitem
from billing_core.sandbox.billing.pricing import amount_for, description, pricing_of, resolve_price
from billing_core.sandbox.billing.subscription_objects import items_of
from billing_core.sandbox.billing.terms import set_discounts, tax_rate_ids
from billing_core.sandbox.billing.timers import RESUME_COLLECTION
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money.changes import merged_metadata
from billing_core.sandbox.state import Obj


def set_cancellation(ctx: Context, subscription: Obj, params: Obj, behavior: str, now: int) -> None:
    """Take over `cancel_at`, `cancel_at_period_end` and `cancellation_details`."""
    items = items_of(ctx, subscription["id"])
    asked = [name for name in ("cancel_at", "cancel_at_period_end") if name in params]
    is_changing = any(params[name] or subscription[name] for name in asked)
    if subscription["schedule"] and is_changing:
        raise invalid(
            f"The subscription is managed by the subscription schedule `{subscription['schedule']}`, and updating any"
            " cancelation behavior directly is not allowed. Please update the schedule instead."
        )
    if "cancellation_details" in params:
        given = {k: v if v != "" else None for k, v in params["cancellation_details"].items()}
        subscription["cancellation_details"] = {**subscription["cancellation_details"], **given}
    if params.get("cancel_at_period_end") is True and params.get("cancel_at"):
        raise invalid("You may only specify one of these parameters: cancel_at, cancel_at_period_end.", "cancel_at")
    is_stop = params.get("cancel_at_period_end") is False or params.get("cancel_at") == ""
    if is_stop and (subscription["cancel_at_period_end"] or subscription["cancel_at"] is not None):
        subscription.update(cancel_at_period_end=False, cancel_at=None, canceled_at=None, _cancel_prorates=False)
        subscription["cancellation_details"] = {**subscription["cancellation_details"], "reason": None}
    if params.get("cancel_at_period_end") is True:
        end = max(i["current_period_end"] for i in items)
        subscription.update(cancel_at_period_end=True, cancel_at=end, canceled_at=now, _cancel_prorates=False)
    elif params.get("cancel_at"):
        at = cancel_date(params["cancel_at"], items, now)
        subscription.update(
            cancel_at_period_end=False, cancel_at=at, canceled_at=now, _cancel_prorates=behavior != "none"
        )
    else:
        return
    subscription["cancellation_details"] = {
        **subscription["cancellation_details"],
        "reason": "cancellation_requested",
    }


def cancel_date(given: Any, items: Sequence[Obj], now: int) -> int:
    """Return the instant that `cancel_at` means.

    Raises:
        StripeFault: it is not in the future.
    """
    if given == "min_period_end":
        return min(int(i["current_period_end"]) for i in items)
    if given in ("max_period_end", "max_billed_until"):
        return max(int(i["current_period_end"]) for i in items)
    if int(given) <= now:
        raise invalid("`cancel_at` must be in the future.", "cancel_at")
    return int(given)


def set_pause(ctx: Context, subscription: Obj, params: Obj) -> None:
    """Take over `pause_collection`; it ends by itself at `resumes_at`."""
    if "pause_collection" not in params:
        return
    ctx.cancel_timers(subscription["id"], RESUME_COLLECTION)
    pause = params["pause_collection"]
    if not pause:
        subscription["pause_collection"] = None
        return
    resumes_at = pause.get("resumes_at")
    subscription["pause_collection"] = {"behavior": pause["behavior"], "resumes_at": resumes_at}
    if resumes_at is not None:
        ctx.schedule(resumes_at, RESUME_COLLECTION, subscription["id"], owner=subscription)


def add_invoice_items(ctx: Context, subscription: Obj, wanted: Sequence[Obj]) -> list[Obj]:
    """Make pending invoice items of one-time prices for the next invoice of a subscription."""
    made = []
    customer = ctx.need("customer", subscription["customer"])
    items = items_of(ctx, subscription["id"])
    now = ctx.now(subscription)
    for index, params in enumerate(wanted):
        path = f"add_invoice_items[{index}]"
        price = resolve_price(ctx, params, path, is_recurring=False)
        if price is None:
            raise invalid(f"Missing required param: {path}[price].", f"{path}[price]", "parameter_missing")
        quantity = params.get("quantity") or 1
        period = params.get("period") or {}
        start = (period.get("start") or {}).get("timestamp") or now
        end = (period.get("end") or {}).get("timestamp") or start
        if (period.get("end") or {}).get("type") == "min_item_period_end":
            end = min(i["current_period_end"] for i in items)
        if (period.get("start") or {}).get("type") == "max_item_period_start":
            start = max(i["current_period_start"] for i in items)
        made.append(
            insert_invoiceitem(
                ctx,
                customer,
                currency=price["currency"],
                amount=round_minor(amount_for(price, quantity)),
                quantity=quantity,
                period=(start, max(start, end)),
                description=description(ctx, price, quantity),
                pricing=pricing_of(price),
                subscription=subscription["id"],
                discountable=params.get("discountable", True),
                metadata=merged_metadata(None, params.get("metadata")),
                _tax_rates=tax_rate_ids(ctx, params.get("tax_rates"), f"{path}[tax_rates]") or None,
            )
        )
        if params.get("discounts"):
            set_discounts(ctx, "invoiceitem", made[-1]["id"], params["discounts"])
    return made
