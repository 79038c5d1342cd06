"""What is on the wire: forms with brackets decoded into nested parameters, JSON bodies, error answers.

Both decoders are bounded: a body or a nesting beyond what the API takes is refused before it costs anything.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_plus

from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.state import Obj

MAX_BODY_BYTES = 2_000_000
MAX_PAIRS = 20_000
MAX_DEPTH = 16


def decode_form(text: bytes) -> dict[str, Any]:
    """Return the parameters of a query string or a form body.

    `a[b][0][c]=1` becomes `{"a": {"b": {"0": {"c": "1"}}}}`: whether numbered keys mean an array is for the contract to
    say. `a[]=1&a[]=2` is numbered in order. Values stay text; of a repeated key the last counts.

    Raises:
        StripeFault: too large, too deep, not UTF-8, or a name used both as a value and as a group.
    """
    if len(text) > MAX_BODY_BYTES:
        raise StripeFault("Request body too large.", status=413)
    try:
        source = text.decode("ascii")
        pairs = [part.partition("=")[::2] for part in source.split("&") if part]
        decoded = [(unquote_plus(k, errors="strict"), unquote_plus(v, errors="strict")) for k, v in pairs]
    except UnicodeDecodeError:
        raise invalid("Invalid request: the parameters are not valid UTF-8 in percent encoding.") from None
    if len(decoded) > MAX_PAIRS:
        raise StripeFault("Too many parameters in the request.", status=413)
    found: dict[str, Any] = {}
    for key, value in decoded:
        _put(found, _steps(key), value)
    return found


def _steps(key: str) -> list[str]:
    head, bracket, rest = key.partition("[")
    if not bracket:
        return [key]
    steps = [head, *rest.removesuffix("]").split("][")]
    if len(steps) > MAX_DEPTH:
        raise invalid("Invalid request: the parameters are nested too deeply.", param=head)
    return steps


def _put(group: dict[str, Any], steps: list[str], value: str) -> None:
    for depth, step in enumerate(steps[:-1]):
        if step == "":
            # `a[][b]=1&a[][c]=2` goes on with the last element until a name comes again.
            last = str(len(group) - 1)
            inside = steps[depth + 1]
            step = (
                last if group and isinstance(group.get(last), dict) and inside not in group[last] else str(len(group))
            )
        inner = group.setdefault(step, {})
        if not isinstance(inner, dict):
            raise invalid(f"Invalid request: '{steps[0]}' is sent both as a value and as a hash.", param=steps[0])
        group = inner
    last_step = steps[-1] or str(len(group))
    if isinstance(group.get(last_step), dict):
        raise invalid(f"Invalid request: '{steps[0]}' is sent both as a value and as a hash.", param=steps[0])
    group[last_step] = value


def decode_json(text: bytes) -> dict[str, Any]:
    """Return the parameters of a JSON body (API v2); an empty body is no parameters.

    Raises:
        StripeFault: too large, too deep, not UTF-8, or not a JSON object.
    """
    if len(text) > MAX_BODY_BYTES:
        raise StripeFault("Request body too large.", status=413)
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid("Invalid request: the body is not valid JSON.") from None
    if not isinstance(found, dict):
        raise invalid("Invalid request: the body must be a JSON object.")
    return found


def error_body(fault: StripeFault, request_id: str) -> Obj:
    """Return an error as Stripe writes it."""
    error: Obj = {"message": fault.message, "type": fault.type, **fault.fields}
    if fault.fields.get("code"):
        error["doc_url"] = f"https://stripe.com/docs/error-codes/{fault.fields['code'].replace('_', '-')}"
    error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
    return {"error": error}
