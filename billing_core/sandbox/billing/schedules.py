"""Subscription schedules: phases that change a subscription on dates, above all at the end of a period.

A phase that begins where the items' period ends changes them without proration, before the new period is billed; one
that begins inside a period prorates as it says. Phases hold ids, which are shown as objects where Stripe does.
"""

from __future__ import annotations

from billing_core.sandbox.billing.account import DAY
from billing_core.sandbox.billing.phases import KIND, read_phases
from billing_core.sandbox.billing.pricing import is_metered, price_of
from billing_core.sandbox.billing.subscription_objects import (
    ENDED,
    emit_updated,
    insert_item,
    items_of,
    snapshot,
)
from billing_core.sandbox.billing.terms import set_discounts
from billing_core.sandbox.billing.timers import set_cancel
from billing_core.sandbox.context import Context, timer
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.state import Obj

PHASE, START, EXPIRING = "schedule.phase", "schedule.start", "schedule.expiring"


def update_phases(ctx: Context, schedule_id: str, params: Obj) -> None:
    """Put new phases into a schedule; the running one keeps its start and takes effect at once where it differs."""
    from billing_core.sandbox.billing import changing

    schedule = ctx.state.edit(KIND, schedule_id)
    now = ctx.now(schedule)
    if params.get("end_behavior"):
        schedule["end_behavior"] = params["end_behavior"]
    if "phases" not in params:
        return
    old = schedule["phases"]
    schedule["phases"] = read_phases(ctx, schedule, params["phases"], now)
    if schedule["status"] != "active":
        return
    running = _at(schedule, now)
    if running is None:
        raise invalid("The current phase must be among the phases of the update.", "phases")
    schedule["current_phase"] = {"start_date": running["start_date"], "end_date": running["end_date"]}
    before = next((p for p in old if p["start_date"] <= now < p["end_date"]), None)
    if before is None or (before["items"], before["discounts"]) != (running["items"], running["discounts"]):
        given = _as_update(ctx, schedule["subscription"], running)
        given["proration_behavior"] = params.get("proration_behavior") or "create_prorations"
        changing.update(ctx, schedule["subscription"], given)
    set_timers(ctx, schedule_id)


def _at(schedule: Obj, now: int) -> Obj | None:
    return next((p for p in schedule["phases"] if p["start_date"] <= now < p["end_date"]), None)


def _as_update(ctx: Context, subscription_id: str, phase: Obj) -> Obj:
    """Return the update parameters that bring a subscription's items to a phase."""
    left = items_of(ctx, subscription_id)
    items: list[Obj] = []
    for wanted in phase["items"]:
        same = next((i for i in left if i["price"] == wanted["price"]), None)
        given: Obj = {"price": wanted["price"]}
        if wanted["quantity"] is not None:
            given["quantity"] = wanted["quantity"]
        if same is not None:
            left = [i for i in left if i["id"] != same["id"]]
            given["id"] = same["id"]
        items.append(given)
    return {"items": items + [{"id": i["id"], "deleted": True} for i in left]}


def first_phase_terms(params: Obj) -> Obj:
    """Return what the first phase of schedule parameters says about a new subscription."""
    phase = params["phases"][0]
    names = ("items", "trial_end", "default_tax_rates", "discounts", "metadata", "collection_method")
    found = {k: phase[k] for k in names if k in phase}
    if (phase.get("invoice_settings") or {}).get("days_until_due") is not None:
        found["days_until_due"] = phase["invoice_settings"]["days_until_due"]
    return found


# --- time ------------------------------------------------------------------------------------------------------------


def set_timers(ctx: Context, schedule_id: str) -> None:
    """Set the timers for the end of the running phase and for the announcement that a schedule runs out."""
    schedule = ctx.need(KIND, schedule_id)
    for action in (PHASE, START, EXPIRING):
        ctx.cancel_timers(schedule_id, action)
    if schedule["status"] == "not_started":
        ctx.schedule(schedule["phases"][0]["start_date"], START, schedule_id, owner=schedule)
    elif schedule["status"] == "active":
        ctx.schedule(schedule["current_phase"]["end_date"], PHASE, schedule_id, owner=schedule)
        warning = schedule["phases"][-1]["end_date"] - 7 * DAY
        if warning > ctx.now(schedule):
            ctx.schedule(warning, EXPIRING, schedule_id, owner=schedule)


@timer(EXPIRING)
def _expiring(ctx: Context, schedule_id: str) -> None:
    schedule = ctx.state.get(KIND, schedule_id)
    if schedule and schedule["status"] == "active":
        ctx.emit("subscription_schedule.expiring", schedule)


@timer(START)
def _start(ctx: Context, schedule_id: str) -> None:
    schedule = ctx.state.get(KIND, schedule_id)
    if schedule and schedule["status"] == "not_started":
        start(ctx, schedule_id)


def start(ctx: Context, schedule_id: str, *, is_preview: bool = False) -> None:
    """Begin the first phase: make the subscription, with its first invoice as a draft."""
    from billing_core.sandbox.billing.subscriptions import begin

    schedule = ctx.state.edit(KIND, schedule_id)
    phase = schedule["phases"][0]
    defaults = schedule["default_settings"]
    given: Obj = {
        "customer": schedule["customer"],
        "items": [
            {k: v for k, v in item.items() if k in ("price", "quantity", "metadata", "tax_rates") and v is not None}
            for item in phase["items"]
        ],
        "metadata": phase["metadata"],
        "default_tax_rates": phase["default_tax_rates"],
        "collection_method": phase["collection_method"] or defaults["collection_method"],
        "billing_mode": {"type": schedule["billing_mode"]["type"]},
        "discounts": [{k: v for k, v in d.items() if v} for d in phase["discounts"]],
        "payment_behavior": "default_incomplete",
    }
    if given["collection_method"] == "send_invoice":
        settings = phase["invoice_settings"] or defaults["invoice_settings"]
        given["days_until_due"] = settings["days_until_due"] if settings["days_until_due"] is not None else 30
    if phase["trial_end"]:
        given["trial_end"] = phase["trial_end"]
    if phase["start_date"] < ctx.now(schedule):
        given["backdate_start_date"] = phase["start_date"]
    subscription = begin(ctx, given, is_draft=True)
    before = snapshot(ctx, subscription["id"])
    edited = ctx.state.edit("subscription", subscription["id"])
    edited["schedule"] = schedule_id
    if edited["status"] == "incomplete":
        # The first invoice of a schedule is a draft, and the subscription runs meanwhile.
        edited["status"] = "active"
    emit_updated(ctx, before)
    schedule["subscription"] = subscription["id"]
    schedule["status"] = "active"
    schedule["current_phase"] = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
    if not is_preview:
        set_timers(ctx, schedule_id)


@timer(PHASE)
def _phase_over(ctx: Context, schedule_id: str) -> None:
    from billing_core.sandbox.billing.ending import end
    from billing_core.sandbox.billing.lifecycle import renew

    schedule = ctx.state.get(KIND, schedule_id)
    if not schedule or schedule["status"] != "active":
        return
    subscription = ctx.need("subscription", schedule["subscription"])
    now = ctx.now(subscription)
    if any(i["current_period_end"] <= now for i in items_of(ctx, subscription["id"])):
        renew(ctx, subscription["id"])
        return
    before = snapshot(ctx, subscription["id"])
    move_on(ctx, subscription["id"])
    if subscription["cancel_at"] is not None and subscription["cancel_at"] <= now:
        end(ctx, subscription["id"], before=before, closing=[])
    else:
        emit_updated(ctx, before)


def move_on(ctx: Context, subscription_id: str) -> None:
    """Bring a subscription into the phase of its schedule that holds now, or end the schedule as it says."""
    subscription = ctx.need("subscription", subscription_id)
    schedule = ctx.state.get(KIND, subscription["schedule"])
    if not schedule or schedule["status"] != "active":
        return
    now = ctx.now(subscription)
    if now < schedule["current_phase"]["end_date"]:
        return
    edited = ctx.state.edit(KIND, schedule["id"])
    phase = _at(schedule, now)
    if phase is not None:
        edited["current_phase"] = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
        _enter(ctx, subscription_id, phase, now)
        set_timers(ctx, schedule["id"])
        ctx.emit("subscription_schedule.updated", edited, {"current_phase": None})
        return
    edited["current_phase"] = None
    ctx.cancel_timers(schedule["id"])
    if schedule["end_behavior"] == "cancel":
        ctx.state.edit("subscription", subscription_id)["cancel_at"] = now
        edited["status"], edited["completed_at"] = "completed", now
        ctx.emit("subscription_schedule.completed", edited)
    else:
        release(ctx, schedule["id"])


def _enter(ctx: Context, subscription_id: str, phase: Obj, now: int) -> None:
    from billing_core.sandbox.billing import changing

    items = items_of(ctx, subscription_id)
    if not any(i["current_period_end"] <= now for i in items):
        given = {**_as_update(ctx, subscription_id, phase), "proration_behavior": phase["proration_behavior"]}
        changing.update(ctx, subscription_id, given)
    else:
        _swap(ctx, subscription_id, phase, items)
    edited = ctx.state.edit("subscription", subscription_id)
    if phase["discounts"]:
        set_discounts(
            ctx, "subscription", subscription_id, [{k: v for k, v in d.items() if v} for d in phase["discounts"]]
        )
    if phase["default_tax_rates"]:
        edited["default_tax_rates"] = list(phase["default_tax_rates"])
    if phase["metadata"]:
        edited["metadata"] = {**edited["metadata"], **phase["metadata"]}


def _swap(ctx: Context, subscription_id: str, phase: Obj, items: list[Obj]) -> None:
    """Put a phase's prices in place of those whose period has just ended; nothing is prorated."""
    subscription = ctx.need("subscription", subscription_id)
    left = list(items)
    matched: list[tuple[Obj, Obj | None]] = []
    for wanted in phase["items"]:
        same = next((i for i in left if i["price"] == wanted["price"]), None)
        matched.append((wanted, same))
        left = [i for i in left if same is None or i["id"] != same["id"]]
    period = (items[0]["current_period_start"], items[0]["current_period_end"])
    for wanted, same in matched:
        price = ctx.need("price", wanted["price"])
        is_usage = is_metered(price)
        reuse = same or next((i for i in left if is_metered(price_of(ctx, i)) == is_usage), None)
        if reuse is None:
            insert_item(ctx, subscription, price, quantity=wanted["quantity"], period=period)
            continue
        left = [i for i in left if i["id"] != reuse["id"]]
        edited = ctx.state.edit("subscription_item", reuse["id"])
        edited["price"], edited["quantity"] = wanted["price"], wanted["quantity"]
        if wanted["tax_rates"]:
            edited["tax_rates"] = list(wanted["tax_rates"])
    for item in left:
        ctx.state.delete("subscription_item", item["id"])


# --- ends ------------------------------------------------------------------------------------------------------------


def release(ctx: Context, schedule_id: str) -> Obj:
    """Let a subscription go on without its schedule."""
    schedule = ctx.state.edit(KIND, schedule_id)
    subscription_id = schedule["subscription"]
    schedule.update(
        status="released",
        released_at=ctx.now(schedule),
        released_subscription=subscription_id,
        subscription=None,
        current_phase=None,
    )
    ctx.cancel_timers(schedule_id)
    if subscription_id:
        before = snapshot(ctx, subscription_id)
        ctx.state.edit("subscription", subscription_id)["schedule"] = None
        set_cancel(ctx, subscription_id)
        emit_updated(ctx, before)
    ctx.emit("subscription_schedule.released", schedule)
    return schedule


def subscription_ended(ctx: Context, subscription_id: str) -> None:
    """Cancel the schedule of a subscription that has ended."""
    subscription = ctx.need("subscription", subscription_id)
    schedule = ctx.state.get(KIND, subscription["schedule"])
    if schedule and schedule["status"] in ("active", "not_started") and subscription["status"] in ENDED:
        edited = ctx.state.edit(KIND, schedule["id"])
        edited.update(status="canceled", canceled_at=ctx.now(subscription), current_phase=None)
        ctx.cancel_timers(schedule["id"])
        ctx.emit("subscription_schedule.canceled", edited)
