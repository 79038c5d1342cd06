"""Stripe's error shapes; raised anywhere in the sandbox, rendered by the server."""

from __future__ import annotations

from typing import Any


class StripeFault(Exception):  # noqa: N818  # named for what it is on the wire
    """An answer that is an error, in the form the SDK turns into its own exception types.

    Args:
        message: Stripe's sentence.
        status: HTTP status; 402 for a refused card.
        type: `invalid_request_error`, `card_error`, `idempotency_error`, `api_error`, `authentication_error`,
            `rate_limit_error`.
        is_kept: whether what the handler changed before raising stays, as after a refused card (the charge that failed
            and its events are there). Otherwise the whole request is undone. A handler that wants only part of it kept
            wraps the rest in an inner transaction.
        **fields: `code`, `param`, `decline_code`, `payment_intent` (an object to embed), … left out when None. Stored
            objects given here are rendered by the server.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        is_kept: bool = False,
        **fields: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.is_kept = is_kept
        self.fields = {k: v for k, v in fields.items() if v is not None}


def invalid(message: str, param: str | None = None, code: str | None = None) -> StripeFault:
    """A parameter that cannot be accepted (400)."""
    return StripeFault(message, param=param, code=code)


def missing(kind: str, object_id: str, param: str = "id") -> StripeFault:
    """An object that does not exist: 404 when it is the object asked for, 400 when a parameter names it."""
    words = kind.rsplit(".", 1)[-1]
    status = 404 if param == "id" else 400
    return StripeFault(f"No such {words}: '{object_id}'", status=status, code="resource_missing", param=param)


def card_error(message: str, code: str, decline_code: str | None = None, **fields: Any) -> StripeFault:
    """A payment method that was refused (402); what was recorded of the attempt is kept."""
    return StripeFault(
        message, status=402, type="card_error", is_kept=True, code=code, decline_code=decline_code, **fields
    )
