"""Time: instants are aware and UTC, periods are half-open [start, end), days belong to a stated time zone.

A reporting month is written as its first day. A day of the reporting zone has 23, 24 or 25 hours; nothing here assumes
24.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

INTERVALS = ("day", "week", "month", "year")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A half-open span of time; both ends aware and UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.utcoffset() is None or self.end.utcoffset() is None:
            raise ValueError("a period needs aware instants")
        if self.end < self.start:
            raise ValueError("a period cannot end before it starts")

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    @property
    def seconds(self) -> int:
        """Length in whole seconds."""
        return round((self.end - self.start).total_seconds())


def utc(epoch_seconds: int) -> datetime:
    """Return a Unix time as an aware UTC instant."""
    return datetime.fromtimestamp(epoch_seconds, UTC)


def epoch(instant: datetime) -> int:
    """Return an aware instant as whole Unix seconds."""
    if instant.utcoffset() is None:
        raise ValueError("a naive time has no place on the time line")
    return int(instant.timestamp())


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """Return the date of an instant in a zone."""
    return instant.astimezone(zone).date()


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the UTC instant at which a local day begins."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the UTC instant at which a local day ends (exclusive)."""
    return start_of_day(day + timedelta(days=1), zone)


def month_of(day: date) -> date:
    """Return the first day of a date's month."""
    return day.replace(day=1)


def add_months(day: date, months: int, *, anchor_day: int | None = None) -> date:
    """Return the date some months on, on the anchor's day or the last day of a shorter month."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    wanted = anchor_day or day.day
    return date(year, month + 1, min(wanted, calendar.monthrange(year, month + 1)[1]))


def add_interval(anchor: datetime, interval: str, interval_count: int, times: int) -> datetime:
    """Return the boundary `times` intervals from an anchor, counted from the anchor so that month ends do not drift.

    31 January + 1 month is 28 or 29 February, + 2 months is 31 March; 29 February + 1 year is 28 February. UTC calendar
    arithmetic, as Stripe does it.

    Args:
        anchor: aware instant.
        interval: day, week, month or year.
        interval_count: intervals per period, at least 1.
        times: which boundary; 0 is the anchor, negatives go back.

    Raises:
        ValueError: an unknown interval or a count below 1.
    """
    if interval not in INTERVALS or interval_count < 1:
        raise ValueError(f"no such interval: {interval_count} × {interval}")
    n = interval_count * times
    if interval == "day":
        return anchor + timedelta(days=n)
    if interval == "week":
        return anchor + timedelta(weeks=n)
    base = anchor.astimezone(UTC)
    moved = add_months(base.date(), n * (12 if interval == "year" else 1), anchor_day=base.day)
    return datetime.combine(moved, base.timetz())


def months_between(first: date, last: date) -> list[date]:
    """Return the first days of all months from one date's month to another's, both included."""
    month, months = month_of(first), []
    while month <= last:
        months.append(month)
        month = add_months(month, 1)
    return months


def days_between(first: date, last: date) -> list[date]:
    """Return all dates from one to another, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
