"""Tax rates: a percentage that is put on lines, exclusive or inclusive; what it takes never changes."""

from __future__ import annotations

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money.changes import merged_metadata, updating
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

PLAIN = ("country", "description", "display_name", "jurisdiction", "state", "tax_type")


@route("POST", "/v1/tax_rates")
def create(ctx: Context, params: Obj) -> Obj:
    """Create a tax rate."""
    percentage = params["percentage"]
    if not 0 <= percentage <= 100:
        raise invalid("Invalid percentage: must be between 0 and 100.", "percentage")
    if percentage.as_tuple().exponent < -4 and percentage != round(percentage, 4):
        raise invalid("Invalid percentage: must have at most 4 decimal places.", "percentage")
    rate: Obj = {
        "id": ctx.state.new_id("txr"),
        "object": "tax_rate",
        "active": params.get("active", True),
        "country": None,
        "created": ctx.now(),
        "description": None,
        "display_name": params["display_name"],
        "effective_percentage": None,
        "flat_amount": None,
        "inclusive": params["inclusive"],
        "jurisdiction": None,
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": merged_metadata({}, params.get("metadata")),
        "percentage": float(percentage),
        "rate_type": "percentage",
        "state": None,
        "tax_type": None,
    }
    for name in PLAIN:
        if params.get(name):
            rate[name] = params[name]
    rate = ctx.state.insert(rate)
    ctx.emit("tax_rate.created", rate)
    return rate


@route("GET", "/v1/tax_rates/{tax_rate}")
def retrieve(ctx: Context, params: Obj, tax_rate: str) -> Obj:
    """Return a tax rate."""
    return ctx.need("tax_rate", tax_rate)


@route("POST", "/v1/tax_rates/{tax_rate}")
def update(ctx: Context, params: Obj, tax_rate: str) -> Obj:
    """Rename a tax rate or switch it off; subscriptions that have it go on with it."""
    ctx.need("tax_rate", tax_rate)
    with updating(ctx, "tax_rate", tax_rate) as changed:
        for name in (*PLAIN, "active"):
            if name in params:
                changed[name] = params[name] if params[name] != "" else None
        if "metadata" in params:
            changed["metadata"] = merged_metadata(changed["metadata"], params["metadata"])
    return changed


@route("GET", "/v1/tax_rates")
def list_all(ctx: Context, params: Obj) -> Page:
    """List tax rates."""
    names = ("active", "inclusive")
    found = [r for r in ctx.state.all("tax_rate") if all(r[n] == params[n] for n in names if n in params)]
    return Page(found, "/v1/tax_rates")
