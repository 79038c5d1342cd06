"""The forecast of the running period: what it is so far, what is known, where it ends, and what that costs."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing_core.money import round_minor
from billing_core.periods import add_months, days_between
from billing_core.store import tables
from tests.queries.priced_items import item, price
from tests.queries.usage_by_hand import DAY, Life, lives, month_end, record, same_days

QUANTITIES = ("so_far_quantity", "known_quantity", "expected_quantity", "low_quantity", "high_quantity")
AMOUNTS = ("so_far_minor", "expected_minor", "low_minor", "high_minor")


def forecast(company: Any, kind: str, *columns: str, **params: Any) -> list[tuple[Any, ...]]:
    return company.cells("usage_forecast", *columns, kind=kind, **params)


def test_a_peak_counts_moves_that_are_known_ahead(company: Any) -> None:
    """Period 10 November to 10 December, today the 22nd: 2 units, one leaves, two come on 1 December: 3 at most."""
    price(company, "p_unit", unit_amount="1900", metered=True)
    company.tenant("t1", created="2026-11-01")
    item(company, "t1", "p_unit", "2026-11-10", metered=True)
    company.occupancy("t1", "u1", "2026-11-10")
    company.occupancy("t1", "u2", "2026-11-10", "2026-11-25")
    for unit in ("u3", "u4"):
        company.occupancy("t1", unit, "2026-12-01")
    for unit in ("u5", "u6", "u7"):
        company.occupancy("t1", unit, "2026-12-10")
    [row] = company.report("usage_forecast", kind="metered")
    assert (row["period_start_on"], row["period_end_on"]) == (date(2026, 11, 10), date(2026, 12, 10))
    assert [row[q] for q in QUANTITIES] == [2, 3, 3, None, None]
    assert [row[a] for a in AMOUNTS] == [3800, 5700, None, None]


def test_the_peak_stays_when_units_leave_and_earlier_periods_do_not_count(company: Any) -> None:
    """Three in October, two at the period's beginning, one now."""
    price(company, "p_unit", unit_amount="1900", metered=True)
    company.tenant("t1", created="2026-10-01")
    item(company, "t1", "p_unit", "2026-10-01", metered=True)
    for unit, ends in (("u1", None), ("u2", "2026-11-05"), ("u3", "2026-11-01")):
        company.occupancy("t1", unit, "2026-10-01", ends)
    assert forecast(company, "metered", *QUANTITIES[:3]) == [(2, 2, 2)]


def test_licensed_units_are_those_of_the_next_invoice_s_day(company: Any) -> None:
    """Four now, two leave on 1 December, the day the next period begins: two are billed in advance."""
    price(company, "p_seat", unit_amount="4900", role="licensed")
    company.tenant("t1", created="2026-11-01")
    item(company, "t1", "p_seat", "2026-11-01", quantity="4", amount=19600)
    for unit, ends in (("u1", None), ("u2", None), ("u3", "2026-12-01"), ("u4", "2026-12-01")):
        company.occupancy("t1", unit, "2026-11-01", ends)
    assert forecast(company, "licensed", *QUANTITIES[:3], *AMOUNTS[:2]) == [(4, 2, 2, 19600, 9800)]


def test_a_flat_fee_is_what_it_is_and_a_trial_s_peak_costs_nothing(company: Any) -> None:
    """The fee by its item's amount; the metered item on trial has units but no money."""
    price(company, "p_unit", unit_amount="1900", metered=True)
    price(company, "p_flat", unit_amount="9900", role="flat")
    company.tenant("t1", created="2026-11-01")
    company.occupancy("t1", "u1", "2026-11-01")
    trial = {"status": "trialing", "is_trial": True}
    item(company, "t1", "p_unit", "2026-11-10", metered=True, **trial)
    item(company, "t1", "p_flat", "2026-11-10", amount=9900, **trial)
    assert forecast(company, "metered", "expected_quantity", "expected_minor") == [(1, 0)]
    assert forecast(company, "fixed", "expected_quantity", *AMOUNTS) == [(1, 9900, 9900, 9900, 9900)]


def test_a_tenant_without_a_price_per_unit_is_forecast_by_the_calendar_month(company: Any) -> None:
    """Units and no money, in the tenant's currency; paused items are no items."""
    price(company, "p_unit", unit_amount="1900", metered=True, currency="eur")
    company.tenant("t1", created="2026-11-01", currency="eur")
    item(company, "t1", "p_unit", "2026-11-10", metered=True, is_paused=True, currency="eur")
    company.occupancy("t1", "u1", "2026-11-01")
    company.occupancy("t1", "u2", "2026-11-28")
    columns = ("subject_id", "period_start_on", *QUANTITIES[:3], "currency", "expected_minor")
    assert forecast(company, "units", *columns) == [("units_peak", "2026-11-01", 1, 2, 2, "eur", None)]


def test_periods_clamp_to_month_ends_counted_from_their_anchor(company: Any) -> None:
    """Anchored on 31 August: 31 October to 30 November; a year from 29 February 2024 ends on 28 February."""
    price(company, "p_unit", unit_amount="1900", metered=True)
    company.tenant("t1", created="2024-01-01")
    item(company, "t1", "p_unit", "2026-08-31", metered=True)
    item(company, "t1", "p_unit", "2024-02-29", metered=True, interval="year")
    item(company, "t1", "p_unit", "2026-09-07", metered=True, interval="week", count=2)
    periods = forecast(company, "metered", "period_start_on", "period_end_on")
    assert sorted(periods) == [
        ("2026-02-28", "2027-02-28"),
        ("2026-10-31", "2026-11-30"),
        ("2026-11-16", "2026-11-30"),
    ]


def test_the_period_that_stripe_states_is_taken_while_it_runs(company: Any) -> None:
    """An anchor that was moved: the item's own period; on a day before it periods count from the anchor."""
    price(company, "p_unit", unit_amount="1900", metered=True)
    company.tenant("t1", created="2026-01-01")
    name = item(company, "t1", "p_unit", "2026-01-01", metered=True, anchor="2026-11-20T08:00:00+00:00")
    company.add(
        tables.subscription_items,
        subscription_item_id=name,
        subscription_id="sub",
        current_period_start_at="2026-11-20T08:00:00+00:00",
        current_period_end_at="2026-12-05T08:00:00+00:00",
    )
    assert forecast(company, "metered", "period_start_on", "period_end_on") == [("2026-11-20", "2026-12-05")]
    past = forecast(company, "metered", "period_start_on", "period_end_on", as_of="2026-11-19")
    assert past == [("2026-10-20", "2026-11-20")]


def test_the_range_is_how_earlier_periods_went_on_from_the_same_day(company: Any) -> None:
    """Each month's first three weeks have one unit; in every second month a second one came on the 25th."""
    price(company, "p_unit", unit_amount="1900", metered=True)
    company.tenant("t1", created="2026-01-01")
    item(company, "t1", "p_unit", "2026-01-01", metered=True)
    company.occupancy("t1", "u1", "2026-01-01")
    for month in (2, 4, 6, 8, 10):
        company.occupancy("t1", "u2", f"2026-{month:02}-25", f"2026-{month:02}-27")
    # Ten earlier months, rises 0 1 0 1 …: the median is 0.5, so 1; a tenth from below 0, from above 1.
    columns = (*QUANTITIES, *AMOUNTS, "history_count")
    assert forecast(company, "metered", *columns) == [(1, 1, 2, 1, 2, 1900, 3800, 1900, 3800, 10)]


def test_what_is_added_up_grows_by_its_last_28_days(company: Any) -> None:
    """1 a day: 22 so far, 8 days left; earlier months all ended as this rule would have said: no room around it."""
    company.tenant("t1", created="2026-01-01")
    for day in days_between(date(2026, 1, 1), date(2026, 11, 22)):
        company.usage("t1", "kWh", day.isoformat(), "1")
    [row] = company.report("usage_forecast", kind="usage")
    assert [row[q] for q in QUANTITIES] == [22, 22, 30, 30, 30]
    assert (row["history_count"], row["expected_minor"]) == (9, None)


def test_later_moves_and_events_do_not_change_a_past_forecast(company: Any) -> None:
    """As of 10 October, before and after what happened on the 11th; moves that were known then count."""
    price(company, "p_unit", unit_amount="1900", metered=True)
    company.tenant("t1", created="2026-01-01")
    item(company, "t1", "p_unit", "2026-01-05", metered=True)
    company.occupancy("t1", "u1", "2026-02-01")
    company.occupancy("t1", "u2", "2026-10-20")
    company.usage("t1", "kWh", "2026-10-05", "5")
    before = company.report("usage_forecast", as_of="2026-10-10")
    company.usage("t1", "kWh", "2026-10-11", "5")
    item(company, "t1", "p_unit", "2026-10-11", metered=True)
    assert company.report("usage_forecast", as_of="2026-10-10") == before
    assert [r["known_quantity"] for r in before if r["kind"] == "metered"] == [2]


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(lives(["kWh", "level"], date(2026, 1, 1), 340), st.sampled_from([None, date(2026, 9, 30)]))
def test_the_forecast_is_what_the_rule_says_of_each_day(company: Any, tenants: list[Life], as_of: date | None) -> None:
    """Peaks, licensed units and metrics of generated tenants, counted day by day; the days behind add up."""
    company.clear()
    record(company, tenants, {"kWh": "sum", "level": "last"})
    price(company, "p_unit", unit_amount="1900", metered=True)
    price(company, "p_seat", unit_amount="4900", role="licensed")
    last = as_of or date(2026, 11, 22)
    params = {} if as_of is None else {"as_of": as_of.isoformat()}
    anchors = {"t1": "2026-01-01", "t2": "2026-01-15"}
    item(company, "t1", "p_unit", anchors["t1"], metered=True)
    item(company, "t2", "p_seat", anchors["t2"])
    rows = company.report("usage_forecast", **params)
    found = {(r["tenant_id"], r["kind"], r["subject_id"][:5]): [r[q] for q in QUANTITIES] for r in rows}
    expected: dict[Any, Any] = {}
    for life in tenants:
        kind = {"t1": "metered", "t2": "licensed", "t3": "units"}[life.tenant]
        start = last.replace(day=15) if kind == "licensed" else last.replace(day=1)
        start = start if start <= last else add_months(start, -1)
        subject = "units" if kind == "units" else "si_x_"
        if kind != "units" or life.peak(start, last) > 0:
            expected[life.tenant, kind, subject] = _units(life, kind, start, last)
        for metric in ("kWh", "level"):
            quantities = _metric(life, metric, last)
            if quantities is not None:
                expected[life.tenant, "usage", metric] = quantities
    assert found == expected
    _assert_days_add_up(company, rows, params)


def _assert_days_add_up(company: Any, rows: list[dict[str, Any]], params: dict[str, str]) -> None:
    so_far: dict[Any, Decimal] = defaultdict(Decimal)
    ends: dict[Any, Decimal] = defaultdict(Decimal)
    for row in company.report("usage_forecast_rows", **params):
        key = (row["tenant_id"], row["kind"], row["subject_id"])
        ends[key] += row["counted_quantity"]
        so_far[key] += row["counted_quantity"] if row["part"] == "day" else 0
    for row in rows:
        key = (row["tenant_id"], row["kind"], row["subject_id"])
        assert (so_far[key], ends[key]) == (row["so_far_quantity"], row["expected_quantity"])


def _units(life: Life, kind: str, start: date, last: date) -> list[Decimal | int | None]:
    def measured(first: date, end: date, cut: date) -> tuple[int, int]:
        if kind == "licensed":
            return life.units_on(cut), life.units_on(end)
        return life.peak(first, cut), life.peak(first, end - DAY)

    moves = [s.starts for s in life.stays if s.ends is None or s.ends > s.starts]
    so_far, known = measured(start, add_months(start, 1), last)
    rises = []
    for back in range(1, 13):
        first, end = add_months(start, -back), add_months(start, 1 - back)
        if moves and first >= min(moves):
            cut = min(first + (last - start), end - DAY)
            at_cut, at_end = measured(first, end, cut)
            rises.append(at_end - at_cut)
    rises.sort()
    expected = known
    if rises and kind != "licensed":
        middle = Fraction(rises[(len(rises) - 1) // 2] + rises[len(rises) // 2], 2)
        expected = max(known, so_far + round_minor(middle))
    if len(rises) < 6:
        return [so_far, known, expected, None, None]
    low = max(min(expected, so_far + _tenth(rises, 1)), 0)
    return [so_far, known, expected, low, max(expected, so_far + _tenth(rises, 9))]


def _tenth(ordered: list[int], tenths: int) -> int:
    return ordered[-(-len(ordered) * tenths // 10) - 1]


def _metric(life: Life, metric: str, last: date) -> list[Decimal | None] | None:
    days = {day: quantity for name, day, quantity in life.usage if name == metric}
    if not days:
        return None

    def guess(month: date) -> tuple[Decimal, Decimal] | None:
        """What there was on the same day of a month, and what was expected of it then."""
        cut = same_days(month, last)
        if metric == "level":
            seen = [day for day in sorted(days) if min(cut - timedelta(days=27), month) <= day <= cut]
            return (days[seen[-1]], days[seen[-1]]) if seen else None
        if not [day for day in days if min(cut - timedelta(days=27), month) <= day <= min(month_end(month), last)]:
            return None
        so_far = sum((q for day, q in days.items() if month <= day <= cut), Decimal(0))
        lately = sum((q for day, q in days.items() if cut - timedelta(days=28) < day <= cut), Decimal(0))
        rest = Fraction(lately) * (month_end(month) - cut).days / 28
        return so_far, so_far + Decimal(round_minor(rest * 10**6)).scaleb(-6)

    month = last.replace(day=1)
    present = guess(month)
    if present is None:
        return None
    so_far, expected = present
    shares = []
    for back in range(1, 13):
        earlier = add_months(month, -back)
        then = guess(earlier)
        if then is not None and then[1] > 0 and min(days) <= same_days(earlier, last) - timedelta(days=27):
            whole = _whole(days, metric, earlier, last)
            shares.append(round_minor(Fraction(whole) / Fraction(then[1]) * 10**6))
    shares.sort()
    if len(shares) < 6:
        return [so_far, so_far, expected, None, None]
    low = Decimal(round_minor(Fraction(expected) * _tenth(shares, 1))).scaleb(-6)
    high = Decimal(round_minor(Fraction(expected) * _tenth(shares, 9))).scaleb(-6)
    return [so_far, so_far, expected, min(expected, max(low, so_far)), max(expected, high)]


def _whole(days: dict[date, Decimal], metric: str, month: date, last: date) -> Decimal:
    end = month_end(month)
    if metric == "level":
        start = min(same_days(month, last) - timedelta(days=27), month)
        seen = [day for day in sorted(days) if start <= day <= end]
        return days[seen[-1]] if seen else Decimal(0)
    return sum((q for day, q in days.items() if month <= day <= end), Decimal(0))
