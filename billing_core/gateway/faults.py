"""Stripe's exceptions as `GatewayError`: one clear sentence, the request id, never a key.

`is_outcome_unknown` is set for a *write* that may have had its effect although no good answer came: the connection
broke, Stripe answered 5xx, or the same key was still being worked on (409). A refused write (4xx, a 429 too) had no
effect.
"""

from __future__ import annotations

import re
from typing import Any

import stripe

from billing_core.errors import GatewayError

# Keys and client secrets, wherever a message quotes them; Stripe masks most of a key but not all of it.
_SECRET = re.compile(r"\b(?:sk|rk|pk|whsec)_[A-Za-z0-9_*]+|\b\w+_secret_\w+")


class MissingError(GatewayError):
    """Stripe does not know the object that was asked for."""


class CardRefusedError(GatewayError):
    """A card was refused; `decline_code` says why."""

    def __init__(self, message: str, *, code: str | None, decline_code: str | None, **ids: Any) -> None:
        super().__init__(message, **ids)
        self.code = code
        self.decline_code = decline_code


def without_secrets(text: str) -> str:
    """Return a text with keys and secrets blanked."""
    return _SECRET.sub("…", text)


def translate(error: stripe.StripeError, *, what: str, is_write: bool) -> GatewayError:
    """Return our error for one of the SDK's.

    Args:
        error: what the SDK raised.
        what: the call in words of the API (`GET /v1/customers/cus_1`).
        is_write: whether the call could have changed something.
    """
    status, request_id = error.http_status, error.request_id
    said = without_secrets(error.user_message or "no reason given").split("\n\n(Network error")[0].replace("\n", " ")
    ids: dict[str, Any] = {"request_id": request_id, "status": status}
    traced = f" (request {request_id})" if request_id else ""
    if isinstance(error, stripe.APIConnectionError):
        effect = " It may or may not have had its effect; look before doing it again." if is_write else ""
        return GatewayError(
            f"Stripe did not answer {what}. Check the network, or where STRIPE_API_BASE points.{effect}",
            is_outcome_unknown=is_write,
            **ids,
        )
    if isinstance(error, stripe.AuthenticationError):
        return GatewayError(f"Stripe does not accept the key in STRIPE_API_KEY{traced}. Put a valid one there.", **ids)
    if isinstance(error, stripe.PermissionError):
        return GatewayError(f"The Stripe key may not do {what}{traced}: {said} Grant the permission in Stripe.", **ids)
    if isinstance(error, stripe.RateLimitError):
        return GatewayError(
            f"Stripe kept refusing {what} because of too many calls{traced}. Wait, or lower"
            " BILLING_STRIPE_CALLS_PER_SECOND.",
            **ids,
        )
    if isinstance(error, stripe.CardError):
        decline_code = getattr(error.error, "decline_code", None) if error.error is not None else None
        return CardRefusedError(
            f"The card was refused{traced}: {said}", code=error.code, decline_code=decline_code, **ids
        )
    if status == 404 or error.code == "resource_missing":
        return MissingError(f"Stripe does not know what {what} asks for{traced}: {said}", **ids)
    is_unknown = is_write and (status is None or status >= 500 or status == 409)
    effect = " It may or may not have had its effect; look before doing it again." if is_unknown else ""
    return GatewayError(
        f"Stripe answered {status} to {what}{traced}: {said}{effect}", is_outcome_unknown=is_unknown, **ids
    )
