"""`/_sandbox`: what one does to the sandbox itself and Stripe has no route for; JSON in and out.

Documented in docs/sandbox.md. Nothing here needs a key: the server listens on this machine only.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from billing_core.periods import utc
from billing_core.sandbox import webhooks
from billing_core.sandbox.billing import account as billing_settings
from billing_core.sandbox.context import API_VERSION
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.faults import Rule
from billing_core.sandbox.money import settings as money_settings

if TYPE_CHECKING:
    from billing_core.sandbox.server import Sandbox

Body = dict[str, Any]
Handler = Callable[["Sandbox", Body], Awaitable[Any]]
_HANDLERS: dict[tuple[str, str], Handler] = {}

# What an account can be set to and its defaults; `state.meta["settings"]` holds what differs.
DEFAULTS: Body = {"idempotency_hours": 24, **billing_settings.DEFAULTS, **money_settings.DEFAULTS}


def handler(method: str, path: str) -> Callable[[Handler], Handler]:
    """Register an admin route."""

    def register(work: Handler) -> Handler:
        _HANDLERS[method, path] = work
        return work

    return register


async def answer(box: Sandbox, method: str, path: str, body: bytes) -> tuple[int, Any]:
    """Answer an admin request.

    Raises:
        StripeFault: no such route, or a body that is wrong.
    """
    work = _HANDLERS.get((method, path.rstrip("/")))
    if work is None:
        routes = ", ".join(f"{m} /_sandbox{p}" for m, p in sorted(_HANDLERS))
        raise StripeFault(f"No such admin route: {method} /_sandbox{path}. There are: {routes}.", status=404)
    try:
        given = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        raise invalid("The body is not JSON.") from None
    if not isinstance(given, dict):
        raise invalid("The body must be a JSON object.")
    try:
        return 200, await work(box, given)
    except (TypeError, ValueError) as error:
        raise invalid(f"The body does not fit: {error}") from None


@handler("GET", "")
async def summary(box: Sandbox, _: Body) -> Any:
    """What there is: counts by kind, clock, settings, what faults did."""

    def read() -> Any:
        state = box.ctx.state
        now = box.ctx.now()
        return {
            "api_version": API_VERSION,
            "now": now,
            "now_utc": utc(now).isoformat(),
            "offset_seconds": state.meta["offset"],
            "settings": DEFAULTS | state.meta.get("settings", {}),
            "objects": {k: len(state.ids(k)) for k in sorted(state.kinds()) if k[0] != "_"},
            "timers": len(state.ids("_timer")),
            "deliveries_pending": len(state.ids("_delivery")),
        }

    found = await box.on_engine(read)
    found["requests"] = box.faults.requests
    found["peak_per_second"] = box.faults.peak_per_second
    found["rate_limited"] = box.faults.limited
    return found


@handler("GET", "/sums")
async def sums(box: Sandbox, _: Body) -> Any:
    """Sums of invoices by month of finalization (UTC) and currency, straight from the state."""

    def read() -> Any:
        found: dict[tuple[str, str], dict[str, int]] = {}
        for invoice in box.ctx.state.all("invoice"):
            at = (invoice.get("status_transitions") or {}).get("finalized_at")
            month = utc(at).strftime("%Y-%m") if at else "draft"
            row = found.setdefault((month, invoice["currency"]), {})
            tax = sum(t["amount"] for t in invoice.get("total_taxes") or [])
            values = {
                "invoices_count": 1,
                "subtotal_minor": invoice["subtotal"],
                "tax_minor": tax,
                "total_minor": invoice["total"],
                "amount_due_minor": invoice["amount_due"],
                "amount_paid_minor": invoice["amount_paid"],
                "amount_remaining_minor": invoice["amount_remaining"],
                f"status_{invoice['status']}_count": 1,
            }
            for name, value in values.items():
                row[name] = row.get(name, 0) + value
        return [{"month": m, "currency": c, **row} for (m, c), row in sorted(found.items())]

    return {"months": await box.on_engine(read)}


@handler("POST", "/clock")
async def move_clock(box: Sandbox, body: Body) -> Any:
    """Move the account's clock ahead: `{"advance_seconds": n}` or `{"to": unix seconds}`."""

    def move() -> None:
        seconds = int(body["advance_seconds"]) if "advance_seconds" in body else int(body["to"]) - box.clockwork.target
        if seconds < 0:
            raise invalid("The account's clock only moves forward.", "to")
        box.clockwork.move(seconds)

    if not {"advance_seconds", "to"} & set(body):
        raise invalid("Give advance_seconds or to.", "advance_seconds")
    await box.on_engine(move)
    box.catch_up()
    if body.get("wait", True):
        await box.wait_until_caught_up()
    return {"now": await box.on_engine(box.ctx.now)}


@handler("POST", "/settings")
async def change_settings(box: Sandbox, body: Body) -> Any:
    """Change account settings; unknown names are refused."""
    unknown = sorted(set(body) - set(DEFAULTS))
    if unknown:
        raise invalid(f"Unknown setting: {unknown[0]}. There are: {', '.join(DEFAULTS)}.", unknown[0])

    def write() -> Any:
        with box.ctx.state.transaction():
            box.ctx.state.set_meta(settings=box.ctx.state.meta.get("settings", {}) | body)
        return DEFAULTS | box.ctx.state.meta["settings"]

    return await box.on_engine(write)


@handler("GET", "/faults")
async def list_faults(box: Sandbox, _: Body) -> Any:
    """The rules and how often each struck."""
    return {"rules": [rule.shown() for rule in box.faults.rules]}


@handler("POST", "/faults")
async def add_fault(box: Sandbox, body: Body) -> Any:
    """Add a rule; its fields are those of `faults.Rule`."""
    if any(name[0] == "_" or name == "struck" for name in body):
        raise invalid("struck is counted, not set.")
    box.faults.rules.append(Rule(**body))
    return {"rules": [rule.shown() for rule in box.faults.rules]}


@handler("DELETE", "/faults")
async def clear_faults(box: Sandbox, _: Body) -> Any:
    """Remove all rules and the rate limit."""
    box.faults.rules.clear()
    box.faults.per_second = None
    return {"rules": []}


@handler("POST", "/rate_limit")
async def set_rate_limit(box: Sandbox, body: Body) -> Any:
    """Enforce a limit of requests per second, or none with null; the counters start anew."""
    limit = body.get("per_second")
    box.faults.per_second = int(limit) if limit is not None else None
    box.faults.requests = box.faults.peak_per_second = box.faults.limited = 0
    return {"per_second": box.faults.per_second}


@handler("POST", "/webhooks")
async def switch_webhooks(box: Sandbox, body: Body) -> Any:
    """Hold all deliveries back (`{"is_dropping": true}`; nothing is lost), or let them go again."""
    box.courier.is_dropping = bool(body["is_dropping"])
    return {"is_dropping": box.courier.is_dropping}


@handler("POST", "/webhooks/discard")
async def discard_deliveries(box: Sandbox, _: Body) -> Any:
    """Drop what is waiting to be delivered, for good."""

    def drop() -> int:
        with box.ctx.state.transaction():
            waiting = box.ctx.state.ids("_delivery")
            for delivery_id in waiting:
                box.ctx.state.delete("_delivery", delivery_id)
        return len(waiting)

    return {"discarded": await box.on_engine(drop)}


@handler("POST", "/webhooks/resend")
async def resend(box: Sandbox, body: Body) -> Any:
    """Deliver events again, in the order given: `{"endpoint": "we_…", "events": ["evt_…"], "times": 2}`."""
    times, pause = int(body.get("times", 1)), float(body.get("pause_seconds", 0.0))

    def send() -> int:
        ctx, sent = box.ctx, 0
        ctx.need("webhook_endpoint", str(body["endpoint"]), "endpoint")
        with ctx.state.transaction():
            for _ in range(times):
                for event_id in body["events"]:
                    ctx.need("event", str(event_id), "events")
                    webhooks.schedule(ctx, str(body["endpoint"]), str(event_id), delay=pause * sent)
                    sent += 1
        return sent

    for name in ("endpoint", "events"):
        if name not in body:
            raise invalid(f"Missing required param: {name}.", name)
    return {"scheduled": await box.on_engine(send)}
