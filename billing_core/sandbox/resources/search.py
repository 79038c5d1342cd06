"""Search: Stripe's small query language over the objects as they are shown.

`field:'value'` is exact (without regard to case), `field~'part'` a substring of at least three characters, `< > <= >=`
compare numbers, `metadata['key']:'value'` looks into metadata, `field:null` finds what is unset, `-` negates; clauses
are joined by `AND` or by `OR`, not by both. Stripe's index lags by up to a minute; this one does not.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.paging import limit_of
from billing_core.sandbox.render import render
from billing_core.sandbox.routes import route
from billing_core.sandbox.state import Obj

# What can be searched for, by resource: path → (kind, fields).
FIELDS = {
    "charges": (
        "charge",
        "amount created currency customer status payment_method_details.card.last4 refunded disputed",
    ),
    "customers": ("customer", "created email name phone"),
    "invoices": ("invoice", "created currency customer number subscription total status last_finalization_error_code"),
    "payment_intents": ("payment_intent", "amount created currency customer status"),
    "prices": ("price", "active currency lookup_key product type"),
    "products": ("product", "active description name shippable url"),
    "subscriptions": ("subscription", "created status canceled_at"),
}
CLAUSE = re.compile(
    r"""\s*(?P<not>-)?\s*(?P<field>[a-z_.]+)(\[(?P<q>['"])(?P<key>.*?)(?P=q)\])?\s*(?P<op>:|~|<=|>=|<|>)\s*"""
    r"""(?:(?P<v>['"])(?P<text>(?:\\.|(?!(?P=v)).)*)(?P=v)|(?P<word>[A-Za-z0-9_.+-]+))\s*""",
)
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def parse(query: str, fields: list[str]) -> Callable[[Obj], bool]:
    """Return what decides whether a shown object matches.

    Raises:
        StripeFault: the query cannot be read, or names a field that cannot be searched.
    """
    clauses, joints, at = [], set(), 0
    while True:
        match = CLAUSE.match(query, at)
        if not match:
            raise _unreadable(query)
        clauses.append(_clause(match, fields))
        at = match.end()
        if at >= len(query):
            break
        joint = re.compile(r"(AND|OR|and|or)\b").match(query, at)
        # Two clauses side by side are joined by AND.
        joints.add(joint.group(1).upper() if joint else "AND")
        at = joint.end() if joint else at
    if len(joints) > 1:
        raise invalid("We do not support mixing AND and OR in a search query.", "query")
    if len(clauses) > 10:
        raise invalid("A search query can have at most 10 clauses.", "query")
    return (
        (lambda obj: any(c(obj) for c in clauses)) if joints == {"OR"} else (lambda obj: all(c(obj) for c in clauses))
    )


def _unreadable(query: str) -> StripeFault:
    return invalid(
        'We were unable to parse your search query. Try using the format `metadata["key"]:"value"` to query for'
        f' metadata or key:"value" to query for other fields. You passed: {query}',
        "query",
    )


def _clause(match: re.Match[str], fields: list[str]) -> Callable[[Obj], bool]:
    field, key, op = match["field"], match["key"], match["op"]
    if field != "metadata" and field not in fields:
        raise invalid(f"Field `{field}` is an unsupported search field for this resource.", "query")
    if (field == "metadata") != (key is not None):
        raise invalid("Metadata is searched by key: metadata['key']:'value'.", "query")
    text = match["word"] if match["text"] is None else re.sub(r"\\(.)", r"\1", match["text"])
    is_null = match["word"] == "null"
    if op == "~" and len(text) < 3:
        raise invalid("Substring search needs at least 3 characters.", "query")
    if op in COMPARE and not re.fullmatch(r"-?\d+(\.\d+)?", text):
        raise invalid(f"Field `{field}` is compared with a number.", "query")

    def holds(obj: Obj) -> bool:
        value: Any = obj.get("metadata", {}).get(key) if field == "metadata" else _at(obj, field)
        if is_null:
            found = value is None
        elif value is None:
            found = False
        elif op in COMPARE:
            found = isinstance(value, (int, float)) and COMPARE[op](value, float(text))
        else:
            shown = str(value).lower()
            found = text.lower() in shown if op == "~" else shown == text.lower()
        return found != bool(match["not"])

    return holds


def _at(obj: Obj, field: str) -> Any:
    if field == "subscription" and obj["object"] == "invoice":
        return ((obj.get("parent") or {}).get("subscription_details") or {}).get("subscription")
    value: Any = obj
    for step in field.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _search(ctx: Context, params: Obj, resource: str) -> Obj:
    kind, fields = FIELDS[resource]
    limit = limit_of(params)
    holds = parse(params["query"], fields.split())
    found = [o for i in ctx.state.newest(kind) if (o := ctx.state.get(kind, i)) and not o.get("deleted") and holds(o)]
    page = params.get("page")
    if page is not None and not re.fullmatch(r"p_\d+", page):
        raise invalid(f"Invalid page: {page}", "page")
    start = int(page[2:]) if page else 0
    has_more = len(found) > start + limit
    return {
        "object": "search_result",
        "data": [render(ctx, o) for o in found[start : start + limit]],
        "has_more": has_more,
        "next_page": f"p_{start + limit}" if has_more else None,
        "url": f"/v1/{resource}/search",
    }


def _register(resource: str) -> None:
    @route("GET", f"/v1/{resource}/search")
    def search(ctx: Context, params: Obj) -> Obj:
        return _search(ctx, params, resource)


for _resource in FIELDS:
    _register(_resource)
