"""Usage: units and usage of every tenant over time, one tenant's trend, and where the running periods are heading."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow.compute as pc
import streamlit as st

from billing_core.periods import add_months, days_between, month_of, months_between
from billing_core.services import tenants
from billing_core.services.formatting import change_ratio
from billing_core.services.language import N_, _, n_
from billing_core.services.reports import Report
from pages import _charts, _filters, _frame, _heatmap, _print, _tables, _usage_forecast, _words
from pages._frame import Page

UNITS = "units"
VIEWS = {"map": N_("Month by month"), "forecast": N_("Forecast")}
SPANS = {"6": N_("Last 6 months"), "12": N_("Last 12 months"), "24": N_("Last 24 months")}
ROWS = {"20": N_("Largest 20"), "50": N_("Largest 50"), "all": N_("All tenants")}
Grid = dict[str, dict[date, int | Decimal]]


def _answer(page: Page) -> None:
    """One sentence: how many units are occupied now, against the end of last month."""
    reader, this_month = page.reader, month_of(page.today)
    rows = {r["month"]: r for r in page.report("overview_kpis").table.to_pylist()}
    now, before = rows.get(this_month), rows.get(add_months(this_month, -1))
    if now is None:
        return
    count = now["tenants_with_units_count"]
    said = _(
        "**{units}** at {tenants} today",
        units=n_("{count} unit", "{count} units", now["units_count"], count=reader.number(now["units_count"])),
        tenants=n_("{count} tenant", "{count} tenants", count, count=reader.number(count)),
    )
    ratio = change_ratio(before["units_count"], now["units_count"]) if before else None
    if ratio is not None:
        month = reader.month_name(add_months(this_month, -1))
        amount = reader.percent(abs(ratio), 1)
        if ratio > 0:
            said += _(", {amount} more than at the end of {month}", amount=amount, month=month)
        elif ratio < 0:
            said += _(", {amount} fewer than at the end of {month}", amount=amount, month=month)
        else:
            said += _(", as many as at the end of {month}", month=month)
    _print.answer(said + ".")


def _grid(page: Page, metric: str, first: date) -> tuple[Report, Grid]:
    """Return the report and its values per tenant and month."""
    if metric == UNITS:
        report = page.report("units_monthly", from_date=first)
        return report, tenants.by_month(report.table, "peak_units_count")
    report = page.report("usage_by_tenant_month", from_date=first)
    return report, tenants.by_month(report.table.filter(pc.equal(report.table["metric"], metric)), "quantity")


def _largest(grid: Grid, names: Mapping[str, str], rows: str) -> list[str]:
    """Tenants by their last value, the largest first."""

    def size(tenant: str) -> tuple[Decimal, str]:
        values = grid[tenant]
        return (-Decimal(values[max(values)] or 0), names.get(tenant, tenant))

    ordered = sorted(grid, key=size)
    return ordered if rows == "all" else ordered[: int(rows)]


def _said(metric: str) -> str:
    return _("Units (peak)") if metric == UNITS else metric


def _heat(
    page: Page,
    grid: Grid,
    shown: list[str],
    months: list[date],
    names: Mapping[str, str],
    metric: str,
    unit: str,
    chosen: str | None,
) -> None:
    reader = page.reader
    axis = _charts.month_axis(months, reader, page.today)
    values = [tenants.over(months, grid[t], missing=None) for t in shown]
    rule = (
        _("the highest number of units occupied on one day of the month")
        if metric == UNITS
        else _("{unit} in the month", unit=unit or _("quantity"))
    )
    _charts.heading(
        _("{measure} by tenant and month", measure=_said(metric)),
        _(
            "Stronger is more: {rule}. Months of {zone}; the last one is not over. Click a cell for the tenant's days.",
            rule=rule,
            zone=reader.zone.key,
        ),
    )
    figure = _heatmap.heat_map(
        axis,
        shown,
        [_words.on_chart(names.get(t, t), 40) for t in shown],
        [_charts.drawn_numbers(row) for row in values],
        [[reader.number(v) for v in row] for row in values],
        reader,
        unit=_("units") if metric == UNITS else unit,
        chosen=chosen,
    )
    top = max(
        (
            (v, t, m)
            for t, row in zip(shown, values, strict=True)
            for m, v in zip(months, row, strict=True)
            if v is not None
        ),
        default=None,
    )
    alt = _(
        "{measure} of {tenants}, {first} to {last}.",
        measure=_said(metric),
        tenants=n_("{count} tenant", "{count} tenants", len(shown), count=reader.number(len(shown))),
        first=axis.long_labels[0],
        last=axis.long_labels[-1],
    )
    if top is not None:
        alt += " " + _(
            "Highest: {value}, {name}, {month}.",
            value=reader.number(top[0]),
            name=names.get(top[1], top[1]),
            month=reader.month(top[2]),
        )
    _charts.chart(
        figure,
        key=f"heat_{metric}",
        alt=alt,
        on_click=lambda data: _filters.put("tenant", str(data[0]) if data else None),
    )


def _tenant(page: Page, tenant: str, names: Mapping[str, str], metric: str, unit: str, first: date) -> None:
    """One tenant's days."""
    reader, name = page.reader, _words.inert(names[tenant])
    if metric == UNITS:
        report = page.report("tenant_units_daily", tenant_id=tenant, from_date=first)
        field, label, table = "units_count", _("Units occupied"), report.table
    else:
        report = page.report("usage_daily", tenant_id=tenant, from_date=first)
        field, label = "quantity", metric
        table = report.table.filter(pc.equal(report.table["metric"], metric))
    unit_said = f", {unit}" if unit and metric != UNITS else ""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(width="content"):
            _charts.heading(
                name,
                _("{measure} per day{unit}. Days of {zone}.", measure=label, unit=unit_said, zone=reader.zone.key),
            )
        if st.button(_("All tenants"), icon=":material/close:", type="tertiary", key="all_tenants"):
            _filters.put("tenant", None)
            _charts.forget_clicks()
            st.rerun()
    if table.num_rows == 0:
        st.caption(_("{name} has nothing of this measure in this period.", name=name))
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
        figure,
        key=f"tenant_{metric}",
        alt=_charts.alt_text(_("{measure} of {name} per day", measure=label, name=names[tenant]), axis, [series]),
    )
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        _tables.beside(report, reader, key=f"tenant_{metric}", what=f"{report.name}_{tenant}")
        if st.button(_("Open the tenant"), type="tertiary", icon=":material/apartment:", key="to_tenant"):
            _frame.open_page("tenant", tenant=tenant)


def body(page: Page) -> None:
    """Draw the page."""
    people = page.report("tenants_list").table
    if people.num_rows == 0:
        _frame.empty(
            _("No tenants yet"),
            _("Units and usage are counted per tenant. Import tenants and their occupancies, then refresh."),
            command="billing import tenants tenants.csv\nbilling import occupancies occupancies.csv\nbilling refresh",
        )
        return
    _answer(page)
    view = _filters.choice(_("View"), "view", list(VIEWS), default="map", name=lambda v: _(VIEWS[v]), as_segments=True)
    if view == "forecast":
        _usage_forecast.show(page)
        return
    names = dict(zip(people["tenant_id"].to_pylist(), people["name"].to_pylist(), strict=True))
    usage = page.report("usage_by_tenant_month").table
    with _filters.row():
        metric = _filters.choice(
            _("Measure"), "metric", [UNITS, *sorted(set(usage["metric"].to_pylist()))], default=UNITS, name=_said
        )
        span = _filters.choice(_("Period"), "period", list(SPANS), default="12", name=lambda s: _(SPANS[s]))
        rows = _filters.choice(_("Tenants"), "rows", list(ROWS), default="20", name=lambda r: _(ROWS[r]))
        tenant = _filters.choice(
            _("One tenant"),
            "tenant",
            ["", *sorted(names, key=lambda t: names[t].casefold())],
            default="",
            name=lambda t: names.get(t, "–"),
        )
    first = add_months(month_of(page.today), 1 - int(span))
    report, grid = _grid(page, metric, first)
    unit = "" if metric == UNITS else _unit(usage, metric)
    if tenant:
        _tenant(page, tenant, names, metric, unit, first)
    if not grid:
        _frame.empty(
            _("Nothing in this period"),
            _("No tenant has a value of this measure in the months chosen. Choose a longer period or another one."),
        )
        return
    shown = _largest(grid, names, rows)
    _heat(page, grid, shown, months_between(first, page.today), names, metric, unit, tenant or None)
    _tables.beside(report, page.reader, key=f"heat_{metric}", what=report.name)


def _unit(usage: Any, metric: str) -> str:
    rows = usage.filter(pc.equal(usage["metric"], metric))
    return (rows["unit"][0].as_py() or "") if rows.num_rows else ""


_frame.show("usage", body)
