"""Billing periods: boundaries counted from an anchor, in Unix seconds, half-open.

A month end stays a month end: with an anchor on 31 January the boundaries are 28 February, 31 March, 30 April.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime

from billing_core.periods import add_interval, epoch, utc
from billing_core.sandbox.state import Obj

_ROUGH_SECONDS = {"day": 86400, "week": 604800, "month": 2629746, "year": 31556952}


def boundary(anchor: int, recurring: Obj, times: int) -> int:
    """Return the boundary `times` periods from the anchor."""
    return epoch(add_interval(utc(anchor), recurring["interval"], recurring["interval_count"], times))


def period_around(anchor: int, recurring: Obj, at: int) -> tuple[int, int]:
    """Return the full period that holds an instant: (start, end) with start <= at < end."""
    rough = _ROUGH_SECONDS[recurring["interval"]] * recurring["interval_count"]
    times = (at - anchor) // rough
    while boundary(anchor, recurring, times) > at:
        times -= 1
    while (end := boundary(anchor, recurring, times + 1)) <= at:
        times += 1
    return boundary(anchor, recurring, times), end


def anchor_from_config(config: Obj, at: int) -> int:
    """Return the first instant after `at` that has the configured day of the month and time.

    Args:
        config: day_of_month, and optionally month, hour, minute, second; absent parts are those of `at`. A day that the
            month does not have is its last one.
        at: Unix seconds.
    """
    now = utc(at)
    hour, minute, second = (
        config[part] if config.get(part) is not None else getattr(now, part) for part in ("hour", "minute", "second")
    )
    step = 12 if config.get("month") else 1
    index = now.year * 12 + (config.get("month") or now.month) - 1
    while True:
        year, month = divmod(index, 12)
        last_day = monthrange(year, month + 1)[1]
        found = datetime(year, month + 1, min(config["day_of_month"], last_day), hour, minute, second, tzinfo=UTC)
        if found > now:
            return epoch(found)
        index += step
