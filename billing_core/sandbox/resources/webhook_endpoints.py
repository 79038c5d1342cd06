"""Webhook endpoints; the secret is told once, when an endpoint is made."""

from __future__ import annotations

from billing_core.sandbox.context import API_VERSION, Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money.changes import merged_metadata
from billing_core.sandbox.render import deleted as mark_of
from billing_core.sandbox.render import render
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj
from billing_core.sandbox.webhooks import check_url

MAX_ENDPOINTS = 16


@route("POST", "/v1/webhook_endpoints")
def create(ctx: Context, params: Obj) -> Obj:
    """Create an endpoint; only this answer holds its secret."""
    _check(params)
    if params.get("api_version") not in (None, API_VERSION):
        raise invalid(f"This sandbox sends events of version {API_VERSION} only.", "api_version")
    if params.get("connect"):
        raise invalid("This sandbox has no connected accounts.", "connect")
    if len(ctx.state.ids("webhook_endpoint")) >= MAX_ENDPOINTS:
        raise invalid(f"You have reached the maximum of {MAX_ENDPOINTS} test webhook endpoints.")
    endpoint = ctx.state.insert(
        {
            "id": ctx.state.new_id("we"),
            "object": "webhook_endpoint",
            "api_version": params.get("api_version"),
            "application": None,
            "created": ctx.now(),
            "description": params.get("description") or None,
            "enabled_events": params["enabled_events"],
            "livemode": False,
            "metadata": merged_metadata({}, params.get("metadata")),
            "status": "enabled",
            "url": params["url"],
            "_secret": ctx.state.new_id("whsec"),
        }
    )
    return render(ctx, endpoint) | {"secret": endpoint["_secret"]}


@route("GET", "/v1/webhook_endpoints/{webhook_endpoint}")
def retrieve(ctx: Context, params: Obj, webhook_endpoint: str) -> Obj:
    """Return an endpoint, without its secret."""
    return ctx.need("webhook_endpoint", webhook_endpoint)


@route("POST", "/v1/webhook_endpoints/{webhook_endpoint}")
def update(ctx: Context, params: Obj, webhook_endpoint: str) -> Obj:
    """Change where an endpoint is and what it listens to, or switch it off."""
    ctx.need("webhook_endpoint", webhook_endpoint)
    _check(params)
    changed = ctx.state.edit("webhook_endpoint", webhook_endpoint)
    for name in ("url", "enabled_events"):
        if name in params:
            changed[name] = params[name]
    if "description" in params:
        changed["description"] = params["description"] or None
    if "disabled" in params:
        if not params["disabled"]:
            # What happened while nobody listened is not told afterwards.
            ctx.state.set_meta(delivered_to=ctx.state.meta["sequence"])
        changed["status"] = "disabled" if params["disabled"] else "enabled"
    if "metadata" in params:
        changed["metadata"] = merged_metadata(changed["metadata"], params["metadata"])
    return changed


@route("DELETE", "/v1/webhook_endpoints/{webhook_endpoint}")
def delete(ctx: Context, params: Obj, webhook_endpoint: str) -> Obj:
    """Delete an endpoint and what was still to be delivered to it."""
    found = ctx.need("webhook_endpoint", webhook_endpoint)
    for entry in ctx.state.where("_delivery", "endpoint", webhook_endpoint):
        ctx.state.delete("_delivery", entry["id"])
    ctx.state.delete("webhook_endpoint", webhook_endpoint)
    return mark_of(found)


@route("GET", "/v1/webhook_endpoints")
def list_all(ctx: Context, params: Obj) -> Page:
    """List endpoints."""
    return Page(ctx.state.all("webhook_endpoint"), "/v1/webhook_endpoints")


def _check(params: Obj) -> None:
    problem = check_url(params["url"]) if "url" in params else None
    if problem:
        raise invalid(problem, "url", "url_invalid")
    if "enabled_events" in params and not params["enabled_events"]:
        raise invalid("You must pass at least one event.", "enabled_events")
