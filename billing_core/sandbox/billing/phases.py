"""Subscription schedules as objects, and their phases as a request gives them."""

from __future__ import annotations

from typing import Any

from billing_core.sandbox.billing.calendar import boundary
from billing_core.sandbox.billing.invoice_objects import tax_rate_objects
from billing_core.sandbox.billing.pricing import resolve_price
from billing_core.sandbox.billing.terms import quantity_for, tax_rate_ids
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money.changes import merged_metadata
from billing_core.sandbox.render import bare, presenter
from billing_core.sandbox.state import Obj

KIND = "subscription_schedule"


@presenter(KIND)
def present_schedule(ctx: Context, schedule: Obj) -> Obj:
    """Show a schedule with the tax rates of its phases as objects."""
    shown = bare(schedule)
    shown["phases"] = [
        {
            **phase,
            "default_tax_rates": tax_rate_objects(ctx, phase["default_tax_rates"]),
            "items": [{**i, "tax_rates": tax_rate_objects(ctx, i["tax_rates"])} for i in phase["items"]],
        }
        for phase in schedule["phases"]
    ]
    return shown


def insert_schedule(ctx: Context, customer: Obj, **fields: Any) -> Obj:
    """Insert a schedule with Stripe's defaults, overridden by fields."""
    now = ctx.now(customer)
    schedule: Obj = {
        "id": ctx.state.new_id("sub_sched"),
        "object": KIND,
        "application": None,
        "billing_mode": {"type": "flexible", "flexible": {"proration_discounts": "included"}, "updated_at": now},
        "canceled_at": None,
        "completed_at": None,
        "created": now,
        "current_phase": None,
        "customer": customer["id"],
        "customer_account": None,
        "default_settings": {
            "application_fee_percent": None,
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": "automatic",
            "billing_thresholds": None,
            "collection_method": "charge_automatically",
            "default_payment_method": None,
            "description": None,
            "invoice_settings": {
                "account_tax_ids": None,
                "custom_fields": None,
                "days_until_due": None,
                "description": None,
                "footer": None,
                "issuer": {"type": "self"},
            },
            "on_behalf_of": None,
            "transfer_data": None,
        },
        "end_behavior": "release",
        "livemode": False,
        "metadata": {},
        "pause_schedules": [],
        "phases": [],
        "released_at": None,
        "released_subscription": None,
        "status": "not_started",
        "subscription": None,
        "test_clock": customer.get("test_clock"),
    }
    schedule.update(fields)
    return ctx.state.insert(schedule)


def read_phases(ctx: Context, schedule: Obj, wanted: list[Obj], now: int) -> list[Obj]:
    """Return phases in stored form, each beginning where the one before ends.

    Raises:
        StripeFault: no phases, no items, phases that are not contiguous, or one that ends too early.
    """
    if not wanted:
        raise invalid("A subscription schedule must have at least one phase.", "phases")
    phases: list[Obj] = []
    at = schedule["phases"][0]["start_date"] if schedule["phases"] else now
    for index, params in enumerate(wanted):
        path = f"phases[{index}]"
        given = params.get("start_date")
        if given is not None:
            start = now if given == "now" else int(given)
            if index and start != at:
                raise invalid(
                    "Phases must be contiguous: a phase starts where the one before ends.", f"{path}[start_date]"
                )
            at = start
        items = [_phase_item(ctx, item, f"{path}[items][{i}]") for i, item in enumerate(params.get("items") or [])]
        if not items:
            raise invalid(f"Missing required param: {path}[items].", f"{path}[items]", "parameter_missing")
        end = _phase_end(ctx, params, at, items, path, now)
        if end <= at:
            raise invalid(f"The end date of phase {index} must be after its start date.", f"{path}[end_date]")
        phases.append(_phase(ctx, params, items, at, end, schedule))
        at = end
    return phases


def _phase_end(ctx: Context, params: Obj, start: int, items: list[Obj], path: str, now: int) -> int:
    if params.get("end_date") is not None and params.get("duration"):
        raise invalid("You may only specify one of these parameters: end_date, duration.", f"{path}[end_date]")
    if params.get("end_date") is not None:
        return now if params["end_date"] == "now" else int(params["end_date"])
    if params.get("duration"):
        duration = {
            "interval": params["duration"]["interval"],
            "interval_count": params["duration"].get("interval_count", 1),
        }
        return boundary(start, duration, 1)
    # Without an end a phase lasts one period of its price.
    return boundary(start, ctx.need("price", items[0]["price"])["recurring"], 1)


def _phase_item(ctx: Context, params: Obj, path: str) -> Obj:
    price = resolve_price(ctx, params, path, is_recurring=True)
    if price is None:
        raise invalid(f"Missing required param: {path}[price].", f"{path}[price]", "parameter_missing")
    return {
        "billing_thresholds": None,
        "discounts": _discount_specs(params.get("discounts")),
        "metadata": merged_metadata(None, params.get("metadata")),
        "plan": price["id"],
        "price": price["id"],
        "quantity": quantity_for(price, params.get("quantity"), path),
        "tax_rates": tax_rate_ids(ctx, params.get("tax_rates"), f"{path}[tax_rates]"),
    }


def _discount_specs(given: Any) -> list[Obj]:
    return [{k: spec.get(k) for k in ("coupon", "discount", "promotion_code")} for spec in given or []]


def _phase(ctx: Context, params: Obj, items: list[Obj], start: int, end: int, schedule: Obj) -> Obj:
    trial_end = params.get("trial_end")
    if params.get("trial"):
        trial_end = end
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "automatic_tax": None,
        "billing_cycle_anchor": params.get("billing_cycle_anchor"),
        "billing_thresholds": None,
        "collection_method": params.get("collection_method"),
        "currency": ctx.need("price", items[0]["price"])["currency"],
        "default_payment_method": params.get("default_payment_method"),
        "default_tax_rates": tax_rate_ids(ctx, params.get("default_tax_rates"), "phases[default_tax_rates]"),
        "description": params.get("description") or None,
        "discounts": _discount_specs(params.get("discounts")),
        "end_date": end,
        "invoice_settings": _invoice_settings(params),
        "items": items,
        "metadata": merged_metadata(None, params.get("metadata")),
        "on_behalf_of": None,
        "proration_behavior": params.get("proration_behavior") or "create_prorations",
        "start_date": start,
        "transfer_data": None,
        "trial": None,
        "trial_end": trial_end,
    }


def _invoice_settings(params: Obj) -> Obj | None:
    given = params.get("invoice_settings")
    if not given:
        return None
    return {
        "account_tax_ids": None,
        "custom_fields": None,
        "days_until_due": given.get("days_until_due"),
        "description": None,
        "footer": None,
        "issuer": None,
    }
