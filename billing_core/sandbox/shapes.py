"""What the SDK's classes say about objects: their fields, which hold an id that can be expanded, what is nested.

The classes are the contract for answers as the TypedDicts are for parameters. Annotations are read as `typing` objects;
a name in quotes is another resource's class, looked up by its name among all of the SDK's.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, ForwardRef, Literal, Union, get_args, get_origin

from stripe._list_object import ListObject
from stripe._object_classes import OBJECT_CLASSES
from stripe._stripe_object import StripeObject, UntypedStripeObject

from billing_core.sandbox.state import Obj

Shape = type[StripeObject]


@cache
def shape_of(kind: str) -> Shape | None:
    """Return the SDK's class for an `object` value, or None when the SDK has none."""
    known = OBJECT_CLASSES.get(kind)
    if known is None:
        return None
    found: Shape = getattr(import_module(known[0]), known[1])
    return found


@cache
def _kinds_by_class_name() -> dict[str, tuple[str, ...]]:
    kinds: dict[str, tuple[str, ...]] = {}
    for kind, (_, name) in OBJECT_CLASSES.items():
        kinds[name] = (*kinds.get(name, ()), kind)
    return kinds


_FIELDS: dict[Shape, dict[str, Any]] = {}


def fields_of(shape: Shape) -> dict[str, Any]:
    """Return a class's fields with their annotations."""
    if shape not in _FIELDS:
        _FIELDS[shape] = _read_fields(shape)
    return _FIELDS[shape]


def _read_fields(shape: Shape) -> dict[str, Any]:
    own: dict[str, Any] = {}
    for base in reversed(shape.__mro__):
        if issubclass(base, StripeObject) and base is not StripeObject:
            own.update(inspect.get_annotations(base))
    return {
        k: ForwardRef(a) if isinstance(a, str) else a
        for k, a in own.items()
        if k[0] != "_" and k != "OBJECT_NAME" and get_origin(a) is not ClassVar
    }


def _alternatives(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _alternatives(part)
    else:
        yield annotation


def expandable_kinds(annotation: Any) -> tuple[str, ...]:
    """Return the kinds of object that a field's id can stand for; empty when it is no such field."""
    parts = list(_alternatives(annotation))
    if str not in parts:
        inner = [a for p in parts if get_origin(p) is list for a in get_args(p)]
        return expandable_kinds(inner[0]) if inner else ()
    names = [p.__forward_arg__ for p in parts if isinstance(p, ForwardRef)]
    return tuple(kind for name in names for kind in _kinds_by_class_name().get(name.rsplit(".", 1)[-1], ()))


def nested_shape(annotation: Any) -> Shape | None:
    """Return the class of the object, or of the list's objects, that a field holds; None for plain values."""
    for part in _alternatives(annotation):
        origin = get_origin(part)
        if origin in (list, ListObject):
            return nested_shape(get_args(part)[0])
        if isinstance(part, ForwardRef):
            kinds = _kinds_by_class_name().get(part.__forward_arg__.rsplit(".", 1)[-1], ())
            return shape_of(kinds[0]) if kinds else None
        if isinstance(part, type) and issubclass(part, StripeObject) and part is not UntypedStripeObject:
            return part
    return None


def gaps(obj: Obj, shape: Shape | None = None, path: str = "") -> list[str]:
    """Compare an answered object with the SDK's class, all the way down.

    Returns:
        One sentence per field that is required and absent, has another type than annotated, or is unknown to the class;
        empty for an object as the SDK expects it. A deleted object is only its id, kind and mark.
    """
    kind = obj.get("object")
    if obj.get("deleted") is True:
        return []
    if kind == "list":
        return [g for i, o in enumerate(obj["data"]) for g in gaps(o, None, f"{path}[{i}]")]
    own = shape_of(str(kind)) if kind else None
    shape = own or shape
    if shape is None:
        return [f"{path or kind}: the SDK has no class for it"]
    fields = fields_of(shape)
    found = [f"{path}.{name}: unknown to {shape.__name__}" for name in obj if name not in fields and fields]
    for name, annotation in fields.items():
        where = f"{path}.{name}"
        if name not in obj:
            if type(None) not in _alternatives(annotation):
                found.append(f"{where}: required by {shape.__name__}, absent")
        elif problem := _mismatch(obj[name], annotation, where):
            found.extend(problem)
    return found


def _mismatch(value: Any, annotation: Any, where: str) -> list[str]:
    parts = list(_alternatives(annotation))
    if value is None:
        return [] if type(None) in parts else [f"{where}: null, but not optional"]
    problems: list[str] = [f"{where}: {value!r} is not {annotation}"]
    for part in parts:
        result = _fits(value, part, where)
        if not result:
            return []
        # The reason inside a nested object says more than that the whole does not fit.
        if len(result[0]) and not result[0].startswith(f"{where}: "):
            problems = result
    return problems


def _fits(value: Any, part: Any, where: str) -> list[str]:
    origin, no = get_origin(part), [f"{where}: {value!r} is not {part}"]
    if part is Any:
        return []
    if origin is Literal:
        return [] if value in get_args(part) else no
    if origin is list:
        if not isinstance(value, list):
            return no
        return [p for i, v in enumerate(value) for p in _mismatch(v, get_args(part)[0], f"{where}[{i}]")]
    if origin is ListObject:
        if not isinstance(value, dict) or {"object", "data", "has_more", "url"} - set(value):
            return no
        return [p for i, v in enumerate(value["data"]) for p in _mismatch(v, get_args(part)[0], f"{where}.data[{i}]")]
    if origin in (UntypedStripeObject, dict) or part is UntypedStripeObject:
        return [] if isinstance(value, dict) else no
    if isinstance(part, ForwardRef):
        kinds = _kinds_by_class_name().get(part.__forward_arg__.rsplit(".", 1)[-1], ())
        if not isinstance(value, dict):
            return no
        if value.get("object") and kinds and value["object"] not in kinds:
            return no
        return gaps(value, shape_of(kinds[0]) if kinds else None, where)
    if part is Decimal:
        return [] if isinstance(value, str) else no
    if part is float:
        return [] if isinstance(value, (int, float)) and not isinstance(value, bool) else no
    if part is int:
        return [] if isinstance(value, int) and not isinstance(value, bool) else no
    if part in (str, bool):
        return [] if isinstance(value, part) else no
    if isinstance(part, type) and issubclass(part, StripeObject):
        return gaps(value, part, where) if isinstance(value, dict) else no
    return no
