"""How fast money comes in: the share collected after so many days, and days sales outstanding, down to invoices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from billing_core.periods import add_months
from billing_core.services import receivables, reports, sums
from billing_core.services.language import N_, _
from pages import _behind, _charts, _filters, _print, _receivables_age, _tables
from pages._frame import Page
from pages._tables import Column

WITHIN = {
    "collected_0": N_("Same day"),
    "collected_30": N_("Within 30 days"),
    "collected_60": N_("Within 60 days"),
    "collected_90": N_("Within 90 days"),
}
COLOURS = ("#000010", "#000001", "#000005", "#000002")
DSO_WINDOW = timedelta(days=90)


def show_collection(page: Page, report: reports.Report, as_of: date | None, currency: str) -> None:
    """Draw the share collected by month of finalization, and below a table, or the invoices of one month.

    Args:
        page: the frame's.
        report: `collections` of this currency and day.
        as_of: the day; None is today.
        currency: of all amounts.
    """
    reader, table = page.reader, report.table.sort_by("cohort_month")
    rows = table.to_pylist()
    axis = _charts.month_axis([r["cohort_month"] for r in rows], reader, page.today)
    series = [
        _charts.Series(
            _(label),
            colour,
            [None if r[f"{field}_ratio"] is None else float(r[f"{field}_ratio"]) for r in rows],
            [_percent(page, r[f"{field}_ratio"]) for r in rows],
        )
        for (field, label), colour in zip(WITHIN.items(), COLOURS, strict=True)
    ]
    _charts.heading(
        _("Collected after so many days"),
        _(
            "Percent of what was invoiced in a month, incl. tax, by days from finalization. A line ends where the "
            "youngest invoice is not that old yet. Click a month for its invoices."
        ),
    )
    figure = _charts.time_series(axis, series, reader)
    figure.update_layout(yaxis={"tickformat": ".0%", "range": [0, 1.04]})
    _charts.chart(
        figure,
        key=f"collection_{currency}",
        alt=_charts.alt_text(_("Collected after so many days"), axis, series),
        on_click=lambda data: _filters.put("month", str(data[0]) if data else None),
    )
    chosen = _filters.month("month", [r["cohort_month"] for r in rows])
    if chosen is not None:
        _collected_in(page, report, next(r for r in rows if r["cohort_month"] == chosen), as_of, currency)
        return
    table = table.sort_by([("cohort_month", "descending")])
    table = _tables.with_texts(table, "month_name", [reader.month(m) for m in table["cohort_month"].to_pylist()])
    _tables.show(
        table,
        [
            Column("month_name", _("Finalized in"), "open", _("Show the invoices of this month"), 150),
            Column("invoiced_minor", _("Invoiced, {currency}", currency=currency.upper()), "money"),
            *(Column(f"{field}_ratio", _(label), "ratio") for field, label in WITHIN.items()),
            Column("collected_minor", _("Collected so far"), "money"),
        ],
        key=f"collection_table_{currency}",
        reader=reader,
        currency=currency,
        alt=_("Collection by month of finalization, newest first"),
        on_open={"month_name": lambda row: _filters.put("month", row["cohort_month"].isoformat())},
    )
    _tables.beside(report, reader, key="collections", what=f"collections_{currency}")


def _percent(page: Page, ratio: Any) -> str:
    return _("n/a") if ratio is None else page.reader.percent(ratio, 1)


def _collected_in(page: Page, of: reports.Report, row: Mapping[str, Any], as_of: date | None, currency: str) -> None:
    """The invoices of one month; each ratio is one column's sum over the total's."""
    reader, month = page.reader, row["cohort_month"]
    _behind.heading(
        _("Finalized in {month}", month=reader.month(month)), back=_("All months"), closes=("month",), key="collection"
    )
    report = page.report(
        "collection_rows", from_date=month, to_date=add_months(month, 1), currency=currency, as_of=as_of
    )
    rows = report.table
    said = _behind.sentence(page, _("Invoiced incl. tax"), row["invoiced_minor"], rows, "invoiced_minor", currency)
    parts = [
        _(
            "{within} {amount} (**{share}**)",
            within=_(label).lower(),
            amount=reader.money(sums.total(rows, f"{field}_minor"), currency),
            share=_percent(page, row[f"{field}_ratio"]),
        )
        for field, label in WITHIN.items()
        if row[f"{field}_ratio"] is not None
    ]
    _print.answer(said + " " + _("Of it was paid: {parts}.", parts=", ".join(parts)))
    _behind.table(
        page,
        report,
        _behind.named(rows.sort_by([("collected_minor", "ascending"), ("invoiced_minor", "descending")])),
        [
            Column("invoice_number", _("Invoice"), "open", _("Open the invoice"), 150),
            Column("tenant_name", _("Tenant"), width=220),
            Column("invoiced_minor", _("Total, {currency}", currency=currency.upper()), "money"),
            *(Column(f"{field}_minor", _(label), "money", is_zero_nothing=True) for field, label in WITHIN.items()),
            Column("collected_minor", _("So far"), "money", is_zero_nothing=True),
        ],
        key="collection_rows",
        currency=currency,
        alt=_("Invoices finalized in {month}, least paid first", month=reader.month(month)),
        on_open={"invoice_number": _behind.open_invoice},
        what=f"collection_rows_{month.isoformat()[:7]}_{currency}",
        also=[of],
    )


def show_dso(page: Page, report: reports.Report, on: date, currency: str) -> None:
    """Draw days sales outstanding by both methods, and below a table, or both sides of one month's figure.

    Args:
        page: the frame's.
        report: `dso` of this currency and day.
        on: the last day that counts.
        currency: of all amounts.
    """
    reader, table = page.reader, report.table.sort_by("month")
    rows = table.to_pylist()
    if not rows:
        st.caption(_("Nothing had been invoiced by this day."))
        return
    axis = _charts.month_axis([r["month"] for r in rows], reader, page.today)
    series = [
        _charts.Series(
            label,
            colour,
            _charts.drawn_numbers([r[field] for r in rows]),
            [_("n/a") if r[field] is None else _("{days} days", days=reader.number(r[field], 1)) for r in rows],
        )
        for field, label, colour in (
            ("dso_days", _("DSO"), _charts.INVOICED),
            ("countback_days", _("Counted back"), _charts.CREDITED),
        )
    ]
    _charts.heading(
        _("Days sales outstanding"),
        _(
            "Days of invoicing that are still open at each month's end, incl. tax: open ÷ invoiced of 90 days × 90, "
            "and counted back month by month. Click a month for both sides."
        ),
    )
    _charts.chart(
        _charts.time_series(axis, series, reader),
        key=f"dso_{currency}",
        alt=_charts.alt_text(_("Days sales outstanding"), axis, series),
        on_click=lambda data: _filters.put("month", str(data[0]) if data else None),
    )
    chosen = _filters.month("month", [r["month"] for r in rows])
    if chosen is not None:
        _both_sides(page, report, next(r for r in rows if r["month"] == chosen), on, currency)
        return
    table = table.sort_by([("month", "descending")])
    table = _tables.with_texts(table, "month_name", [reader.month(m) for m in table["month"].to_pylist()])
    for field in ("dso_days", "countback_days"):
        table = table.set_column(table.schema.get_field_index(field), field, pc.round(table[field], 1))
    meanings = {c.name: _(c.meaning) for c in report.columns}
    _tables.show(
        table,
        [
            Column("month_name", _("Month"), "open", _("Show what it is made of"), 150),
            Column("dso_days", _("DSO, days"), "quantity", meanings["dso_days"]),
            Column("countback_days", _("Counted back, days"), "quantity", meanings["countback_days"]),
            Column("open_minor", _("Open, {currency}", currency=currency.upper()), "money", meanings["open_minor"]),
            Column("invoiced_90_minor", _("Invoiced in 90 days"), "money", meanings["invoiced_90_minor"]),
        ],
        key=f"dso_table_{currency}",
        reader=reader,
        currency=currency,
        alt=_("Days sales outstanding by month, newest first"),
        on_open={"month_name": lambda row: _filters.put("month", row["month"].isoformat())},
    )
    _tables.beside(report, reader, key="dso", what=f"dso_{currency}")


def _both_sides(page: Page, of: reports.Report, row: Mapping[str, Any], on: date, currency: str) -> None:
    """What was open at the month's end, and what had been invoiced in the 90 days up to it."""
    reader, month = page.reader, row["month"]
    last = min(add_months(month, 1) - timedelta(days=1), on)
    as_of = None if last == page.today else last
    days = _("n/a") if row["dso_days"] is None else _("{days} days", days=reader.number(row["dso_days"], 1))
    _behind.heading(
        _("{month}: {days}", month=reader.month(month), days=days), back=_("All months"), closes=("month",), key="dso"
    )
    listed = page.report("invoices_list", currency=currency, as_of=as_of)
    rows = receivables.open_invoices(listed.table)
    label = _("Open at the end of {day}", day=reader.day(last))
    _print.answer(_behind.sentence(page, label, row["open_minor"], rows, "open_minor", currency))
    _receivables_age.show_invoices(page, listed, rows, currency, key="dso_open", of=of)
    billed = page.report(
        "revenue_rows",
        from_date=last - DSO_WINDOW + timedelta(days=1),
        to_date=last + timedelta(days=1),
        currency=currency,
    )
    _invoiced(page, billed, row["invoiced_90_minor"], currency)


def _invoiced(page: Page, report: reports.Report, figure_minor: int, currency: str) -> None:
    table: pa.Table = report.table
    rows = receivables.billed_rows(table)
    _print.answer(
        _behind.sentence(page, _("Invoiced in the 90 days up to it"), figure_minor, rows, "billed_minor", currency)
    )
    kinds = {"invoice": _("Invoice"), "invoice_voided": _("Voided invoice")}
    _behind.table(
        page,
        report,
        _behind.named(_tables.with_labels(rows, "kind", kinds).sort_by([("entry_on", "descending")])),
        [
            Column("invoice_number", _("Invoice"), "open", _("Open the invoice"), 150),
            Column("tenant_name", _("Tenant"), width=230),
            Column("entry_on", _("Date"), "date"),
            Column("kind", _("What"), width=150),
            Column("billed_minor", _("Invoiced incl. tax, {currency}", currency=currency.upper()), "money"),
        ],
        key="dso_invoiced",
        currency=currency,
        alt=_("Invoices of the 90 days, newest first"),
        on_open={"invoice_number": _behind.open_invoice},
        what=f"invoiced_90_days_{currency}",
    )
