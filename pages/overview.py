"""Overview: how billing stands, and what needs attention."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

import streamlit as st

from billing_core.periods import add_months, month_of
from billing_core.services.formatting import Reader, change_ratio
from billing_core.services.language import N_, _, n_, p_
from pages import _charts, _currency, _frame, _print, _tables
from pages._frame import Page
from pages._tables import Column

KIND_LABEL = {
    "past_due": N_("Past due"),
    "payment_failed": N_("Payment failed"),
    "draft_finalizing": N_("Draft about to finalize"),
    "no_subscription": N_("Occupied, not billed"),
    "uncollectible": N_("Uncollectible"),
    "dispute": N_("Disputed"),
    "no_tenant": N_("Customer without a tenant"),
}
OF_AN_INVOICE = {"past_due", "payment_failed", "draft_finalizing", "uncollectible"}


def _row(rows: list[dict[str, Any]], month: date) -> Mapping[str, Any]:
    return next((r for r in rows if r["month"] == month), {})


def _kpis(page: Page, rows: list[dict[str, Any]], currency: str) -> None:
    """Four figures: two of the last month that is over, two of today; each against the month before."""
    reader = page.reader
    this_month = month_of(page.today)
    last, before = add_months(this_month, -1), add_months(this_month, -2)
    done = [r for r in rows if r["month"] < this_month]
    month, previous = reader.month_name(last), reader.month_name(before)

    def change(then: int | None, now: int | None, when: str) -> tuple[str | int | None, str]:
        """How a figure moved, and against what; nothing moved is a plain 0, nothing to compare with is said."""
        ratio = change_ratio(then, now)
        if ratio is None:
            return None, _("none at {when}", when=when) if then == 0 else _("no figure for {when}", when=when)
        return (reader.change(ratio) if ratio else 0), _("vs {when}", when=when)

    def flow(label: str, field: str, help: str) -> None:
        now, then = _row(rows, last).get(field), _row(rows, before).get(field)
        delta, against = change(then, now, previous)
        _print.metric(
            f"{label}, {month}",
            reader.compact(now, currency),
            delta,
            delta_description=against,
            border=True,
            height="stretch",
            help=help,
            chart_data=[v or 0 for v in _charts.drawn([r[field] for r in done], currency)],
            chart_type="bar",
        )

    def stock(label: str, field: str, help: str, *, is_money: bool, good: Literal["up", "down"]) -> None:
        now, then = _row(rows, this_month).get(field), _row(rows, last).get(field)
        delta, against = change(then, now, _("end of {month}", month=month))
        values = [r[field] for r in rows]
        heights = _charts.drawn(values, currency) if is_money else _charts.drawn_numbers(values)
        _print.metric(
            label,
            reader.compact(now, currency) if is_money else reader.number(now),
            delta,
            delta_color="normal" if good == "up" else "inverse",
            delta_description=against,
            border=True,
            height="stretch",
            help=help,
            chart_data=[v or 0 for v in heights],
            chart_type="area",
        )

    with st.grid(4, min_column_width=160, gap="small"):
        flow(
            _("Net invoiced"),
            "net_minor",
            _("Invoices finalized in the month less credit notes issued in it, ex tax."),
        )
        flow(_("Collected"), "collected_minor", _("Payments by the date they were paid, incl. tax."))
        stock(
            p_("amount", "Past due"),
            "past_due_minor",
            _("What is open on invoices beyond their due date, today."),
            is_money=True,
            good="down",
        )
        stock(
            _("Units occupied"),
            "units_count",
            _("Distinct units occupied today, all tenants and currencies."),
            is_money=False,
            good="up",
        )


def _answer(page: Page, rows: list[dict[str, Any]], currency: str) -> None:
    """One sentence that says how it stands."""
    reader, this_month = page.reader, month_of(page.today)
    last, before = add_months(this_month, -1), add_months(this_month, -2)
    net = _row(rows, last).get("net_minor")
    change = change_ratio(_row(rows, before).get("net_minor"), net)
    today = _row(rows, this_month)
    name, name_before = reader.month_name(last), reader.month_name(before)
    amount = reader.money(net, currency, whole=True)
    if change is None:
        said = _("{month} brought **{amount}** net.", month=name, amount=amount)
    elif change == 0:
        said = _(
            "{month} brought **{amount}** net, as much as {before}.", month=name, amount=amount, before=name_before
        )
    else:
        more = N_("{month} brought **{amount}** net, {ratio} more than {before}.")
        less = N_("{month} brought **{amount}** net, {ratio} less than {before}.")
        ratio = reader.percent(abs(change), 1)
        said = _(more if change > 0 else less, month=name, amount=amount, ratio=ratio, before=name_before)
    owed = reader.money(today.get("open_minor"), currency, whole=True)
    if today.get("past_due_minor"):
        late = reader.money(today["past_due_minor"], currency, whole=True)
        said += " " + _("**{owed}** is open, of which **{late}** is past due.", owed=owed, late=late)
    else:
        said += " " + _("**{owed}** is open.", owed=owed)
    _print.answer(said)


def _chart(page: Page, rows: list[dict[str, Any]], currency: str) -> None:
    reader = page.reader
    axis = _charts.month_axis([r["month"] for r in rows], reader, page.today)
    net, paid = [r["net_minor"] for r in rows], [r["collected_minor"] for r in rows]
    invoiced = _charts.Series(
        _("Net invoiced"), _charts.INVOICED, _charts.drawn(net, currency), [reader.money(a, currency) for a in net]
    )
    collected = _charts.Series(
        _("Collected"), _charts.COLLECTED, _charts.drawn(paid, currency), [reader.money(a, currency) for a in paid]
    )
    _charts.heading(
        _("Net invoiced and collected"),
        _(
            "{currency} per month, net invoiced ex tax, collected incl. tax. Months of {zone}; "
            "the hatched one is not over. Click a month for its rows.",
            currency=currency.upper(),
            zone=reader.zone.key,
        ),
    )
    _charts.chart(
        _charts.bars(axis, [invoiced], reader, line=collected),
        key=f"overview_{currency}",
        alt=_charts.alt_text(
            _("Net invoiced and collected per month in {currency}", currency=currency.upper()),
            axis,
            [invoiced, collected],
        ),
        on_click=lambda data: _frame.open_page("revenue", month=str(data[0]), currency=currency) if data else None,
    )


def _detail(row: Mapping[str, Any], reader: Reader) -> str:
    """Say what exactly, in the reader's words; what Stripe says stays in Stripe's."""
    count = row["occurrences_count"]
    said = {"reference": row["reference"], "reason": row["reason"], "count": reader.number(count)}
    match row["kind"]:
        case "past_due" if row["reason"] == "due":
            return n_("{reference} was due {count} day ago", "{reference} was due {count} days ago", count, **said)
        case "past_due":
            return n_(
                "{reference} was finalized {count} day ago", "{reference} was finalized {count} days ago", count, **said
            )
        case "payment_failed":
            said["reason"] = row["reason"] or _("no reason given")
            return n_(
                "{reference}: {reason} ({count} attempt)", "{reference}: {reason} ({count} attempts)", count, **said
            )
        case "draft_finalizing":
            return _("the draft finalizes by itself")
        case "no_subscription":
            return n_("{count} unit occupied", "{count} units occupied", count, **said)
        case "uncollectible":
            return _("{reference} was written off", **said)
        case "no_tenant":
            return _("this customer belongs to no tenant")
        case _:
            return str(row["detail"])


def _attention(page: Page) -> None:
    _print.heading(_("Needs attention"))
    report = page.report("attention")
    if report.table.num_rows == 0:
        _frame.empty(
            _("Nothing needs attention"),
            _(
                "No invoice is past due, no payment failed, no draft is about to finalize, "
                "every occupied unit is billed."
            ),
        )
        return
    kinds = report.table["kind"].to_pylist()
    table = _tables.with_texts(_tables.with_codes(report.table), "kind_name", [_(KIND_LABEL.get(k, k)) for k in kinds])
    table = _tables.with_texts(table, "tenant_name", [n or _("No tenant") for n in table["tenant_name"].to_pylist()])

    details = [_detail(row, page.reader) for row in report.table.to_pylist()]
    table = _tables.with_texts(table, "said", details)

    def opened(row: Mapping[str, Any]) -> None:
        if row["kind"] in OF_AN_INVOICE:
            _frame.open_page("invoices", invoice=row["subject_id"])
        elif row["kind"] == "no_subscription":
            _frame.open_page("usage", tenant=row["tenant_id"])
        elif row["tenant_id"]:
            _frame.open_page("invoices", tenant=row["tenant_id"])
        else:
            _frame.open_page("invoices")

    _tables.show(
        table,
        [
            Column("tenant_name", _("Tenant"), "open", _("Open the tenant's invoice or units"), 220),
            Column("kind_name", _("What"), "status", width=190),
            Column("amount_minor", _("Amount"), "money"),
            Column("currency_code", _("Currency"), width=80),
            Column("since_on", _("Since"), "date"),
            Column("said", _("Detail"), width="large"),
        ],
        key="attention",
        reader=page.reader,
        alt=_("What needs attention, one row per finding"),
        on_open={"tenant_name": opened},
    )
    _tables.beside(report, page.reader, key="attention", what="attention")


def body(page: Page) -> None:
    """Draw the page."""
    report = page.report("overview_kpis")
    if report.table.num_rows == 0:
        _frame.empty(
            _("No figures yet"),
            _(
                "There are no invoices and no occupied units. Import tenants, occupancies and invoices, "
                "or mirror a Stripe account, then refresh."
            ),
            command="billing import tenants tenants.csv\nbilling import occupancies occupancies.csv\nbilling refresh",
        )
        return
    currency = _currency.choose(report.table["currency"].to_pylist())
    rows = [r for r in report.table.to_pylist() if r["currency"] == currency]
    _answer(page, rows, currency)
    _kpis(page, rows, currency)
    _chart(page, rows, currency)
    _tables.beside(report, page.reader, key="overview_kpis", what="overview_kpis")
    _attention(page)


_frame.show("overview", body)
