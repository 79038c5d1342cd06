"""Counting units: hand-computed days and peaks, and identities that hold for any set of occupancies."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_core.periods import Period
from billing_core.rules.units import Occupancy, UnitCounts, days_of, running_peak

ZONE = ZoneInfo("Europe/Copenhagen")
NOVEMBER = (date(2026, 11, 1), date(2026, 12, 1))


def stay(unit: str, starts: str, ends: str | None = None) -> Occupancy:
    return Occupancy(unit, date.fromisoformat(starts), date.fromisoformat(ends) if ends else None)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_rise_and_a_fall_within_the_month_leave_the_highest_day() -> None:
    """Two units all month, a third from the 5th, a fourth on the 8th and 9th only: 4 at most."""
    counts = UnitCounts(
        [
            stay("a", "2026-01-01"),
            stay("b", "2026-01-01"),
            stay("c", "2026-11-05"),
            stay("d", "2026-11-08", "2026-11-10"),
        ]
    )
    assert [counts.on(date(2026, 11, day)) for day in (4, 5, 8, 9, 10)] == [2, 3, 4, 4, 3]
    assert counts.peak(*NOVEMBER) == 4
    assert counts.peak_day(*NOVEMBER) == date(2026, 11, 8)


def test_a_known_end_in_the_future_still_counts_until_then() -> None:
    """Moving out on 20 November is known on the 1st: 19 November counts, the 20th does not."""
    counts = UnitCounts([stay("a", "2026-01-01", "2026-11-20")])
    assert (counts.on(date(2026, 11, 19)), counts.on(date(2026, 11, 20))) == (1, 0)
    assert counts.peak(*NOVEMBER) == 1
    assert counts.peak(date(2026, 12, 1), date(2027, 1, 1)) == 0


def test_overlapping_occupancies_of_one_unit_are_one() -> None:
    """The new resident is registered five days before the old one has left."""
    counts = UnitCounts([stay("a", "2026-01-01", "2026-11-15"), stay("a", "2026-11-10"), stay("b", "2026-11-12")])
    assert counts.peak(*NOVEMBER) == 2
    assert counts.on(date(2026, 11, 11)) == 1


def test_a_turnover_on_one_day_does_not_double() -> None:
    """Out on the 15th, in on the 15th."""
    counts = UnitCounts([stay("a", "2026-01-01", "2026-11-15"), stay("a", "2026-11-15")])
    assert [counts.on(date(2026, 11, day)) for day in (14, 15, 16)] == [1, 1, 1]
    assert counts.peak(*NOVEMBER) == 1


def test_everybody_gone_before_the_period_is_zero() -> None:
    """And nobody at all is zero too, as is an occupancy that was over before it began."""
    assert UnitCounts([stay("a", "2026-01-01", "2026-11-01")]).peak(*NOVEMBER) == 0
    assert UnitCounts().peak(*NOVEMBER) == 0
    assert UnitCounts([stay("a", "2026-11-05", "2026-11-05")]).peak(*NOVEMBER) == 0


def test_a_move_in_on_the_first_does_not_raise_the_month_before() -> None:
    """The periods meet at 31 October 23:00 UTC, which is midnight in Copenhagen."""
    counts = UnitCounts([stay("a", "2026-01-01"), stay("b", "2026-11-01")])
    october = Period(at("2026-09-30T22:00"), at("2026-10-31T23:00"))
    november = Period(at("2026-10-31T23:00"), at("2026-11-30T23:00"))
    assert days_of(october, ZONE) == (date(2026, 10, 1), date(2026, 11, 1))
    assert counts.peak(*days_of(october, ZONE)) == 1
    assert counts.peak(*days_of(november, ZONE)) == 2


def test_the_running_peak_ends_today() -> None:
    """A move-in of the 25th is not reported on the 22nd, and is from the 25th on."""
    counts = UnitCounts([stay("a", "2026-01-01"), stay("b", "2026-11-25")])
    period = Period(at("2026-11-01T00:00"), at("2026-12-01T00:00"))
    assert running_peak(counts, period, at("2026-11-22T12:00"), ZONE) == 1
    # 23:30 UTC on the 24th is the 25th in Copenhagen.
    assert running_peak(counts, period, at("2026-11-24T23:30"), ZONE) == 2
    assert running_peak(counts, period, at("2027-02-01T00:00"), ZONE) == 2


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_days_of_daylight_saving_are_days(day: str, hours: int) -> None:
    """A unit for the one day of 23 or 25 hours counts on that day only."""
    begin = date.fromisoformat(day)
    counts = UnitCounts([Occupancy("a", begin, begin + timedelta(days=1))])
    assert [counts.on(begin + timedelta(days=n)) for n in (-1, 0, 1)] == [0, 1, 0]
    start = datetime.combine(begin, datetime.min.time(), ZONE).astimezone(UTC)
    assert counts.peak(*days_of(Period(start, start + timedelta(hours=hours)), ZONE)) == 1


DAYS = st.integers(0, 60).map(lambda n: date(2026, 10, 1) + timedelta(days=n))
STAYS = st.lists(
    st.builds(
        lambda unit, starts, length: Occupancy(
            unit, starts, None if length is None else starts + timedelta(days=length)
        ),
        st.sampled_from("abcd"),
        DAYS,
        st.none() | st.integers(0, 30),
    ),
    max_size=12,
)


@given(STAYS, DAYS)
def test_a_count_is_the_number_of_different_units_that_are_occupied(stays: list[Occupancy], day: date) -> None:
    """Whatever overlaps, touches or is empty: the definition, word for word."""
    occupied = {o.unit_id for o in stays if o.starts_on <= day and (o.ends_on is None or day < o.ends_on)}
    assert UnitCounts(stays).on(day) == len(occupied)


@given(STAYS, DAYS, st.integers(1, 40))
def test_a_peak_is_the_highest_of_the_days(stays: list[Occupancy], first: date, length: int) -> None:
    """And the peak's day is the first of them that has it."""
    counts = UnitCounts(stays)
    days = [first + timedelta(days=n) for n in range(length)]
    peak = counts.peak(first, first + timedelta(days=length))
    assert peak == max(counts.on(day) for day in days)
    assert counts.peak_day(first, first + timedelta(days=length)) == next(d for d in days if counts.on(d) == peak)
