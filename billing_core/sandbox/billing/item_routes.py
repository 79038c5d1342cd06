"""Subscription items over the API: each is an update of its subscription."""

from __future__ import annotations

from billing_core.sandbox.billing import changing
from billing_core.sandbox.billing.subscription_objects import items_of
from billing_core.sandbox.context import Context
from billing_core.sandbox.render import deleted
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

KIND = "subscription_item"
_OF_SUBSCRIPTION = ("payment_behavior", "proration_behavior", "proration_date", "off_session")


def _split(params: Obj) -> tuple[Obj, Obj]:
    whole = {k: v for k, v in params.items() if k in _OF_SUBSCRIPTION}
    return whole, {k: v for k, v in params.items() if k not in (*_OF_SUBSCRIPTION, "subscription")}


@route("POST", "/v1/subscription_items")
def create(ctx: Context, params: Obj) -> Obj:
    """Add an item to a subscription."""
    subscription = ctx.need("subscription", params["subscription"], "subscription")
    whole, own = _split(params)
    before = {i["id"] for i in items_of(ctx, subscription["id"])}
    changing.update(ctx, subscription["id"], {**whole, "items": [own]})
    return next(i for i in items_of(ctx, subscription["id"]) if i["id"] not in before)


@route("GET", "/v1/subscription_items/{item}")
def retrieve(ctx: Context, params: Obj, item: str) -> Obj:
    """Return one item."""
    return ctx.need(KIND, item)


@route("GET", "/v1/subscription_items")
def list_all(ctx: Context, params: Obj) -> Page:
    """List the items of a subscription in order."""
    ctx.need("subscription", params["subscription"], "subscription")
    return Page(items_of(ctx, params["subscription"]), "/v1/subscription_items", is_ordered=True)


@route("POST", "/v1/subscription_items/{item}")
def update(ctx: Context, params: Obj, item: str) -> Obj:
    """Change an item."""
    subscription = ctx.need(KIND, item)["subscription"]
    whole, own = _split(params)
    changing.update(ctx, subscription, {**whole, "items": [{**own, "id": item}]})
    return ctx.need(KIND, item)


@route("DELETE", "/v1/subscription_items/{item}")
def delete(ctx: Context, params: Obj, item: str) -> Obj:
    """Take an item off its subscription."""
    found = ctx.need(KIND, item)
    whole, own = _split(params)
    changing.update(ctx, found["subscription"], {**whole, "items": [{**own, "id": item, "deleted": True}]})
    return deleted(found)
