"""Recurring revenue: how it moved, how much of it stays, and whose it is."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow.compute as pc
import streamlit as st

from billing_core.periods import add_months, month_of
from billing_core.services import recurring
from billing_core.services.formatting import change_ratio
from billing_core.services.language import N_, _, n_
from pages import _charts, _currency, _filters, _frame, _print, _recurring_moves, _recurring_stay
from pages._frame import Page

SPANS = {"12": N_("Last 12 months"), "24": N_("Last 24 months"), "all": N_("All months")}
VIEWS = {
    "movements": N_("Movements"),
    "retention": N_("Retention"),
    "cohorts": N_("Cohorts"),
    "tenants": N_("Tenants"),
}
BASES = {"committed": N_("Committed"), "as_billed": N_("As billed"), "total": N_("With usage")}
BASIS_HELP = N_(
    "Committed is licensed items ex tax after discounts that last for ever. As billed takes all discounts. With usage "
    "adds what metered items billed for their last finalized period. Trials and paused subscriptions are in none."
)


def _answer(page: Page, months: list[dict[str, Any]], currency: str) -> None:
    """Say what recurring revenue is, in a month and in a year, and how it moved over twelve months."""
    reader, now = page.reader, months[-1]
    mrr = now["closing_minor"]
    said = _(
        "**{mrr}** a month, **{arr}** a year",
        mrr=reader.money(mrr, currency, whole=True),
        arr=reader.compact(recurring.arr_minor(mrr), currency),
    )
    said += " " + n_(
        "from {count} tenant", "from {count} tenants", now["tenants_count"], count=reader.number(now["tenants_count"])
    )
    year_ago = next((m for m in months if m["month"] == add_months(now["month"], -12)), None)
    change = change_ratio(year_ago["closing_minor"], mrr) if year_ago else None
    if change is not None and year_ago is not None:
        said += _(
            "; {change} since the end of {month}", change=reader.change(change), month=reader.month(year_ago["month"])
        )
    _print.answer(said + ".")


def _kpis(page: Page, months: list[dict[str, Any]], kept: list[dict[str, Any]], currency: str) -> None:
    """Four figures of today against the end of last month; ratios are of the last month that is over."""
    reader, this_month = page.reader, month_of(page.today)
    now, before = months[-1], months[-2] if len(months) > 1 else None
    over = [r for r in kept if r["month"] < this_month]
    churn = recurring.churn_ratio(over)

    def money_of(
        label: str, now_minor: int | None, then_minor: int | None, help: str, values: list[int | None]
    ) -> None:
        ratio = change_ratio(then_minor, now_minor)
        _print.metric(
            f"{label}, {currency.upper()}",
            reader.amount(now_minor, currency, whole=True) if now_minor is not None else _("n/a"),
            reader.change(ratio) if ratio else None,
            delta_description=_("vs the end of {month}", month=reader.month_name(before["month"]))
            if ratio and before
            else None,
            border=True,
            height="stretch",
            help=help,
            chart_data=[v or 0 for v in _charts.drawn(values, currency)] if len(values) > 1 else None,
            chart_type="area",
        )

    def arpa(row: dict[str, Any] | None) -> int | None:
        return recurring.arpa_minor(row["closing_minor"], row["tenants_count"]) if row else None

    last = over[-1] if over else None
    with st.grid(4, min_column_width=160, gap="small"):
        money_of(
            _("Recurring revenue"),
            now["closing_minor"],
            before["closing_minor"] if before else None,
            _("MRR at this moment, ex tax, on the basis chosen above."),
            [m["closing_minor"] for m in months],
        )
        money_of(
            _("Per tenant"),
            arpa(now),
            arpa(before),
            _("ARPA: recurring revenue ÷ tenants that have any."),
            [arpa(m) for m in months],
        )
        nrr = last["nrr_ratio"] if last else None
        _print.metric(
            _("Net retention, {month}", month=reader.month_name(last["month"])) if last else _("Net retention"),
            reader.percent(nrr, 1) if nrr is not None else _("n/a"),
            border=True,
            height="stretch",
            help=_(
                "What the tenants of the month's start bring at its end ÷ what they brought at its start. Above 100 % "
                "those who stay grow by more than the others take away. n/a where there was nothing at the start."
            ),
            chart_data=[float(r["nrr_ratio"]) for r in over if r["nrr_ratio"] is not None] or None,
            chart_type="line",
        )
        lifetime = recurring.ltv_minor(now["closing_minor"], now["tenants_count"], churn)
        _print.metric(
            _("Lifetime value, {currency}", currency=currency.upper()),
            reader.amount(lifetime, currency, whole=True) if lifetime is not None else _("n/a"),
            border=True,
            height="stretch",
            help=_(
                "LTV: revenue per tenant ÷ the mean share of tenants lost per month over the last {months} months that "
                "are over ({churn}). n/a when none was lost.",
                months=recurring.CHURN_MONTHS,
                churn=reader.percent(churn, 2),
            ),
        )


def body(page: Page) -> None:
    """Draw the page."""
    with _filters.row():
        basis = _filters.choice(
            _("Basis"),
            "basis",
            list(BASES),
            default="committed",
            name=lambda b: _(BASES[b]),
            help=_(BASIS_HELP),
        )
        report = page.report("mrr_movements", basis=basis)
        if report.table.num_rows == 0:
            currency, span = "", "12"
        else:
            currency = _currency.choose(report.table["currency"].to_pylist())
            # Cohorts are looked at over their whole life.
            usual = "all" if st.query_params.get("view") == "cohorts" else "12"
            span = _filters.choice(_("Period"), "period", list(SPANS), default=usual, name=lambda s: _(SPANS[s]))
    if report.table.num_rows == 0:
        _frame.empty(
            _("No recurring revenue yet"),
            _(
                "No subscription with a fixed price has run at the end of a month. Mirror a Stripe account or import "
                "subscriptions, then refresh."
            ),
            command="billing import subscriptions subscriptions.csv\nbilling refresh",
        )
        return
    everything = report.table.filter(pc.equal(report.table["currency"], currency)).sort_by("month")
    months = everything.to_pylist()
    retained = page.report("retention", basis=basis, currency=currency)
    _answer(page, months, currency)
    _kpis(page, months, retained.table.to_pylist(), currency)
    first: date = months[0]["month"] if span == "all" else add_months(month_of(page.today), 1 - int(span))
    shown = [m for m in months if m["month"] >= first]
    view = _filters.choice(
        _("View"), "view", list(VIEWS), default="movements", name=lambda v: _(VIEWS[v]), as_segments=True
    )
    chosen = _filters.month("month", [m["month"] for m in months])
    match view:
        case "movements":
            _recurring_moves.show(page, report, shown, chosen, currency, basis)
        case "tenants":
            _recurring_moves.show_tenants(page, chosen or months[-1]["month"], currency)
        case "retention":
            _recurring_stay.show_retention(page, retained, first, chosen, currency, basis)
        case _:
            _recurring_stay.show_cohorts(page, currency, basis, first)


_frame.show("recurring", body)
