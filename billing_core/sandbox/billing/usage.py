"""What a meter says a customer used: events aggregated over a half-open window, and the invoice lines that follow it.

A meter event's `_series` is `<meter>:<customer>`; cancelled events do not count, nor do events whose lag (a setting of
the account) is not over yet.
"""

from __future__ import annotations

from fractions import Fraction

from billing_core.money import round_minor
from billing_core.sandbox.billing.account import setting
from billing_core.sandbox.billing.pricing import amount_for, decimal_text, description
from billing_core.sandbox.context import Context
from billing_core.sandbox.state import Obj


def events_in(ctx: Context, meter_id: str, customer_id: str, start: int, end: int) -> list[Obj]:
    """Return the events that count in [start, end), in order of their own time, then of arrival."""
    customer = ctx.state.get("customer", customer_id)
    visible_until = ctx.now(customer) - int(setting(ctx, "meter_lag_seconds"))
    found = [
        event
        for event in ctx.state.where("billing.meter_event", "_series", f"{meter_id}:{customer_id}")
        if start <= event["timestamp"] < end and not event.get("_is_cancelled") and event["created"] <= visible_until
    ]
    found.sort(key=lambda e: (e["timestamp"], e["_seq"]))
    return found


def aggregate(meter: Obj, events: list[Obj]) -> Fraction:
    """Return the meter's value of some events: their number, the sum or the last of their values; 0 without any."""
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return Fraction(len(events))
    key = meter["value_settings"]["event_payload_key"]
    values = [Fraction(e["payload"][key]) for e in events]
    if formula == "last":
        return values[-1] if values else Fraction(0)
    return sum(values, Fraction(0))


def used(ctx: Context, price: Obj, customer_id: str, start: int, end: int) -> Fraction:
    """Return the quantity that a metered price bills for a window."""
    meter = ctx.need("billing.meter", price["recurring"]["meter"], "meter")
    return aggregate(meter, events_in(ctx, meter["id"], customer_id, start, end))


def recount(ctx: Context, invoice_id: str) -> bool:
    """Set the metered lines of a draft to what is known now; returns whether any changed."""
    is_changed = False
    for line in ctx.state.where("line_item", "invoice", invoice_id):
        window = line["_usage"]
        if not window:
            continue
        price = ctx.need("price", window["price"])
        quantity = used(ctx, price, window["customer"], window["start"], window["end"])
        if decimal_text(quantity) == line["quantity_decimal"]:
            continue
        line = ctx.state.edit("line_item", line["id"])
        line["quantity"], line["quantity_decimal"] = int(quantity), decimal_text(quantity)
        line["amount"] = line["subtotal"] = round_minor(amount_for(price, quantity))
        line["description"] = description(ctx, price, quantity)
        is_changed = True
    return is_changed
