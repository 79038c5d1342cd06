"""Revenue: what was invoiced, credited and collected, by month, down to the invoice."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import reduce
from typing import Any

import pyarrow.compute as pc
import streamlit as st

from billing_core import money
from billing_core.periods import add_months, month_of
from billing_core.services import revenue
from pages import _charts, _currency, _filters, _frame, _tables
from pages._frame import Page
from pages._tables import Column

SPANS = {"12": "Last 12 months", "24": "Last 24 months", "all": "All months"}
# What a month's figure is made of: the field of `revenue_monthly` and how it reads. Net is drilled as its two parts.
MEASURES = {
    "net_minor": "Net invoiced",
    "invoiced_minor": "Invoiced",
    "credited_minor": "Credited",
    "collected_minor": "Collected",
    "refunded_minor": "Refunded",
    "tax_minor": "Tax",
}
ROW_KIND = {
    "invoice": "Invoice",
    "invoice_voided": "Voided invoice",
    "credit_note": "Credit note",
    "credit_note_voided": "Voided credit note",
    "payment": "Payment",
    "refund": "Refund",
}


def _filters_row(codes: list[str]) -> tuple[str, str]:
    with _filters.row():
        currency = _currency.choose(codes)
        span = _filters.choice("Period", "period", list(SPANS), default="24", name=SPANS.__getitem__)
    return currency, span


def _chart(page: Page, rows: list[dict[str, Any]], currency: str, chosen: date | None) -> None:
    reader = page.reader
    axis = _charts.month_axis([r["month"] for r in rows], reader, page.today)

    def series(name: str, colour: str, field: str, sign: int = 1) -> _charts.Series:
        amounts = [r[field] for r in rows]
        return _charts.Series(
            name,
            colour,
            _charts.drawn([sign * a for a in amounts], currency),
            [reader.money(a, currency) for a in amounts],
        )

    invoiced, credited = (
        series("Invoiced", _charts.INVOICED, "invoiced_minor"),
        series("Credited", _charts.CREDITED, "credited_minor", -1),
    )
    collected = series("Collected", _charts.COLLECTED, "collected_minor")
    _charts.heading(
        "Invoiced, credited and collected",
        f"{currency.upper()} per month ({reader.zone.key}). Invoiced and credited ex tax, collected incl. tax. "
        "The hatched month is not over. Click a bar for the rows behind it.",
    )

    def clicked(data: list[Any]) -> None:
        _filters.put("month", str(data[0]) if data else None)

    _charts.chart(
        _charts.bars(
            axis,
            [invoiced, credited],
            reader,
            line=collected,
            is_stacked=True,
            chosen=chosen.isoformat() if chosen else None,
            height=330,
        ),
        key=f"revenue_{currency}_{st.session_state.get('revenue_round', 0)}",
        alt=_charts.alt_text(f"Revenue per month in {currency.upper()}", axis, [invoiced, credited, collected]),
        on_click=clicked,
    )


def _answer(page: Page, rows: list[dict[str, Any]], currency: str, span: str) -> None:
    reader = page.reader
    net = money.total((r["net_minor"], currency) for r in rows).get(currency)
    collected = money.total((r["collected_minor"], currency) for r in rows).get(currency)
    credited = money.total((r["credited_minor"], currency) for r in rows).get(currency)
    since = reader.month(rows[0]["month"])
    st.markdown(
        f"Since {since}: **{reader.money(net, currency, whole=True)}** net invoiced ex tax, "
        f"after {reader.money(credited, currency, whole=True)} of credit notes; "
        f"**{reader.money(collected, currency, whole=True)}** collected incl. tax."
    )


def _months(page: Page, report: Any, table: Any, currency: str) -> None:
    def opened(row: Mapping[str, Any]) -> None:
        _filters.put("month", row["month_key"])

    columns = [Column("month_name", "Month", "open", "Show the rows behind this month", 150)]
    meanings = {c.name: c.meaning for c in report.columns}
    columns += [
        Column(
            field,
            f"{label}, {currency.upper()}",
            "money",
            meanings.get(field),
            field in {"credited_minor", "refunded_minor"},
        )
        for field, label in MEASURES.items()
    ]
    names = [page.reader.month(m) for m in table["month"].to_pylist()]
    keys = [m.isoformat() for m in table["month"].to_pylist()]
    shown = _tables.with_texts(_tables.with_texts(table, "month_name", names), "month_key", keys)
    _tables.show(
        shown.sort_by([("month", "descending")]),
        columns,
        key=f"months_{currency}",
        reader=page.reader,
        currency=currency,
        alt="Revenue by month, newest first",
        on_open={"month_name": opened},
        rows=13,
    )
    _tables.beside(report, page.reader, key="revenue_monthly", what=f"revenue_monthly_{currency}")


def _drill(page: Page, month: date, row: Mapping[str, Any], currency: str) -> None:
    """The rows behind one month's figure; they add up to it."""
    reader = page.reader
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader(f"{reader.month(month)}, {currency.upper()}", anchor=False, width="content")
        if st.button("All months", icon=":material/close:", type="tertiary", key="all_months"):
            _filters.put("month", None)
            # A new key forgets the chart's own selection, so that the same bar can be clicked again.
            st.session_state["revenue_round"] = st.session_state.get("revenue_round", 0) + 1
            st.rerun()
    measure = _filters.choice(
        "Figure", "figure", list(MEASURES), default="net_minor", name=MEASURES.__getitem__, as_segments=True
    )
    report = page.report("revenue_rows", from_date=month, to_date=add_months(month, 1), currency=currency)
    parts = ["invoiced_minor", "credited_minor"] if measure == "net_minor" else [measure]
    table = report.table.filter(reduce(pc.or_, [pc.not_equal(report.table[part], 0) for part in parts]))
    st.markdown(_adds_up(page, table, parts, measure, row, currency))
    if table.num_rows == 0:
        return

    def opened(picked: Mapping[str, Any]) -> None:
        if picked["invoice_id"]:
            _frame.open_page("invoices", invoice=picked["invoice_id"])

    shown = _tables.with_labels(table, "kind", ROW_KIND)
    details = zip(table["detail"].to_pylist(), table["invoice_number"].to_pylist(), strict=True)
    shown = _tables.with_texts(shown, "detail", [None if said == number else said for said, number in details])
    shown = _tables.with_texts(shown, "tenant_name", [n or "No tenant" for n in table["tenant_name"].to_pylist()])
    _tables.show(
        shown.sort_by([("entry_on", "descending"), ("tenant_name", "ascending")]),
        [
            Column("tenant_name", "Tenant", "open", "Open the invoice", 230),
            Column("invoice_number", "Invoice", "open", "Open the invoice", 140),
            Column("kind", "What", width=150),
            Column("entry_on", "Date", "date"),
            *(
                Column(part, f"{MEASURES[part]}, {currency.upper()}", "money", is_zero_nothing=len(parts) > 1)
                for part in parts
            ),
            Column("detail", "Detail"),
        ],
        key=f"rows_{measure}",
        reader=reader,
        currency=currency,
        alt=f"Rows behind {MEASURES[measure]} of {reader.month(month)}",
        on_open={"tenant_name": opened, "invoice_number": opened},
    )
    _tables.beside(report, reader, key="revenue_rows", what=f"revenue_rows_{month.isoformat()[:7]}_{currency}")


def _adds_up(page: Page, table: Any, parts: list[str], measure: str, row: Mapping[str, Any], currency: str) -> str:
    """Say what the figure is and what its rows add up to, each summed for itself."""
    reader = page.reader
    figure = f"{MEASURES[measure]}: **{reader.money(row[measure], currency)}**"
    if table.num_rows == 0:
        return f"{figure}. There are no rows behind it."
    sums = [money.total((a, currency) for a in table[part].to_pylist()).get(currency, 0) for part in parts]
    said = " less ".join(
        f"{MEASURES[part].lower()} {reader.money(total, currency)}" for part, total in zip(parts, sums, strict=True)
    )
    rows = "1 row" if table.num_rows == 1 else f"{reader.number(table.num_rows)} rows"
    return f"{figure}. The {rows} below add up to {said}."


def body(page: Page) -> None:
    """Draw the page."""
    report = page.report("revenue_monthly")
    if report.table.num_rows == 0:
        _frame.empty(
            "No revenue yet",
            "No invoice has been finalized and no payment came in. "
            "Mirror a Stripe account or import invoices, then refresh.",
            command="billing import invoices invoices.csv\nbilling refresh",
        )
        return
    currency, span = _filters_row(report.table["currency"].to_pylist())
    table = report.table.filter(pc.equal(report.table["currency"], currency)).sort_by("month")
    if span != "all":
        first = add_months(month_of(page.today), 1 - int(span))
        table = table.filter(pc.greater_equal(table["month"], first))
    table = revenue.with_net(table)
    rows = table.to_pylist()
    if not rows:
        _frame.empty(
            "Nothing in this period",
            f"There are no months with {currency.upper()} in the period chosen. Choose a longer one.",
        )
        return
    chosen = _filters.month("month", [r["month"] for r in rows])
    _answer(page, rows, currency, span)
    _chart(page, rows, currency, chosen)
    if chosen is None:
        _months(page, report, table, currency)
    else:
        _drill(page, chosen, next(r for r in rows if r["month"] == chosen), currency)


_frame.show("revenue", body)
