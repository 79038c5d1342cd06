"""Webhook endpoints' deliveries: signed, retried with growing pauses, never in the way of a request.

A delivery is an object of its own (`_delivery`), made in the transaction of its event, so that a killed server goes on
where it was. Signatures use the real time, because receivers check their age; pauses between attempts too, as what is
tried is a real network.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from billing_core.sandbox.context import Context
from billing_core.sandbox.render import render
from billing_core.sandbox.state import Obj

PAUSES = (1, 2, 4, 8, 16, 32, 64, 300, 900, 3600, 7200, 14400, 28800)
TIMEOUT_SECONDS = 20.0
AT_ONCE = 16


def enqueue(ctx: Context) -> None:
    """Make deliveries of the events since the last call, one per endpoint that wants them."""
    endpoints = [e for e in ctx.state.all("webhook_endpoint") if e["status"] == "enabled"]
    if not endpoints:
        return
    cursor = max(int(ctx.state.meta.get("delivered_to", 0)), min(e["_seq"] for e in endpoints))
    for event in reversed(list(_events_since(ctx, cursor))):
        for endpoint in endpoints:
            if endpoint["_seq"] < event["_seq"] and wants(endpoint, event["type"]):
                schedule(ctx, endpoint["id"], event["id"])
        cursor = event["_seq"]
    if cursor != ctx.state.meta.get("delivered_to"):
        ctx.state.set_meta(delivered_to=cursor)


def _events_since(ctx: Context, cursor: int) -> Iterator[Obj]:
    for event_id in ctx.state.newest("event"):
        event = ctx.state.get("event", event_id)
        if event is None or event["_seq"] <= cursor:
            return
        yield event


def wants(endpoint: Obj, event_type: str) -> bool:
    """Tell whether an endpoint listens to a type of event."""
    return any(t in ("*", event_type) for t in endpoint["enabled_events"])


def schedule(ctx: Context, endpoint_id: str, event_id: str, *, delay: float = 0.0) -> Obj:
    """Make a delivery that is due after a delay in real seconds."""
    return ctx.state.insert(
        {
            "object": "_delivery",
            "id": ctx.state.new_id("whd"),
            "endpoint": endpoint_id,
            "event": event_id,
            "status": "pending",
            "attempts": 0,
            "due": time.time() + delay,
            "answers": [],
        }
    )


def pending(ctx: Context, event_id: str) -> int:
    """Return how many endpoints have not yet taken an event."""
    return sum(d["status"] == "pending" for d in ctx.state.where("_delivery", "event", event_id))


def sign(payload: bytes, secret: str, timestamp: int) -> str:
    """Return the `Stripe-Signature` header of a payload."""
    signed = hmac.new(secret.encode(), b"%d." % timestamp + payload, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={signed}"


def payload_of(ctx: Context, event_id: str) -> bytes:
    """Return an event as it is posted."""
    return json.dumps(render(ctx, ctx.need("event", event_id)), indent=2, ensure_ascii=False).encode()


class Courier:
    """Posts what is due in the background.

    Args:
        ctx: the account; touched only through `on_engine`.
        on_engine: runs a function on the engine's thread and returns its result.
    """

    def __init__(self, ctx: Context, on_engine: Callable[[Callable[[], Any]], Any]) -> None:
        self._ctx = ctx
        self._on_engine = on_engine
        self._under_way: set[str] = set()
        self.is_dropping = False

    async def run(self) -> None:
        """Deliver until cancelled."""
        limits = asyncio.Semaphore(AT_ONCE)
        # No proxy from the environment: endpoints are on this machine.
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            tasks: set[asyncio.Task[None]] = set()
            while True:
                due = await self._on_engine(self._due)
                for delivery_id, url, payload, secret in due:
                    self._under_way.add(delivery_id)
                    task = asyncio.create_task(self._post(client, limits, delivery_id, url, payload, secret))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                await asyncio.sleep(0.05 if due else 0.2)

    def _due(self) -> list[tuple[str, str, bytes, str]]:
        ctx, now, found = self._ctx, time.time(), []
        if self.is_dropping:
            return []
        for endpoint in ctx.state.all("webhook_endpoint"):
            for entry in ctx.state.where("_delivery", "endpoint", endpoint["id"]):
                if entry["status"] == "pending" and entry["due"] <= now and entry["id"] not in self._under_way:
                    if endpoint["status"] != "enabled":
                        continue
                    payload = payload_of(ctx, entry["event"])
                    found.append((entry["id"], endpoint["url"], payload, endpoint["_secret"]))
                    if len(found) >= 4 * AT_ONCE:
                        return found
        return found

    async def _post(
        self,
        client: httpx.AsyncClient,
        limits: asyncio.Semaphore,
        delivery_id: str,
        url: str,
        payload: bytes,
        secret: str,
    ) -> None:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": sign(payload, secret, int(time.time())),
        }
        async with limits:
            try:
                result = str((await client.post(url, content=payload, headers=headers)).status_code)
            except httpx.HTTPError as error:
                result = type(error).__name__
            except httpx.InvalidURL:
                result = "InvalidURL"
        await self._on_engine(lambda: self._record(delivery_id, result))
        self._under_way.discard(delivery_id)

    def _record(self, delivery_id: str, result: str) -> None:
        state = self._ctx.state
        if state.get("_delivery", delivery_id) is None:
            return
        with state.transaction():
            entry = state.edit("_delivery", delivery_id)
            entry["attempts"] += 1
            entry["answers"] = [*entry["answers"], result][-5:]
            if result.isdecimal() and 200 <= int(result) < 300:
                # Nothing is looked up in delivered ones, and the list of what is due stays short without them.
                state.delete("_delivery", delivery_id)
            elif entry["attempts"] > len(PAUSES):
                entry["status"] = "failed"
            else:
                entry["due"] = time.time() + PAUSES[entry["attempts"] - 1]


def check_url(url: str) -> str | None:
    """Return what is wrong with an endpoint's address, or None; plain http is for this machine only."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "Invalid URL: URL must be a valid URL."
    if parsed.scheme not in ("http", "https") or not parsed.host:
        return "Invalid URL: An explicit scheme (such as https) must be provided."
    if parsed.scheme == "http" and parsed.host not in ("localhost", "127.0.0.1", "::1", "[::1]"):
        return "Invalid URL: URL must use https, or http on the loopback interface."
    return None
