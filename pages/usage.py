"""Usage: units and usage of every tenant over time, and one tenant's trend."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow.compute as pc
import streamlit as st

from billing_core.periods import add_months, days_between, month_of, months_between
from billing_core.services.formatting import change_ratio
from pages import _charts, _filters, _frame, _tables
from pages._frame import Page

UNITS = "units"
SPANS = {"6": "Last 6 months", "12": "Last 12 months", "24": "Last 24 months"}
ROWS = {"20": "Largest 20", "50": "Largest 50", "all": "All tenants"}
Grid = dict[str, dict[date, int | Decimal | None]]


def _answer(page: Page) -> None:
    """One sentence: how many units are occupied now, against the end of last month."""
    reader, this_month = page.reader, month_of(page.today)
    rows = {r["month"]: r for r in page.report("overview_kpis").table.to_pylist()}
    now, before = rows.get(this_month), rows.get(add_months(this_month, -1))
    if now is None:
        return
    tenants = reader.number(now["tenants_with_units_count"])
    said = f"**{reader.number(now['units_count'])} units** at {tenants} tenants today"
    ratio = change_ratio(before["units_count"], now["units_count"]) if before else None
    if ratio is not None:
        word = "more than" if ratio > 0 else "fewer than" if ratio < 0 else "as many as"
        amount = f"{reader.percent(abs(ratio), 1)} " if ratio else ""
        said += f", {amount}{word} at the end of {reader.month_name(add_months(this_month, -1))}"
    st.markdown(said + ".")


def _grid(page: Page, metric: str, first: date) -> tuple[Any, Grid]:
    """Return the report and its values per tenant and month."""
    if metric == UNITS:
        report, field = page.report("units_monthly", from_date=first), "peak_units_count"
        table = report.table
    else:
        report, field = page.report("usage_by_tenant_month", from_date=first), "quantity"
        table = report.table.filter(pc.equal(report.table["metric"], metric))
    grid: Grid = {}
    for tenant, month, value in zip(
        table["tenant_id"].to_pylist(), table["month"].to_pylist(), table[field].to_pylist(), strict=True
    ):
        grid.setdefault(tenant, {})[month] = value
    return report, grid


def _largest(grid: Grid, names: Mapping[str, str], rows: str) -> list[str]:
    """Tenants by their last value, the largest first."""

    def size(tenant: str) -> tuple[Decimal, str]:
        values = grid[tenant]
        return (-Decimal(values[max(values)] or 0), names.get(tenant, tenant))

    ordered = sorted(grid, key=size)
    return ordered if rows == "all" else ordered[: int(rows)]


def _heat(
    page: Page,
    grid: Grid,
    tenants: list[str],
    months: list[date],
    names: Mapping[str, str],
    metric: str,
    unit: str,
    chosen: str | None,
) -> None:
    reader = page.reader
    axis = _charts.month_axis(months, reader, page.today)
    values = [[grid[t].get(m) for m in months] for t in tenants]
    what = "Peak units" if metric == UNITS else metric
    rule = (
        "the highest number of units occupied on one day of the month"
        if metric == UNITS
        else f"{unit or 'quantity'} in the month"
    )
    _charts.heading(
        f"{what} by tenant and month",
        f"Stronger is more: {rule}. Months of {reader.zone.key}; the last one is not over. "
        "Click a cell for the tenant's days.",
    )
    figure = _charts.heat_map(
        axis,
        tenants,
        [names.get(t, t) for t in tenants],
        [_charts.drawn_numbers(row) for row in values],
        [[reader.number(v) for v in row] for row in values],
        reader,
        unit="units" if metric == UNITS else unit,
        chosen=chosen,
    )
    top = max(
        (
            (v, t, m)
            for t, row in zip(tenants, values, strict=True)
            for m, v in zip(months, row, strict=True)
            if v is not None
        ),
        default=None,
    )
    alt = f"{what} of {len(tenants)} tenants, {axis.long_labels[0]} to {axis.long_labels[-1]}."
    if top is not None:
        alt += f" Highest: {reader.number(top[0])}, {names.get(top[1], top[1])}, {reader.month(top[2])}."
    _charts.chart(
        figure,
        key=f"heat_{metric}_{st.session_state.get('usage_round', 0)}",
        alt=alt,
        on_click=lambda data: _filters.put("tenant", str(data[0]) if data else None),
    )


def _tenant(page: Page, tenant: str, names: Mapping[str, str], metric: str, unit: str, first: date) -> None:
    """One tenant's days."""
    reader = page.reader
    if metric == UNITS:
        report, field, label = (
            page.report("tenant_units_daily", tenant_id=tenant, from_date=first),
            "units_count",
            "Units occupied",
        )
        table = report.table
    else:
        report, field, label = page.report("usage_daily", tenant_id=tenant, from_date=first), "quantity", metric
        table = report.table.filter(pc.equal(report.table["metric"], metric))
    unit_said = f", {unit}" if unit and metric != UNITS else ""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(width="content"):
            _charts.heading(names[tenant], f"{label} per day{unit_said}. Days of {reader.zone.key}.")
        if st.button("All tenants", icon=":material/close:", type="tertiary", key="all_tenants"):
            _filters.put("tenant", None)
            st.session_state["usage_round"] = st.session_state.get("usage_round", 0) + 1
            st.rerun()
    if table.num_rows == 0:
        st.caption(f"{names[tenant]} has no {label.lower()} in this period.")
        return
    by_day = dict(zip(table["day"].to_pylist(), table[field].to_pylist(), strict=True))
    # A day without a row is a gap to be seen, not a day to be skipped.
    days = days_between(min(by_day), max(by_day))
    values = [by_day.get(day) for day in days]
    axis = _charts.day_axis(days, reader)
    series = _charts.Series(
        label,
        _charts.UNITS if metric == UNITS else _charts.USAGE,
        _charts.drawn_numbers(values),
        [f"{reader.number(v)} {unit}".strip() for v in values],
    )
    if metric == UNITS:
        figure = _charts.time_series(axis, [series], reader, is_stepped=True, height=260)
    else:
        figure = _charts.bars(axis, [series], reader, height=260)
    _charts.chart(
        figure, key=f"tenant_{metric}", alt=_charts.alt_text(f"{label} of {names[tenant]} per day", axis, [series])
    )
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        _tables.beside(report, reader, key=f"tenant_{metric}", what=f"{report.name}_{tenant}")
        if st.button("Invoices of this tenant", type="tertiary", icon=":material/receipt_long:", key="to_invoices"):
            _frame.open_page("invoices", tenant=tenant)


def body(page: Page) -> None:
    """Draw the page."""
    tenants_report = page.report("tenants_list")
    if tenants_report.table.num_rows == 0:
        _frame.empty(
            "No tenants yet",
            "Units and usage are counted per tenant. Import tenants and their occupancies, then refresh.",
            command="billing import tenants tenants.csv\nbilling import occupancies occupancies.csv\nbilling refresh",
        )
        return
    people = tenants_report.table
    names = dict(zip(people["tenant_id"].to_pylist(), people["name"].to_pylist(), strict=True))
    usage = page.report("usage_by_tenant_month").table
    metrics = [UNITS, *sorted(set(usage["metric"].to_pylist()))]
    with _filters.row():
        metric = _filters.choice(
            "Measure", "metric", metrics, default=UNITS, name=lambda m: "Units (peak)" if m == UNITS else m
        )
        span = _filters.choice("Period", "period", list(SPANS), default="12", name=SPANS.__getitem__)
        rows = _filters.choice("Tenants", "rows", list(ROWS), default="20", name=ROWS.__getitem__)
        tenant = _filters.choice(
            "One tenant",
            "tenant",
            ["", *sorted(names, key=lambda t: names[t].casefold())],
            default="",
            name=lambda t: names.get(t, "–"),
        )
    first = add_months(month_of(page.today), 1 - int(span))
    _answer(page)
    report, grid = _grid(page, metric, first)
    unit = "" if metric == UNITS else _unit(usage, metric)
    if tenant:
        _tenant(page, tenant, names, metric, unit, first)
    if not grid:
        _frame.empty(
            "Nothing in this period",
            "No tenant has a value for this measure in the months chosen. Choose a longer period or another measure.",
        )
        return
    shown = _largest(grid, names, rows)
    _heat(page, grid, shown, months_between(first, page.today), names, metric, unit, tenant or None)
    _tables.beside(report, page.reader, key=f"heat_{metric}", what=report.name)


def _unit(usage: Any, metric: str) -> str:
    rows = usage.filter(pc.equal(usage["metric"], metric))
    return (rows["unit"][0].as_py() or "") if "unit" in rows.column_names and rows.num_rows else ""


_frame.show("usage", body)
