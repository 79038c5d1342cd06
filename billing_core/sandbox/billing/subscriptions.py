"""Subscriptions over the API: create, retrieve, list, update, cancel, resume."""

from __future__ import annotations

from typing import Any

from billing_core.sandbox.billing import changing, ending, extras, pausing
from billing_core.sandbox.billing.account import DAY, HOUR
from billing_core.sandbox.billing.assemble import subscription_invoice
from billing_core.sandbox.billing.calendar import anchor_from_config, boundary, period_around
from billing_core.sandbox.billing.collecting import first_payment
from billing_core.sandbox.billing.invoices import schedule_finalization
from billing_core.sandbox.billing.lifecycle import has_payment_method, trial_warning_at
from billing_core.sandbox.billing.pricing import is_metered
from billing_core.sandbox.billing.subscription_objects import (
    ENDED,
    emit_updated,
    insert_item,
    insert_subscription,
    items_of,
    snapshot,
)
from billing_core.sandbox.billing.terms import (
    NewItem,
    check_together,
    new_item,
    plain_fields,
    refuse_price,
    set_discounts,
)
from billing_core.sandbox.billing.timers import EXPIRE, TRIAL_WILL_END, set_cancel, set_renewal
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid, missing
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj


@route("POST", "/v1/subscriptions")
def create(ctx: Context, params: Obj) -> Obj:
    """Create a subscription with its first invoice; see `begin`."""
    if not params.get("customer"):
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    return begin(ctx, params)


def begin(ctx: Context, params: Obj, *, is_draft: bool = False) -> Obj:
    """Create a subscription.

    Args:
        ctx: the account.
        params: checked parameters of Stripe's create call.
        is_draft: leave the first invoice a draft, as schedules do.

    Raises:
        StripeFault: whatever Stripe refuses.
    """
    customer = ctx.need("customer", params["customer"], "customer")
    if customer.get("deleted"):
        raise missing("customer", params["customer"], "customer")
    if not params.get("items"):
        raise invalid("Missing required param: items.", "items", "parameter_missing")
    wanted = [new_item(ctx, item, f"items[{i}]") for i, item in enumerate(params["items"])]
    for index, one in enumerate(wanted):
        if any(one.price["id"] == other.price["id"] for other in wanted[:index]):
            refuse_price(one.price, None)
    mode = _billing_mode(params, ctx.now(customer))
    currency = check_together([w.price for w in wanted], mode["type"], params.get("currency"))
    if customer.get("currency") not in (None, currency) and _is_bound_to_currency(ctx, customer):
        raise invalid(
            f"You cannot combine currencies on a single customer. This customer has had a subscription, coupon, or"
            f" invoice item with currency {customer['currency']}",
            "currency",
        )
    timing = _timing(customer, params, wanted, ctx.now(customer))
    subscription = insert_subscription(ctx, customer, currency=currency, billing_mode=mode, **timing["fields"])
    fields = plain_fields(ctx, customer, params, subscription)
    subscription.update(fields)
    if not customer.get("currency"):
        ctx.state.edit("customer", customer["id"])["currency"] = currency
    for item in wanted:
        start, end = _first_period(subscription, item.price, timing)
        made = insert_item(
            ctx,
            subscription,
            item.price,
            quantity=item.quantity,
            period=(start, end),
            metadata=item.metadata,
            tax_rates=item.tax_rates,
            _usage_from=timing["start"],
        )
        if item.discounts:
            set_discounts(ctx, "subscription_item", made["id"], item.discounts)
    if params.get("discounts"):
        set_discounts(ctx, "subscription", subscription["id"], params["discounts"])
    _set_cancellation(subscription, params, items_of(ctx, subscription["id"]))
    extras.add_invoice_items(ctx, subscription, params.get("add_invoice_items") or [])
    invoice = subscription_invoice(
        ctx,
        subscription,
        "subscription_create",
        starting=[i["id"] for i in items_of(ctx, subscription["id"])],
        spans=_past_spans(ctx, subscription, timing) if timing["prorates"] else (),
        takes_pending=True,
        prorates_partial=timing["prorates"],
    )
    is_due = invoice is not None and invoice["amount_remaining"] > 0
    is_charged = subscription["collection_method"] == "charge_automatically"
    behavior = params.get("payment_behavior") or "allow_incomplete"
    if subscription["status"] != "trialing" and is_due and is_charged and not is_draft:
        if behavior != "default_incomplete" and not has_payment_method(ctx, subscription):
            raise invalid(
                "This customer has no attached payment source or default payment method. Please consider adding a"
                " default payment method. For more information, visit"
                " https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.",
                code="resource_missing",
            )
        subscription["status"] = "incomplete"
    if subscription["status"] == "trialing" and is_charged and not has_payment_method(ctx, subscription):
        subscription["pending_setup_intent"] = _setup_intent(ctx, subscription)
    ctx.emit("customer.subscription.created", subscription)
    _set_timers(ctx, subscription)
    if invoice is not None:
        waits = is_draft or not is_charged
        if waits:
            schedule_finalization(ctx, invoice["id"])
        ctx.emit("invoice.created", invoice)
        if not waits:
            first_payment(ctx, invoice["id"], behavior, is_off_session=bool(params.get("off_session", False)))
    return ctx.need("subscription", subscription["id"])


def _billing_mode(params: Obj, now: int) -> Obj:
    given = params.get("billing_mode") or {"type": "flexible"}
    if given["type"] == "classic":
        return {"type": "classic", "flexible": None, "updated_at": None}
    discounts = (given.get("flexible") or {}).get("proration_discounts") or "included"
    return {"type": "flexible", "flexible": {"proration_discounts": discounts}, "updated_at": now}


def _is_bound_to_currency(ctx: Context, customer: Obj) -> bool:
    """Tell whether a customer has live subscriptions, so that another currency cannot be added."""
    return any(
        s["status"] not in ENDED and s["currency"] == customer["currency"]
        for s in ctx.state.where("subscription", "customer", customer["id"])
    )


def _timing(customer: Obj, params: Obj, wanted: list[NewItem], now: int) -> Obj:
    """Work out start, trial and anchor of a new subscription."""
    start = params.get("backdate_start_date") or now
    if start > now:
        raise invalid("`backdate_start_date` must be in the past.", "backdate_start_date")
    trial_end = _trial_end(params, wanted, now)
    if "billing_cycle_anchor" in params and "billing_cycle_anchor_config" in params:
        raise invalid(
            "You may only specify one of these parameters: billing_cycle_anchor, billing_cycle_anchor_config."
        )
    anchor = params.get("billing_cycle_anchor")
    if anchor is not None and anchor <= now and not params.get("_is_scheduled"):
        raise invalid("billing_cycle_anchor must be in the future.", "billing_cycle_anchor")
    config = params.get("billing_cycle_anchor_config")
    if config:
        anchor = anchor_from_config(config, now)
    if anchor is not None and trial_end is None:
        longest = max((boundary(now, w.price["recurring"], 1) for w in wanted), default=anchor)
        if anchor > longest:
            raise invalid(
                "billing_cycle_anchor cannot be later than next natural billing date for plan.", "billing_cycle_anchor"
            )
    end_behavior = (params.get("trial_settings") or {}).get("end_behavior") or {}
    moves_anchor = trial_end is not None and end_behavior.get("billing_cycle_anchor") != "unchanged"
    fields: Obj = {
        "billing_cycle_anchor": anchor if anchor is not None else trial_end if moves_anchor else start,
        "billing_cycle_anchor_config": {
            part: config.get(part) for part in ("day_of_month", "month", "hour", "minute", "second")
        }
        if config
        else None,
        "start_date": start,
    }
    if trial_end is not None:
        fields |= {"trial_start": start, "trial_end": trial_end, "status": "trialing"}
    return {
        "fields": fields,
        "start": start,
        "now": now,
        "trial_end": trial_end,
        "prorates": params.get("proration_behavior") != "none",
    }


def _trial_end(params: Obj, wanted: list[NewItem], now: int) -> int | None:
    given = params.get("trial_end")
    if given is not None and params.get("trial_period_days") is not None:
        raise invalid("You may only specify one of these parameters: trial_end, trial_period_days.", "trial_end")
    if given == "now":
        return None
    if given is not None:
        if int(given) <= now:
            raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end")
        if int(given) > now + 5 * 366 * DAY:
            raise invalid("Invalid trial_end: can be at most five years in the future.", "trial_end")
        return int(given)
    days = params.get("trial_period_days")
    if days is None and params.get("trial_from_plan"):
        days = max((w.price["recurring"].get("trial_period_days") or 0 for w in wanted), default=0)
    if days is not None and days < 0:
        raise invalid("Invalid non-negative integer", "trial_period_days")
    if days is not None and days > 730:
        raise invalid("The maximum number of trial period days is 730 (2 years).", "trial_period_days")
    return now + days * DAY if days else None


def _first_period(subscription: Obj, price: Obj, timing: Obj) -> tuple[int, int]:
    if timing["trial_end"] is not None:
        return timing["start"], timing["trial_end"]
    start, end = period_around(subscription["billing_cycle_anchor"], price["recurring"], timing["now"])
    return max(start, timing["start"]), end


def _past_spans(ctx: Context, subscription: Obj, timing: Obj) -> list[tuple[str, int, int]]:
    """Return the periods between a start in the past and the running period, for every licensed item."""
    spans = []
    for item in items_of(ctx, subscription["id"]):
        price = ctx.need("price", item["price"])
        at = timing["start"]
        while not is_metered(price) and timing["trial_end"] is None and at < item["current_period_start"]:
            _, end = period_around(subscription["billing_cycle_anchor"], price["recurring"], at)
            spans.append((item["id"], at, end))
            at = end
    return spans


def _set_cancellation(subscription: Obj, params: Obj, items: list[Obj]) -> None:
    now = subscription["created"]
    if params.get("cancel_at_period_end"):
        subscription["cancel_at_period_end"] = True
        subscription["cancel_at"] = max(i["current_period_end"] for i in items)
        subscription["canceled_at"] = now
    elif params.get("cancel_at"):
        subscription["cancel_at"] = extras.cancel_date(params["cancel_at"], items, now)
        subscription["canceled_at"] = now
        subscription["_cancel_prorates"] = params.get("proration_behavior") != "none"


def _setup_intent(ctx: Context, subscription: Obj) -> str | None:
    from billing_core.sandbox.inprocess import call

    made = call(ctx, "POST", "/v1/setup_intents", {"customer": subscription["customer"], "usage": "off_session"})
    return str(made["id"])


def _set_timers(ctx: Context, subscription: Obj) -> None:
    now = ctx.now(subscription)
    set_renewal(ctx, subscription["id"])
    set_cancel(ctx, subscription["id"])
    if subscription["status"] == "trialing":
        at = trial_warning_at(subscription["trial_end"], now)
        ctx.schedule(at, TRIAL_WILL_END, subscription["id"], owner=subscription)
    if subscription["status"] == "incomplete":
        ctx.schedule(now + 23 * HOUR, EXPIRE, subscription["id"], owner=subscription)


@route("GET", "/v1/subscriptions/{subscription}")
def retrieve(ctx: Context, params: Obj, subscription: str) -> Obj:
    """Return one subscription."""
    return ctx.need("subscription", subscription)


@route("GET", "/v1/subscriptions")
def list_all(ctx: Context, params: Obj) -> Page:
    """List subscriptions, newest first; without a status those that have not been canceled."""
    customer, status = params.get("customer"), params.get("status")
    source = ctx.state.where("subscription", "customer", customer) if customer else ctx.state.all("subscription")
    found = [s for s in reversed(source) if _has_status(s, status) and _matches(ctx, s, params)]
    return Page(found, "/v1/subscriptions")


def _has_status(subscription: Obj, status: str | None) -> bool:
    if status is None:
        return subscription["status"] not in ENDED
    if status == "all":
        return True
    if status == "ended":
        return subscription["status"] in ENDED
    return bool(subscription["status"] == status)


def _matches(ctx: Context, subscription: Obj, params: Obj) -> bool:
    for name in ("collection_method", "test_clock"):
        if params.get(name) and subscription[name] != params[name]:
            return False
    price = params.get("price") or params.get("plan")
    if price and all(i["price"] != price for i in items_of(ctx, subscription["id"])):
        return False
    items = items_of(ctx, subscription["id"])
    for name, pick in (("current_period_start", min), ("current_period_end", min)):
        if name in params and not (items and _in_range(pick(i[name] for i in items), params[name])):
            return False
    return True


def _in_range(value: int, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(value == int(wanted))
    tests = {"gt": value.__gt__, "gte": value.__ge__, "lt": value.__lt__, "lte": value.__le__}
    return all(tests[op](int(bound)) for op, bound in wanted.items())


@route("POST", "/v1/subscriptions/{subscription}")
def update(ctx: Context, params: Obj, subscription: str) -> Obj:
    """Change a subscription."""
    return changing.update(ctx, subscription, params)


@route("DELETE", "/v1/subscriptions/{subscription}")
def cancel(ctx: Context, params: Obj, subscription: str) -> Obj:
    """Cancel a subscription at once."""
    details = {k: v if v != "" else None for k, v in (params.get("cancellation_details") or {}).items()}
    return ending.cancel(
        ctx,
        subscription,
        invoice_now=bool(params.get("invoice_now")),
        prorate=bool(params.get("prorate")),
        details=details,
    )


@route("POST", "/v1/subscriptions/{subscription}/resume")
def resume(ctx: Context, params: Obj, subscription: str) -> Obj:
    """Resume a paused subscription."""
    return pausing.resume(ctx, subscription, params)


@route("POST", "/v1/subscriptions/{subscription}/pause")
def pause(ctx: Context, params: Obj, subscription: str) -> Obj:
    """Pause a subscription."""
    return pausing.pause(ctx, subscription, params)


@route("POST", "/v1/subscriptions/{subscription}/migrate")
def migrate(ctx: Context, params: Obj, subscription: str) -> Obj:
    """Move a subscription to flexible mode; there is no way back, nor from itemized to included discounts."""
    before = snapshot(ctx, subscription)
    mode = _billing_mode(params, ctx.now(ctx.need("subscription", subscription)))
    current = (before["billing_mode"].get("flexible") or {}).get("proration_discounts")
    if current == "itemized" and mode["flexible"]["proration_discounts"] == "included":
        raise invalid("You can't migrate `proration_discounts` from `itemized` to `included`.", "billing_mode")
    ctx.state.edit("subscription", subscription)["billing_mode"] = mode
    emit_updated(ctx, before)
    return ctx.need("subscription", subscription)
