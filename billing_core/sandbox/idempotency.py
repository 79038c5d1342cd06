"""Idempotency keys: the same key and request give the same answer again, the same key with another request is refused.

An answer is kept from the moment a handler has begun: also a refused card, an error of ours, an object that was not
found. What fails in validation, a rate limit and a key in use are not kept. Answers live in the account's state, in the
transaction of the effect itself, and are forgotten after 24 hours on the account's clock.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.state import Obj

KIND = "_idempotency"
MAX_KEY = 255
KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Kept:
    """An answer given before."""

    status: int
    body: str
    request_id: str


def check_key(key: str) -> None:
    """Refuse a key that Stripe would refuse."""
    if len(key) > MAX_KEY:
        raise invalid(f"Idempotency keys can have up to {MAX_KEY} characters, but yours has {len(key)}.")


def fingerprint(method: str, path: str, body: bytes) -> str:
    """Return what tells one request from another."""
    return hashlib.blake2b(b"\n".join([method.encode(), path.encode(), body]), digest_size=16).hexdigest()


def recall(ctx: Context, key: str, mark: str, path: str) -> Kept | None:
    """Return the answer kept under a key, or None.

    Raises:
        StripeFault: the key was used for another request.
    """
    found = ctx.state.get(KIND, key)
    if found is None or is_expired(ctx, found):
        return None
    if found["path"] != path:
        raise StripeFault(
            f"Keys for idempotent requests can only be used for the same endpoint they were first used for ('{path}' vs"
            f" '{found['path']}'). Try using a key other than '{key}' if you meant to execute a different request.",
            type="idempotency_error",
        )
    if found["mark"] != mark:
        raise StripeFault(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try"
            f" using a key other than '{key}' if you meant to execute a different request.",
            type="idempotency_error",
        )
    return Kept(found["status"], found["body"], found["request_id"])


def keep(ctx: Context, key: str, mark: str, path: str, kept: Kept) -> None:
    """Keep an answer under its key, inside the caller's transaction."""
    if ctx.state.get(KIND, key) is not None:
        ctx.state.delete(KIND, key)
    record: Obj = {
        "object": KIND,
        "id": key,
        "path": path,
        "mark": mark,
        "status": kept.status,
        "body": kept.body,
        "request_id": kept.request_id,
        "at": ctx.now(),
    }
    ctx.state.insert(record)


def is_expired(ctx: Context, record: Obj) -> bool:
    """Tell whether a kept answer is forgotten by now."""
    hours = ctx.state.meta.get("settings", {}).get("idempotency_hours", KEPT_SECONDS // 3600)
    return int(ctx.now() - record["at"]) >= int(hours) * 3600


def forget_old(ctx: Context, limit: int = 200) -> None:
    """Remove answers that are no longer kept, the oldest first, a bounded number at a time."""
    for key in ctx.state.ids(KIND)[:limit]:
        record = ctx.state.get(KIND, key)
        if record is None or not is_expired(ctx, record):
            return
        ctx.state.delete(KIND, key)
