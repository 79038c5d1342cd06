"""Usage counted in plain Python, day by day: what the reports are compared with, sharing nothing with their SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from billing_core.periods import add_months, days_between
from billing_core.store import tables

DAY = timedelta(days=1)
SIXTH = Decimal("0.000001")


@dataclass(frozen=True)
class Stay:
    """One resident in one unit, [starts, ends); None is an open end."""

    unit: str
    starts: date
    ends: date | None


@dataclass(frozen=True)
class Life:
    """A tenant: its stays and, per metric, the quantity of each day with events."""

    tenant: str
    created: date
    stays: tuple[Stay, ...]
    usage: tuple[tuple[str, date, Decimal], ...] = ()

    def units_on(self, day: date) -> int:
        """Distinct units that somebody lives in."""
        return len({s.unit for s in self.stays if s.starts <= day and (s.ends is None or day < s.ends)})

    @property
    def first_on(self) -> date:
        """The day from which the tenant has a number of units."""
        return min([self.created, *(s.starts for s in self.stays if s.ends is None or s.ends > s.starts)])

    def peak(self, first: date, last: date) -> int:
        """Highest daily count, both days included."""
        return max((self.units_on(day) for day in days_between(first, last)), default=0)

    def used(self, metric: str, aggregation: str, first: date, last: date) -> Decimal | None:
        """What the days come to, both included; None where a level was not measured."""
        days = sorted((day, quantity) for name, day, quantity in self.usage if name == metric and first <= day <= last)
        quantities = [quantity for _, quantity in days]
        if aggregation in ("sum", "count"):
            return sum(quantities, Decimal(0))
        if not days:
            return Decimal(0) if aggregation == "unique" else None
        return quantities[-1] if aggregation == "last" else max(quantities)


def month_end(month: date) -> date:
    """The last day of a month."""
    return add_months(month, 1) - DAY


def same_days(month: date, until: date) -> date:
    """The last day of a month that compares with a later month up to a day."""
    is_over = (until + DAY).day == 1
    return month_end(month) if is_over else min(month + timedelta(days=until.day - 1), month_end(month))


def rounded(value: Fraction | Decimal | int, step: Decimal = SIXTH) -> Decimal:
    """The nearest six-decimal number, halves away from zero."""
    exact = Fraction(value) / Fraction(step)
    whole = abs(exact.numerator) * 2 + exact.denominator
    size = whole // (2 * exact.denominator)
    return (size if exact >= 0 else -size) * step


def median(values: Sequence[Decimal]) -> Decimal:
    """The middle value, or the mean of the two in the middle, to six decimals."""
    ordered = sorted(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return rounded(Fraction(low + high) / 2)


def slope(values: Sequence[tuple[int, Decimal]]) -> Decimal | None:
    """Least-squares change per step; None below three values."""
    if len(values) < 3:
        return None
    mean_x = Fraction(sum(x for x, _ in values), len(values))
    mean_y = sum((Fraction(y) for _, y in values), Fraction(0)) / len(values)
    top = sum(((x - mean_x) * (Fraction(y) - mean_y) for x, y in values), Fraction(0))
    bottom = sum(((x - mean_x) ** 2 for x, _ in values), Fraction(0))
    return rounded(top / bottom)


def record(company: Any, lives: Iterable[Life], aggregations: dict[str, str]) -> None:
    """Put lives into a company."""
    for name, aggregation in aggregations.items():
        company.add(tables.metrics, metric=name, aggregation=aggregation)
    for life in lives:
        company.tenant(life.tenant, created=life.created.isoformat())
        for stay in life.stays:
            ends = None if stay.ends is None else stay.ends.isoformat()
            company.occupancy(life.tenant, stay.unit, stay.starts.isoformat(), ends)
        for metric, day, quantity in life.usage:
            company.usage(life.tenant, metric, day.isoformat(), str(quantity))


def lives(aggregations: Sequence[str], first: date, days: int) -> st.SearchStrategy[list[Life]]:
    """A few tenants with overlapping stays and uneven usage over some days from a first one."""
    day = st.integers(0, days).map(lambda n: first + n * DAY)
    length = st.none() | st.integers(0, 200).map(lambda n: n * DAY)
    stay = st.builds(
        lambda unit, starts, length: Stay(unit, starts, None if length is None else starts + length),
        st.sampled_from(["u1", "u2", "u3", "u4", "u5"]),
        day,
        length,
    )
    quantity = st.integers(0, 90_000_000).map(lambda n: (Decimal(n) * SIXTH).quantize(SIXTH, ROUND_HALF_UP))
    used = st.dictionaries(st.tuples(st.sampled_from(aggregations), day), quantity, max_size=60)

    def life(number: int) -> st.SearchStrategy[Life]:
        return st.builds(
            lambda created, stays, used: Life(
                f"t{number}", created, tuple(stays), tuple((m, d, q) for (m, d), q in sorted(used.items()))
            ),
            day,
            st.lists(stay, max_size=12),
            used,
        )

    return st.tuples(life(1), life(2), life(3)).map(list)
