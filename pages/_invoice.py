"""One invoice: what it charges, what was paid, what failed, and where to see it in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from billing_core.services.language import N_, _, n_, p_
from pages import _filters, _frame, _print, _tables, _words
from pages._frame import Page
from pages._tables import Column

PAYMENT_KIND = {
    "payment": N_("Payment"),
    "failed_attempt": N_("Failed attempt"),
    "refund": N_("Refund"),
    "credit_note": N_("Credit note"),
}


def list_columns(currency: str | None) -> list[Column]:
    """The columns of the list; with one currency it stands in the headings, otherwise each row says its own."""
    of = f", {currency.upper()}" if currency else ""
    columns = [
        Column("number_shown", _("Invoice"), "open", _("Open the invoice"), 125),
        Column("tenant_name", _("Tenant"), width=195),
        Column("status_name", _("Status"), "status", width=115),
        Column("total_minor", _("Total") + of, "money", _("What the invoice charges, incl. tax"), 100),
        Column(
            "open_minor", p_("amount", "Open") + of, "money", _("What remains to be paid"), 95, is_zero_nothing=True
        ),
    ]
    if currency is None:
        columns.append(Column("currency_code", _("Currency"), width=78))
    return [
        *columns,
        Column("finalized_on", _("Finalized"), "date", width=105),
        Column("due_on", _("Due"), "date", width=105),
        Column("days_past_due", _("Days past due"), "count", width=110, is_zero_nothing=True),
        Column("paid_on", _("Paid"), "date", width=105),
    ]


def show(page: Page, invoice: Mapping[str, Any]) -> None:
    """Draw one invoice.

    Args:
        page: the frame's.
        invoice: its row of `invoices_list`.
    """
    reader, currency = page.reader, invoice["currency"]
    status = _tables.status_label(invoice["status"], invoice["days_past_due"])
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.subheader(invoice["number"] or _("Invoice without a number yet"), anchor=False, width="content")
            st.badge(status, color=_tables.status_colour(status))
        if st.button(_("All invoices"), icon=":material/close:", type="tertiary", key="all_invoices"):
            _filters.put("invoice", None)
            st.rerun()
    _sentence(page, invoice)
    with st.grid(4, min_column_width=170, gap="small"):
        for label, field in (
            (_("Subtotal"), "subtotal_minor"),
            (_("Tax"), "tax_minor"),
            (_("Total"), "total_minor"),
            (p_("amount", "Open"), "open_minor"),
        ):
            if field in invoice:
                _print.metric(f"{label}, {currency.upper()}", reader.amount(invoice[field], currency), border=True)
    _lines(page, invoice)
    _payments(page, invoice)
    _links(invoice)


def _sentence(page: Page, invoice: Mapping[str, Any]) -> None:
    reader, currency = page.reader, invoice["currency"]
    who = _words.inert(invoice["tenant_name"] or invoice["customer_name"]) or _("a customer without a tenant")
    owed = reader.money(invoice["open_minor"], currency)
    finalized, due = reader.day(invoice["finalized_on"]), reader.day(invoice["due_on"])
    late_days = invoice["days_past_due"] or 0
    match invoice["status"]:
        case "draft":
            said = _("A draft for **{who}**; it can still change.", who=who)
        case "paid":
            paid = reader.day(invoice["paid_on"])
            said = _("For **{who}**, finalized {finalized}, paid {paid}.", who=who, finalized=finalized, paid=paid)
        case "open" if invoice["due_on"] and late_days > 0:
            said = n_(
                "For **{who}**: **{owed}** was due {due}, {days} day ago.",
                "For **{who}**: **{owed}** was due {due}, {days} days ago.",
                late_days,
                who=who,
                owed=owed,
                due=due,
                days=reader.number(late_days),
            )
        case "open" if invoice["due_on"]:
            said = _("For **{who}**: **{owed}** is open, due {due}.", who=who, owed=owed, due=due)
        case "open":
            said = _(
                "For **{who}**: **{owed}** is open. It is charged automatically and was finalized {finalized}.",
                who=who,
                owed=owed,
                finalized=finalized,
            )
        case "void":
            said = _("For **{who}**; voided, so nothing is owed.", who=who)
        case "uncollectible":
            lost = reader.money(invoice["written_off_minor"], currency)
            said = _("For **{who}**; marked uncollectible with {lost} unpaid.", who=who, lost=lost)
        case other:
            said = _("For **{who}**, {status}.", who=who, status=_tables.status_label(other).lower())
    _print.answer(said)


def _lines(page: Page, invoice: Mapping[str, Any]) -> None:
    _print.section(_("Lines"))
    report = page.report("invoice_lines_list", invoice_id=invoice["invoice_id"])
    if report.table.num_rows == 0:
        st.caption(_("This invoice came without lines (imported invoices have none)."))
        return
    currency = invoice["currency"]
    _tables.show(
        report.table,
        [
            Column("description", _("What"), width=300),
            Column("quantity", _("Quantity"), "quantity"),
            Column(
                "amount_minor",
                _("Amount, {currency}", currency=currency.upper()),
                "money",
                _("Ex tax, before discounts"),
            ),
            Column("discount_minor", _("Discount"), "money", is_zero_nothing=True),
            Column("tax_minor", _("Tax"), "money", is_zero_nothing=True),
            Column("period_start_on", _("From"), "date"),
            Column("period_end_on", _("To"), "date", _("First day no longer covered")),
        ],
        key="lines",
        reader=page.reader,
        currency=currency,
        alt=_("Lines of the invoice"),
    )
    _tables.beside(report, page.reader, key="lines", what=f"invoice_lines_{invoice['number'] or invoice['invoice_id']}")


def _payments(page: Page, invoice: Mapping[str, Any]) -> None:
    _print.section(_("Payments, refunds and credit notes"))
    report = page.report("invoice_payments_list", invoice_id=invoice["invoice_id"])
    if report.table.num_rows == 0:
        st.caption(_("No payment was tried yet."))
        return
    _tables.show(
        _tables.with_labels(report.table, "kind", PAYMENT_KIND),
        [
            Column("kind", _("What"), "status", width=140),
            Column("on_date", _("Date"), "date"),
            Column("amount_minor", _("Amount, {currency}", currency=invoice["currency"].upper()), "money"),
            Column("method", _("Method"), width=140),
            Column("reason", _("Reason"), width=280),
        ],
        key="payments",
        reader=page.reader,
        currency=invoice["currency"],
        alt=_("Payments, failed attempts, refunds and credit notes of the invoice"),
    )
    _tables.beside(
        report, page.reader, key="payments", what=f"invoice_payments_{invoice['number'] or invoice['invoice_id']}"
    )


def _links(invoice: Mapping[str, Any]) -> None:
    with st.container(horizontal=True):
        if invoice.get("tenant_id") and st.button(
            _("Units of this tenant"), icon=":material/apartment:", key="to_usage"
        ):
            _frame.open_page("usage", tenant=invoice["tenant_id"])
        if invoice.get("hosted_invoice_url"):
            st.link_button(_("Invoice page at Stripe"), invoice["hosted_invoice_url"], icon=":material/open_in_new:")
        if invoice.get("invoice_pdf"):
            st.link_button(_("PDF"), invoice["invoice_pdf"], icon=":material/picture_as_pdf:")
