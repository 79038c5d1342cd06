"""The table of routes: each resource's module registers its own with `@route`; the server looks them up.

A handler gets the context, the validated parameters (numbers as int or Decimal, booleans as bool, absent ones absent,
`''` where Stripe lets a field be unset) and the path's ids as keyword arguments, and returns a stored object (rendered
by `render.py`), a `Page`, a `Raw`, or a plain dict that is the answer as it stands. `expand`, `limit`,
`starting_after` and `ending_before` are taken care of before and after it, and so is `created` for a `Page`. In a path
without `/v1` or `/v2` (a hosted page) nobody is asked for a key.

The answer of a list is in order of insertion, newest first: on one server time runs on several clocks, and a cursor
must not skip what a slower clock writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from billing_core.sandbox.state import Obj

Handler = Callable[..., Any]


@dataclass(frozen=True)
class Page:
    """A list answer before paging: all objects that match; the server applies limit and cursors.

    Stored objects come in any order and are answered newest first, unless `is_ordered` says that they come as they are
    to be answered.
    """

    objects: Iterable[Obj]
    url: str
    is_ordered: bool = False


@dataclass(frozen=True)
class Raw:
    """An answer that is not JSON, such as a hosted page."""

    body: bytes
    content_type: str


@dataclass(frozen=True)
class Route:
    """One method and path.

    `params` names the SDK's TypedDict that says what may be sent (`CustomerCreateParams`); None finds it by method and
    path in the SDK's service classes, and a route that the SDK does not have takes anything.
    """

    method: str
    path: str
    params: str | None
    handler: Handler
    pattern: re.Pattern[str] = field(compare=False)


ROUTES: list[Route] = []


def route(method: str, path: str, params: str | None = None) -> Callable[[Handler], Handler]:
    """Register a handler; `{name}` in the path becomes a keyword argument."""
    pattern = re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "$")

    def register(handler: Handler) -> Handler:
        ROUTES.append(Route(method, path, params, handler, pattern))
        return handler

    return register
