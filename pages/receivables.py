"""Receivables: what is owed and for how long, what failed to be paid, and how fast money comes in, as of any day."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import streamlit as st

from billing_core.periods import add_months
from billing_core.services import receivables, sums
from billing_core.services.formatting import change_ratio
from billing_core.services.language import N_, _, n_, p_
from pages import _currency, _filters, _frame, _print, _receivables_age, _receivables_speed
from pages._frame import Page

VIEWS = {
    "aging": N_("By age"),
    "failed": N_("Failed payments"),
    "collection": N_("Collection"),
    "dso": N_("DSO"),
    "credit": N_("Customers' credit"),
}
AS_OF_HELP = N_("What was open at the end of this day; payments, credits and voidings after it are not counted.")


def _answer(page: Page, buckets: dict[str, int], before: dict[str, int], on: date, then: date, currency: str) -> None:
    """Say what is open, what share of it is past due, and how that share moved within a month."""
    reader = page.reader
    share, share_then = receivables.past_due_ratio(buckets), receivables.past_due_ratio(before)
    if share is None:
        _print.answer(_("Nothing is open in {currency}.", currency=currency.upper()))
        return
    said = _(
        "**{open}** open, **{share}** past due",
        open=reader.money(sum(buckets.values()), currency, whole=True),
        share=reader.percent(share),
    )
    if share_then is not None:
        points = reader.number(abs(round((share - share_then) * 100)))
        if share > share_then:
            said += _(", up {points} points since {day}", points=points, day=reader.day(then))
        elif share < share_then:
            said += _(", down {points} points since {day}", points=points, day=reader.day(then))
    if on != page.today:
        said += _("; as of {day}", day=reader.day(on))
    _print.answer(said + ".")


def _kpis(
    page: Page,
    buckets: dict[str, int],
    before: dict[str, int],
    then: date,
    currency: str,
    days: list[dict[str, Any]],
    failed: pa.Table,
) -> None:
    reader = page.reader

    def amount(label: str, now: int, past: int, help: str) -> None:
        ratio = change_ratio(past, now)
        _print.metric(
            f"{label}, {currency.upper()}",
            reader.amount(now, currency, whole=True),
            reader.change(ratio) if ratio else None,
            delta_color="inverse",
            delta_description=_("since {day}", day=reader.day(then)) if ratio else None,
            border=True,
            height="stretch",
            help=help,
        )

    with st.grid(4, min_column_width=160, gap="small"):
        amount(
            p_("amount", "Open"),
            sum(buckets.values()),
            sum(before.values()),
            _("What remains to be paid on finalized invoices, incl. tax; today it is Stripe's amount remaining."),
        )
        amount(
            p_("amount", "Past due"),
            receivables.past_due_minor(buckets),
            receivables.past_due_minor(before),
            _("Of it on invoices beyond their due day; without a due day since the day after finalization."),
        )
        latest = days[-1]["dso_days"] if days else None
        _print.metric(
            _("DSO"),
            _("n/a") if latest is None else _("{days} days", days=reader.number(latest, 1)),
            border=True,
            height="stretch",
            help=_("Open ÷ invoiced in the last 90 days × 90, both incl. tax. n/a when nothing was invoiced in them."),
            chart_data=[float(r["dso_days"] or 0) for r in days] if len(days) > 1 else None,
            chart_type="line",
        )
        _print.metric(
            _("At risk, {currency}", currency=currency.upper()),
            reader.amount(sums.total(failed, "amount_at_risk_minor"), currency, whole=True),
            n_("{count} invoice", "{count} invoices", failed.num_rows, count=reader.number(failed.num_rows)),
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
            help=_("Open on invoices for which a charge failed."),
        )


def body(page: Page) -> None:
    """Draw the page."""
    invoiced = page.report("collections")
    if invoiced.table.num_rows == 0:
        _frame.empty(
            _("Nothing to collect yet"),
            _("No invoice has been finalized. Mirror a Stripe account or import invoices, then refresh."),
            command="billing import invoices invoices.csv\nbilling refresh",
        )
        return
    with _filters.row():
        currency = _currency.choose(invoiced.table["currency"].to_pylist())
        first = min(invoiced.table["cohort_month"].to_pylist())
        on = _filters.day(_("As of"), "as_of", default=page.today, first=first, help=_(AS_OF_HELP))
    as_of = None if on == page.today else on
    then = add_months(on, -1)
    aging = page.report("ar_aging", currency=currency, as_of=as_of)
    buckets = receivables.by_bucket(aging.table)
    before = receivables.by_bucket(page.report("ar_aging", currency=currency, as_of=then).table)
    dso = page.report("dso", currency=currency, as_of=as_of)
    failed = page.report("payments_failed", currency=currency, as_of=as_of)
    _answer(page, buckets, before, on, then, currency)
    _kpis(page, buckets, before, then, currency, dso.table.sort_by("month").to_pylist(), failed.table)
    view = _filters.choice(
        _("View"), "view", list(VIEWS), default="aging", name=lambda v: _(VIEWS[v]), as_segments=True
    )
    match view:
        case "aging":
            _receivables_age.show_aging(page, aging, buckets, as_of, currency)
        case "failed":
            _receivables_age.show_failed(page, failed, as_of, currency)
        case "credit":
            _receivables_age.show_credit(page, as_of, currency)
        case "collection":
            collected = page.report("collections", currency=currency, as_of=as_of)
            _receivables_speed.show_collection(page, collected, as_of, currency)
        case _:
            _receivables_speed.show_dso(page, dso, on, currency)


_frame.show("receivables", body)
