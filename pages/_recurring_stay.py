"""How much recurring revenue stays: retention by month, and the cohorts of tenants that began together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Any

import pyarrow.compute as pc
import streamlit as st

from billing_core.periods import add_months
from billing_core.services import recurring, reports, sums
from billing_core.services.language import N_, _, n_
from pages import _behind, _charts, _filters, _heatmap, _print, _tables
from pages._frame import Page
from pages._tables import Column

# Pixels a cell of the cohorts needs for its three digits.
LEAST_CELL = 27
MEASURES = {"tenants": N_("Tenants"), "revenue": N_("Revenue")}
RATIOS = {"nrr_ratio": N_("Net retention"), "grr_ratio": N_("Gross retention")}
COLOURS = {"nrr_ratio": _charts.RECURRING, "grr_ratio": _charts.COLLECTED}


def show_retention(
    page: Page, report: reports.Report, first: date, chosen: date | None, currency: str, basis: str
) -> None:
    """Draw gross and net retention over the months, and below a table, or the tenants of one month.

    Args:
        page: the frame's.
        report: `retention` of this currency and basis.
        first: the first month to show.
        chosen: a month of the link.
        currency: of all amounts.
        basis: of the movements.
    """
    reader = page.reader
    table = report.table.filter(pc.greater_equal(report.table["month"], first)).sort_by("month")
    rows = table.to_pylist()
    axis = _charts.month_axis([r["month"] for r in rows], reader, page.today)
    series = [
        _charts.Series(
            _(name),
            COLOURS[field],
            [None if r[field] is None else float(r[field]) for r in rows],
            [_percent(page, r[field]) for r in rows],
        )
        for field, name in RATIOS.items()
    ]
    _charts.heading(
        _("Retention"),
        _(
            "Of what tenants brought at the start of a month, what they bring at its end; gross without growth. "
            "Click a month for its tenants."
        ),
    )
    figure = _charts.time_series(axis, series, reader)
    low = min((v for one in series for v in one.values if v is not None), default=0.0)
    # Ratios near 1 are told apart from 1, not from 0; a line, unlike a bar, need not begin at zero.
    figure.update_layout(yaxis={"tickformat": ".0%", "rangemode": "normal", "range": [min(low, 0.95) - 0.02, None]})
    _charts.chart(
        figure,
        key=f"retention_{currency}",
        alt=_charts.alt_text(_("Retention"), axis, series),
        on_click=lambda data: _filters.put("month", str(data[0]) if data else None),
    )
    found = next((r for r in rows if r["month"] == chosen), None)
    if found is not None:
        _one_month(page, report, found, currency, basis)
        return
    _months(page, report, table, currency)


def _percent(page: Page, ratio: Any) -> str:
    return _("n/a") if ratio is None else page.reader.percent(ratio, 1)


def _months(page: Page, report: reports.Report, table: Any, currency: str) -> None:
    reader = page.reader
    table = table.sort_by([("month", "descending")])
    table = _tables.with_texts(table, "month_name", [reader.month(m) for m in table["month"].to_pylist()])
    place = table.schema.get_field_index("quick_ratio")
    table = table.set_column(place, "quick_ratio", pc.round(table["quick_ratio"], 1))
    meanings = {c.name: _(c.meaning) for c in report.columns}
    _tables.show(
        table,
        [
            Column("month_name", _("Month"), "open", _("Show the tenants of this month"), 150),
            Column("nrr_ratio", _("Net retention"), "ratio", meanings["nrr_ratio"]),
            Column("grr_ratio", _("Gross retention"), "ratio", meanings["grr_ratio"]),
            Column("logo_churn_ratio", _("Tenants lost"), "ratio", meanings["logo_churn_ratio"]),
            Column("quick_ratio", _("Quick ratio"), "quantity", meanings["quick_ratio"]),
            Column("tenants_start_count", _("At the start"), "count", meanings["tenants_start_count"]),
            Column("tenants_lost_count", _("Of them lost"), "count", meanings["tenants_lost_count"]),
        ],
        key=f"retention_table_{currency}",
        reader=reader,
        alt=_("Retention by month, newest first"),
        on_open={"month_name": lambda row: _filters.put("month", row["month"].isoformat())},
    )
    _tables.beside(report, reader, key="retention", what=f"retention_{currency}")


def _one_month(page: Page, of: reports.Report, row: Mapping[str, Any], currency: str, basis: str) -> None:
    """The tenants of one month: both ratios are sums of their columns, said one over the other."""
    reader, month = page.reader, row["month"]
    _behind.heading(reader.month(month), back=_("All months"), closes=("month",), key="retention_month")
    report = page.report(
        "mrr_movement_rows", from_date=month, to_date=add_months(month, 1), currency=currency, basis=basis
    )
    rows = recurring.with_kept(report.table)
    opening = reader.money(sums.total(rows, "opening_minor"), currency)
    _print.answer(
        _(
            "Net retention **{nrr}**: {closing} at the end ÷ {opening} at the start. Gross retention **{grr}**: "
            "{kept} kept ÷ {opening}. {lost} of {count} tenants were lost.",
            nrr=_percent(page, row["nrr_ratio"]),
            grr=_percent(page, row["grr_ratio"]),
            closing=reader.money(sums.total(rows, "closing_minor"), currency),
            kept=reader.money(sums.total(rows, "kept_minor"), currency),
            opening=opening,
            lost=reader.number(row["tenants_lost_count"]),
            count=reader.number(row["tenants_start_count"]),
        )
    )
    _behind.table(
        page,
        report,
        _behind.named(rows.sort_by([("change_minor", "ascending")])),
        [
            Column("tenant_name", _("Tenant"), "open", _("Open the tenant"), 230),
            Column("opening_minor", _("At the start, {currency}", currency=currency.upper()), "money"),
            Column("closing_minor", _("At the end"), "money", is_zero_nothing=True),
            Column("kept_minor", _("Kept"), "money", _("The smaller of start and end."), is_zero_nothing=True),
            Column("change_minor", _("Change"), "money", is_zero_nothing=True),
        ],
        key="retention_rows",
        currency=currency,
        alt=_("Tenants with recurring revenue at the start of {month}", month=reader.month(month)),
        on_open={"tenant_name": _behind.open_tenant},
        what=f"mrr_movement_rows_{month.isoformat()[:7]}_{currency}",
        also=[of],
    )


def show_cohorts(page: Page, currency: str, basis: str, first: date) -> None:
    """Draw the cohorts as a heat map, of tenants or of revenue, and below it the tenants of the cell that was clicked.

    Args:
        page: the frame's.
        currency: of all amounts.
        basis: of the movements.
        first: the first cohort to show.
    """
    measure = _filters.choice(
        _("Retained"), "retained", list(MEASURES), default="tenants", name=lambda m: _(MEASURES[m]), as_segments=True
    )
    report = page.report("retention_cohorts", currency=currency, basis=basis, from_date=first)
    rows = report.table.to_pylist()
    if not rows:
        st.caption(_("No tenant began in this period. Choose a longer one."))
        return
    cells = {(r["cohort_month"], r["month_number"]): r for r in rows}
    cohort, number = _asked(cells)
    _map(page, cells, measure, cohort, currency)
    _tables.beside(report, page.reader, key="retention_cohorts", what=f"retention_cohorts_{currency}")
    if cohort is not None and number is not None:
        _cell(page, report, cells[cohort, number], currency, basis)


def _asked(cells: Mapping[tuple[date, int], Any]) -> tuple[date | None, int | None]:
    """Return the cell in the link when it is one of those known."""
    cohort = _filters.month("cohort", sorted({c for c, _number in cells}))
    text = _filters.identifier("after") or ""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None
    return (cohort, number) if (cohort, number) in cells else (None, None)


def _map(
    page: Page, cells: Mapping[tuple[date, int], Mapping[str, Any]], measure: str, chosen: date | None, currency: str
) -> None:
    reader = page.reader
    cohorts = sorted({c for c, _number in cells})
    numbers = list(range(max(number for _cohort, number in cells) + 1))
    part, whole = (
        ("tenants_retained_count", "tenants_count") if measure == "tenants" else ("mrr_minor", "mrr_start_minor")
    )

    def ratio(cohort: date, number: int) -> Fraction | None:
        cell = cells.get((cohort, number))
        return Fraction(cell[part], cell[whole]) if cell and cell[whole] else None

    ratios = [[ratio(cohort, number) for number in numbers] for cohort in cohorts]
    axis = _charts.Axis(
        keys=[str(n) for n in numbers],
        labels=[str(n) for n in numbers],
        long_labels=[n_("after {count} month", "after {count} months", n, count=reader.number(n)) for n in numbers],
    )
    labels = [f"{reader.short_month(c)} · {reader.number(cells[c, 0]['tenants_count'])}" for c in cohorts]
    _charts.heading(
        _("Cohorts by first paid month"),
        _(
            "Percent of the tenants that began in a month and still pay so many months later; beside each month how "
            "many began. Click a cell for its tenants."
        )
        if measure == "tenants"
        else _(
            "Recurring revenue of the tenants that began in a month, in percent of what they brought at its end; "
            "above 100 those who stay grew by more. Click a cell for its tenants."
        ),
    )
    figure = _heatmap.heat_map(
        axis,
        [c.isoformat() for c in cohorts],
        labels,
        [[None if r is None else float(r) for r in row] for row in ratios],
        [["" if r is None else reader.percent(r).removesuffix(" %") for r in row] for row in ratios],
        reader,
        unit="%",
        chosen=chosen.isoformat() if chosen else None,
        most=1.0,
        is_labelled=True,
    )

    def clicked(data: list[Any]) -> None:
        _filters.put("cohort", str(data[0]) if data else None)
        _filters.put("after", str(data[1]) if data else None)

    # On a telephone it is scrolled sideways, so that every cell stays readable and can be hit.
    _charts.chart(
        figure,
        key=f"cohorts_{measure}_{currency}",
        least_width=110 + LEAST_CELL * len(numbers),
        alt=_(
            "Retention of {count} cohorts, {first} to {last}, over up to {months} months.",
            count=len(cohorts),
            first=reader.month(cohorts[0]),
            last=reader.month(cohorts[-1]),
            months=numbers[-1],
        ),
        on_click=clicked,
    )


def _cell(page: Page, of: reports.Report, cell: Mapping[str, Any], currency: str, basis: str) -> None:
    """The tenants of one cohort so many months later, those who left among them."""
    reader, cohort, number = page.reader, cell["cohort_month"], cell["month_number"]
    title = n_(
        "Began in {month}, {count} month later",
        "Began in {month}, {count} months later",
        number,
        month=reader.month(cohort),
        count=reader.number(number),
    )
    _behind.heading(title, back=_("All cohorts"), closes=("cohort", "after"), key="cohort")
    report = page.report(
        "retention_cohort_rows", from_date=cohort, to_date=add_months(cohort, 1), currency=currency, basis=basis
    )
    rows = report.table.filter(pc.equal(report.table["month_number"], number))
    still = n_(
        "**{kept}** of {count} tenant has recurring revenue.",
        "**{kept}** of {count} tenants have recurring revenue.",
        cell["tenants_count"],
        kept=reader.number(cell["tenants_retained_count"]),
        count=reader.number(cell["tenants_count"]),
    )
    _print.answer(
        still + " " + _behind.sentence(page, _("Recurring revenue"), cell["mrr_minor"], rows, "mrr_minor", currency)
    )
    _behind.table(
        page,
        report,
        _behind.named(rows.sort_by([("mrr_minor", "descending")])),
        [
            Column("tenant_name", _("Tenant"), "open", _("Open the tenant"), 230),
            Column(
                "mrr_minor",
                _("{month}, {currency}", month=reader.month(add_months(cohort, number)), currency=currency.upper()),
                "money",
                is_zero_nothing=True,
            ),
            Column("mrr_start_minor", _("In the first month"), "money"),
        ],
        key="cohort_rows",
        currency=currency,
        alt=_("Tenants of the cohort"),
        on_open={"tenant_name": _behind.open_tenant},
        what=f"retention_cohort_rows_{cohort.isoformat()[:7]}_{number}_{currency}",
        also=[of],
    )
