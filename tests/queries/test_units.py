"""Units per day and month, counted by hand."""

from __future__ import annotations

from typing import Any


def on(company: Any, tenant: str, *days: str, name: str = "units_daily") -> list[int | None]:
    found = {r["day"].isoformat(): r["units_count"] for r in company.report(name, tenant_id=tenant)}
    return [found.get(day) for day in days]


def test_an_occupancy_counts_from_its_start_up_to_but_not_including_its_end(company: Any) -> None:
    """Half-open: the end day is the first day no longer occupied."""
    company.tenant("t1", created="2026-10-01")
    company.occupancy("t1", "u1", "2026-10-03", "2026-10-05")
    days = ("2026-10-02", "2026-10-03", "2026-10-04", "2026-10-05")
    assert on(company, "t1", *days) == [0, 1, 1, 0]


def test_overlapping_occupancies_of_one_unit_count_once(company: Any) -> None:
    """Distinct units, not occupancies; a stay inside another one changes nothing."""
    company.tenant("t1", created="2026-10-01")
    company.occupancy("t1", "u1", "2026-10-01", "2026-10-20")
    company.occupancy("t1", "u1", "2026-10-05", "2026-10-08")
    company.occupancy("t1", "u1", "2026-10-10", "2026-10-25")
    company.occupancy("t1", "u2", "2026-10-10", "2026-10-11")
    days = ("2026-10-06", "2026-10-10", "2026-10-11", "2026-10-24", "2026-10-25")
    assert on(company, "t1", *days) == [1, 2, 1, 1, 0]


def test_a_turnover_on_one_day_does_not_double(company: Any) -> None:
    """The one who leaves and the one who comes share the unit for no day."""
    company.tenant("t1", created="2026-10-01")
    company.occupancy("t1", "u1", "2026-10-01", "2026-10-10")
    company.occupancy("t1", "u1", "2026-10-10", "2026-10-12")
    assert on(company, "t1", "2026-10-09", "2026-10-10", "2026-10-11") == [1, 1, 1]
    [peak] = company.cells("units_monthly", "month", "peak_units_count", tenant_id="t1", to_date="2026-11-01")
    assert peak == ("2026-10-01", 1)


def test_a_known_move_out_in_the_future_is_still_occupied_and_a_future_move_in_is_not(company: Any) -> None:
    """Now is 22 November 2026."""
    company.tenant("t1", created="2026-11-01")
    company.occupancy("t1", "u1", "2026-11-01", "2026-12-31")
    company.occupancy("t1", "u2", "2026-12-01")
    rows = company.cells("units_daily", "day", "units_count")
    assert rows[-1] == ("2026-11-22", 1)
    assert company.cells("units_daily", "day", "units_count", as_of="2026-12-02")[-1] == ("2026-12-02", 2)


def test_a_deleted_occupancy_and_an_empty_interval_never_counted(company: Any) -> None:
    """Deleting an occupancy takes it out of the past too."""
    company.tenant("t1", created="2026-10-01")
    company.occupancy("t1", "u1", "2026-10-01", deleted="2026-10-15")
    company.occupancy("t1", "u2", "2026-10-05", "2026-10-05")
    assert {c for _, c in company.cells("units_daily", "day", "units_count")} == {0}


def test_a_tenant_without_any_unit_is_present_with_zero(company: Any) -> None:
    """From the day it was created to today, every day."""
    company.tenant("t1", created="2026-11-20")
    rows = company.cells("units_daily", "tenant_id", "day", "units_count")
    assert rows == [("t1", "2026-11-20", 0), ("t1", "2026-11-21", 0), ("t1", "2026-11-22", 0)]
    assert company.cells("units_monthly", "month", "peak_units_count", "units_count") == [("2026-11-01", 0, 0)]


def test_days_begin_with_the_first_occupancy_when_that_is_earlier_than_the_tenant(company: Any) -> None:
    """A tenant created in the system after it moved in is counted from the move-in."""
    company.tenant("t1", created="2026-11-20")
    company.occupancy("t1", "u1", "2026-11-18")
    assert company.cells("units_daily", "day", "units_count")[0] == ("2026-11-18", 1)


def test_a_deleted_tenant_ends_with_the_day_before_unless_it_still_occupies(company: Any) -> None:
    """No zeros after the deletion, but units are never hidden."""
    company.tenant("t1", created="2026-11-01", deleted="2026-11-04")
    company.tenant("t2", created="2026-11-01", deleted="2026-11-04")
    company.occupancy("t2", "u1", "2026-11-02", "2026-11-07")
    assert [d for (d,) in company.cells("units_daily", "day", tenant_id="t1")] == [
        "2026-11-01",
        "2026-11-02",
        "2026-11-03",
    ]
    assert company.cells("units_daily", "day", "units_count", tenant_id="t2")[-1] == ("2026-11-06", 1)


def test_a_move_in_on_the_first_does_not_raise_the_month_before(company: Any) -> None:
    """1 November in Copenhagen is 31 October 23:00 UTC; the peak of October stays."""
    company.tenant("t1", created="2026-10-31T22:30:00+00:00")
    company.occupancy("t1", "u1", "2026-10-01")
    company.occupancy("t1", "u2", "2026-11-01")
    expected = [("2026-10-01", 1, 1), ("2026-11-01", 2, 2)]
    assert company.cells("units_monthly", "month", "peak_units_count", "units_count") == expected


def test_a_day_of_daylight_saving_and_a_leap_day_are_days_like_others(company: Any) -> None:
    """No day is missing or double around 25 October 2026, 29 March 2026 and 29 February 2024."""
    company.tenant("t1", created="2024-02-27")
    company.occupancy("t1", "u1", "2024-02-29", "2024-03-01")
    rows = company.report("units_daily")
    days = [r["day"] for r in rows]
    assert len(days) == len(set(days)) == (days[-1] - days[0]).days + 1
    assert on(company, "t1", "2024-02-28", "2024-02-29", "2024-03-01") == [0, 1, 0]


def test_the_month_s_peak_is_the_highest_day_and_its_end_the_last(company: Any) -> None:
    """Three units for two days in the middle of the month."""
    company.tenant("t1", created="2026-09-01")
    company.occupancy("t1", "u1", "2026-09-01")
    for unit in ("u2", "u3"):
        company.occupancy("t1", unit, "2026-10-10", "2026-10-12")
    rows = company.cells("units_monthly", "month", "peak_units_count", "units_count")
    assert rows == [("2026-09-01", 1, 1), ("2026-10-01", 3, 1), ("2026-11-01", 1, 1)]
    daily = company.report("units_daily", from_date="2026-10-01", to_date="2026-11-01")
    assert max(r["units_count"] for r in daily) == 3


def test_the_range_cuts_days_and_the_peak_follows(company: Any) -> None:
    """From is included, to is not."""
    company.tenant("t1", created="2026-10-01")
    company.occupancy("t1", "u1", "2026-10-10", "2026-10-12")
    days = [d for (d,) in company.cells("units_daily", "day", from_date="2026-10-09", to_date="2026-10-11")]
    assert days == ["2026-10-09", "2026-10-10"]
    month = company.cells(
        "units_monthly", "peak_units_count", "units_count", from_date="2026-10-12", to_date="2026-11-01"
    )
    assert month == [(0, 0)]


def test_one_tenant_s_days_equal_the_report_of_all(company: Any) -> None:
    """The drill-down of a tenant is the same figure, with the change against the day before."""
    for tenant in ("t1", "t2"):
        company.tenant(tenant, created="2026-11-10")
        company.occupancy(tenant, "u1", "2026-11-12", "2026-11-15")
        company.occupancy(tenant, "u2", "2026-11-14")
    one = company.cells("tenant_units_daily", "day", "units_count", tenant_id="t2")
    assert one == company.cells("units_daily", "day", "units_count", tenant_id="t2")
    changes = company.cells("tenant_units_daily", "day", "change_count", tenant_id="t2")
    assert [c for c in changes if c[1]] == [("2026-11-12", 1), ("2026-11-14", 1), ("2026-11-15", -1)]


def test_usage_filters_by_day_tenant_and_the_tenant_s_currency(company: Any) -> None:
    """Quantities come as they are stored, days inside the range only."""
    company.tenant("t1")
    company.tenant("t2", currency="eur")
    for tenant in ("t1", "t2"):
        company.usage(tenant, "kWh", "2026-10-31", "1.25")
        company.usage(tenant, "kWh", "2026-11-01", "0.000001")
    columns = ("tenant_id", "day", "quantity")
    rows = company.cells("usage_daily", *columns, from_date="2026-11-01", currency="eur")
    assert [(t, d, str(q)) for t, d, q in rows] == [("t2", "2026-11-01", "0.000001")]
    assert len(company.report("usage_daily", as_of="2026-10-31")) == 2


def test_a_month_of_usage_is_put_together_as_the_metric_asks(company: Any) -> None:
    """Sums are added, gauges show their highest or last day."""
    from billing_core.store import tables

    company.tenant("t1")
    for aggregation in ("sum", "count", "max", "last", "unique"):
        company.add(tables.metrics, metric=aggregation, aggregation=aggregation, unit="x")
        for day, quantity in (("2026-10-05", "5"), ("2026-10-06", "7"), ("2026-10-07", "6")):
            company.usage("t1", aggregation, day, quantity, events=2)
    rows = {r["metric"]: r for r in company.report("usage_by_tenant_month")}
    assert {m: int(r["quantity"]) for m, r in rows.items()} == {
        "sum": 18,
        "count": 18,
        "max": 7,
        "last": 6,
        "unique": 7,
    }
    assert {r["events_count"] for r in rows.values()} == {6}
