"""One request from its parameters to its answer, without the network: what the server does for HTTP, `call` does in
process.

The demo company is built through `call`, and handlers use it to make one object while making another. Validation,
rendering and events are the same as over HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from billing_core.sandbox import contract
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault
from billing_core.sandbox.paging import answer_page, limit_of
from billing_core.sandbox.render import expand, render
from billing_core.sandbox.routes import ROUTES, Page, Raw, Route
from billing_core.sandbox.state import Obj


@dataclass(frozen=True)
class Prepared:
    """A request that may be carried out: its route, the ids in its path, its checked parameters."""

    route: Route
    ids: dict[str, str]
    params: Obj
    expand: list[str]


@cache
def _by_length(method: str, segments: int, count: int) -> list[Route]:
    # `count` only makes the cache notice routes registered later. Fixed paths come before those with ids.
    routes = [r for r in ROUTES if r.method == method and r.path.count("/") == segments]
    return sorted(routes, key=lambda r: r.path.count("{"))


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Return the route for a method and path, and the ids in the path.

    Raises:
        StripeFault: 501 for what the real API has and this sandbox does not, 404 for what neither has.
    """
    for route in _by_length(method, path.count("/"), len(ROUTES)):
        match = route.pattern.match(path)
        if match:
            return route, match.groupdict()
    if contract.is_known(method, path):
        raise StripeFault(
            f"{method} {path} is part of Stripe's API, but this sandbox does not simulate it.",
            status=501,
            type="api_error",
            code="not_simulated",
        )
    raise StripeFault(
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at"
        " https://support.stripe.com/.",
        status=404,
    )


def prepare(method: str, path: str, raw: Obj) -> Prepared:
    """Check a request against the contract.

    Args:
        method: GET, POST or DELETE.
        path: without the query.
        raw: decoded parameters; numbers and booleans may be text, as in a form.

    Raises:
        StripeFault: no such route, or the first parameter that is wrong.
    """
    route, ids = find(method, path)
    node = contract.schema(method, route.path)
    params = contract.plain(raw)
    if node is not None:
        params = contract.check(node, raw, may_unset=method == "POST" and route.path.endswith("}"))
    if method == "GET" and "limit" in params:
        limit_of(params)
    return Prepared(route, ids, params, params.pop("expand", []) if isinstance(params, dict) else [])


def run(ctx: Context, request: Prepared) -> Obj | Raw:
    """Carry a request out inside the caller's transaction and return its answer.

    Raises:
        StripeFault: whatever the handler refuses.
    """
    found = request.route.handler(ctx, dict(request.params), **request.ids)
    if isinstance(found, Raw):
        return found
    if isinstance(found, Page):
        answer = answer_page(ctx, found, request.params)
    else:
        # What is stored carries its place in the order; anything else is an answer as it stands.
        answer = render(ctx, found) if "_seq" in found else found
    return expand(ctx, answer, request.expand)


def call(ctx: Context, method: str, path: str, params: Mapping[str, Any] | None = None) -> Obj:
    """Answer a request in process, in a transaction of its own or as part of the one that is open.

    Args:
        ctx: the account.
        method: GET, POST or DELETE.
        path: such as `/v1/customers`.
        params: as one would give them to the SDK; None values are left out.

    Returns:
        The answer; nested values may be shared with the state and must not be changed.

    Raises:
        StripeFault: as over HTTP.
    """
    prepared = prepare(method, path, _sendable(params or {}))
    with ctx.state.transaction():
        answer = run(ctx, prepared)
    if isinstance(answer, Raw):
        raise TypeError(f"{path} is a page, not an object")
    return answer


def _sendable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _sendable(v) for k, v in value.items() if v is not None}
    if isinstance(value, (list, tuple)):
        return [_sendable(v) for v in value]
    return str(value) if isinstance(value, Decimal) else value
