"""Faults on demand: what a network and a busy API do to a client, by rules set through `/_sandbox/faults`.

A rule applies to the next requests that match it. Rules, the rate limit and their counters live in memory only: a
restarted server behaves well.
"""

from __future__ import annotations

import fnmatch
import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from billing_core.sandbox.errors import StripeFault, invalid

KINDS = ("rate_limit", "conflict", "server_error", "reset", "hang", "cut", "latency")
MOMENTS = ("before", "after")


@dataclass
class Rule:
    """One fault.

    Args:
        kind: one of `KINDS`.
        effect: whether the fault strikes `before` the request takes effect or `after` it.
        times: how many matching requests it strikes; None for all.
        method: only this method.
        path: only paths that match this pattern (`/v1/invoices/*`).
        contains: only bodies or queries with this text.
        seconds: how long `hang` and `latency` wait.
        retry_after: the header's value for `rate_limit`.
        should_retry: the value of `Stripe-Should-Retry`; None leaves it out.
        is_saved: whether a `server_error` is kept under the idempotency key, as Stripe does once a request has begun.
        probability: strikes this share of the matching requests, drawn from `seed`.
        skip: leaves so many matching requests alone first.
    """

    kind: str
    effect: str = "before"
    times: int | None = 1
    method: str | None = None
    path: str = "*"
    contains: str | None = None
    seconds: float = 1.0
    retry_after: int | None = None
    should_retry: bool | None = None
    is_saved: bool = True
    probability: float = 1.0
    seed: int = 0
    skip: int = 0
    struck: int = 0
    _random: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise invalid(f"Invalid kind: must be one of {', '.join(KINDS)}", "kind")
        if self.effect not in MOMENTS:
            raise invalid(f"Invalid effect: must be one of {', '.join(MOMENTS)}", "effect")
        # Reproducible draws are the point; nothing here is a secret.
        self._random = random.Random(self.seed)

    def matches(self, method: str, path: str, body: bytes) -> bool:
        """Tell whether a request is struck, counting it."""
        if self.times is not None and self.struck >= self.times:
            return False
        if self.method and self.method != method:
            return False
        if not fnmatch.fnmatchcase(path, self.path):
            return False
        if self.contains is not None and self.contains.encode() not in body:
            return False
        if self._random.random() >= self.probability:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.struck += 1
        return True

    def shown(self) -> dict[str, Any]:
        """Return the rule as the admin route shows it."""
        return {k: v for k, v in vars(self).items() if k[0] != "_"}


@dataclass
class Faults:
    """All rules, the rate limit, and what they did."""

    rules: list[Rule] = field(default_factory=list)
    per_second: int | None = None
    requests: int = 0
    peak_per_second: int = 0
    limited: int = 0
    _recent: deque[float] = field(default_factory=deque)

    def pick(self, method: str, path: str, body: bytes) -> Rule | None:
        """Return the first rule that strikes a request."""
        return next((rule for rule in self.rules if rule.matches(method, path, body)), None)

    def count(self) -> None:
        """Count a request that reaches the API.

        Raises:
            StripeFault: more than the limit within a second, when there is one.
        """
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        self.requests += 1
        self.peak_per_second = max(self.peak_per_second, len(self._recent) + 1)
        if self.per_second is not None and len(self._recent) >= self.per_second:
            self.limited += 1
            raise rate_limited()
        self._recent.append(now)


def rate_limited() -> StripeFault:
    """Stripe's answer to too many requests."""
    return StripeFault(
        "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
        status=429,
        code="rate_limit",
    )


def lock_timeout() -> StripeFault:
    """Stripe's answer to an object that another request holds."""
    return StripeFault(
        "This object cannot be accessed right now because another API request or Stripe process is currently accessing"
        " it. If you see this error intermittently, retry the request.",
        status=409,
        code="lock_timeout",
    )


def server_error() -> StripeFault:
    """Stripe's answer when something went wrong on its side."""
    return StripeFault(
        "An unknown error occurred. Please retry the request or contact us at https://support.stripe.com/.",
        status=500,
        type="api_error",
    )
