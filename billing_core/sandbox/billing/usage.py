"""What a meter says a customer used: events aggregated over a half-open window, and the invoice lines that follow it.

A meter event's `_series` is `<meter>:<customer>`; cancelled events do not count, nor do events whose lag (a setting of
the account) is not over yet.
"""

from __future__ import annotations

from fractions import Fraction

from billing_core.sandbox.billing.account import setting
from billing_core.sandbox.billing.invoice_objects import add_line, set_quantity
from billing_core.sandbox.billing.pricing import line_fields
from billing_core.sandbox.context import Context
from billing_core.sandbox.state import Obj, clone


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
    """Set the metered lines of a draft to what is known now; returns whether any changed.

    Usage that reaches another tier adds lines, usage that no longer does removes some.
    """
    windows: dict[tuple[str, ...], list[Obj]] = {}
    for line in ctx.state.where("line_item", "invoice", invoice_id):
        if line["_usage"]:
            windows.setdefault(tuple(map(str, line["_usage"].values())), []).append(line)
    changes = [_recount_window(ctx, lines) for lines in windows.values()]
    return any(changes)


def _recount_window(ctx: Context, lines: list[Obj]) -> bool:
    first = lines[0]
    window = first["_usage"]
    price = ctx.need("price", window["price"])
    quantity = used(ctx, price, window["customer"], window["start"], window["end"])
    if quantity == sum(Fraction(line["quantity_decimal"]) for line in lines):
        return False
    wanted = line_fields(ctx, price, quantity)
    for line, fields in zip(lines, wanted, strict=False):
        edited = ctx.state.edit("line_item", line["id"])
        set_quantity(edited, fields["quantity"])
        edited["amount"] = edited["subtotal"] = fields["amount"]
        edited["description"], edited["pricing"] = fields["description"], fields["pricing"]
    for line in lines[len(wanted) :]:
        ctx.state.delete("line_item", line["id"])
    for fields in wanted[len(lines) :]:
        add_line(
            ctx,
            ctx.need("invoice", first["invoice"]),
            **fields,
            period=(window["start"], window["end"]),
            parent=clone(first["parent"]),
            discountable=first["discountable"],
            discounts=first["discounts"],
            tax_rates=first["_tax_rates"],
            metadata=dict(first["metadata"]),
            subscription=first["subscription"],
            _usage=dict(window),
        )
    return True
