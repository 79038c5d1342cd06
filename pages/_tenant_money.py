"""One tenant's money: recurring revenue, invoices, payments, and the subscriptions they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow.compute as pc
import streamlit as st

from billing_core import money
from billing_core.periods import add_months, month_of, months_between
from billing_core.services import tenants
from billing_core.services.language import N_, _, n_, p_
from pages import _behind, _charts, _currency, _invoice, _print, _tables
from pages._frame import Page
from pages._tables import Column

MRR_MONTHS = 24
INTERVALS = {
    "day": (N_("day"), N_("{count} days")),
    "week": (N_("week"), N_("{count} weeks")),
    "month": (N_("month"), N_("{count} months")),
    "year": (N_("year"), N_("{count} years")),
}
SUBSCRIPTION = {
    "active": N_("Active"),
    "past_due": N_("Past due"),
    "trialing": N_("On trial"),
    "paused": N_("Paused"),
    "unpaid": N_("Unpaid"),
    "incomplete": N_("Incomplete"),
    "incomplete_expired": N_("Expired"),
    "canceled": N_("Canceled"),
}
USAGE_TYPE = {"licensed": N_("Licensed"), "metered": N_("Metered")}
PAYMENT_KIND = {
    "payment": N_("Payment"),
    "failed_attempt": N_("Failed attempt"),
    "refund": N_("Refund"),
}


def recurring(page: Page, tenant: Mapping[str, Any]) -> None:
    """Draw committed and usage revenue at each month's end, on top of each other."""
    reader = page.reader
    report = page.report("mrr_by_tenant", tenant_id=tenant["tenant_id"])
    if report.table.num_rows == 0:
        st.caption(_("This tenant has had no recurring revenue at the end of any month."))
        _tables.beside(report, reader, key="tenant_mrr", what=f"mrr_{tenant['tenant_id']}")
        return
    currency = _currency.choose(report.table["currency"].to_pylist())
    table = report.table.filter(pc.equal(report.table["currency"], currency))
    first = max(min(table["month"].to_pylist()), add_months(month_of(page.today), 1 - MRR_MONTHS))
    months = months_between(first, page.today)
    axis = _charts.month_axis(months, reader, page.today)

    def series(name: str, colour: str, field: str) -> _charts.Series:
        amounts = tenants.over(months, tenants.by_month(table, field).get(tenant["tenant_id"]), missing=0)
        return _charts.Series(
            name, colour, _charts.drawn(amounts, currency), [reader.money(a, currency) for a in amounts]
        )

    both = [
        series(_("Committed"), _charts.RECURRING, "committed_minor"),
        series(_("Usage"), _charts.USAGE, "usage_minor"),
    ]
    shown = [one for one in both if any(one.values)] or both[:1]
    _charts.heading(
        _("Recurring revenue"),
        _(
            "{currency} a month at each month's end, ex tax: licensed items, and what metered ones billed last.",
            currency=currency.upper(),
        ),
    )
    _charts.chart(
        _charts.bars(axis, shown, reader, is_stacked=True, height=260),
        key=f"tenant_mrr_{currency}",
        alt=_charts.alt_text(_("Recurring revenue per month"), axis, shown),
    )
    meanings = {c.name: _(c.meaning) for c in report.columns}
    labels = {
        "committed_minor": _("Committed"),
        "usage_minor": _("Usage"),
        "trial_minor": _("On trial"),
        "paused_minor": _("Paused"),
        "left_out_minor": _("Unpaid"),
    }
    _tables.show(
        table.sort_by([("month", "descending")]),
        [
            Column("month", _("Month"), "month", width=110),
            *(
                Column(
                    field,
                    f"{label}, {currency.upper()}" if field == "committed_minor" else label,
                    "money",
                    meanings[field],
                    is_zero_nothing=True,
                )
                for field, label in labels.items()
            ),
        ],
        key=f"tenant_mrr_table_{currency}",
        reader=reader,
        currency=currency,
        alt=_("Recurring revenue by month, the latest first"),
    )
    _tables.beside(report, reader, key="tenant_mrr", what=f"mrr_{tenant['tenant_id']}")


def invoices(page: Page, tenant: Mapping[str, Any]) -> None:
    """Draw the invoices with what is open on each, and links to their page and PDF at Stripe."""
    reader = page.reader
    report = page.report("invoices_list", tenant_id=tenant["tenant_id"])
    table = report.table
    if table.num_rows == 0:
        st.caption(_("This tenant has no invoices."))
        _tables.beside(report, reader, key="tenant_invoices", what=f"invoices_{tenant['tenant_id']}")
        return
    sums = money.total(zip(table["open_minor"].to_pylist(), table["currency"].to_pylist(), strict=True))
    said = n_("{count} invoice", "{count} invoices", table.num_rows, count=reader.number(table.num_rows))
    open_said = _(" and ").join(f"**{reader.money(a, c)}**" for c, a in sorted(sums.items()))
    _print.answer(_("{invoices}, {open} open.", invoices=said, open=open_said))
    codes = set(table["currency"].to_pylist())
    one = codes.pop() if len(codes) == 1 else None
    states = [
        _(_tables.status_label(s, d))
        for s, d in zip(table["status"].to_pylist(), table["days_past_due"].to_pylist(), strict=True)
    ]
    table = _tables.with_texts(_tables.with_codes(table), "status_name", states)
    table = _tables.with_texts(table, "number_shown", [n or _("no number yet") for n in table["number"].to_pylist()])
    columns = [c for c in _invoice.list_columns(one) if c.field not in ("tenant_name", "days_past_due")]
    _tables.show(
        table,
        [
            *columns,
            Column("invoice_pdf", _("PDF"), "link", _("The invoice as PDF, from Stripe"), 70, link_text=_("PDF")),
            Column(
                "hosted_invoice_url", _("Page"), "link", _("Stripe's page to pay it"), 70, link_text=p_("verb", "Open")
            ),
        ],
        key=f"tenant_invoices_{one}",
        reader=reader,
        currency=one,
        alt=_("Invoices of the tenant, the latest first"),
        on_open={"number_shown": _behind.open_invoice},
        rows=14,
    )
    _tables.beside(report, reader, key="tenant_invoices", what=f"invoices_{tenant['tenant_id']}")


def payments(page: Page, tenant: Mapping[str, Any]) -> None:
    """Draw payments, failed attempts with the reason, and refunds, the latest first."""
    reader = page.reader
    report = page.report("tenant_payments", tenant_id=tenant["tenant_id"])
    table = report.table
    if table.num_rows == 0:
        st.caption(_("No payment was tried yet."))
        _tables.beside(report, reader, key="tenant_payments", what=f"payments_{tenant['tenant_id']}")
        return
    sums = money.total(zip(table["signed_minor"].to_pylist(), table["currency"].to_pylist(), strict=True))
    said = _(" and ").join(f"**{reader.money(a, c)}**" for c, a in sorted(sums.items()))
    said = _("Collected less refunded: {amounts}, which is what the rows below add up to.", amounts=said)
    failed = table.filter(pc.equal(table["kind"], "failed_attempt"))
    if failed.num_rows:
        latest = failed.sort_by([("on_date", "descending")]).slice(0, 1).to_pylist()[0]
        said += " " + n_(
            "**{count} attempt** failed; it was {day}.",
            "**{count} attempts** failed, the last one {day}.",
            failed.num_rows,
            count=reader.number(failed.num_rows),
            day=reader.day(latest["on_date"]),
        )
    _print.answer(said)
    codes = set(table["currency"].to_pylist())
    one = codes.pop() if len(codes) == 1 else None
    meanings = {c.name: _(c.meaning) for c in report.columns}
    table = _tables.with_labels(_tables.with_codes(table), "kind", {k: _(v) for k, v in PAYMENT_KIND.items()})
    _tables.show(
        table,
        [
            Column("on_date", _("Date"), "date", width=110),
            Column("kind", _("What"), "status", width=140),
            Column(
                "signed_minor", _("Moved") + (f", {one.upper()}" if one else ""), "money", meanings["signed_minor"], 120
            ),
            Column("amount_minor", _("Amount"), "money", _("Of the payment, the attempt or the refund"), 110),
            *([] if one else [Column("currency_code", _("Currency"), width=80)]),
            Column("method", _("Method"), width=140),
            Column("reason", _("Reason"), width=270),
            Column("invoice_number", _("Invoice"), "open", _("Open the invoice"), 140),
        ],
        key="tenant_payments",
        reader=reader,
        currency=one,
        alt=_("Payments, failed attempts and refunds, the latest first"),
        on_open={"invoice_number": _behind.open_invoice},
        rows=16,
    )
    _tables.beside(report, reader, key="tenant_payments", what=f"payments_{tenant['tenant_id']}")


def subscriptions(page: Page, tenant: Mapping[str, Any]) -> None:
    """Draw the subscriptions with their items: what is sold, at which price, and what is about to happen."""
    reader = page.reader
    report = page.report("tenant_subscriptions", tenant_id=tenant["tenant_id"])
    table = report.table
    if table.num_rows == 0:
        st.caption(_("This tenant has no subscription."))
        _tables.beside(report, reader, key="tenant_subscriptions", what=f"subscriptions_{tenant['tenant_id']}")
        return
    rows = table.to_pylist()
    status = [
        _("Paused") if r["is_paused"] and r["ended_on"] is None else _(SUBSCRIPTION.get(r["status"], r["status"]))
        for r in rows
    ]
    table = _tables.with_texts(table, "status_name", status)
    table = _tables.with_texts(table, "price", [_price(page, r) for r in rows])
    table = _tables.with_texts(
        table, "kind", [_(USAGE_TYPE.get(r["usage_type"] or "", r["usage_type"] or "")) for r in rows]
    )
    _tables.show(
        table,
        [
            Column("product_name", _("Product"), width=150),
            Column("status_name", _("Status"), "status", width=110),
            Column("kind", _("Kind"), width=85),
            Column("quantity", _("Quantity"), "quantity", width=80),
            Column("price", _("Price per unit"), width=165),
            Column("period_start_on", _("Period from"), "date", width=105),
            Column("period_end_on", _("Next period"), "date", width=105),
            Column("trial_end_on", _("Trial ends"), "date", width=105),
            Column("cancel_on", _("Cancels"), "date", width=105),
            Column("ended_on", _("Ended"), "date", width=105),
            Column("subscription_id", _("Subscription"), width=200),
        ],
        key="tenant_subscriptions",
        reader=reader,
        alt=_("Subscriptions and their items"),
    )
    _tables.beside(report, reader, key="tenant_subscriptions", what=f"subscriptions_{tenant['tenant_id']}")


def _price(page: Page, row: Mapping[str, Any]) -> str | None:
    """Return a price as it is read out: `19.00 DKK a month`; in tiers it has no one number."""
    if row["price_id"] is None:
        return None
    one, many = INTERVALS.get(row["interval"] or "", (row["interval"] or "", "{count}"))
    count = row["interval_count"] or 1
    period = _(one) if count == 1 else _(many, count=page.reader.number(count))
    if row["unit_amount_decimal"] is None:
        return _("in tiers, per {period}", period=period)
    amount = page.reader.unit_price(row["unit_amount_decimal"], row["currency"])
    return _("{amount} per {period}", amount=amount, period=period)
