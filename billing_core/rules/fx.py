"""Exchange rates by date: which one counts, and what an amount is worth in another currency, exactly.

A rate says how many units of its quote currency one unit of its base currency is, from its day on. An amount is
converted by the latest rate of the two currencies on or before its day, in either direction, if that is not too old;
of two rates of one day the one in the asked direction counts. Nothing is converted by way of a third currency, and
nothing is ever taken to be worth one to one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from billing_core.money import exponent


@dataclass(frozen=True, slots=True)
class Rate:
    """One unit of `base` is `rate` units of `quote` (major units) from `rate_on` on."""

    rate_on: date
    base: str
    quote: str
    rate: Decimal

    def __str__(self) -> str:
        digits = f"{self.rate:f}"
        shown = digits.rstrip("0").rstrip(".") if "." in digits else digits
        return f"1 {self.base} = {shown} {self.quote} ({self.rate_on})"


class Rates:
    """Rates to look up by pair and day.

    Args:
        rates: at most one per day, base and quote.
        max_age_days: a rate of an earlier day than so many days ago does not count.
    """

    def __init__(self, rates: Iterable[Rate], max_age_days: int) -> None:
        self.max_age_days = max_age_days
        self._by_pair: dict[tuple[str, str], list[Rate]] = {}
        for rate in sorted(rates, key=lambda rate: rate.rate_on):
            self._by_pair.setdefault((rate.base, rate.quote), []).append(rate)

    def find(self, currency: str, into: str, on: date) -> Rate | None:
        """Return the rate by which amounts of a currency are converted on a day; None when there is none."""
        found = [self._latest((currency, into), on), self._latest((into, currency), on)]
        there = [rate for rate in found if rate is not None]
        # max() keeps the first of equals: the asked direction.
        latest = max(there, key=lambda rate: rate.rate_on, default=None)
        if latest is None or on - latest.rate_on > timedelta(days=self.max_age_days):
            return None
        return latest

    def _latest(self, pair: tuple[str, str], on: date) -> Rate | None:
        rates = self._by_pair.get(pair, [])
        index = bisect_right(rates, on, key=lambda rate: rate.rate_on)
        return rates[index - 1] if index else None


def factor(rate: Rate, into: str) -> Fraction:
    """Return what one minor unit of the rate's other currency is in minor units of `into`, exact."""
    other, value = (rate.base, Fraction(rate.rate)) if rate.quote == into else (rate.quote, 1 / Fraction(rate.rate))
    return value * Fraction(10) ** (exponent(into) - exponent(other))
