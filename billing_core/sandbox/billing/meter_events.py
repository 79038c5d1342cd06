"""Meter events, one by one, by v2, and as a stream; their cancellation; and reports of those that came to nothing.

An identifier stays taken for good, which is more than the 24 hours Stripe promises. Times are those of the customer's
clock. A single event with an error is refused at once; in a stream it is reported by a thin event, as at Stripe.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from billing_core.periods import epoch, utc
from billing_core.sandbox.billing.account import DAY, setting
from billing_core.sandbox.billing.meters import active_meter
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.render import bare, presenter
from billing_core.sandbox.routes import route
from billing_core.sandbox.state import Obj

KIND, SESSION, REPORT = "billing.meter_event", "v2.billing.meter_event_session", "v2.core.event"
MAX_PAST, MAX_AHEAD = 35 * DAY, 300
SESSION_SECONDS = 15 * 60


@presenter(KIND)
def present_event(ctx: Context, event: Obj) -> Obj:
    """Show a meter event, which has an identifier and no id."""
    shown = bare(event)
    del shown["id"]
    return shown


def record(ctx: Context, given: Obj, timestamp: int | None) -> Obj:
    """Take one event in.

    Args:
        ctx: the account.
        given: event_name, payload, identifier.
        timestamp: Unix seconds; now when left out.

    Raises:
        StripeFault: no active meter, no such customer, a value that is no number, a time out of range, or an
            identifier that is taken.
    """
    meter = active_meter(ctx, given["event_name"])
    if meter is None:
        raise invalid(f"No active meter found for event name '{given['event_name']}'.", "event_name", "no_meter")
    payload = {k: str(v) for k, v in given["payload"].items()}
    customer = _customer(ctx, meter, payload)
    _check_value(meter, payload)
    now = ctx.now(customer)
    at = now if timestamp is None else timestamp
    if at < now - MAX_PAST:
        raise invalid(
            "The timestamp must be within the past 35 calendar days or up to 5 minutes in the future.",
            "timestamp",
            "timestamp_too_far_in_past",
        )
    if at > now + MAX_AHEAD:
        raise invalid(
            "The timestamp must be within the past 35 calendar days or up to 5 minutes in the future.",
            "timestamp",
            "timestamp_in_future",
        )
    identifier = given.get("identifier") or ctx.state.new_id("mev")
    if len(identifier) > 100:
        raise invalid("Invalid identifier: must be at most 100 characters.", "identifier")
    if ctx.state.get(KIND, identifier) is not None:
        raise invalid(f"An event already exists with identifier {identifier}.", "identifier")
    event = ctx.state.insert(
        {
            "id": identifier,
            "object": KIND,
            "created": now,
            "event_name": given["event_name"],
            "identifier": identifier,
            "livemode": False,
            "payload": payload,
            "timestamp": at,
            "_series": f"{meter['id']}:{customer['id']}",
            "_is_cancelled": False,
        }
    )
    _show_in_drafts(ctx, customer["id"])
    return event


def _customer(ctx: Context, meter: Obj, payload: Obj) -> Obj:
    key = meter["customer_mapping"]["event_payload_key"]
    if not payload.get(key):
        raise invalid(
            f"Payload must contain the customer mapping key '{key}'.",
            f"payload[{key}]",
            "meter_event_no_customer_defined",
        )
    customer = ctx.state.get("customer", payload[key])
    if customer is None or customer.get("deleted"):
        raise invalid(f"No such customer: '{payload[key]}'", f"payload[{key}]", "meter_event_customer_not_found")
    return customer


def _check_value(meter: Obj, payload: Obj) -> None:
    key = meter["value_settings"]["event_payload_key"]
    if meter["default_aggregation"]["formula"] == "count":
        return
    if key not in payload:
        raise invalid(f"Payload must contain the value key '{key}'.", f"payload[{key}]", "meter_event_value_not_found")
    # Stripe takes whole numbers only, negative ones too; Python's int() would also take 1_000 and Arabic digits.
    if not re.fullmatch(r"-?[0-9]{1,18}", str(payload[key])):
        raise invalid(
            f"Invalid value for payload key '{key}': must be a whole number.",
            f"payload[{key}]",
            "meter_event_invalid_value",
        )


def _show_in_drafts(ctx: Context, customer_id: str) -> None:
    if not setting(ctx, "drafts_show_late_usage"):
        return
    from billing_core.sandbox.billing.invoices import recalculate_and_tell
    from billing_core.sandbox.billing.usage import recount

    for invoice in ctx.state.where("invoice", "customer", customer_id):
        if invoice["status"] == "draft" and recount(ctx, invoice["id"]):
            recalculate_and_tell(ctx, invoice["id"])


@route("POST", "/v1/billing/meter_events")
def create(ctx: Context, params: Obj) -> Obj:
    """Take one event in."""
    return record(ctx, params, params.get("timestamp"))


@route("POST", "/v1/billing/meter_event_adjustments")
def adjust(ctx: Context, params: Obj) -> Obj:
    """Cancel an event within 24 hours of its receipt."""
    identifier = (params.get("cancel") or {}).get("identifier")
    if not identifier:
        raise invalid("Missing required param: cancel[identifier].", "cancel[identifier]", "parameter_missing")
    cancel_event(ctx, params["event_name"], identifier)
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": params["event_name"],
        "livemode": False,
        "status": "complete",
        "type": "cancel",
    }


def cancel_event(ctx: Context, event_name: str, identifier: str) -> Obj:
    """Make an event count no longer.

    Raises:
        StripeFault: there is none, it was cancelled before, or more than 24 hours ago received.
    """
    event = ctx.state.get(KIND, identifier)
    if event is None or event["event_name"] != event_name:
        raise StripeFault(
            f"No meter event found with identifier '{identifier}' and event name '{event_name}'.",
            status=404,
            code="resource_missing",
            param="cancel[identifier]",
        )
    if event["_is_cancelled"]:
        raise invalid(f"The meter event with identifier '{identifier}' was cancelled already.", "cancel[identifier]")
    customer_id = event["_series"].split(":")[1]
    if ctx.now(ctx.state.get("customer", customer_id)) - event["created"] > DAY:
        raise invalid(
            "Only meter events that were received within the last 24 hours can be cancelled.", "cancel[identifier]"
        )
    edited = ctx.state.edit(KIND, identifier)
    edited["_is_cancelled"] = True
    _show_in_drafts(ctx, customer_id)
    return edited


# --- v2 --------------------------------------------------------------------------------------------------------------


def _iso(at: int) -> str:
    return utc(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _from_iso(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return epoch(datetime.fromisoformat(text.replace("Z", "+00:00")))
    except ValueError:
        raise invalid(f"Invalid timestamp: {text}", "timestamp") from None


@route("POST", "/v2/billing/meter_events")
def create_v2(ctx: Context, params: Obj) -> Obj:
    """Take one event in, in the form of API v2."""
    event = record(ctx, params, _from_iso(params.get("timestamp")))
    return {
        "object": "v2.billing.meter_event",
        "created": _iso(event["created"]),
        "event_name": event["event_name"],
        "identifier": event["identifier"],
        "livemode": False,
        "payload": dict(event["payload"]),
        "timestamp": _iso(event["timestamp"]),
    }


@route("POST", "/v2/billing/meter_event_adjustments")
def adjust_v2(ctx: Context, params: Obj) -> Obj:
    """Cancel an event, in the form of API v2."""
    event = cancel_event(ctx, params["event_name"], params["cancel"]["identifier"])
    return {
        "id": ctx.state.new_id("mtr_adj_test"),
        "object": "v2.billing.meter_event_adjustment",
        "cancel": {"identifier": event["identifier"]},
        "created": _iso(ctx.now()),
        "event_name": event["event_name"],
        "livemode": False,
        "status": "complete",
        "type": "cancel",
    }


@route("POST", "/v2/billing/meter_event_session")
def create_session(ctx: Context, params: Obj) -> Obj:
    """Open a session of 15 minutes for the stream; its token takes the place of the key."""
    now = ctx.now()
    token = ctx.state.new_id("mev_session_token")
    session = {
        "id": ctx.state.new_id("mtr_evt_sess_test"),
        "object": SESSION,
        "authentication_token": token,
        "created": _iso(now),
        "expires_at": _iso(now + SESSION_SECONDS),
        "livemode": False,
    }
    for old in ctx.state.all("_meter_session"):
        if old["expires"] < now:
            ctx.state.delete("_meter_session", old["id"])
    ctx.state.insert({"object": "_meter_session", "id": token, "expires": now + SESSION_SECONDS})
    return session


@route("POST", "/v2/billing/meter_event_stream")
def stream(ctx: Context, params: Obj) -> Obj:
    """Take up to 100 events in; those with errors are reported later and do not stop the others."""
    session = ctx.state.get("_meter_session", ctx.request.credential)
    if session is None or session["expires"] < ctx.now():
        raise StripeFault(
            "The meter event session has expired or its token is wrong. Create a new session.",
            status=401,
            type="temporary_session_expired",
            code="billing_meter_event_session_expired",
        )
    events = params.get("events") or []
    if not 1 <= len(events) <= 100:
        raise invalid("Between 1 and 100 events can be sent in one request.", "events")
    failures: list[tuple[Obj, StripeFault]] = []
    for event in events:
        try:
            with ctx.state.transaction():
                record(ctx, event, _from_iso(event.get("timestamp")))
        except StripeFault as fault:
            failures.append((event, fault))
    if failures:
        _report(ctx, failures)
    return {}


def _report(ctx: Context, failures: list[tuple[Obj, StripeFault]]) -> None:
    """Record the thin events that tell which streamed events came to nothing."""
    for name in dict.fromkeys(event["event_name"] for event, _ in failures):
        own = [(event, fault) for event, fault in failures if event["event_name"] == name]
        meter = active_meter(ctx, name)
        codes: dict[str, list[Obj]] = {}
        for event, fault in own:
            sample = {
                "error_message": fault.message,
                "request": {"identifier": event.get("identifier")},
            }
            codes.setdefault(str(fault.fields.get("code") or "invalid_event"), []).append(sample)
        now = ctx.now()
        kind = "error_report_triggered" if meter else "no_meter_found"
        related: Any = None
        if meter:
            related = {"id": meter["id"], "type": "billing.meter", "url": f"/v1/billing/meters/{meter['id']}"}
        ctx.state.insert(
            {
                "id": ctx.state.new_id("evt_test"),
                "object": REPORT,
                "changes": None,
                "context": None,
                "created": _iso(now),
                "data": {
                    "developer_message_summary": "There is 1 invalid event"
                    if len(own) == 1
                    else f"There are {len(own)} invalid events",
                    "reason": {
                        "error_count": len(own),
                        "error_types": [
                            {"code": code, "error_count": len(samples), "sample_errors": samples[:5]}
                            for code, samples in codes.items()
                        ],
                    },
                    "validation_start": _iso(now),
                    "validation_end": _iso(now),
                },
                "livemode": False,
                "reason": None,
                "related_object": related,
                "type": f"v1.billing.meter.{kind}",
            }
        )


@route("GET", "/v2/core/events/{event}")
def retrieve_report(ctx: Context, params: Obj, event: str) -> Obj:
    """Return one thin event."""
    return bare(ctx.need(REPORT, event))


@route("GET", "/v2/core/events")
def list_reports(ctx: Context, params: Obj) -> Obj:
    """List thin events, newest first."""
    found = [bare(e) for e in reversed(ctx.state.all(REPORT))]
    return {"data": found[: int(params.get("limit", 20))], "next_page_url": None, "previous_page_url": None}
