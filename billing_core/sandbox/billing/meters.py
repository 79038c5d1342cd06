"""Billing meters and their summaries."""

from __future__ import annotations

from billing_core.sandbox.billing.usage import aggregate, events_in
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

KIND = "billing.meter"
HOUR, DAY, MINUTE = 3600, 86400, 60


def active_meter(ctx: Context, event_name: str) -> Obj | None:
    """Return the active meter that listens to an event name."""
    return next((m for m in ctx.state.all(KIND) if m["event_name"] == event_name and m["status"] == "active"), None)


@route("POST", "/v1/billing/meters")
def create(ctx: Context, params: Obj) -> Obj:
    """Create a meter; an event name belongs to one active meter at a time."""
    if active_meter(ctx, params["event_name"]):
        raise invalid(
            f"An active meter already exists for event name '{params['event_name']}'. Deactivate it before you create"
            " another one.",
            "event_name",
        )
    now = ctx.now()
    mapping = params.get("customer_mapping") or {"event_payload_key": "stripe_customer_id", "type": "by_id"}
    meter = ctx.state.insert(
        {
            "id": ctx.state.new_id("mtr_test"),
            "object": KIND,
            "created": now,
            "customer_mapping": {"event_payload_key": mapping["event_payload_key"], "type": mapping["type"]},
            "default_aggregation": {"formula": params["default_aggregation"]["formula"]},
            "display_name": params["display_name"],
            "event_name": params["event_name"],
            "event_time_window": params.get("event_time_window"),
            "livemode": False,
            "status": "active",
            "status_transitions": {"deactivated_at": None},
            "updated": now,
            "value_settings": {
                "event_payload_key": (params.get("value_settings") or {}).get("event_payload_key") or "value"
            },
        }
    )
    ctx.emit("billing.meter.created", meter)
    return meter


@route("GET", "/v1/billing/meters")
def list_all(ctx: Context, params: Obj) -> Page:
    """List meters, newest first."""
    found = [m for m in ctx.state.all(KIND) if params.get("status") in (None, m["status"])]
    return Page(found, "/v1/billing/meters")


@route("GET", "/v1/billing/meters/{meter}")
def retrieve(ctx: Context, params: Obj, meter: str) -> Obj:
    """Return one meter."""
    return ctx.need(KIND, meter)


@route("POST", "/v1/billing/meters/{meter}")
def update(ctx: Context, params: Obj, meter: str) -> Obj:
    """Change a meter's name."""
    current = ctx.need(KIND, meter)
    if "display_name" in params and params["display_name"] != current["display_name"]:
        edited = ctx.state.edit(KIND, meter)
        previous = {"display_name": edited["display_name"], "updated": edited["updated"]}
        edited["display_name"], edited["updated"] = params["display_name"], ctx.now()
        ctx.emit("billing.meter.updated", edited, previous)
    return ctx.need(KIND, meter)


@route("POST", "/v1/billing/meters/{meter}/deactivate")
def deactivate(ctx: Context, params: Obj, meter: str) -> Obj:
    """Stop a meter: its events are refused."""
    if ctx.need(KIND, meter)["status"] == "inactive":
        raise invalid("This meter is already deactivated.", code="billing_meter_inactive")
    edited = ctx.state.edit(KIND, meter)
    edited["status"], edited["updated"] = "inactive", ctx.now()
    edited["status_transitions"] = {"deactivated_at": ctx.now()}
    ctx.emit("billing.meter.deactivated", edited)
    return edited


@route("POST", "/v1/billing/meters/{meter}/reactivate")
def reactivate(ctx: Context, params: Obj, meter: str) -> Obj:
    """Start a stopped meter again."""
    current = ctx.need(KIND, meter)
    if current["status"] == "active":
        raise invalid("This meter is already active.")
    if active_meter(ctx, current["event_name"]):
        raise invalid(f"An active meter already exists for event name '{current['event_name']}'.")
    edited = ctx.state.edit(KIND, meter)
    edited["status"], edited["updated"] = "active", ctx.now()
    edited["status_transitions"] = {"deactivated_at": None}
    ctx.emit("billing.meter.reactivated", edited)
    return edited


@route("GET", "/v1/billing/meters/{meter}/event_summaries")
def summaries(ctx: Context, params: Obj, meter: str) -> Page:
    """Aggregate one customer's events over [start_time, end_time), as a whole or per hour or day, newest first."""
    found = ctx.need(KIND, meter)
    customer = ctx.need("customer", params["customer"], "customer")
    start, end = params["start_time"], params["end_time"]
    window = params.get("value_grouping_window")
    unit = {"hour": HOUR, "day": DAY}.get(window or "", MINUTE)
    for name, at in (("start_time", start), ("end_time", end)):
        if at % unit:
            words = {MINUTE: "minute", HOUR: "hour", DAY: "UTC day"}[unit]
            raise invalid(f"The `{name}` must be aligned with {words} boundaries.", name)
    if end <= start:
        raise invalid("The `end_time` must be after the `start_time`.", "end_time")
    spans = [(start, end)] if not window else [(at, min(at + unit, end)) for at in range(start, end, unit)]
    answers = []
    for first, last in spans:
        events = events_in(ctx, meter, customer["id"], first, last)
        if not events:
            continue
        value = aggregate(found, events)
        answers.append(
            {
                "id": f"mtrusg_test_{meter.rsplit('_', 1)[-1]}{customer['id'][-6:]}{first}{last - first}",
                "object": "billing.meter_event_summary",
                "aggregated_value": int(value) if value.denominator == 1 else float(value),
                "end_time": last,
                "livemode": False,
                "meter": meter,
                "start_time": first,
            }
        )
    return Page(list(reversed(answers)), f"/v1/billing/meters/{meter}/event_summaries", is_ordered=True)
