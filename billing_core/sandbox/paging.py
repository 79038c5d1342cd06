"""Lists: limit, cursors and the `created` filter, the same for every resource."""

from __future__ import annotations

import operator
from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.render import render
from billing_core.sandbox.routes import Page
from billing_core.sandbox.state import Obj

_COMPARE = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}

DEFAULT_LIMIT = 10
MAX_LIMIT = 100


def limit_of(params: Obj) -> int:
    """Return how many objects a page holds: 1 to 100, 10 when not said.

    Raises:
        StripeFault: outside of that.
    """
    limit = int(params.get("limit", DEFAULT_LIMIT))
    if limit < 1:
        raise invalid("This value must be greater than or equal to 1.", "limit", "parameter_invalid_integer")
    if limit > MAX_LIMIT:
        raise invalid(f"This value must be less than or equal to {MAX_LIMIT}.", "limit", "parameter_invalid_integer")
    return limit


def is_within(value: int | None, wanted: Any) -> bool:
    """Tell whether a time passes a filter: a number, or any of gt, gte, lt, lte."""
    if value is None:
        return False
    if not isinstance(wanted, dict):
        return value == int(wanted)
    return all(_COMPARE[name](value, int(bound)) for name, bound in wanted.items())


def answer_page(ctx: Context, page: Page, params: Obj) -> Obj:
    """Return one page of a list as the API answers it, its objects rendered.

    Raises:
        StripeFault: a limit out of range, two cursors, or a cursor that names nothing.
    """
    limit = limit_of(params)
    objects = list(page.objects)
    if "created" in params:
        objects = [o for o in objects if is_within(o.get("created"), params["created"])]
    if not page.is_ordered:
        objects.sort(key=lambda o: -int(o["_seq"]))
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise invalid("You can only pass one of these parameters: starting_after, ending_before.", "ending_before")
    if after:
        rest = objects[_position(ctx, objects, after, "starting_after") :]
        if rest and rest[0]["id"] == after:
            rest = rest[1:]
        shown, has_more = rest[:limit], len(rest) > limit
    elif before:
        ahead = objects[: _position(ctx, objects, before, "ending_before")]
        shown, has_more = ahead[-limit:], len(ahead) > limit
    else:
        shown, has_more = objects[:limit], len(objects) > limit
    data = [render(ctx, o) if "_seq" in o else o for o in shown]
    return {"object": "list", "data": data, "has_more": has_more, "url": page.url}


def _position(ctx: Context, objects: list[Obj], cursor: str, param: str) -> int:
    """Where the cursor's object stands, or would stand if the filters let it through."""
    for index, obj in enumerate(objects):
        if obj.get("id") == cursor:
            return index
    kinds = {str(o["object"]) for o in objects[:1]} or ctx.state.kinds()
    found = next((o for kind in kinds if (o := ctx.state.get(kind, cursor)) is not None), None)
    if found is None:
        raise no_cursor(cursor, param, next(iter(kinds)) if len(kinds) == 1 else "object")
    return next((i for i, o in enumerate(objects) if o.get("_seq", 0) < found["_seq"]), len(objects))


def no_cursor(cursor: str, param: str, kind: str) -> StripeFault:
    """The error for a cursor that names nothing."""
    return invalid(f"No such {kind.rsplit('.', 1)[-1]}: '{cursor}'", param, "resource_missing")
