"""Revenue in three views that are never mixed, by month, product and tenant, and why it changed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from billing_core.periods import add_months, month_of
from billing_core.services import reports, revenue, sums
from billing_core.services.formatting import change_ratio
from billing_core.services.language import N_, _
from pages import _currency, _filters, _frame, _print, _revenue_bridge, _revenue_views
from pages._frame import Page
from pages._revenue_views import VIEWS, View

SPANS = {"12": N_("Last 12 months"), "24": N_("Last 24 months"), "all": N_("All months")}
CHANGE = "change"
VIEW_HELP = N_(
    "Invoiced is what was finalized, ex tax. Collected is money that came in, incl. tax, by the day of payment. "
    "Recognised is what was earned by the days of service, ex tax. They answer different questions and are never added."
)


def _answer(page: Page, view: View, rows: list[dict[str, Any]], table: pa.Table, currency: str) -> None:
    """Say what the period brought in this view, and how the last month that is over compares with the one before."""
    reader = page.reader
    total = reader.money(sums.total(table, view.main), currency, whole=True)
    said = _("Since {month}: **{total}** {what}", month=reader.month(rows[0]["month"]), total=total, what=view.said())
    over = [r for r in rows if r["month"] < month_of(page.today)]
    if len(over) > 1:
        last, before = over[-1], over[-2]
        change = change_ratio(before[view.main], last[view.main])
        said += _(
            "; {month} brought {amount}",
            month=reader.month_name(last["month"]),
            amount=reader.money(last[view.main], currency, whole=True),
        )
        if change is not None:
            said += _(
                ", {change} against {month}", change=reader.change(change), month=reader.month_name(before["month"])
            )
    _print.answer(said + ".")


def body(page: Page) -> None:
    """Draw the page."""
    report = page.report("revenue_monthly")
    if report.table.num_rows == 0:
        _frame.empty(
            _("No revenue yet"),
            _(
                "No invoice has been finalized and no payment came in. "
                "Mirror a Stripe account or import invoices, then refresh."
            ),
            command="billing import invoices invoices.csv\nbilling refresh",
        )
        return
    names = {**{key: view.name for key, view in VIEWS.items()}, CHANGE: N_("What changed")}
    chosen_view = _filters.choice(
        _("View"),
        "view",
        list(names),
        default="invoiced",
        name=lambda v: _(names[v]),
        as_segments=True,
        help=_(VIEW_HELP),
    )
    with _filters.row():
        currency = _currency.choose(report.table["currency"].to_pylist())
        table = report.table.filter(pc.equal(report.table["currency"], currency)).sort_by("month")
        if chosen_view == CHANGE:
            month = _revenue_bridge.choose(page, table["month"].to_pylist())
        else:
            span = _filters.choice(_("Period"), "period", list(SPANS), default="24", name=lambda s: _(SPANS[s]))
            view = VIEWS[chosen_view]
            by = _filters.choice(
                _("By"), "by", view.breakdowns, default="month", name=lambda b: _(_revenue_views.BREAKDOWNS[b])
            )
    if chosen_view == CHANGE:
        _revenue_bridge.show(page, month, currency)
    else:
        _show(page, view, by, span, report, currency)


def _show(page: Page, view: View, by: str, span: str, report: reports.Report, currency: str) -> None:
    table = report.table.filter(pc.equal(report.table["currency"], currency)).sort_by("month")
    if span != "all":
        first = add_months(month_of(page.today), 1 - int(span))
        table = table.filter(pc.greater_equal(table["month"], first))
    table = revenue.with_net(table)
    rows = table.to_pylist()
    if not rows:
        _frame.empty(
            _("Nothing in this period"),
            _(
                "There are no months with {currency} in the period chosen. Choose a longer one.",
                currency=currency.upper(),
            ),
        )
        return
    month = _filters.month("month", [r["month"] for r in rows])
    _answer(page, view, rows, table, currency)
    _revenue_views.chart(page, view, by, rows, currency, month)
    _revenue_views.below(page, view, by, report, table, month, currency)


_frame.show("revenue", body)
