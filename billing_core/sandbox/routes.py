"""The table of routes: each resource's module registers its own with `@route`; the server looks them up.

A handler gets the context, the validated parameters (numbers as int or Decimal, booleans as bool, absent ones absent, `''` where Stripe lets a
field be unset) and the path's ids, and returns a stored object, a `Page`, or a plain dict that is the answer as it stands.
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
    """A list answer before paging: all objects that match, newest first unless `is_ordered`; the server applies limit and cursors."""

    objects: Iterable[Obj]
    url: str
    is_ordered: bool = False


@dataclass(frozen=True)
class Route:
    """One method and path; `params` names the SDK's TypedDict (`CustomerCreateParams`) that says what may be sent."""

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
