"""What invoice lines tell of a subscription, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing_core.rules.mirror_backfill import BilledLine, LineDiscount, moments
from billing_core.rules.mirror_versions import ItemState, Moment, timeline

UNIT = 4900
JANUARY, FEBRUARY, MARCH = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3))
FIRST = Moment(datetime(2026, 6, 1, tzinfo=UTC), (), "event")


def item(quantity: int, item_id: str = "si_1") -> ItemState:
    """An item of 49 DKK a month per unit."""
    return ItemState(
        item_id, "prod_1", "price_1", "active", "licensed", False, False, Decimal(quantity), Decimal(UNIT),
        quantity * UNIT, "dkk", "month", 1,
    )  # fmt: skip


def whole(quantity: int, start: datetime = JANUARY, end: datetime = FEBRUARY, item_id: str = "si_1") -> BilledLine:
    """The line of a whole period, made when it begins."""
    return BilledLine(item(quantity, item_id), start, end, quantity * UNIT, False, start)


def unused(quantity: int, at: datetime, end: datetime = FEBRUARY, item_id: str = "si_1") -> BilledLine:
    """The credit of a proration; its exact amount tells nothing, its sign does."""
    return BilledLine(item(quantity, item_id), at, end, -100 * quantity, True, end)


def remaining(quantity: int, at: datetime, end: datetime = FEBRUARY, item_id: str = "si_1") -> BilledLine:
    """The charge of a proration."""
    return replace(unused(quantity, at, end, item_id), amount_minor=100 * quantity)


def told(*lines: BilledLine, first: Moment = FIRST, trial: tuple[datetime, datetime] | None = None) -> list[tuple]:  # type: ignore[type-arg]
    """Return versions as (item, quantity, from, to)."""
    versions = timeline([*moments(lines, trial=trial, first=first), first])
    return [(v.state.subscription_item_id, int(v.state.quantity or 0), v.valid_from, v.valid_to) for v in versions]


def day(number: int) -> datetime:
    """A day of January."""
    return JANUARY + timedelta(days=number - 1)


def test_equal_periods_are_one_version_and_the_last_ends_with_its_period() -> None:
    """Three units in January, in February and five in March; nothing was billed after March."""
    april = datetime(2026, 4, 1, tzinfo=UTC)
    assert told(whole(3), whole(3, FEBRUARY, MARCH), whole(5, MARCH, april)) == [
        ("si_1", 3, JANUARY, MARCH),
        ("si_1", 5, MARCH, april),
    ]


def test_a_proration_changes_the_item_within_its_period() -> None:
    """3 → 5 on the 10th, 5 → 4 on the 20th, billed with February's invoice."""
    lines = [whole(3), unused(3, day(10)), remaining(5, day(10)), unused(5, day(20)), remaining(4, day(20))]
    assert told(*lines, whole(4, FEBRUARY, MARCH)) == [
        ("si_1", 3, JANUARY, day(10)),
        ("si_1", 5, day(10), day(20)),
        ("si_1", 4, day(20), MARCH),
    ]


def test_changes_within_a_second_leave_the_last_and_a_round_trip_leaves_none() -> None:
    """3 → 9 → 4 at once is 3 → 4; 4 → 8 → 4 at once is nothing."""
    at_once = [unused(3, day(10)), remaining(9, day(10)), unused(9, day(10)), remaining(4, day(10))]
    and_back = [unused(4, day(20)), remaining(8, day(20)), unused(8, day(20)), remaining(4, day(20))]
    assert told(whole(3), *at_once, *and_back) == [("si_1", 3, JANUARY, day(10)), ("si_1", 4, day(10), FEBRUARY)]


def test_an_item_that_is_only_credited_is_gone_and_one_only_charged_is_new() -> None:
    """The second item comes on the 5th, the first goes on the 15th."""
    lines = [whole(3), remaining(7, day(5), item_id="si_2"), unused(3, day(15))]
    assert told(*lines) == [("si_1", 3, JANUARY, day(15)), ("si_2", 7, day(5), FEBRUARY)]


def test_a_trial_is_known_by_its_dates_and_by_lines_that_charge_nothing() -> None:
    """Free until the 15th; or a January at 0 for an item that costs 147."""
    for lines, trial in (([whole(3)], (JANUARY, day(15))), ([replace(whole(3), amount_minor=0, ends_at=day(15)),
                          whole(3, day(15), FEBRUARY)], None)):  # fmt: skip
        found = timeline([*moments(lines, trial=trial, first=FIRST), FIRST])
        assert [(v.state.is_trial, v.state.status, v.valid_from) for v in found] == [
            (True, "trialing", JANUARY),
            (False, "active", day(15)),
        ]


def test_discounts_are_a_share_or_a_fixed_amount_also_after_a_change() -> None:
    """January: 147.00 less 14.70 for ever and 20.00 off; from the 10th 5 units: 24.50 and still 20.00."""
    discounts = (LineDiscount(1470, True, False), LineDiscount(2000, False, True))
    lines = [replace(whole(3), discounts=discounts), unused(3, day(10)), remaining(5, day(10))]
    found = timeline([*moments(lines, trial=None, first=FIRST), FIRST])
    assert [(v.state.forever_discount_minor, v.state.other_discount_minor) for v in found] == [
        (1470, 2000),
        (2450, 2000),
    ]


def test_a_paused_collection_is_carried_through_a_change() -> None:
    """The invoice of January was voided at once: all of January is paused, whatever its quantity."""
    lines = [replace(whole(3), is_paused=True), unused(3, day(10)), remaining(5, day(10)), whole(5, FEBRUARY, MARCH)]
    found = timeline([*moments(lines, trial=None, first=FIRST), FIRST])
    assert [(int(v.state.quantity or 0), v.state.is_paused) for v in found] == [(3, True), (5, True), (5, False)]


def test_what_is_paused_since_its_trial_ended_is_so_from_there() -> None:
    """Nothing was billed after the trial, and the subscription is found paused in June."""
    paused = replace(item(3), status="paused", is_paused=True)
    first = replace(FIRST, items=(paused,))
    found = timeline([*moments([whole(3)], trial=(JANUARY, FEBRUARY), first=first), first])
    assert [(v.state.status, v.valid_from, v.valid_to) for v in found] == [
        ("trialing", JANUARY, FEBRUARY),
        ("paused", FEBRUARY, None),
    ]


def test_nothing_is_said_from_the_first_known_moment_on() -> None:
    """The line reaches to February, an event of the 10th knows better."""
    first = Moment(day(10), (item(8),), "event")
    assert told(whole(3), first=first) == [("si_1", 3, JANUARY, day(10)), ("si_1", 8, day(10), None)]
    assert moments([], trial=(JANUARY, FEBRUARY), first=first) == []


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 6)), max_size=12), st.integers(1, 6))
def test_any_changes_of_a_month_are_found_again(steps: list[tuple[int, int]], start: int) -> None:
    """Changes of quantity on any days, several on one day, prorated as they come: the lines tell the same life."""
    quantity, lines = start, [whole(start)]
    lived: dict[datetime, int] = {JANUARY: start}
    for number, (on, wanted) in enumerate(sorted(steps, key=lambda step: step[0])):
        at, made = day(on) + timedelta(hours=1), FEBRUARY + timedelta(seconds=number)
        if wanted != quantity:
            # A quantity of 0 is still an item, charged 0 for the remaining time.
            lines += [replace(unused(quantity, at), billed_at=made), replace(remaining(wanted, at), billed_at=made)]
            quantity = lived[at] = wanted
    expected, before = [], None
    for at, held in sorted(lived.items()):
        if held != before:
            expected.append((at, held))
        before = held
    assert [(start_at, held) for _, held, start_at, _ in told(*lines)] == expected
