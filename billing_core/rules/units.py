"""How many units a tenant occupies on a day, and the highest number of a period.

Days are dates of the reporting zone, spans half-open [starts_on, ends_on); an `ends_on` of None is open. The number is
that of *distinct* units with an occupancy that has started and not ended: a known end in the future is still occupied,
overlapping occupancies of one unit count once, and a change of resident on one day does not double.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from billing_core.periods import Period, local_date

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Somebody in a unit over [starts_on, ends_on); a deleted one is not passed in at all."""

    unit_id: str
    starts_on: date
    ends_on: date | None


class UnitCounts:
    """The number of occupied units of one tenant over time."""

    def __init__(self, occupancies: Iterable[Occupancy] = ()) -> None:
        changes: dict[date, int] = defaultdict(int)
        for starts_on, ends_on in _stays(occupancies):
            changes[starts_on] += 1
            if ends_on is not None:
                changes[ends_on] -= 1
        self._days = sorted(day for day, change in changes.items() if change)
        self._counts: list[int] = []
        count = 0
        for day in self._days:
            count += changes[day]
            self._counts.append(count)

    def on(self, day: date) -> int:
        """Return the number of units on a day."""
        index = bisect_right(self._days, day)
        return self._counts[index - 1] if index else 0

    def peak(self, first: date, end: date) -> int:
        """Return the highest number over the days [first, end); a span without a day has that of its first."""
        low, high = bisect_right(self._days, first), bisect_right(self._days, max(first, end - DAY))
        return max([self.on(first), *self._counts[low:high]])

    def peak_day(self, first: date, end: date) -> date:
        """Return the first day of [first, end) on which the number was highest."""
        highest = self.peak(first, end)
        if self.on(first) == highest:
            return first
        low, high = bisect_right(self._days, first), bisect_right(self._days, max(first, end - DAY))
        return next(
            d for d, count in zip(self._days[low:high], self._counts[low:high], strict=True) if count == highest
        )


def days_of(period: Period, zone: ZoneInfo) -> tuple[date, date]:
    """Return the local days [first, end) of a billing period: those from its start's date up to its end's.

    A period that begins 31 October 23:00 UTC begins on 1 November in Copenhagen, so that a move-in on 1 November does
    not raise October.
    """
    return local_date(period.start, zone), local_date(period.end, zone)


def running_peak(counts: UnitCounts, period: Period, now: datetime, zone: ZoneInfo) -> int:
    """Return the highest number of a period's days up to today, today included; of all its days once it is over."""
    first, end = days_of(period, zone)
    return counts.peak(first, min(local_date(now, zone) + DAY, end))


def _stays(occupancies: Iterable[Occupancy]) -> Iterator[tuple[date, date | None]]:
    """Merge overlapping and touching occupancies of each unit."""
    by_unit: dict[str, list[tuple[date, date | None]]] = defaultdict(list)
    for o in occupancies:
        if o.ends_on is None or o.ends_on > o.starts_on:
            by_unit[o.unit_id].append((o.starts_on, o.ends_on))
    for spans in by_unit.values():
        spans.sort(key=lambda span: span[0])
        begin, end = spans[0]
        for starts_on, ends_on in spans[1:]:
            if end is not None and starts_on > end:
                yield begin, end
                begin, end = starts_on, ends_on
            elif end is not None:
                end = None if ends_on is None else max(end, ends_on)
        yield begin, end
