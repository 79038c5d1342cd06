"""One invoice: what it charges, what was paid, what failed, and where to see it in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages import _filters, _frame, _tables
from pages._frame import Page
from pages._tables import Column

PAYMENT_KIND = {
    "payment": "Payment",
    "failed_attempt": "Failed attempt",
    "refund": "Refund",
    "credit_note": "Credit note",
}


def list_columns(currency: str | None) -> list[Column]:
    """The columns of the list; with one currency it stands in the headings, otherwise each row says its own."""
    of = f", {currency.upper()}" if currency else ""
    columns = [
        Column("number_shown", "Invoice", "open", "Open the invoice", 125),
        Column("tenant_name", "Tenant", width=195),
        Column("status_name", "Status", "status", width=115),
        Column("total_minor", f"Total{of}", "money", "What the invoice charges, incl. tax", 100),
        Column("open_minor", f"Open{of}", "money", "What remains to be paid", 95, is_zero_nothing=True),
    ]
    if currency is None:
        columns.append(Column("currency_code", "Currency", width=78))
    return [
        *columns,
        Column("finalized_on", "Finalized", "date", width=105),
        Column("due_on", "Due", "date", width=105),
        Column("days_past_due", "Days past due", "count", width=110, is_zero_nothing=True),
        Column("paid_on", "Paid", "date", width=105),
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
            st.subheader(invoice["number"] or "Invoice without a number yet", anchor=False, width="content")
            st.badge(status, color=_tables.STATUS_COLOURS.get(status, "gray"))
        if st.button("All invoices", icon=":material/close:", type="tertiary", key="all_invoices"):
            _filters.put("invoice", None)
            st.rerun()
    _sentence(page, invoice)
    with st.grid(4, min_column_width=170, gap="small"):
        for label, field in (
            ("Subtotal", "subtotal_minor"),
            ("Tax", "tax_minor"),
            ("Total", "total_minor"),
            ("Open", "open_minor"),
        ):
            if field in invoice:
                st.metric(f"{label}, {currency.upper()}", reader.amount(invoice[field], currency), border=True)
    _lines(page, invoice)
    _payments(page, invoice)
    _links(invoice)


def _sentence(page: Page, invoice: Mapping[str, Any]) -> None:
    reader, currency = page.reader, invoice["currency"]
    who = invoice["tenant_name"] or invoice["customer_name"] or "a customer without a tenant"
    match invoice["status"]:
        case "draft":
            said = f"A draft for **{who}**; it can still change."
        case "paid":
            said = f"For **{who}**, finalized {reader.day(invoice['finalized_on'])}, "
            said += f"paid {reader.day(invoice['paid_on'])}."
        case "open" if invoice["due_on"] and (invoice["days_past_due"] or 0) > 0:
            late = reader.number(invoice["days_past_due"])
            said = f"For **{who}**: **{reader.money(invoice['open_minor'], currency)}** "
            said += f"was due {reader.day(invoice['due_on'])}, {late} days ago."
        case "open" if invoice["due_on"]:
            said = f"For **{who}**: **{reader.money(invoice['open_minor'], currency)}** is open, "
            said += f"due {reader.day(invoice['due_on'])}."
        case "open":
            said = f"For **{who}**: **{reader.money(invoice['open_minor'], currency)}** is open. "
            said += f"It is charged automatically and was finalized {reader.day(invoice['finalized_on'])}."
        case "void":
            said = f"For **{who}**; voided, so nothing is owed."
        case "uncollectible":
            lost = reader.money(invoice["written_off_minor"], currency)
            said = f"For **{who}**; marked uncollectible with {lost} unpaid."
        case other:
            said = f"For **{who}**, {_tables.status_label(other).lower()}."
    st.markdown(said)


def _lines(page: Page, invoice: Mapping[str, Any]) -> None:
    st.markdown("**Lines**")
    report = page.report("invoice_lines_list", invoice_id=invoice["invoice_id"])
    if report.table.num_rows == 0:
        st.caption("This invoice came without lines (imported invoices have none).")
        return
    currency = invoice["currency"]
    _tables.show(
        report.table,
        [
            Column("description", "What", width=300),
            Column("quantity", "Quantity", "quantity"),
            Column("amount_minor", f"Amount, {currency.upper()}", "money", "Ex tax, before discounts"),
            Column("discount_minor", "Discount", "money", is_zero_nothing=True),
            Column("tax_minor", "Tax", "money", is_zero_nothing=True),
            Column("period_start_on", "From", "date"),
            Column("period_end_on", "To", "date", "First day no longer covered"),
        ],
        key="lines",
        reader=page.reader,
        currency=currency,
        alt="Lines of the invoice",
    )
    _tables.beside(report, page.reader, key="lines", what=f"invoice_lines_{invoice['number'] or invoice['invoice_id']}")


def _payments(page: Page, invoice: Mapping[str, Any]) -> None:
    st.markdown("**Payments, refunds and credit notes**")
    report = page.report("invoice_payments_list", invoice_id=invoice["invoice_id"])
    if report.table.num_rows == 0:
        st.caption("No payment was tried yet.")
        return
    _tables.show(
        _tables.with_labels(report.table, "kind", PAYMENT_KIND),
        [
            Column("kind", "What", "status", width=140),
            Column("on_date", "Date", "date"),
            Column("amount_minor", f"Amount, {invoice['currency'].upper()}", "money"),
            Column("method", "Method", width=140),
            Column("reason", "Reason", width=280),
        ],
        key="payments",
        reader=page.reader,
        currency=invoice["currency"],
        alt="Payments, failed attempts, refunds and credit notes of the invoice",
    )
    _tables.beside(
        report, page.reader, key="payments", what=f"invoice_payments_{invoice['number'] or invoice['invoice_id']}"
    )


def _links(invoice: Mapping[str, Any]) -> None:
    with st.container(horizontal=True):
        if invoice.get("tenant_id") and st.button("Units of this tenant", icon=":material/apartment:", key="to_usage"):
            _frame.open_page("usage", tenant=invoice["tenant_id"])
        if invoice.get("hosted_invoice_url"):
            st.link_button("Invoice page at Stripe", invoice["hosted_invoice_url"], icon=":material/open_in_new:")
        if invoice.get("invoice_pdf"):
            st.link_button("PDF", invoice["invoice_pdf"], icon=":material/picture_as_pdf:")
