"""Who lived where: occupancies of a tenant's units, and how many units that makes on a day.

Dates are local and half-open: `ends_on` is the first day no longer occupied, None an open end. Distinct units count:
overlapping occupancies of one unit are one, a same-day change of resident does not double.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

DAY = timedelta(days=1)
# How far ahead moves are known to the landlord.
HORIZON = timedelta(days=45)


@dataclass(frozen=True)
class Occupancy:
    """One resident in one unit."""

    occupancy_id: str
    unit_id: str
    starts_on: date
    ends_on: date | None
    is_deleted: bool = False


class Counts:
    """The number of distinct occupied units over time."""

    def __init__(self, occupancies: Iterable[Occupancy]) -> None:
        by_unit: dict[str, list[tuple[date, date]]] = {}
        for o in occupancies:
            if not o.is_deleted and (o.ends_on is None or o.ends_on > o.starts_on):
                by_unit.setdefault(o.unit_id, []).append((o.starts_on, o.ends_on or date.max))
        steps: dict[date, int] = {}
        for spans in by_unit.values():
            end: date | None = None
            for starts_on, ends_on in sorted(spans):
                if end is None or starts_on > end:
                    if end is not None:
                        steps[end] = steps.get(end, 0) - 1
                    steps[starts_on] = steps.get(starts_on, 0) + 1
                    end = ends_on
                else:
                    end = max(end, ends_on)
            if end is not None and end != date.max:
                steps[end] = steps.get(end, 0) - 1
        self._days = sorted(steps)
        self._counts: list[int] = []
        total = 0
        for day in self._days:
            total += steps[day]
            self._counts.append(total)

    def on(self, day: date) -> int:
        """Return the units occupied on a day."""
        index = bisect_right(self._days, day)
        return self._counts[index - 1] if index else 0

    def peak(self, first: date, end: date) -> int:
        """Return the highest count over `[first, end)`; an empty span counts its first day."""
        low, high = bisect_right(self._days, first), bisect_right(self._days, max(first, end - DAY))
        return max([self.on(first), *self._counts[low:high]])


@dataclass(frozen=True)
class Portfolio:
    """How a tenant's stock of units develops: `(day, change)` with the first entry the stock at the beginning."""

    tenant_id: str
    changes: tuple[tuple[date, int], ...]


def occupancies_of(rng: random.Random, portfolio: Portfolio, today: date) -> list[Occupancy]:
    """Fill a portfolio's units with residents up to today and what is known of the weeks to come.

    A tenant's residents count from the day it registers them, which is the day it joins. They stay two years on
    average; most move at the turn of a month, many before the university year; half of the changes have no vacancy
    between, a few overlap by some days.
    """
    spans: list[list[date | None]] = []
    for day, change in portfolio.changes:
        if change > 0:
            # Most residents are there when a house is taken over; the rest of it fills over some weeks.
            spans.extend([day + rng.choice((0, 0, 0, 0, 0, 0, 14, 30)) * DAY, None] for _ in range(change))
        else:
            open_ones = [s for s in spans if s[1] is None]
            for span in open_ones[:-change]:
                span[1] = day
    made: list[Occupancy] = []
    for number, (begins, ends) in enumerate(spans):
        assert begins is not None
        unit_id = f"u_{portfolio.tenant_id.removeprefix('t_')}_{number + 1:03d}"
        # Who is there at the beginning has lived there for a while and may leave soon.
        starts_on, shortest = begins, 20
        while starts_on <= today + HORIZON and (ends is None or starts_on < ends):
            leaves_on = _moving_day(rng, starts_on + max(shortest, int(rng.expovariate(1 / 760))) * DAY)
            if leaves_on <= starts_on:
                leaves_on = starts_on + shortest * DAY
            if ends is not None and leaves_on > ends:
                leaves_on = ends
            is_known = leaves_on <= today + HORIZON
            occupancy_id = f"o_{portfolio.tenant_id.removeprefix('t_')}_{len(made) + 1:04d}"
            made.append(Occupancy(occupancy_id, unit_id, starts_on, leaves_on if is_known else None))
            if not is_known:
                break
            chance = rng.random()
            gap = 0 if chance < 0.5 else -rng.randint(1, 9) if chance < 0.53 else rng.randint(4, 40)
            starts_on, shortest = max(leaves_on + gap * DAY, starts_on + DAY), 90
    return made


def _moving_day(rng: random.Random, about: date) -> date:
    first = about.replace(day=1)
    if rng.random() < 0.2 and about.month in (6, 7, 8, 10, 11):
        return date(about.year, 9, 1) if about.month < 9 else date(about.year, 9, 15)
    return first if rng.random() < 0.7 else first + 14 * DAY


def mistakes(rng: random.Random, occupancies: list[Occupancy], tenant_id: str) -> list[Occupancy]:
    """Return rows that were entered in error and deleted again, and now and then one that is over before it began."""
    made: list[Occupancy] = []
    for o in occupancies:
        if rng.random() < 0.008:
            name = f"o_{tenant_id.removeprefix('t_')}_d{len(made) + 1:03d}"
            made.append(Occupancy(name, f"{o.unit_id}x", o.starts_on, None, is_deleted=True))
        elif rng.random() < 0.003:
            name = f"o_{tenant_id.removeprefix('t_')}_e{len(made) + 1:03d}"
            made.append(Occupancy(name, o.unit_id, o.starts_on, o.starts_on))
    return made
