"""The page of one tenant: who it is, four figures, and its parts one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from billing_core.periods import add_months, month_of, months_between
from billing_core.services import recurring, tenants
from billing_core.services.formatting import change_ratio
from billing_core.services.language import N_, _, n_
from pages import _charts, _filters, _print, _tables, _tenant_money, _tenant_notes, _tenant_use, _words
from pages._frame import Page

Part = Callable[[Page, Mapping[str, Any]], None]
PARTS: Mapping[str, tuple[str, Part]] = {
    "units": (N_("Units"), _tenant_use.units),
    "usage": (N_("Usage"), _tenant_use.usage),
    "recurring": (N_("Recurring revenue"), _tenant_money.recurring),
    "invoices": (N_("Invoices"), _tenant_money.invoices),
    "payments": (N_("Payments"), _tenant_money.payments),
    "subscriptions": (N_("Subscriptions"), _tenant_money.subscriptions),
    "notes": (N_("Notes"), _tenant_notes.show),
    "timeline": (N_("Timeline"), _tenant_notes.timeline),
}
COLLECTION = {
    "charge_automatically": N_("Charged automatically"),
    "send_invoice": N_("Invoice sent"),
}
# What a reader chose on one tenant's page means nothing on another's.
OF_ONE_TENANT = ("tenant", "day", "month", "metric")
MONTHS = 12


def show(page: Page, tenant_id: str) -> None:
    """Draw one tenant.

    Args:
        page: the frame's.
        tenant_id: of a tenant that there is.
    """
    report = page.report("tenant_profile", tenant_id=tenant_id)
    tenant = report.table.to_pylist()[0]
    _head(tenant)
    _answer(page, tenant)
    _facts(page, tenant)
    _figures(page, tenant, report)
    part = _filters.choice(
        _("Show"), "part", list(PARTS), default="units", name=lambda p: _(PARTS[p][0]), as_segments=True
    )
    PARTS[part][1](page, tenant)


def _head(tenant: Mapping[str, Any]) -> None:
    """The name, what is wrong in words, and the way back."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.subheader(_words.inert(tenant["name"]), anchor=False, width="content")
            _print.gathered_heading(_words.inert(tenant["name"]))
            if tenant["deleted_on"] is not None:
                st.badge(_("Deleted"), color="gray")
            if tenant["past_due_minor"]:
                st.badge(_("Past due"), color="orange")
            if tenant["status"] in _tenant_money.SUBSCRIPTION and tenant["status"] not in ("active", "past_due"):
                st.badge(_(_tenant_money.SUBSCRIPTION[tenant["status"]]), color="violet")
        if st.button(_("All tenants"), icon=":material/close:", type="tertiary", key="all_tenants"):
            for param in OF_ONE_TENANT:
                _filters.put(param, None)
            _charts.forget_clicks()
            st.rerun()


def _answer(page: Page, tenant: Mapping[str, Any]) -> None:
    """Say what it occupies and owes, when it last paid, and what went wrong."""
    reader, currency = page.reader, tenant["currency"]
    units = tenant["units_count"]
    said = n_("Occupies **{count} unit** today", "Occupies **{count} units** today", units, count=reader.number(units))
    if tenant["open_minor"]:
        said += _("; **{amount}** is open", amount=reader.money(tenant["open_minor"], currency))
        if tenant["past_due_minor"]:
            said += _(
                ", of which **{amount}** is past due, the oldest since {day}",
                amount=reader.money(tenant["past_due_minor"], currency),
                day=reader.day(tenant["past_due_since_on"]),
            )
    else:
        said += _("; nothing is open in {currency}", currency=currency.upper())
    said += "."
    if tenant["last_paid_on"] is not None:
        said += " " + _("Last paid {day}.", day=reader.day(tenant["last_paid_on"]))
    failed = tenant["last_failed_on"]
    if failed is not None and (tenant["last_paid_on"] is None or failed >= tenant["last_paid_on"]):
        said += " " + _(
            "An attempt failed {day}: {reason}", day=reader.day(failed), reason=_words.inert(tenant["last_failure"])
        )
    if tenant["other_currencies"]:
        said += " " + _(
            "It was also invoiced in {currencies}; see its invoices.", currencies=tenant["other_currencies"].upper()
        )
    _print.answer(said)


def _facts(page: Page, tenant: Mapping[str, Any]) -> None:
    """Who it is, in small; what has no value is left out, and nothing of it is taken for markup."""
    reader = page.reader
    collection = ", ".join(_(COLLECTION.get(c, c)) for c in (tenant["collection_method"] or "").split(", ") if c)
    credit = reader.money(tenant["credit_minor"], tenant["currency"]) if tenant["credit_minor"] else None
    facts = {
        _("Id"): tenant["tenant_id"],
        _("E-mail"): tenant["email"],
        _("CVR number"): tenant["cvr_number"],
        _("EAN number"): tenant["ean_number"],
        _("Order reference"): tenant["order_reference"],
        _("Country"): tenant["country"],
        _("Tenant since"): reader.day(tenant["created_on"]),
        _("Deleted"): tenant["deleted_on"] and reader.day(tenant["deleted_on"]),
        _("Products"): tenant["products"],
        _("Collection"): collection,
        _("Card"): tenant["card"],
        _("Trial ends"): tenant["trial_end_on"] and reader.day(tenant["trial_end_on"]),
        _("Next period"): tenant["period_end_on"] and reader.day(tenant["period_end_on"]),
        _("Cancels"): tenant["cancel_on"] and reader.day(tenant["cancel_on"]),
        _("Units change next"): tenant["next_move_on"] and reader.day(tenant["next_move_on"]),
        _("Credit at Stripe"): credit,
        _("Stripe customer"): tenant["customer_ids"],
        _("Note on file"): tenant["note"],
    }
    with st.grid(4, min_column_width=170, gap="small", key="facts"):
        for label, value in facts.items():
            if value:
                with st.container(gap=None):
                    st.caption(label)
                    st.text(str(value))


def _figures(page: Page, tenant: Mapping[str, Any], profile: Any) -> None:
    """Four figures, explained below them; the parts of the page show what each is made of."""
    reader, currency, this_month = page.reader, tenant["currency"], month_of(page.today)
    months = months_between(add_months(this_month, 1 - MONTHS), page.today)
    asked = {"tenant_id": tenant["tenant_id"], "from_date": months[0]}
    units_report = page.report("units_monthly", **asked)
    mrr_report = page.report("mrr_by_tenant", currency=currency, **asked)
    peaks = tenants.by_month(units_report.table, "peak_units_count").get(tenant["tenant_id"])
    mrr = tenants.by_month(recurring.with_total(mrr_report.table), "total_minor").get(tenant["tenant_id"])
    amounts = tenants.over(months, mrr, missing=0)
    ratio = change_ratio(tenant["units_year_ago_count"], tenant["units_count"])
    invoices = tenant["open_invoices_count"] or 0

    def figure(label: str, value: str, help: str, heights: list[float | None] | None = None, **more: Any) -> None:
        chart = [v or 0 for v in heights] if heights and any(heights) else None
        _print.metric(
            label, value, border=True, height="stretch", help=help, chart_data=chart, chart_type="bar", **more
        )

    with st.grid(4, min_column_width=160, gap="small", key="figures"):
        figure(
            _("Units today"),
            reader.number(tenant["units_count"]),
            _("Distinct units occupied today, against a year ago. The small chart is the peak of each month."),
            _charts.drawn_numbers(tenants.over(months, peaks, missing=0)),
            delta=reader.change(ratio) if ratio else None,
            delta_description=_("vs a year ago") if ratio else None,
        )
        figure(
            _("Recurring revenue, {currency}", currency=currency.upper()),
            reader.amount(tenants.recurring_minor(tenant), currency),
            _("A month, ex tax: committed, and what metered items billed for their last finalized period."),
            _charts.drawn(amounts, currency),
        )
        figure(
            _("Open, {currency}", currency=currency.upper()),
            reader.amount(tenant["open_minor"] or 0, currency),
            _("What remains to be paid on its invoices, incl. tax."),
            delta=n_("{count} invoice", "{count} invoices", invoices, count=reader.number(invoices))
            if invoices
            else None,
            delta_color="off",
            delta_arrow="off",
        )
        figure(
            _("Past due, {currency}", currency=currency.upper()),
            reader.amount(tenant["past_due_minor"] or 0, currency),
            _("Of it beyond its due date."),
        )
    _tables.explain(profile, reader, key="tenant_figures", also=(units_report, mrr_report))
