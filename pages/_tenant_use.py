"""One tenant's use: units day by day with the units of one day, and what is recorded, month by month with its days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow.compute as pc
import streamlit as st

from billing_core.periods import add_months, days_between, month_of, months_between
from billing_core.services import tenants
from billing_core.services.language import N_, _, n_
from pages import _behind, _charts, _filters, _measures, _print, _tables
from pages._frame import Page
from pages._tables import Column

SPANS = {"3": N_("Last 3 months"), "12": N_("Last 12 months"), "24": N_("Last 24 months")}
USAGE_MONTHS = 24


def units(page: Page, tenant: Mapping[str, Any]) -> None:
    """Draw the units of each day; a click on a day shows which they are."""
    reader = page.reader
    with _filters.row():
        span = _filters.choice(_("Period"), "period", list(SPANS), default="12", name=lambda s: _(SPANS[s]))
    first = add_months(month_of(page.today), 1 - int(span))
    report = page.report("tenant_units_daily", tenant_id=tenant["tenant_id"], from_date=first)
    by_day = dict(zip(report.table["day"].to_pylist(), report.table["units_count"].to_pylist(), strict=True))
    if not by_day:
        st.caption(_("No units in this period."))
        _tables.beside(report, reader, key="units_daily", what=f"units_{tenant['tenant_id']}")
        return
    days = days_between(min(by_day), max(by_day))
    axis = _charts.day_axis(days, reader)
    counts = [by_day.get(day) for day in days]
    series = _charts.Series(
        _("Units occupied"), _charts.UNITS, _charts.drawn_numbers(counts), [reader.number(c) for c in counts]
    )
    _charts.heading(
        _("Units per day"),
        _("Distinct units occupied. Days of {zone}. Click a day for its units.", zone=reader.zone.key),
    )
    _charts.chart(
        _charts.time_series(axis, [series], reader, is_stepped=True, height=260),
        key="tenant_units",
        alt=_charts.alt_text(_("Units per day"), axis, [series]),
        on_click=lambda data: _filters.put("day", str(data[0]) if data else None),
    )
    day = _day(by_day, page.today)
    if day is None:
        _tables.beside(report, reader, key="units_daily", what=f"units_{tenant['tenant_id']}")
        return
    _units_of(page, tenant, day, by_day[day])


def _day(by_day: Mapping[date, int], today: date) -> date | None:
    """The day in the link when it is one of those shown."""
    asked = _filters.identifier("day")
    if asked is None:
        return None
    try:
        found = date.fromisoformat(asked)
    except ValueError:
        found = None
    if found not in by_day:
        _filters.note(_("The link asks for the day “{asked}”, which is not shown here.", asked=asked[:40]))
        _filters.put("day", None)
        return None
    return found


def _units_of(page: Page, tenant: Mapping[str, Any], day: date, count: int) -> None:
    reader = page.reader
    report = page.report("tenant_unit_rows", tenant_id=tenant["tenant_id"], as_of=day)
    _behind.heading(reader.day(day), back=_("All days"), closes=("day",), key="units_day")
    rows = report.table.num_rows
    _print.answer(
        n_("**{count}** unit.", "**{count}** units.", count, count=reader.number(count))
        + " "
        + n_("The row below is it.", "The {rows} rows below are they.", rows, rows=reader.number(rows))
        if rows
        else _("No unit was occupied on this day.")
    )
    if rows:
        _tables.show(
            report.table,
            [
                Column("unit_id", _("Unit"), width=220),
                Column("starts_on", _("Moved in"), "date"),
                Column("ends_on", _("First day without"), "date"),
                Column(
                    "occupancies_count", _("Occupancies"), "count", _("More than one overlap; the unit counts once")
                ),
            ],
            key="unit_rows",
            reader=reader,
            alt=_("Units occupied on the day"),
        )
    _tables.beside(report, reader, key="unit_rows", what=f"units_{tenant['tenant_id']}_{day}")


def usage(page: Page, tenant: Mapping[str, Any]) -> None:
    """Draw a recorded metric by month; a click on a month shows the days it is made of."""
    reader = page.reader
    report = page.report("usage_by_tenant_month", tenant_id=tenant["tenant_id"])
    metrics = sorted(set(report.table["metric"].to_pylist()))
    if not metrics:
        st.caption(_("Nothing but units is recorded for this tenant."))
        _forecast(page, tenant)
        return
    with _filters.row():
        metric = _filters.choice(_("Measure"), "metric", metrics, default=metrics[0])
    table = report.table.filter(pc.equal(report.table["metric"], metric))
    values: dict[date, Any] = dict(zip(table["month"].to_pylist(), table["quantity"].to_pylist(), strict=True))
    unit = table["unit"][0].as_py() or ""
    first = max(min(values), add_months(month_of(page.today), 1 - USAGE_MONTHS))
    months = months_between(min(first, month_of(page.today)), page.today)
    shown = tenants.over(months, values, missing=None)
    axis = _charts.month_axis(months, reader, page.today)
    series = _charts.Series(
        metric, _charts.USAGE, _charts.drawn_numbers(shown), [f"{reader.number(v)} {unit}".strip() for v in shown]
    )
    chosen = _filters.month("month", months)
    _charts.heading(
        metric,
        _(
            "{unit} per month of {zone}; the hatched one is not over. Click a month for its days.",
            unit=unit or _("Quantity"),
            zone=reader.zone.key,
        ),
    )
    _charts.chart(
        _charts.bars(axis, [series], reader, chosen=chosen.isoformat() if chosen else None, height=260),
        key=f"tenant_usage_{metric}",
        alt=_charts.alt_text(_("{measure} per month", measure=metric), axis, [series]),
        on_click=lambda data: _filters.put("month", str(data[0]) if data else None),
    )
    if chosen is None:
        _tables.beside(report, reader, key="tenant_usage", what=f"usage_{tenant['tenant_id']}")
        _forecast(page, tenant)
    else:
        _days_of(page, tenant, metric, chosen, values.get(chosen), unit)


def _days_of(page: Page, tenant: Mapping[str, Any], metric: str, month: date, quantity: Any, unit: str) -> None:
    reader = page.reader
    report = page.report(
        "usage_rows",
        tenant_id=tenant["tenant_id"],
        from_date=month,
        to_date=add_months(month, 1),
        kind="usage",
        metric=metric,
    )
    rows = report.table.filter(pc.equal(report.table["part"], "this"))
    _behind.heading(reader.month(month), back=_("All months"), closes=("month",), key="usage_month")
    _print.answer(
        _(
            "{measure}: **{quantity}** {unit}. The days below add up to {total}.",
            measure=_measures.said(metric),
            quantity=reader.number(quantity),
            unit=unit,
            total=reader.number(tenants.added(rows, "counted_quantity")),
        )
    )
    if rows.num_rows:
        _tables.show(
            rows.sort_by([("day", "ascending")]),
            [
                Column("day", _("Day"), "date", width=130),
                Column("day_quantity", _("On the day"), "quantity", width=120),
                Column("counted_quantity", _("Counts as"), "quantity", width=120),
            ],
            key="usage_days",
            reader=reader,
            alt=_("Days behind the month"),
        )
    _tables.beside(report, reader, key="usage_days", what=f"usage_rows_{tenant['tenant_id']}")


def _forecast(page: Page, tenant: Mapping[str, Any]) -> None:
    """Where the tenant's running periods are heading."""
    report = page.report("usage_forecast", tenant_id=tenant["tenant_id"])
    if report.table.num_rows == 0:
        return
    _charts.heading(
        _("The running period"),
        _("So far, where it is likely to end, and the range that eight of ten earlier periods would have ended in."),
    )
    _tables.show(
        forecast_rows(page, report.table),
        forecast_columns(has_tenant=False),
        key="tenant_forecast",
        reader=page.reader,
        alt=_("Forecast of the running periods"),
    )
    _tables.beside(report, page.reader, key="tenant_forecast", what=f"usage_forecast_{tenant['tenant_id']}")


FORECAST_KINDS = {
    "metered": N_("Metered units"),
    "licensed": N_("Licensed units"),
    "fixed": N_("Fixed fee"),
    "units": N_("Units, not billed"),
    "usage": N_("Recorded"),
}


def forecast_name(row: Mapping[str, Any]) -> str:
    """Return what a row of `usage_forecast` is about: `Metered units, Portfolio`."""
    if row["kind"] == "usage":
        return _measures.said(row["subject_id"])
    kind = _(FORECAST_KINDS[row["kind"]])
    return f"{kind}, {row['product']}" if row["product"] else kind


def forecast_rows(page: Page, table: Any) -> Any:
    """Return rows of `usage_forecast` with the words of a table: what is measured, and the ranges as texts."""
    reader, rows = page.reader, table.to_pylist()
    table = _tables.with_texts(
        table,
        "what",
        [forecast_name(r) for r in rows],
    )

    def between(low: str | None, high: str | None) -> str | None:
        return None if low is None or high is None else f"{low} – {high}"

    table = _tables.with_texts(
        table,
        "quantity_range",
        [
            None
            if r["low_quantity"] is None
            else between(reader.number(r["low_quantity"]), reader.number(r["high_quantity"]))
            for r in rows
        ],
    )
    table = _tables.with_texts(
        table,
        "money_range",
        [
            None
            if r["low_minor"] is None
            else between(reader.amount(r["low_minor"], r["currency"]), reader.amount(r["high_minor"], r["currency"]))
            for r in rows
        ],
    )
    return _tables.with_codes(table)


def forecast_columns(*, has_tenant: bool) -> list[Column]:
    """Return the columns of a table of forecasts."""
    first = [Column("tenant_name", _("Tenant"), "open", _("Open the tenant"), 220)] if has_tenant else []
    return [
        *first,
        Column("what", _("What"), width=180),
        Column("so_far_quantity", _("So far"), "quantity", width=85),
        Column("expected_quantity", _("Expected"), "quantity", _("Where it is likely to end"), 85),
        Column("quantity_range", _("Range"), width=110),
        Column("expected_minor", _("Expected to cost"), "money", _("Ex tax, before discounts"), 125),
        Column("money_range", _("Range in money"), width=170),
        Column("currency_code", _("Currency"), width=75),
        Column("period_end_on", _("Ends"), "date", _("First day of the next period"), 110),
    ]
