"""Test clocks: made, advanced in the background, deleted with all that lives on them."""

from __future__ import annotations

from billing_core.periods import add_interval, epoch, utc
from billing_core.sandbox.context import TEST_CLOCK, Context
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.render import deleted as mark_of
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

DAY = 86400
KEPT_DAYS = 30
# Without a subscription on the clock, so far ahead at most.
FREE_YEARS = 2


@route("POST", "/v1/test_helpers/test_clocks")
def create(ctx: Context, params: Obj) -> Obj:
    """Create a clock at a time of one's choice."""
    now = ctx.now()
    clock = ctx.state.insert(
        {
            "id": ctx.state.new_id("clock"),
            "object": TEST_CLOCK,
            "created": now,
            "deletes_after": now + KEPT_DAYS * DAY,
            "frozen_time": params["frozen_time"],
            "livemode": False,
            "name": params.get("name") or None,
            "status": "ready",
            "status_details": {},
        }
    )
    ctx.emit("test_helpers.test_clock.created", clock)
    return clock


@route("GET", "/v1/test_helpers/test_clocks/{test_clock}")
def retrieve(ctx: Context, params: Obj, test_clock: str) -> Obj:
    """Return a clock; `status` is `ready` once it has arrived."""
    return ctx.need(TEST_CLOCK, test_clock)


@route("GET", "/v1/test_helpers/test_clocks")
def list_all(ctx: Context, params: Obj) -> Page:
    """List clocks."""
    return Page(ctx.state.all(TEST_CLOCK), "/v1/test_helpers/test_clocks")


@route("POST", "/v1/test_helpers/test_clocks/{test_clock}/advance")
def advance(ctx: Context, params: Obj, test_clock: str) -> Obj:
    """Set a clock on its way; the server runs what falls due and marks it ready."""
    clock, to = ctx.need(TEST_CLOCK, test_clock), params["frozen_time"]
    if clock["status"] == "advancing":
        raise StripeFault("Test clock advancement underway - cannot perform modifications.", status=429)
    if to <= clock["frozen_time"]:
        raise invalid(
            f"The `frozen_time` must be later than the clock's current frozen time ({clock['frozen_time']}).",
            "frozen_time",
        )
    if to > _furthest(ctx, clock):
        raise invalid(
            "Test clocks can be advanced at most two intervals from the current frozen time, based on the shortest"
            " subscription interval of all subscriptions in the test clock.",
            "frozen_time",
        )
    before = {"frozen_time": clock["frozen_time"], "status": "ready", "status_details": {"advancing": None}}
    moving = ctx.state.edit(TEST_CLOCK, test_clock)
    moving["_target"] = to
    moving["status"] = "advancing"
    moving["status_details"] = {"advancing": {"target_frozen_time": to}}
    ctx.emit("test_helpers.test_clock.advancing", moving, {k: before[k] for k in ("status", "status_details")})
    return moving


def _furthest(ctx: Context, clock: Obj) -> int:
    now = utc(clock["frozen_time"])
    ends = []
    for customer in _customers(ctx, clock["id"]):
        for subscription in ctx.state.where("subscription", "customer", customer["id"]):
            if subscription["status"] in ("canceled", "incomplete_expired"):
                continue
            for item in ctx.state.where("subscription_item", "subscription", subscription["id"]):
                recurring = ctx.need("price", item["price"])["recurring"]
                ends.append(add_interval(now, recurring["interval"], recurring["interval_count"], 2))
    return epoch(min(ends)) if ends else epoch(add_interval(now, "year", 1, FREE_YEARS))


def _customers(ctx: Context, clock_id: str) -> list[Obj]:
    return [c for c in ctx.state.all("customer") if c["test_clock"] == clock_id and not c.get("deleted")]


@route("DELETE", "/v1/test_helpers/test_clocks/{test_clock}")
def delete(ctx: Context, params: Obj, test_clock: str) -> Obj:
    """Delete a clock with its customers; their subscriptions are canceled."""
    from billing_core.sandbox.resources.customers import delete_customer

    clock = ctx.need(TEST_CLOCK, test_clock)
    for customer in _customers(ctx, test_clock):
        delete_customer(ctx, customer)
    for entry in ctx.state.all("_timer"):
        if entry["clock"] == test_clock:
            ctx.state.delete("_timer", entry["id"])
    ctx.emit("test_helpers.test_clock.deleted", clock)
    edited = ctx.state.edit(TEST_CLOCK, test_clock)
    edited["deleted"] = True
    edited["status"] = "ready"
    return mark_of(edited)
