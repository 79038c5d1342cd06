"""What may be sent: every request is checked against the SDK's own TypedDicts before a handler sees it.

The TypedDict of a route is found by method and path in the SDK's service classes, so that nothing is missed and a route
that exists at Stripe but not here can be told from one that does not exist at all. The SDK writes closed sets of words
as `Literal[…] | str`; the words are enforced, as Stripe does. Errors are Stripe's sentences and codes.
"""

from __future__ import annotations

import difflib
import json
import re
import types
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

import stripe
from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject

from billing_core.sandbox.errors import StripeFault, invalid

MAX_TEXT = 5000
# Where Stripe's limit is shorter than 5,000 characters: (start of the TypedDict's name, field) → characters.
TEXT_LIMITS = {
    ("Customer", "email"): 512,
    ("Customer", "name"): 256,
    ("Customer", "phone"): 20,
    ("Customer", "business_name"): 150,
    ("Customer", "individual_name"): 150,
    ("Product", "statement_descriptor"): 22,
    ("Product", "unit_label"): 12,
    ("Price", "lookup_key"): 200,
    ("Coupon", "name"): 40,
    ("TaxRate", "display_name"): 100,
    ("Subscription", "description"): 500,
    ("TestClock", "name"): 300,
}
# Free text that may be sent empty when an object is made; elsewhere an empty value is a mistake.
MAY_BE_EMPTY = frozenset({"description", "name", "phone", "email", "nickname", "footer", "memo", "line2", "state"})


@dataclass
class Node:
    """What one parameter may be; several at once for a union."""

    owner: str = ""
    words: tuple[str, ...] = ()
    may_be_empty: bool = False
    plain: set[type] = field(default_factory=set)
    fields: dict[str, Node] | None = None
    required: frozenset[str] = frozenset()
    item: Node | None = None
    values: Node | None = None


@dataclass(frozen=True)
class Known:
    """A route of the real API: where its parameters are described."""

    method: str
    path: str
    module: str
    params: str


_PARAMS = re.compile(r'params:\s*(?:Optional\[\s*)?"(\w+)"')
_CALL = re.compile(r'self\._request\(\s*"(\w+)",\s*"([^"]+)"')
_IMPORT = re.compile(r"from (stripe\.params[\w.]+) import \(?\s*(\w+)")


@cache
def known_routes() -> dict[tuple[str, str], Known]:
    """Return all routes that the SDK can call, by method and path with `{}` for each id."""
    found: dict[tuple[str, str], Known] = {}
    root = Path(stripe.__file__).parent
    for source in sorted(root.rglob("_*_service.py")):
        text = source.read_text(encoding="utf-8")
        modules = {name: module for module, name in _IMPORT.findall(text)}
        names = [(m.start(), m.group(1)) for m in _PARAMS.finditer(text)]
        for call in _CALL.finditer(text):
            name = next((n for at, n in reversed(names) if at < call.start()), None)
            if name is None or name not in modules:
                continue
            key = call.group(1).upper(), normal(call.group(2))
            found[key] = Known(*key, modules[name], name)
    return found


def normal(path: str) -> str:
    """Return a path template with its ids unnamed."""
    return re.sub(r"\{\w+\}", "{}", path)


@cache
def _known_patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [
        (method, re.compile("^" + path.replace("{}", "[^/]+") + "$"))
        for method, path in known_routes()
        if path[0] == "/"
    ]


def is_known(method: str, path: str) -> bool:
    """Tell whether the real API has such a route."""
    return any(m == method and pattern.match(path) for m, pattern in _known_patterns())


@cache
def schema(method: str, path: str) -> Node | None:
    """Return what a route (a template such as `/v1/customers/{id}`) takes; None when the SDK does not know it."""
    known = known_routes().get((method, normal(path)))
    return _typed_dict(getattr(import_module(known.module), known.params)) if known else None


# --- reading the TypedDicts -------------------------------------------------------------------------------------------


@cache
def _typed_dict(cls: Any) -> Node:
    skipped = set(RequestOptions.__annotations__)
    if RequestOptions not in getattr(cls, "__orig_bases__", ()):
        skipped = set()
    node = Node(owner=cls.__name__, fields={})
    required = set()
    assert node.fields is not None
    for name, annotation in cls.__annotations__.items():
        if name in skipped:
            continue
        wire_name = name.rstrip("_") if name.endswith("_") else name
        inner = Node(owner=cls.__name__)
        is_optional = _read(annotation, inner, cls.__module__)
        node.fields[wire_name] = inner
        if not is_optional:
            required.add(wire_name)
    node.required = frozenset(required)
    return node


def _read(annotation: Any, node: Node, module: str) -> bool:
    """Add what an annotation allows to a node; True when it says NotRequired."""
    is_optional = False
    origin = get_origin(annotation)
    if isinstance(annotation, str):
        annotation = ForwardRef(annotation)
    if isinstance(annotation, ForwardRef):
        # The SDK's own text, in the module that it stands in.
        names = vars(import_module(annotation.__forward_module__ or module))
        return _read(eval(annotation.__forward_arg__, names), node, module)
    if getattr(origin, "_name", "") == "NotRequired":
        _read(get_args(annotation)[0], node, module)
        return True
    if origin in (Union, types.UnionType):
        for part in get_args(annotation):
            is_optional |= _read(part, node, module)
    elif origin is Literal:
        words = get_args(annotation)
        node.may_be_empty |= "" in words
        node.words += tuple(w for w in words if isinstance(w, str) and w)
        if True in words or False in words:
            node.plain.add(bool)
    elif origin is list:
        node.item = Node(owner=node.owner)
        _read(get_args(annotation)[0], node.item, module)
    elif origin in (dict, UntypedStripeObject):
        node.values = Node(owner=node.owner)
        _read(get_args(annotation)[-1], node.values, module)
    elif annotation is Any:
        node.plain.add(object)
    elif annotation in (str, int, bool, Decimal, float):
        node.plain.add(Decimal if annotation is float else annotation)
    elif hasattr(annotation, "__total__"):
        inner = _typed_dict(annotation)
        node.fields, node.required, node.owner = inner.fields, inner.required, inner.owner
    elif annotation is not type(None):
        node.plain.add(object)
    return is_optional


# --- checking ---------------------------------------------------------------------------------------------------------


def check(node: Node, raw: dict[str, Any], *, may_unset: bool = False) -> dict[str, Any]:
    """Return the parameters with their types.

    Args:
        node: from `schema`.
        raw: as decoded.
        may_unset: the request changes an object, so that an optional text may be emptied.

    Raises:
        StripeFault: the first thing that is wrong, with its path as `param`.
    """
    return _fields(node, raw, "", may_unset)


def _fields(node: Node, raw: dict[str, Any], path: str, may_unset: bool) -> dict[str, Any]:
    fields = node.fields or {}
    unknown = [name for name in raw if name not in fields]
    if unknown:
        names = [_join(path, n) for n in unknown]
        hint = difflib.get_close_matches(unknown[0], fields, n=1, cutoff=0.75)
        tail = f". Did you mean {_join(path, hint[0])}?" if hint else ""
        raise invalid(
            f"Received unknown parameter{'s' if len(names) > 1 else ''}: {', '.join(names)}{tail}",
            param=names[0],
            code="parameter_unknown",
        )
    for name in fields:
        if name in node.required and name not in raw:
            where = _join(path, name)
            raise invalid(f"Missing required param: {where}.", param=where, code="parameter_missing")
    return {
        name: _value(fields[name], value, _join(path, name), name, may_unset and name not in node.required)
        for name, value in raw.items()
    }


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _value(node: Node, raw: Any, path: str, name: str, may_unset: bool) -> Any:
    if isinstance(raw, list) or (isinstance(raw, dict) and node.item is not None):
        return _list(node, raw, path, name, may_unset)
    if isinstance(raw, dict):
        if node.fields is not None:
            return _fields(node, raw, path, may_unset)
        if node.values is not None:
            return _map(node.values, raw, path, name)
        if object in node.plain:
            return raw
        raise invalid(f"Invalid {_type_name(node)}: {_inspect(raw)}", param=path)
    if raw is None and node.may_be_empty:
        return ""
    return _scalar(node, raw, path, name, may_unset)


def _list(node: Node, raw: Any, path: str, name: str, may_unset: bool) -> list[Any]:
    if isinstance(raw, dict):
        if not all(key.isdecimal() for key in raw):
            raise invalid("Invalid array", param=path)
        raw = [raw[key] for key in sorted(raw, key=int)]
    if node.item is None:
        raise invalid(f"Invalid {_type_name(node)}: {_inspect(raw)}", param=path)
    return [_value(node.item, value, f"{path}[{i}]", name, False) for i, value in enumerate(raw)]


def _map(node: Node, raw: dict[str, Any], path: str, name: str) -> dict[str, Any]:
    if name == "metadata":
        if len(raw) > 50:
            raise invalid(f"Metadata can have up to 50 keys, but you passed in {len(raw)} keys.", param=path)
        for key, value in raw.items():
            _check_metadata(key, value, path)
        return {k: str(v) for k, v in raw.items()}
    return {key: _value(node, value, f"{path}[{key}]", key, False) for key, value in raw.items()}


def _check_metadata(key: str, value: Any, path: str) -> None:
    where = f"{path}[{key}]"
    if isinstance(value, (dict, list)):
        raise invalid(f"Invalid string: {_inspect(value)}", param=where)
    if len(key) > 40:
        raise invalid(
            f"Metadata keys can have up to 40 characters, but you passed in a key that is {len(key)} characters."
            f" Invalid key: {key}",
            param=where,
        )
    if "[" in key or "]" in key:
        raise invalid(f"Metadata keys cannot contain square brackets. Invalid key: {key}", param=where)
    if len(str(value)) > 500:
        raise invalid(
            f"Metadata values can have up to 500 characters, but you passed in a value that is {len(value)} characters."
            f" Invalid value: {value}",
            param=where,
        )


def _scalar(node: Node, raw: Any, path: str, name: str, may_unset: bool) -> Any:
    if raw == "" and not isinstance(raw, (bool, int)):
        is_free = str in node.plain and not node.words
        if node.may_be_empty or (is_free and (may_unset or name in MAY_BE_EMPTY)) or object in node.plain:
            return ""
        raise invalid(
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a parameter;"
            f" however '{path}' cannot be unset. You should remove '{path}' from your request or supply a non-empty"
            " value.",
            param=path,
            code="parameter_invalid_empty",
        )
    if object in node.plain:
        return raw
    if raw in node.words and not isinstance(raw, bool):
        return raw
    problem: StripeFault | None = None
    for kind in (int, bool, Decimal):
        if kind in node.plain:
            try:
                return _number(kind, raw, path)
            except StripeFault as fault:
                problem = problem or fault
    if node.words:
        raise problem if problem and not isinstance(raw, str) else _not_one_of(node, raw, path)
    if str in node.plain:
        return _text(node, raw, path, name)
    if problem is None:
        what = "array" if node.item is not None else "object"
        problem = invalid(f"Invalid {what}", param=path)
    raise problem


def _not_one_of(node: Node, raw: Any, path: str) -> StripeFault:
    words = list(dict.fromkeys(node.words))
    if int in node.plain and len(words) == 1:
        return invalid(f"Invalid {path}: must be an integer or '{words[0]}'", param=path)
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    if len(words) > 2:
        listed = f"{', '.join(words[:-1])}, or {words[-1]}"
    return invalid(f"Invalid {path}: must be {'one of ' if len(words) > 1 else ''}{listed}", param=path)


def _number(kind: type, raw: Any, path: str) -> Any:
    if kind is bool:
        if raw in (True, False, "true", "false"):
            return raw in (True, "true")
        raise invalid(f"Invalid boolean: {raw}", param=path)
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float)):
        raise invalid(f"Invalid {'integer' if kind is int else 'decimal'}: {_inspect(raw)}", param=path)
    text = str(raw)
    if kind is int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise invalid(f"Invalid integer: {text}", param=path, code="parameter_invalid_integer")
        return int(text)
    if not re.fullmatch(r"[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]{1,2})?", text):
        raise invalid(f"Invalid decimal: {text}", param=path)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise invalid(f"Invalid decimal: {text}", param=path) from None
    exponent = value.normalize().as_tuple().exponent
    if path.endswith(("_decimal", "_decimal]")) and isinstance(exponent, int) and exponent < -12:
        raise invalid(f"Invalid decimal: {text}; must contain at maximum 12 decimal places.", param=path)
    return value


def _text(node: Node, raw: Any, path: str, name: str) -> str:
    if not isinstance(raw, str):
        if isinstance(raw, (bool, float)) or raw is None:
            raise invalid(f"Invalid string: {_inspect(raw)}", param=path)
        raw = str(raw)
    limit = next((n for (start, f), n in TEXT_LIMITS.items() if f == name and node.owner.startswith(start)), MAX_TEXT)
    if len(raw) > limit:
        raise invalid(f"Invalid string: {raw[:5]}...{raw[-5:]}; must be at most {limit} characters", param=path)
    if "\x00" in raw:
        raise invalid(f"Invalid string: {raw!r}; must not contain null bytes", param=path)
    return str(raw)


def _type_name(node: Node) -> str:
    if node.item is not None:
        return "array"
    for kind, name in ((int, "integer"), (bool, "boolean"), (Decimal, "decimal")):
        if kind in node.plain:
            return name
    return "object" if node.fields is not None or node.values is not None else "string"


def _inspect(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace('": ', '"=>')


def plain(raw: Any) -> Any:
    """Return parameters without a contract: numbered groups become lists, everything else stays text."""
    if not isinstance(raw, dict):
        return raw
    if raw and all(key.isdecimal() for key in raw):
        return [plain(raw[key]) for key in sorted(raw, key=int)]
    return {key: plain(value) for key, value in raw.items()}
