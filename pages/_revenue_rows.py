"""The rows behind a figure of revenue: invoices, credit notes and payments, or the lines that earn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from billing_core.periods import add_months
from billing_core.services import reports, revenue
from billing_core.services.language import N_, _
from pages import _behind, _filters, _print, _tables
from pages._frame import Page
from pages._tables import Column

if TYPE_CHECKING:
    from pages._revenue_views import View

ROW_KIND = {
    "invoice": N_("Invoice"),
    "invoice_voided": N_("Voided invoice"),
    "credit_note": N_("Credit note"),
    "credit_note_voided": N_("Voided credit note"),
    "payment": N_("Payment"),
    "refund": N_("Refund"),
}


@dataclass(frozen=True, slots=True)
class Window:
    """What was clicked: months from first to last, both included, and the product or tenant (None is what has none)."""

    first: date
    last: date
    when: str
    currency: str
    by: str = "month"
    place: str | None = None


def show(page: Page, view: View, of: reports.Report, figures: pa.Table, window: Window) -> None:
    """Draw the rows behind one of a view's figures, which the reader chooses; they add up to it.

    Args:
        page: the frame's.
        view: whose figures.
        of: the report of the figures.
        figures: what the figure is summed from: rows of `revenue_monthly` with net, or of a product or tenant.
        window: what was clicked.
    """
    known = [field for field in view.measures if field in figures.column_names]
    field = _filters.choice(
        _("Figure"), "figure", known, default=view.main, name=lambda f: _(view.measures[f]), as_segments=True
    )
    is_balance = field in view.balances
    # A balance is that of one month's end; what flowed is summed over all of them.
    first = window.last if is_balance else window.first
    figure = revenue.figure(figures, field, window.last if is_balance else None)
    by_line = view.rows == "recognition_rows" or window.by == "product"
    report = page.report(
        "recognition_rows" if by_line else "revenue_rows",
        from_date=first,
        to_date=add_months(window.last, 1),
        currency=window.currency,
    )
    rows = _of(report.table, window)
    if field == "net_minor":
        rows = revenue.with_net(rows)
    rows = rows.filter(pc.not_equal(rows[field], 0))
    label = _(view.measures[field])
    _print.answer(_behind.sentence(page, label, figure, rows, field, window.currency))
    (_lines if by_line else _documents)(page, [report, of], rows, field, label, window)


def _of(rows: pa.Table, window: Window) -> pa.Table:
    """Return the rows of the product or tenant that was clicked."""
    if window.by == "month":
        return rows
    column = rows[f"{window.by}_id"]
    return rows.filter(pc.is_null(column) if window.place is None else pc.equal(column, window.place))


def _file(field: str, window: Window) -> str:
    return f"{field.removesuffix('_minor')}_rows_{window.first.isoformat()[:7]}_{window.currency}"


def _documents(
    page: Page, of: Sequence[reports.Report], rows: pa.Table, field: str, label: str, window: Window
) -> None:
    """Invoices, credit notes, payments and refunds; `of` is their report and that of the figure."""
    details = zip(rows["detail"].to_pylist(), rows["invoice_number"].to_pylist(), strict=True)
    rows = _tables.with_texts(rows, "detail", [None if said == number else said for said, number in details])
    _behind.table(
        page,
        of[0],
        _behind.named(_with_kinds(rows)).sort_by([("entry_on", "descending"), ("tenant_name", "ascending")]),
        [
            Column("tenant_name", _("Tenant"), "open", _("Open the tenant"), 230),
            Column("invoice_number", _("Invoice"), "open", _("Open the invoice"), 150),
            Column("kind", _("What"), width=150),
            Column("entry_on", _("Date"), "date"),
            Column(field, f"{label}, {window.currency.upper()}", "money"),
            Column("detail", _("Detail")),
        ],
        key=f"rows_{field}",
        currency=window.currency,
        alt=_("Rows behind {figure}, {when}", figure=label, when=window.when),
        on_open={"tenant_name": _behind.open_tenant, "invoice_number": _behind.open_invoice},
        what=_file(field, window),
        also=of[1:],
    )


def _lines(page: Page, of: Sequence[reports.Report], rows: pa.Table, field: str, label: str, window: Window) -> None:
    """Lines of invoices and credit notes with their days of service; `of` as above."""
    _behind.table(
        page,
        of[0],
        _behind.named(_with_kinds(rows)).sort_by([("month", "descending"), (field, "descending")]),
        [
            Column("tenant_name", _("Tenant"), "open", _("Open the tenant"), 210),
            Column("invoice_number", _("Invoice"), "open", _("Open the invoice"), 145),
            Column("description", _("Line"), width=230),
            Column("month", _("Month"), "month", width=95),
            Column(field, f"{label}, {window.currency.upper()}", "money"),
            Column("amount_minor", _("Whole line"), "money", _("Ex tax, less its discount")),
            Column("service_from_on", _("Service from"), "date"),
            Column("service_to_on", _("To"), "date", _("First day no longer covered")),
            Column("kind", _("What"), width=120),
        ],
        key=f"lines_{field}",
        currency=window.currency,
        alt=_("Lines behind {figure}, {when}", figure=label, when=window.when),
        on_open={"tenant_name": _behind.open_tenant, "invoice_number": _behind.open_invoice},
        what=_file(field, window),
        also=of[1:],
    )


def _with_kinds(rows: pa.Table) -> Any:
    return _tables.with_labels(rows, "kind", {kind: _(name) for kind, name in ROW_KIND.items()})
