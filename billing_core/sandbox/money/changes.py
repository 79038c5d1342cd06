"""Changing an object as Stripe does: absent parameters stay, `''` unsets, metadata merges, an event tells what was.

`updating` is the usual frame: it opens an object for change and emits `<type>` with `previous_attributes` when anything
that the API shows is different at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.state import Obj, clone


def merged_metadata(current: Mapping[str, str] | None, given: Any) -> dict[str, str]:
    """Return metadata after an update: `''` empties it, an empty value removes its key."""
    if given == "":
        return {}
    merged = {**(current or {}), **(given or {})}
    return {key: str(value) for key, value in merged.items() if value != ""}


def previous_attributes(before: Obj, after: Obj) -> Obj:
    """Return the attributes that differ, as they were; of a nested object only the keys that differ."""
    previous: Obj = {}
    # In the objects' own order, so that the same history gives the same bytes.
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if key[0] == "_" or old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            previous[key] = previous_attributes(old, new)
        else:
            previous[key] = old
    return previous


@contextmanager
def updating(ctx: Context, kind: str, object_id: str, event: str | None = None) -> Iterator[Obj]:
    """Open an object for change; at the end emit `event` (by default `<kind>.updated`) if it changed."""
    obj = ctx.state.edit(kind, object_id)
    before = clone(obj)
    yield obj
    previous = previous_attributes(before, obj)
    if previous:
        ctx.emit(event or f"{kind}.updated", obj, previous)
