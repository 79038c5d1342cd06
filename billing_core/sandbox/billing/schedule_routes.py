"""Subscription schedules over the API."""

from __future__ import annotations

from billing_core.sandbox.billing import ending
from billing_core.sandbox.billing.phases import KIND, insert_schedule, read_phases
from billing_core.sandbox.billing.schedules import release, set_timers, start, update_phases
from billing_core.sandbox.billing.subscription_objects import ENDED, emit_updated, items_of, snapshot
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money.changes import merged_metadata, previous_attributes
from billing_core.sandbox.render import render
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj


@route("POST", "/v1/subscription_schedules")
def create(ctx: Context, params: Obj) -> Obj:
    """Create a schedule: around a subscription that runs, or for one that begins now or later."""
    if params.get("from_subscription"):
        schedule = _from_subscription(ctx, params)
        ctx.emit("subscription_schedule.created", schedule)
        return schedule
    if not params.get("customer"):
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    customer = ctx.need("customer", params["customer"], "customer")
    now = ctx.now(customer)
    given = params.get("start_date") or "now"
    begins = now if given == "now" else int(given)
    schedule = insert_schedule(ctx, customer, metadata=merged_metadata(None, params.get("metadata")))
    if params.get("billing_mode"):
        schedule["billing_mode"] = {**schedule["billing_mode"], "type": params["billing_mode"]["type"]}
    _take_defaults(schedule, params)
    phases = [dict(p) for p in params.get("phases") or []]
    if phases:
        phases[0]["start_date"] = begins
    schedule["phases"] = read_phases(ctx, schedule, phases, now)
    schedule["end_behavior"] = params.get("end_behavior") or "release"
    if begins <= now:
        start(ctx, schedule["id"])
    else:
        set_timers(ctx, schedule["id"])
    ctx.emit("subscription_schedule.created", schedule)
    return schedule


def _take_defaults(schedule: Obj, params: Obj) -> None:
    given = params.get("default_settings") or {}
    settings = schedule["default_settings"]
    for name in ("collection_method", "default_payment_method", "description", "billing_cycle_anchor"):
        if name in given:
            settings[name] = given[name] or None
    if "invoice_settings" in given:
        settings["invoice_settings"] = {**settings["invoice_settings"], **given["invoice_settings"]}


def _from_subscription(ctx: Context, params: Obj) -> Obj:
    others = set(params) - {"from_subscription", "metadata", "billing_mode"}
    if others:
        raise invalid(
            f"You cannot set `{sorted(others)[0]}` if `from_subscription` is set. Update the schedule afterwards.",
            sorted(others)[0],
        )
    subscription = ctx.need("subscription", params["from_subscription"], "from_subscription")
    if subscription["schedule"]:
        raise invalid(
            f"You cannot migrate a subscription that is already attached to a schedule: {subscription['schedule']}.",
            "from_subscription",
        )
    if subscription["status"] in ENDED:
        raise invalid("You cannot create a schedule from a subscription that has ended.", "from_subscription")
    customer = ctx.need("customer", subscription["customer"])
    items = items_of(ctx, subscription["id"])
    begins = min(i["current_period_start"] for i in items)
    finishes = min(i["current_period_end"] for i in items)
    schedule = insert_schedule(
        ctx,
        customer,
        status="active",
        subscription=subscription["id"],
        metadata=merged_metadata(None, params.get("metadata")),
        billing_mode=dict(subscription["billing_mode"]),
        current_phase={"start_date": begins, "end_date": finishes},
    )
    phase: Obj = {
        "start_date": begins,
        "end_date": finishes,
        "items": [
            {
                k: v
                for k, v in (("price", i["price"]), ("quantity", i["quantity"]), ("tax_rates", i["tax_rates"]))
                if v is not None
            }
            for i in items
        ],
        "default_tax_rates": subscription["default_tax_rates"],
        "collection_method": subscription["collection_method"],
        "default_payment_method": subscription["default_payment_method"],
        "metadata": subscription["metadata"],
        "discounts": [{"discount": d} for d in subscription["discounts"]],
    }
    if subscription["status"] == "trialing":
        phase["trial_end"] = subscription["trial_end"]
    schedule["phases"] = read_phases(ctx, schedule, [phase], ctx.now(subscription))
    schedule["default_settings"]["collection_method"] = subscription["collection_method"]
    schedule["default_settings"]["invoice_settings"]["days_until_due"] = subscription["days_until_due"]
    before = snapshot(ctx, subscription["id"])
    ctx.state.edit("subscription", subscription["id"])["schedule"] = schedule["id"]
    emit_updated(ctx, before)
    set_timers(ctx, schedule["id"])
    return schedule


@route("POST", "/v1/subscription_schedules/{schedule}")
def update(ctx: Context, params: Obj, schedule: str) -> Obj:
    """Change phases, end behavior, settings and metadata."""
    current = ctx.need(KIND, schedule)
    if current["status"] not in ("active", "not_started"):
        raise invalid(f"You cannot update a subscription schedule that is {current['status']}.")
    before = render(ctx, {**current})
    edited = ctx.state.edit(KIND, schedule)
    if "metadata" in params:
        edited["metadata"] = merged_metadata(edited["metadata"], params["metadata"])
    _take_defaults(edited, params)
    update_phases(ctx, schedule, params)
    previous = previous_attributes(before, render(ctx, edited))
    if previous:
        ctx.emit("subscription_schedule.updated", edited, previous)
    return edited


@route("GET", "/v1/subscription_schedules/{schedule}")
def retrieve(ctx: Context, params: Obj, schedule: str) -> Obj:
    """Return one schedule."""
    return ctx.need(KIND, schedule)


@route("GET", "/v1/subscription_schedules")
def list_all(ctx: Context, params: Obj) -> Page:
    """List schedules, newest first, by customer and by whether they are over."""
    found = ctx.state.where(KIND, "customer", params["customer"]) if params.get("customer") else ctx.state.all(KIND)
    for name in ("canceled_at", "completed_at", "released_at"):
        if params.get(name):
            found = [s for s in found if s[name] is not None]
    if params.get("scheduled"):
        found = [s for s in found if s["status"] == "not_started"]
    return Page(list(reversed(found)), "/v1/subscription_schedules")


@route("POST", "/v1/subscription_schedules/{schedule}/release")
def release_schedule(ctx: Context, params: Obj, schedule: str) -> Obj:
    """Let the subscription go on without the schedule."""
    _must_run(ctx, schedule, "release")
    return release(ctx, schedule)


@route("POST", "/v1/subscription_schedules/{schedule}/cancel")
def cancel_schedule(ctx: Context, params: Obj, schedule: str) -> Obj:
    """Cancel a schedule and its subscription at once."""
    current = _must_run(ctx, schedule, "cancel")
    if current["subscription"]:
        ending.cancel(
            ctx,
            current["subscription"],
            invoice_now=params.get("invoice_now", True),
            prorate=params.get("prorate", True),
        )
    edited = ctx.state.edit(KIND, schedule)
    if edited["status"] != "canceled":
        edited.update(status="canceled", canceled_at=ctx.now(edited), current_phase=None)
        ctx.cancel_timers(schedule)
        ctx.emit("subscription_schedule.canceled", edited)
    return edited


def _must_run(ctx: Context, schedule: str, verb: str) -> Obj:
    current = ctx.need(KIND, schedule)
    if current["status"] not in ("active", "not_started"):
        raise invalid(
            f"You cannot {verb} a subscription schedule that is currently in the `{current['status']}` status."
        )
    return current
