"""What an answer of Stripe's to a write means.

refused: Stripe said no (4xx), nothing happened · again: no answer, the key or the object was in use (409), too many
calls (429): the same call with the same key may be made again · unknown: Stripe broke while it worked (5xx), or its
answer cannot be read: look at what it holds before anything new · duplicate: a meter event with this identifier is
there already, so ours was taken when we have sent it before.
"""

from __future__ import annotations

from enum import StrEnum

from billing_core.errors import GatewayError
from billing_core.gateway import UnknownShapeError

DUPLICATE = "already exists with identifier"


class Outcome(StrEnum):
    """See the module."""

    REFUSED = "refused"
    AGAIN = "again"
    UNKNOWN = "unknown"
    DUPLICATE = "duplicate"


def outcome_of(error: GatewayError) -> Outcome:
    """Return what a failed write means."""
    if isinstance(error, UnknownShapeError):
        return Outcome.UNKNOWN
    status = error.ids.get("status")
    if not isinstance(status, int) or status in (409, 429):
        return Outcome.AGAIN
    if status >= 500:
        return Outcome.UNKNOWN
    return Outcome.DUPLICATE if DUPLICATE in str(error) else Outcome.REFUSED


def is_without_effect(error: GatewayError) -> bool:
    """Tell whether a write that may be made again has surely had no effect: it was kept out by the rate limit."""
    return error.ids.get("status") == 429
