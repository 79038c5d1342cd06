"""The customer portal: its configurations, and sessions whose page says who would be let in where."""

from __future__ import annotations

import html
from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money.changes import merged_metadata, updating
from billing_core.sandbox.render import bare, presenter
from billing_core.sandbox.routes import Page, Raw, route
from billing_core.sandbox.state import Obj

CONFIGURATION = "billing_portal.configuration"
SESSION = "billing_portal.session"


def _features(given: Obj, before: Obj | None = None) -> Obj:
    cancel, update = given.get("subscription_cancel") or {}, given.get("subscription_update") or {}
    customer, pause = given.get("customer_update") or {}, given.get("subscription_pause") or {}
    reason = cancel.get("cancellation_reason") or {}
    made: Obj = {
        "customer_update": {
            "allowed_updates": customer.get("allowed_updates") or [],
            "enabled": customer.get("enabled", False),
        },
        "invoice_history": {"enabled": (given.get("invoice_history") or {}).get("enabled", False)},
        "payment_method_update": {
            "enabled": (given.get("payment_method_update") or {}).get("enabled", False),
            "payment_method_configuration": None,
        },
        "subscription_cancel": {
            "cancellation_reason": {
                "enabled": reason.get("enabled", False),
                "feedback_options": reason.get("feedback_options") or None,
                "options": reason.get("options") or [],
            },
            "enabled": cancel.get("enabled", False),
            "mode": cancel.get("mode") or "at_period_end",
            "proration_behavior": cancel.get("proration_behavior") or "none",
        },
        "subscription_pause": {
            "duration": pause.get("duration") or {"interval_options": [], "type": "indefinite"},
            "enabled": pause.get("enabled", False),
        },
        "subscription_update": {
            "billing_cycle_anchor": update.get("billing_cycle_anchor") or None,
            "default_allowed_updates": update.get("default_allowed_updates") or [],
            "enabled": update.get("enabled", False),
            "products": [_product(p) for p in update.get("products") or []] or None,
            "proration_behavior": update.get("proration_behavior") or "none",
            "schedule_at_period_end": update.get("schedule_at_period_end") or {"conditions": []},
            "trial_update_behavior": update.get("trial_update_behavior") or "end_trial",
        },
    }
    # An update names only the features that it changes.
    return {k: v if before is None or k in given else before[k] for k, v in made.items()}


def _product(given: Obj) -> Obj:
    adjustable = given.get("adjustable_quantity") or {}
    return {
        "adjustable_quantity": {
            "enabled": adjustable.get("enabled", False),
            "maximum": adjustable.get("maximum"),
            "minimum": adjustable.get("minimum", 1),
        },
        "prices": given["prices"],
        "product": given["product"],
    }


def _make_configuration(ctx: Context, params: Obj, *, is_default: bool) -> Obj:
    profile, now = params.get("business_profile") or {}, ctx.now()
    return ctx.state.insert(
        {
            "id": ctx.state.new_id("bpc"),
            "object": CONFIGURATION,
            "active": True,
            "application": None,
            "business_profile": {
                k: profile.get(k) or None for k in ("headline", "privacy_policy_url", "terms_of_service_url")
            },
            "created": now,
            "default_return_url": params.get("default_return_url") or None,
            "features": _features(params.get("features") or {}),
            "is_default": is_default,
            "livemode": False,
            "login_page": {"enabled": (params.get("login_page") or {}).get("enabled", False), "url": None},
            "metadata": merged_metadata({}, params.get("metadata")),
            "name": params.get("name") or None,
            "updated": now,
        }
    )


@route("POST", "/v1/billing_portal/configurations")
def create_configuration(ctx: Context, params: Obj) -> Obj:
    """Describe what customers may do in the portal."""
    made = _make_configuration(ctx, params, is_default=False)
    ctx.emit("billing_portal.configuration.created", made)
    return made


@route("GET", "/v1/billing_portal/configurations/{configuration}")
def retrieve_configuration(ctx: Context, params: Obj, configuration: str) -> Obj:
    """Return a configuration."""
    return ctx.need(CONFIGURATION, configuration)


@route("POST", "/v1/billing_portal/configurations/{configuration}")
def update_configuration(ctx: Context, params: Obj, configuration: str) -> Obj:
    """Change a configuration."""
    ctx.need(CONFIGURATION, configuration)
    with updating(ctx, CONFIGURATION, configuration) as changed:
        for name in ("active", "default_return_url", "name"):
            if name in params:
                changed[name] = params[name] if params[name] != "" else None
        if "features" in params:
            changed["features"] = _features(params["features"], changed["features"])
        for name, value in (params.get("business_profile") or {}).items():
            changed["business_profile"] = {**changed["business_profile"], name: value or None}
        if "login_page" in params:
            changed["login_page"] = {"enabled": params["login_page"]["enabled"], "url": None}
        if "metadata" in params:
            changed["metadata"] = merged_metadata(changed["metadata"], params["metadata"])
        changed["updated"] = ctx.now()
    return changed


@route("GET", "/v1/billing_portal/configurations")
def list_configurations(ctx: Context, params: Obj) -> Page:
    """List configurations."""
    names = ("active", "is_default")
    found = [c for c in ctx.state.all(CONFIGURATION) if all(c[n] == params[n] for n in names if n in params)]
    return Page(found, "/v1/billing_portal/configurations")


def _default(ctx: Context) -> Obj:
    found = next((c for c in ctx.state.all(CONFIGURATION) if c["is_default"]), None)
    if found:
        return found
    features = {name: {"enabled": True} for name in ("invoice_history", "payment_method_update", "subscription_cancel")}
    features["customer_update"] = {"enabled": True, "allowed_updates": ["email", "address", "tax_id"]}  # type: ignore[dict-item]
    return _make_configuration(ctx, {"features": features}, is_default=True)


@presenter(SESSION)
def present(ctx: Context, session: Obj) -> Obj:
    """Show a session with its address on this server."""
    return bare(session) | {"url": f"{ctx.base_url}/p/session/{session['id']}"}


@route("POST", "/v1/billing_portal/sessions")
def create_session(ctx: Context, params: Obj) -> Obj:
    """Open the portal for a customer."""
    if "customer" not in params:
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    customer = ctx.need("customer", params["customer"], "customer")
    named = params.get("configuration")
    configuration = ctx.need(CONFIGURATION, named, "configuration") if named else _default(ctx)
    if not configuration["active"]:
        raise invalid("The configuration is inactive.", "configuration")
    session = ctx.state.insert(
        {
            "id": ctx.state.new_id("bps"),
            "object": SESSION,
            "configuration": configuration["id"],
            "created": ctx.now(),
            "customer": customer["id"],
            "customer_account": None,
            "flow": _flow(ctx, params["flow_data"], customer) if params.get("flow_data") else None,
            "livemode": False,
            "locale": params.get("locale"),
            "on_behalf_of": params.get("on_behalf_of"),
            "return_url": params.get("return_url") or configuration["default_return_url"],
        }
    )
    ctx.emit("billing_portal.session.created", session)
    return session


def _flow(ctx: Context, given: Obj, customer: Obj) -> Obj:
    kinds = ("subscription_cancel", "subscription_pause", "subscription_update", "subscription_update_confirm")
    made: Obj = {kind: given.get(kind) for kind in kinds}
    for kind in kinds:
        if not given.get(kind):
            continue
        subscription = ctx.need("subscription", given[kind]["subscription"], f"flow_data[{kind}][subscription]")
        if subscription["customer"] != customer["id"]:
            raise invalid("The subscription belongs to another customer.", f"flow_data[{kind}][subscription]")
    after = given.get("after_completion") or {"type": "portal_homepage"}
    made["after_completion"] = {"hosted_confirmation": None, "redirect": None, **after}
    return {**made, "customer_update": None, "type": given["type"]}


@route("GET", "/p/session/{session}")
def page(ctx: Context, params: Obj, session: str) -> Raw:
    """The page behind a session's address: it only says whose portal would open."""
    found = ctx.need(SESSION, session)
    customer: Any = ctx.state.get("customer", found["customer"]) or {}
    name = html.escape(str(customer.get("name") or found["customer"]))
    back = found["return_url"]
    link = f'<p><a href="{html.escape(back, quote=True)}">Return</a></p>' if back else ""
    body = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Customer portal</title>'
        f"<h1>Customer portal of {name}</h1><p>This is the Stripe sandbox: nothing can be changed here.</p>{link}"
        "</html>"
    )
    return Raw(body.encode(), "text/html; charset=utf-8")
