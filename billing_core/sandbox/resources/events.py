"""Events: every change that was, kept for ever, in the order it happened.

An event's place is its insertion, not its `created`: on test clocks time runs at another pace, and a cursor must not
skip anything. Types are looked for in the stored text, because most events of a long history are never parsed.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from itertools import takewhile

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.paging import is_within, limit_of, no_cursor
from billing_core.sandbox.render import bare, presenter, render
from billing_core.sandbox.routes import route
from billing_core.sandbox.state import Obj
from billing_core.sandbox.webhooks import pending


@presenter("event")
def present(ctx: Context, event: Obj) -> Obj:
    """Show an event; how many endpoints still wait for it is counted now."""
    return bare(event) | {"pending_webhooks": pending(ctx, event["id"])}


@route("GET", "/v1/events/{event}")
def retrieve(ctx: Context, params: Obj, event: str) -> Obj:
    """Return an event."""
    return ctx.need("event", event)


@route("GET", "/v1/events")
def list_all(ctx: Context, params: Obj) -> Obj:
    """List events, newest first."""
    limit = limit_of(params)
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise invalid("You can only pass one of these parameters: starting_after, ending_before.", "ending_before")
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor and ctx.state.get("event", cursor) is None:
            raise no_cursor(cursor, name, "event")
    types = _types(params)
    if before:
        newer = list(takewhile(lambda i: i != before, ctx.state.newest("event")))
        # The page nearest to the cursor, shown newest first as always.
        found = _matching(ctx, reversed(newer), types, params, limit + 1)
        shown, has_more = found[:limit][::-1], len(found) > limit
    else:
        ids = ctx.state.newest("event")
        if after:
            for event_id in ids:
                if event_id == after:
                    break
        found = _matching(ctx, ids, types, params, limit + 1)
        shown, has_more = found[:limit], len(found) > limit
    return {
        "object": "list",
        "data": [render(ctx, e) for e in shown],
        "has_more": has_more,
        "url": "/v1/events",
    }


def _types(params: Obj) -> list[str] | None:
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.", "types", "parameters_exclusive")
    if len(params.get("types") or []) > 20:
        raise invalid("You can pass at most 20 types.", "types")
    return params.get("types") or ([params["type"]] if "type" in params else None)


def _matching(ctx: Context, ids: Iterator[str], types: list[str] | None, params: Obj, count: int) -> list[Obj]:
    found: list[Obj] = []
    marks = [f'"type": "{t}"' for t in types or [] if "*" not in t]
    is_pattern = types is not None and len(marks) < len(types)
    for event_id in ids:
        text = ctx.state.text("event", event_id)
        if types is not None and not is_pattern and not any(mark in text for mark in marks):
            continue
        event = json.loads(text)
        if types is not None and not any(fnmatch.fnmatchcase(event["type"], t) for t in types):
            continue
        if "created" in params and not is_within(event["created"], params["created"]):
            continue
        if "delivery_success" in params and params["delivery_success"] != (pending(ctx, event_id) == 0):
            continue
        found.append(event)
        if len(found) >= count:
            break
    return found
