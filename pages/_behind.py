"""The rows behind a figure: where it can be seen that they add up to it, and where they lead to.

A figure that was clicked is a heading with its amount, the sum of its rows computed from the rows themselves, and the
rows with links to the invoice or the tenant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import streamlit as st

from billing_core.services import reports, sums
from billing_core.services.language import _, n_
from pages import _charts, _filters, _frame, _print, _tables
from pages._frame import Page
from pages._registry import BY_NAME
from pages._tables import Column


def heading(title: str, *, back: str, closes: Sequence[str], key: str) -> None:
    """Draw what was chosen and the way back.

    Args:
        title: what was clicked.
        back: the label of the way back.
        closes: the parameters of the link that the way back takes out.
        key: unique on the page.
    """
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader(title, anchor=False, width="content")
        _print.gathered_heading(title)
        if st.button(back, icon=":material/close:", type="tertiary", key=f"close_{key}"):
            for param in closes:
                _filters.put(param, None)
            _charts.forget_clicks()
            st.rerun()


def sentence(page: Page, label: str, amount_minor: int, rows: pa.Table, field: str, currency: str) -> str:
    """Return what a figure is and what its rows add up to, each computed for itself, and by how much they differ."""
    figure = f"{label}: **{page.reader.money(amount_minor, currency)}**"
    if rows.num_rows == 0:
        return _("{figure}. There are no rows behind it.", figure=figure)
    added = sums.total(rows, field)
    said = n_(
        "{figure}. The row below is {total}.",
        "{figure}. The {count} rows below add up to {total}.",
        rows.num_rows,
        figure=figure,
        count=page.reader.number(rows.num_rows),
        total=page.reader.money(added, currency),
    )
    if added != amount_minor:
        gap = page.reader.money(amount_minor - added, currency)
        said += " " + _(":red[The two differ by {gap}; please report this.]", gap=gap)
    return said


def table(
    page: Page,
    report: reports.Report,
    rows: pa.Table,
    columns: Sequence[Column],
    *,
    key: str,
    currency: str,
    alt: str,
    on_open: Mapping[str, Callable[[Mapping[str, Any]], None]],
    what: str,
    also: Sequence[reports.Report] = (),
) -> None:
    """Draw the rows, with the report they are from beside them; without rows draw only that.

    Args:
        page: the frame's.
        report: what `rows` are taken from.
        rows: those behind the figure.
        columns: as `_tables.show` takes them.
        key: unique on the page.
        currency: of all amounts.
        alt: the table's name.
        on_open: what a click on a cell of kind "open" does.
        what: the file's name.
        also: the report of the figure itself, so that it is explained where its rows are.
    """
    if rows.num_rows:
        _tables.show(rows, columns, key=key, reader=page.reader, currency=currency, alt=alt, on_open=on_open, rows=14)
    _tables.beside(report, page.reader, key=key, what=what, also=also)


def open_invoice(row: Mapping[str, Any]) -> None:
    """Go to the invoice of a row; a row without one leads nowhere."""
    if row["invoice_id"]:
        _frame.open_page("invoices", invoice=row["invoice_id"])


def open_tenant(row: Mapping[str, Any]) -> None:
    """Go to the tenant of a row; a row without one leads nowhere."""
    if row["tenant_id"]:
        _frame.open_page("tenant" if "tenant" in BY_NAME else "usage", tenant=row["tenant_id"])


def named(rows: pa.Table, field: str = "tenant_name") -> pa.Table:
    """Return rows in which who has no name reads as no tenant."""
    return _tables.with_texts(rows, field, [name or _("No tenant") for name in rows[field].to_pylist()])
