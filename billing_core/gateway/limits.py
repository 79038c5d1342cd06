"""Staying within Stripe's rate limit: a limiter before each call, a bounded wait after a 429.

The SDK retries connection errors, 409 and 5xx by itself but not a 429, so that is done here. Waits double from half a
second to at most `CAP_SECONDS`, with jitter so that several processes do not come back together, and give up after
`ATTEMPTS` calls.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

ATTEMPTS = 8
FIRST_SECONDS = 0.5
CAP_SECONDS = 20.0

Sleep = Callable[[float], None]


@dataclass
class Limiter:
    """At most so many calls per second from this process, evenly spaced; safe to share between threads.

    Attributes:
        calls_per_second: None lets everything through.
        sleep: how to wait.
        clock: monotonic seconds.
    """

    calls_per_second: float | None = None
    sleep: Sleep = time.sleep
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _free_at: float = field(default=0.0, repr=False)

    def wait(self) -> None:
        """Return when the next call may go out."""
        if self.calls_per_second is None:
            return
        with self._lock:
            now = self.clock()
            at = max(now, self._free_at)
            self._free_at = at + 1 / self.calls_per_second
        if at > now:
            self.sleep(at - now)


def backoff_seconds(attempt: int, *, asked_seconds: float | None = None, share: float | None = None) -> float:
    """Return how long to wait after a refused call.

    Args:
        attempt: how many calls were refused so far, from 1.
        asked_seconds: what the answer's `Retry-After` asked for; never waited less, never more than `CAP_SECONDS`.
        share: the jitter, 0 to 1; random unless given.
    """
    jitter = random.random() if share is None else share
    longest = min(CAP_SECONDS, FIRST_SECONDS * 2.0 ** (attempt - 1))
    wait = longest * (0.5 + jitter / 2)
    return min(CAP_SECONDS, max(wait, asked_seconds or 0.0))
