"""Prorations to the second, as Stripe computes them at list price: before discounts, before tax.

A change in the middle of a billing period credits the unused time of what was billed and charges the same time of what
is billed from now on: amount × seconds left ÷ seconds of the full period, each of the two rounded once, halves away
from zero. The full period is the one between two boundaries of the billing cycle, also where the current one is a
shorter first period.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

from billing_core.money import round_minor
from billing_core.periods import INTERVALS, Period, add_interval

_LONGEST_SECONDS = dict(zip(INTERVALS, (86400, 604800, 2678400, 31622400), strict=True))


def full_period(anchor: datetime, interval: str, interval_count: int, instant: datetime) -> Period:
    """Return the billing cycle's full period that holds an instant.

    Args:
        anchor: any boundary of the cycle; month ends are counted from it.
        interval: day, week, month or year.
        interval_count: intervals per period, at least 1.
        instant: aware.
    """
    # No period is longer than this, so the count is never too far ahead in either direction.
    times = int((instant - anchor).total_seconds() // (_LONGEST_SECONDS[interval] * interval_count))
    while add_interval(anchor, interval, interval_count, times) > instant:
        times -= 1
    while (end := add_interval(anchor, interval, interval_count, times + 1)) <= instant:
        times += 1
    return Period(add_interval(anchor, interval, interval_count, times), end)


def share_left(period: Period, full: Period, at: datetime) -> Fraction:
    """Return the share of a full period that is left of the current period at an instant; 0 when it is over."""
    left = period.end - max(at, period.start)
    return max(Fraction(0), Fraction(round(left.total_seconds()), full.seconds))


def change_minor(before: Fraction, after: Fraction, share: Fraction) -> int:
    """Return what a change costs (positive) or credits for the rest of a period.

    Args:
        before: what the full period costs as billed, exact minor units.
        after: what it costs from now on.
        share: of the full period that is left.
    """
    return round_minor(after * share) - round_minor(before * share)
