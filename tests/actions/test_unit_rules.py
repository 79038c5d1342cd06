"""What a unit sync decides, from plain values: hand-computed money, notes, flags, and what is said of each tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_core.periods import Period
from billing_core.rules.approval import Change, Thresholds, outlier, reasons
from billing_core.rules.pricing import Tier
from billing_core.rules.proration import change_minor, full_period, share_left
from billing_core.rules.unit_items import Item, Subscription, Tenant, UnitItem, UnitPrice, choose
from billing_core.rules.unit_sync import Reading, UnitAction, period_window, plan_units, stamp_for
from billing_core.rules.units import Occupancy, UnitCounts

ZONE = ZoneInfo("Europe/Copenhagen")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# November 2026 has 30 days of 86,400 seconds; at noon on the 16th a half of it is left: 14.5 days.
NOVEMBER = Period(at("2026-11-01T00:00"), at("2026-12-01T00:00"))
NOON = at("2026-11-16T12:00")
LICENSED = UnitPrice("price_l", "licensed", "dkk", "month", 1, Decimal(4900))
METERED = UnitPrice(
    "price_m", "unit", "dkk", "month", 1, Decimal(1900), meter_id="mtr_1", meter_event="units", meter_formula="last"
)
FLAT = UnitPrice("price_f", "flat", "dkk", "month", 1, Decimal(9900))


def item(price: UnitPrice, quantity: int | None = None, name: str = "si_1") -> Item:
    return Item(name, price, NOVEMBER, NOVEMBER.start, quantity)


def subscription(*items: Item, status: str = "active", **more: object) -> Subscription:
    made = Subscription("t_1", "cus_1", "sub_1", status, items)
    return replace(made, **more)  # type: ignore[arg-type]


def occupied(count: int, *, extra: Mapping[str, tuple[str, str | None]] | None = None) -> UnitCounts:
    stays = [Occupancy(f"u{n}", date(2020, 1, 1), None) for n in range(count)]
    for unit, (starts, ends) in (extra or {}).items():
        stays.append(Occupancy(unit, date.fromisoformat(starts), date.fromisoformat(ends) if ends else None))
    return UnitCounts(stays)


def planned(
    found: UnitItem, counts: UnitCounts, reading: Reading | None = None, now: datetime = NOON
) -> tuple[UnitAction | None, str | None]:
    readings = {found.item.item_id: reading} if reading else {}
    actions, skipped = plan_units([found], {"t_1": counts}, readings, now=now, zone=ZONE, thresholds=Thresholds())
    return (actions[0] if actions else None), (skipped[0].reason if skipped else None)


def licensed(quantity: int, **more: object) -> UnitItem:
    own = item(LICENSED, quantity)
    return UnitItem(subscription(item(FLAT, 1, "si_f"), own, **more), own)  # type: ignore[arg-type]


def metered(price: UnitPrice = METERED, **more: object) -> UnitItem:
    own = item(price)
    return UnitItem(subscription(own, **more), own)  # type: ignore[arg-type]


def action_of(*args: object, **more: object) -> UnitAction:
    action, _ = planned(*args, **more)  # type: ignore[arg-type]
    assert action is not None
    return action


def test_two_more_licensed_units_cost_the_time_that_is_left() -> None:
    """6 → 8 at 49.00 with 14.5 of 30 days left: 392.00 × 29/60 − 294.00 × 29/60 = 189.47 − 142.10 = 47.37."""
    action = action_of(licensed(6), occupied(8))
    assert (action.before_count, action.after_count, action.effect_minor) == (6, 8, 4737)
    assert action.note == "prorated from now to 2026-12-01"


def test_a_licensed_item_that_is_right_is_left_alone() -> None:
    """No action and nothing to say."""
    assert planned(licensed(8), occupied(8)) == (None, None)


def test_tiers_are_prorated_as_a_whole() -> None:
    """10 → 12 graduated (45.00 up to 10, 39.00 above): 528.00 × 29/60 − 450.00 × 29/60 = 255.20 − 217.50 = 37.70."""
    tiers = (Tier(10, Decimal(4500), Decimal(0)), Tier(None, Decimal(3900), Decimal(0)))
    price = replace(LICENSED, role="tiered", unit_amount=None, tiers=tiers, tiers_mode="graduated")
    own = item(price, 10)
    assert action_of(UnitItem(subscription(own), own), occupied(12)).effect_minor == 3770


def test_packages_are_counted_as_the_price_says() -> None:
    """5 units a package: 10 units are 2 packages, 11 are 3 rounded up and 2 rounded down."""
    dozen = replace(LICENSED, divide_by=5)
    assert [dozen.amount(n) for n in (10, 11)] == [9800, 14700]
    assert replace(dozen, is_rounded_up=False).amount(11) == 9800


def test_the_highest_day_is_reported_and_costs_the_whole_period() -> None:
    """3 for months, a 4th from the 5th to the 9th: one more unit for the whole of November, 19.00."""
    counts = occupied(3, extra={"x": ("2026-11-05", "2026-11-10")})
    action = action_of(metered(), counts, Reading(3))
    assert (action.before_count, action.after_count, action.effect_minor) == (3, 4, 1900)
    assert action.note == "highest on 2026-11-05"


def test_a_first_report_bills_all_units_and_changes_nothing_against_the_last_period() -> None:
    """40 units were billed last month and are there now: 760.00 to report, no change, no flag."""
    action = action_of(metered(), occupied(40), Reading(None, 40))
    assert (action.before_count, action.after_count, action.effect_minor) == (0, 40, 76000)
    assert (action.reference_count, action.reference_minor, action.is_flagged) == (40, 0, False)
    assert not action.change.is_change
    assert action.note.startswith("nothing reported in this period yet; the last period had 40")


def test_a_first_report_that_jumps_is_flagged() -> None:
    """40 last month, 60 now: +50 %."""
    action = action_of(metered(), occupied(60), Reading(None, 40))
    assert action.is_flagged
    assert action.reference_minor == 20 * 1900
    assert "look at it: +50 % against 40" in action.note


def test_zero_is_reported_as_zero() -> None:
    """Nobody lives there any more: the meter is told so, once."""
    action = action_of(metered(), occupied(0), Reading(None, 3))
    assert (action.before_count, action.after_count, action.effect_minor) == (0, 0, 0)
    assert action.is_flagged
    assert "no unit in this period: reported as zero" in action.note
    assert planned(metered(), occupied(0), Reading(0)) == (None, None)


def test_a_report_that_was_too_high_is_brought_down() -> None:
    """Stripe holds 9, the most that was ever occupied in the period is 4."""
    action = action_of(metered(), occupied(4), Reading(9))
    assert (action.before_count, action.after_count, action.effect_minor) == (9, 4, -9500)
    assert "more than was ever occupied" in action.note
    assert action.is_flagged


def test_a_minimum_of_the_price_is_said() -> None:
    """Two units, at least five are billed."""
    own = item(replace(LICENSED, minimum_count=5), 2)
    action = action_of(UnitItem(subscription(own), own), occupied(2))
    assert action.after_count == 5
    assert "its price bills at least 5" in action.note


def test_the_last_minute_of_a_period_is_left_to_the_recount() -> None:
    """23:58:59 has room, 23:59:00 has none, and a period that is over has none."""
    assert stamp_for(NOVEMBER, at("2026-11-30T23:58:59"), None) == at("2026-11-30T23:58:59")
    assert stamp_for(NOVEMBER, at("2026-11-30T23:59:00"), None) is None
    _, reason = planned(metered(), occupied(4), Reading(3), now=at("2026-11-30T23:59:00"))
    assert reason is not None
    assert "its billing period ends at 2026-12-01 00:00 UTC" in reason


def test_stamps_rise_inside_the_period() -> None:
    """Never before its first whole minute, always after the report before."""
    odd = Period(at("2026-11-01T10:00:37"), at("2026-12-01T10:00:37"))
    assert period_window(odd) == Period(at("2026-11-01T10:01"), at("2026-12-01T10:00"))
    assert stamp_for(odd, at("2026-11-01T10:00:40"), None) == at("2026-11-01T10:01")
    assert stamp_for(odd, NOON, NOON) == NOON + timedelta(seconds=1)
    assert stamp_for(odd, NOON, NOON + timedelta(seconds=30)) == NOON + timedelta(seconds=31)


@given(
    st.integers(0, 40 * 86400), st.none() | st.integers(-5, 40 * 86400), st.integers(0, 86399), st.integers(60, 2678400)
)
def test_a_stamp_is_inside_clear_of_the_end_and_later_than_the_last(
    now: int, last: int | None, start: int, length: int
) -> None:
    """Whatever the period: its own invoice sees the report, and no later period does."""
    begin = at("2026-11-01T00:00") + timedelta(seconds=start)
    period = Period(begin, begin + timedelta(seconds=length))
    before = None if last is None else begin + timedelta(seconds=last)
    stamp = stamp_for(period, begin + timedelta(seconds=now), before)
    if stamp is not None:
        assert period.start <= stamp < period.end - timedelta(seconds=60)
        assert before is None or stamp > before


def test_in_trial_a_quantity_is_set_without_money() -> None:
    """And one that is right is listed all the same."""
    trial = {"status": "trialing", "trial_end_at": at("2026-12-01T00:00")}
    action = action_of(licensed(6, **trial), occupied(8))
    assert action.effect_minor == 0
    assert "in trial until 2026-12-01" in action.note
    _, reason = planned(licensed(8, **trial), occupied(8))
    assert reason == "in trial until 2026-12-01: its quantity is right and nothing is billed"


@pytest.mark.parametrize("status", ["past_due", "unpaid"])
def test_who_does_not_pay_is_synced_all_the_same(status: str) -> None:
    """Or the debt would be computed wrong."""
    found = licensed(6, status=status)
    chosen, skipped = choose([Tenant("t_1", 8)], [found.subscription])
    assert (chosen, skipped) == ((found,), ())
    assert f"{status.replace('_', ' ')}, synced all the same" in action_of(found, occupied(8)).note


SAID = [
    ([], 3, "no subscription in Stripe: 3 units are occupied and billed to nobody"),
    ([], 0, "no subscription in Stripe: no unit is occupied and billed to nobody"),
    ([subscription(item(FLAT, 1))], 3, "sub_1 has no price per unit: 3 units are occupied and not billed"),
    (
        [subscription(item(replace(LICENSED, role="parking"), 1))],
        3,
        "sub_1 has no price per unit: 3 units are occupied and not billed; price_l (role parking) is no known price per"
        " unit",
    ),
    (
        [subscription(item(LICENSED, 3), status="canceled", ended_at=at("2026-10-03T00:00"))],
        1,
        "sub_1 was cancelled on 2026-10-03: nothing is reported any more; 1 unit is occupied",
    ),
    (
        [subscription(item(METERED), status="trialing", trial_end_at=at("2026-11-30T00:00"))],
        3,
        "in trial until 2026-11-30: usage before its end is not billed; the first report follows when it is over",
    ),
    (
        [subscription(item(METERED), pause_behavior="void", pause_resumes_at=at("2026-12-24T00:00"))],
        3,
        "collection is paused until 2026-12-24 and its invoices are dropped; synced again once it resumes",
    ),
    (
        [subscription(item(METERED), status="incomplete")],
        3,
        "the first payment of sub_1 is missing (incomplete); 3 units are occupied",
    ),
    (
        [
            subscription(item(METERED, name="si_1")),
            replace(subscription(item(METERED, name="si_2")), subscription_id="sub_2"),
        ],
        3,
        "refused: si_1 of sub_1 and si_2 of sub_2 are metered on one meter, which counts per customer, so every unit is"
        " billed 2 times; end all but one of them",
    ),
    (
        [subscription(item(METERED, name="si_1"), item(LICENSED, 3, name="si_2"))],
        3,
        "refused: si_1 of sub_1 and si_2 of sub_1 all bill units, so every unit is billed 2 times; end all but one of"
        " them",
    ),
    (
        [subscription(item(replace(METERED, meter_formula="sum")))],
        3,
        "the meter mtr_1 of price_m adds up (sum); the highest number of units needs a meter that keeps the last value",
    ),
    (
        [subscription(item(LICENSED, 3), is_billed_by_engine=True)],
        3,
        "sub_1 is billed by Billing Desk itself, not by Stripe",
    ),
]


@pytest.mark.parametrize(("held", "units", "reason"), SAID)
def test_every_tenant_that_is_left_alone_is_said_why(held: list[Subscription], units: int, reason: str) -> None:
    """Without subscription, without unit price, cancelled, paused, in trial, billed twice, on the wrong meter."""
    chosen, skipped = choose([Tenant("t_1", units)], held)
    assert chosen == ()
    assert [s.reason for s in skipped] == [reason]


def test_a_pause_that_keeps_drafts_is_synced() -> None:
    """Those drafts are collected later."""
    found = licensed(6, pause_behavior="keep_as_draft")
    assert choose([Tenant("t_1", 8)], [found.subscription])[0] == (found,)


# --- money in mid-period, approval ------------------------------------------------------------------------------------


def test_documented_proration_of_half_a_month() -> None:
    """Stripe's own example: from 10 to 20 a month at half time credits 5 and charges 10."""
    assert change_minor(Fraction(1000), Fraction(2000), Fraction(1, 2)) == 500


def test_a_short_first_period_is_a_part_of_the_full_one() -> None:
    """Started on the 16th, anchored on the 1st: half of what is left of it is a quarter of November."""
    full = full_period(at("2026-12-01T00:00"), "month", 1, at("2026-11-16T00:00"))
    assert full == NOVEMBER
    current = Period(at("2026-11-16T00:00"), at("2026-12-01T00:00"))
    assert share_left(current, full, at("2026-11-23T12:00")) == Fraction(1, 4)
    assert share_left(current, full, at("2026-12-05T00:00")) == 0


def test_month_ends_are_counted_from_the_anchor() -> None:
    """Anchored on 31 January: 28 February to 31 March is one period; a year on 29 February ends on the 28th."""
    anchor = at("2026-01-31T00:00")
    assert full_period(anchor, "month", 1, at("2026-03-15T00:00")) == Period(
        at("2026-02-28T00:00"), at("2026-03-31T00:00")
    )
    assert full_period(anchor, "month", 1, at("2025-12-31T00:00")).start == at("2025-12-31T00:00")
    assert full_period(at("2024-02-29T00:00"), "year", 1, at("2026-01-01T00:00")).end == at("2026-02-28T00:00")


def test_thresholds_are_reached_from_their_value_on() -> None:
    """10,000 DKK, 20 % and at least 5 units, 50 tenants; one less of each passes."""
    limits = Thresholds()
    assert reasons([Change("t_1", 40, 41, 999_999, "dkk")], limits) == ()
    assert len(reasons([Change("t_1", 40, 41, 1_000_000, "dkk")], limits)) == 1
    # Ups and downs do not cancel out, and currencies are not added.
    assert len(reasons([Change("t_1", 40, 41, 500_000, "dkk"), Change("t_2", 40, 39, -500_000, "dkk")], limits)) == 1
    assert reasons([Change("t_1", 40, 41, 999_999, "dkk"), Change("t_2", 40, 41, 1_000, "eur")], limits) == ()
    assert len(reasons([Change("t_1", 40, 41, 1, "usd")], limits)) == 1
    assert outlier(25, 30, limits) == "+20 % against 25"
    assert outlier(26, 31, limits) is None
    assert outlier(20, 24, limits) is None
    assert outlier(2, 0, limits) == "to zero from 2"
    assert outlier(0, 5, limits) == "from zero to 5"
    assert outlier(None, 500, limits) is None
    many = [Change(f"t_{n}", 100, 101, 0, "dkk") for n in range(50)]
    assert len(reasons(many, limits)) == 1
    assert reasons(many[:49], limits) == ()
    # A first report that repeats the last period's changes nobody.
    assert reasons([Change(f"t_{n}", 100, 100, 0, "dkk") for n in range(500)], limits) == ()
