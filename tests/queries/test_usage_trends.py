"""Usage per tenant and month: by hand, against a count day by day, and the days behind every cell."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing_core.periods import add_months, days_between, month_of, months_between
from tests.queries.usage_by_hand import Life, lives, month_end, record, same_days, slope

TODAY = date(2026, 11, 22)
AGGREGATIONS = {name: name for name in ("sum", "max", "last", "count", "unique")}


def trend(company: Any, metric: str, *columns: str, **params: Any) -> list[tuple[Any, ...]]:
    return company.cells("usage_trends", "month", *columns, metric=metric, **params)


def test_units_have_a_peak_and_their_days_in_each_month(company: Any) -> None:
    """Two units, one of them for ten days of October; 31 + 10 days there, 22 in the month that is not over."""
    company.tenant("t1", created="2026-09-01")
    company.occupancy("t1", "u1", "2026-10-01")
    company.occupancy("t1", "u2", "2026-10-11", "2026-10-21")
    columns = ("quantity", "previous_quantity", "change_quantity", "is_complete")
    assert trend(company, "units_peak", *columns) == [
        ("2026-09-01", 0, None, None, True),
        ("2026-10-01", 2, 0, 2, True),
        ("2026-11-01", 1, 2, -1, False),
    ]
    assert [row[:3] for row in trend(company, "units_days", *columns)] == [
        ("2026-09-01", 0, None),
        ("2026-10-01", 41, 0),
        ("2026-11-01", 22, 32),
    ]


def test_a_month_that_is_not_over_is_compared_with_the_same_days_of_the_one_before(company: Any) -> None:
    """22 November against 22 October: what came on the 23rd is left out of the comparison, not of October."""
    company.tenant("t1", created="2026-10-01")
    for day, quantity in (("2026-10-22", "10"), ("2026-10-23", "99"), ("2026-11-22", "15")):
        company.usage("t1", "kWh", day, quantity)
    columns = ("quantity", "previous_quantity", "change_ratio", "previous_until_on")
    assert trend(company, "kWh", *columns)[-1] == ("2026-11-01", 15, 10, Decimal("0.5"), "2026-10-22")
    assert trend(company, "kWh", *columns)[0][:2] == ("2026-10-01", 109)


def test_a_short_february_is_compared_as_far_as_it_goes(company: Any) -> None:
    """30 March has no like in February: all of February. A whole March: all of it too."""
    company.tenant("t1", created="2026-02-01")
    company.usage("t1", "kWh", "2026-02-28", "5")
    company.usage("t1", "kWh", "2026-03-01", "7")
    for as_of in ("2026-03-30", "2026-03-31"):
        assert trend(company, "kWh", "previous_quantity", "previous_until_on", as_of=as_of)[-1] == (
            "2026-03-01",
            5,
            "2026-02-28",
        )


def test_a_month_without_events_is_nothing_used_or_nothing_measured(company: Any) -> None:
    """A sum is 0 in between and afterwards; a level is unknown."""
    from billing_core.store import tables

    company.add(tables.metrics, metric="level", aggregation="last")
    company.tenant("t1", created="2026-07-01")
    for metric in ("level", "kWh"):
        company.usage("t1", metric, "2026-08-05", "3")
        company.usage("t1", metric, "2026-10-05", "4")
    assert [q for _, q in trend(company, "kWh", "quantity")] == [3, 0, 4, 0]
    assert [q for _, q in trend(company, "level", "quantity")] == [3, None, 4, None]


def test_the_trend_is_the_slope_of_twelve_whole_months_from_three_on(company: Any) -> None:
    """2, 4, 9: the slope is 3.5; the month that is not over repeats the last one and does not bend it."""
    company.tenant("t1", created="2026-08-01")
    for day, quantity in (("2026-08-05", "2"), ("2026-09-05", "4"), ("2026-10-05", "9"), ("2026-11-05", "900")):
        company.usage("t1", "kWh", day, quantity)
    assert [v for _, v in trend(company, "kWh", "trend_quantity")] == [None, None, Decimal("3.5"), Decimal("3.5")]


def test_a_year_ago_and_a_range_look_back_beyond_it(company: Any) -> None:
    """The range chooses months; what they are compared with lies before it."""
    company.tenant("t1", created="2025-01-01")
    for month in months_between(date(2025, 1, 1), date(2026, 10, 1)):
        company.usage("t1", "kWh", month.isoformat(), str(month.year - 2000 + month.month))
    columns = ("quantity", "previous_quantity", "year_ago_quantity", "trend_quantity")
    cut = trend(company, "kWh", *columns, from_date="2026-03-01", to_date="2026-04-01")
    assert cut == [("2026-03-01", 29, 28, 28, cut[0][4])]
    assert cut == [row for row in trend(company, "kWh", *columns) if row[0] == "2026-03-01"]


def test_later_events_do_not_change_a_past_as_of_day(company: Any) -> None:
    """What happens after the day is in no cell, and no month after it is there."""
    company.tenant("t1", created="2026-08-01")
    company.occupancy("t1", "u1", "2026-08-10")
    company.usage("t1", "kWh", "2026-09-10", "3")
    before = company.report("usage_trends", as_of="2026-09-15")
    company.occupancy("t1", "u2", "2026-09-16")
    company.usage("t1", "kWh", "2026-09-16", "8")
    company.usage("t1", "gas", "2026-10-16", "8")
    assert company.report("usage_trends", as_of="2026-09-15") == before
    assert {row["month"] for row in before} == {date(2026, 8, 1), date(2026, 9, 1)}


def test_a_deleted_tenant_s_zeros_end_with_the_month_of_its_deletion(company: Any) -> None:
    """Deleted in September: no October."""
    company.tenant("t1", created="2026-08-01", deleted="2026-09-10")
    company.usage("t1", "kWh", "2026-08-10", "3")
    assert [m for (m,) in trend(company, "kWh")] == ["2026-08-01", "2026-09-01"]
    assert [m for (m,) in trend(company, "units_peak")] == ["2026-08-01", "2026-09-01"]


def test_quantities_as_large_as_they_are_kept_stay_exact(company: Any) -> None:
    """Two days of 99 999 999 999 999.999999 each."""
    company.tenant("t1", created="2026-10-01")
    for day in ("2026-10-01", "2026-10-02"):
        company.usage("t1", "bytes", day, "99999999999999.999999")
    assert trend(company, "bytes", "quantity")[0] == ("2026-10-01", Decimal("199999999999999.999998"))


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(lives(list(AGGREGATIONS), date(2026, 1, 1), 300), st.sampled_from([date(2026, 11, 22), date(2026, 8, 31)]))
def test_every_cell_is_what_counting_the_days_gives(company: Any, tenants: list[Life], as_of: date) -> None:
    """Quantity, the month before, trend, and the days behind quantity and change, for every metric and aggregation."""
    company.clear()
    record(company, tenants, AGGREGATIONS)
    cells = {
        (r["tenant_id"], r["metric"], r["month"]): r for r in company.report("usage_trends", as_of=as_of.isoformat())
    }
    expected = {}
    for life in tenants:
        for metric, aggregation in [("units_peak", ""), ("units_days", ""), *AGGREGATIONS.items()]:
            expected |= {
                (life.tenant, metric, month): cell for month, cell in _months(life, metric, aggregation, as_of).items()
            }
    found = {
        key: (r["quantity"], r["previous_quantity"], r["trend_quantity"], r["is_complete"]) for key, r in cells.items()
    }
    assert found == expected
    counted: dict[Any, Decimal] = defaultdict(Decimal)
    changed: dict[Any, Decimal] = defaultdict(Decimal)
    for row in company.report("usage_rows", as_of=as_of.isoformat(), from_date="2026-01-01"):
        key = (row["tenant_id"], row["metric"], row["month"])
        counted[key] += row["counted_quantity"]
        changed[key] += row["change_quantity"]
    for key, row in cells.items():
        assert counted[key] == (row["quantity"] or 0)
        if row["change_quantity"] is not None:
            assert changed[key] == row["change_quantity"]


def _months(life: Life, metric: str, aggregation: str, last: date) -> dict[date, tuple[Any, ...]]:
    def amount(first: date, until: date) -> Decimal | None:
        if metric == "units_peak":
            return Decimal(life.peak(first, until))
        if metric == "units_days":
            return Decimal(sum(life.units_on(day) for day in days_between(first, until)))
        return life.used(metric, aggregation, first, until)

    days = [day for name, day, _ in life.usage if name == metric] if aggregation else [life.first_on]
    if not [day for day in days if day <= last]:
        return {}
    cells: dict[date, tuple[Any, ...]] = {}
    whole: list[tuple[int, Decimal]] = []
    first_day, past_trend = min(days), None
    for position, month in enumerate(months_between(first_day, last)):
        until = min(month_end(month), last)
        is_complete = until == month_end(month)
        quantity = amount(month, until)
        before = add_months(month, -1)
        cut = same_days(before, until)
        previous = amount(before, cut) if first_day <= cut else None
        if is_complete:
            if quantity is not None:
                whole.append((position, quantity))
            past_trend = slope([pair for pair in whole if pair[0] > position - 12])
        cells[month_of(month)] = (quantity, previous, past_trend, is_complete)
    return cells


@pytest.mark.parametrize("name", ["usage_trends", "usage_rows"])
def test_kind_and_metric_choose_rows(company: Any, name: str) -> None:
    """A metric of one's own may be called like one of the units'."""
    company.tenant("t1", created="2026-11-01")
    company.occupancy("t1", "u1", "2026-11-01")
    company.usage("t1", "units_peak", "2026-11-05", "7")
    assert {r["kind"] for r in company.report(name, metric="units_peak")} == {"units", "usage"}
    [kind] = {(r["kind"], r["metric"]) for r in company.report(name, kind="usage")}
    assert kind == ("usage", "units_peak")
