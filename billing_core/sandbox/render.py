"""From a stored object to what the API shows: sub-lists put together, our own keys left out, ids expanded on demand.

Conventions: `render` shares nested values with the state, so its result is to be written out, not changed. Fields that
Stripe shows only when they are asked for (a price's tiers) are registered with `includable`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.shapes import Shape, expandable_kinds, fields_of, nested_shape, shape_of
from billing_core.sandbox.state import Obj

MAX_LEVELS = 4
EMBEDDED = 10

Presenter = Callable[[Context, Obj], Obj]
_PRESENTERS: dict[str, Presenter] = {}
_INCLUDABLE: dict[tuple[str, str], Callable[[Context, Obj], Any]] = {}


def presenter(kind: str) -> Callable[[Presenter], Presenter]:
    """Register how objects of a kind are shown: `present(ctx, obj) -> Obj`, usually `bare(obj) | {sub-lists}`."""

    def register(present: Presenter) -> Presenter:
        _PRESENTERS[kind] = present
        return present

    return register


def includable(kind: str, field: str) -> Callable[[Callable[[Context, Obj], Any]], Callable[[Context, Obj], Any]]:
    """Register a field that is shown only when `expand` names it: `value(ctx, stored) -> JSON`.

    The stored object may hold the field itself under the same name with a leading underscore.
    """

    def register(value: Callable[[Context, Obj], Any]) -> Callable[[Context, Obj], Any]:
        _INCLUDABLE[kind, field] = value
        return value

    return register


def bare(obj: Obj) -> Obj:
    """Return an object without our own keys."""
    return {key: value for key, value in obj.items() if key[0] != "_"}


def render(ctx: Context, obj: Obj) -> Obj:
    """Return an object as the API shows it, with ids where nothing was expanded."""
    present = _PRESENTERS.get(str(obj.get("object")))
    return present(ctx, obj) if present else bare(obj)


def list_object(data: Sequence[Obj], url: str, total: int | None = None) -> Obj:
    """Return a list embedded in another object: at most ten rendered objects, and whether there are more.

    Args:
        data: rendered objects, at least the first ten.
        url: where the rest is listed.
        total: how many there are, when `data` is not all of them.
    """
    shown = list(data[:EMBEDDED])
    return {"object": "list", "data": shown, "has_more": (total or len(data)) > len(shown), "url": url}


def deleted(obj: Obj) -> Obj:
    """Return what is left of an object after its deletion."""
    return {"id": obj["id"], "object": obj["object"], "deleted": True}


def expand(ctx: Context, answer: Obj, paths: Sequence[str]) -> Obj:
    """Replace ids by the objects they stand for.

    Args:
        ctx: where the objects are found.
        answer: a rendered object, or a list answer whose paths begin with `data.`.
        paths: dotted, at most four levels deep.

    Raises:
        StripeFault: a path that is too deep or names what cannot be expanded.
    """
    if not paths:
        return answer
    copy: Obj = json.loads(json.dumps(answer))
    for path in paths:
        steps = path.split(".")
        if len(steps) > MAX_LEVELS:
            raise invalid(
                f"You cannot expand more than {MAX_LEVELS} levels of a property. Property: {path}", param="expand"
            )
        is_list = copy.get("object") in ("list", "search_result")
        if is_list and steps[0] != "data":
            raise invalid(
                f"This property cannot be expanded ({path}). You may want to try expanding 'data.{path}' instead.",
                param="expand",
            )
        if is_list and len(steps) == 1:
            raise _refused(path)
        for node in copy["data"] if is_list else [copy]:
            _expand(ctx, node, shape_of(str(node.get("object"))), steps[1:] if is_list else steps, path)
    return copy


def _refused(path: str) -> StripeFault:
    return invalid(f"This property cannot be expanded ({path}).", param="expand")


def _expand(ctx: Context, node: Any, shape: Shape | None, steps: Sequence[str], path: str) -> None:
    if isinstance(node, list):
        for part in node:
            _expand(ctx, part, shape, steps, path)
        return
    if not steps or not isinstance(node, dict) or node.get("deleted") is True:
        return
    kind = str(node.get("object", ""))
    if kind == "list":
        if steps[0] != "data":
            raise _refused(path)
        for part in node["data"]:
            _expand(ctx, part, shape_of(str(part.get("object"))) or shape, steps[1:], path)
        return
    shape = shape_of(kind) or shape
    field, annotation = steps[0], fields_of(shape).get(steps[0]) if shape else None
    if (kind, field) in _INCLUDABLE and node.get(field) is None:
        stored = ctx.state.get(kind, node.get("id"))
        node[field] = _INCLUDABLE[kind, field](ctx, stored) if stored else None
    elif annotation is None:
        raise _refused(path)
    elif kinds := expandable_kinds(annotation):
        node[field] = _resolved(ctx, node.get(field), kinds)
    elif nested_shape(annotation) is None:
        raise _refused(path)
    _expand(ctx, node.get(field), nested_shape(annotation) if annotation else None, steps[1:], path)


def _resolved(ctx: Context, value: Any, kinds: Sequence[str]) -> Any:
    if isinstance(value, list):
        return [_resolved(ctx, v, kinds) for v in value]
    if not isinstance(value, str):
        return value
    for kind in kinds:
        found = ctx.state.get(kind, value)
        if found is not None:
            shown: Any = json.loads(json.dumps(render(ctx, found)))
            return shown
    return value
