"""What is owed: by age and tenant down to the invoice, the payments that failed, and what is owed to customers."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from billing_core.services import receivables, reports, sums
from billing_core.services.language import N_, _, n_, p_
from pages import _bars, _behind, _charts, _filters, _frame, _print, _tables, _words
from pages._frame import Page
from pages._tables import Column

BUCKETS = {
    "not_due_minor": N_("Not due"),
    "d1_30_minor": N_("1–30 days"),
    "d31_60_minor": N_("31–60 days"),
    "d61_90_minor": N_("61–90 days"),
    "d91_120_minor": N_("91–120 days"),
    "over_120_minor": N_("Over 120 days"),
}
# A tenant's place in the link for customers that belong to none.
NOBODY = "none"


def show_aging(page: Page, report: reports.Report, buckets: dict[str, int], as_of: date | None, currency: str) -> None:
    """Draw the buckets, and below them the tenants, or the invoices of the bucket or tenant that was clicked.

    Args:
        page: the frame's.
        report: `ar_aging` of this currency and day.
        buckets: the sum of each of its columns.
        as_of: the day; None is today.
        currency: of all amounts.
    """
    reader = page.reader
    if report.table.num_rows == 0:
        _frame.empty(
            _("Nothing is open"),
            _("No invoice in {currency} had anything left to be paid on this day.", currency=currency.upper()),
        )
        _tables.beside(report, reader, key="ar_aging", what=f"ar_aging_{currency}")
        return
    bucket = _filters.identifier("bucket")
    bucket = bucket if bucket in BUCKETS else None
    names = {
        t or NOBODY: n
        for t, n in zip(*(report.table[c].to_pylist() for c in ("tenant_id", "tenant_name")), strict=True)
    }
    tenant = _filters.identifier("tenant")
    if tenant is not None and tenant not in names:
        _filters.note(_("Nothing is open for the tenant in the link; showing all."))
        tenant = None
    _charts.heading(
        _("Open by days past due"),
        _(
            "{currency} incl. tax, whole days since the due day; without one (charged automatically) since "
            "finalization. Click a bar for its invoices.",
            currency=currency.upper(),
        ),
    )
    heights = _charts.drawn(list(buckets.values()), currency)
    marks = [
        _bars.Bar(
            key,
            _(BUCKETS[key]),
            height or 0.0,
            reader.amount(amount, currency, whole=True),
            f"{_(BUCKETS[key])}: {reader.money(amount, currency)}",
            _charts.INVOICED if key == "not_due_minor" else _charts.PAST_DUE,
        )
        for (key, amount), height in zip(buckets.items(), heights, strict=True)
    ]
    _charts.chart(
        _bars.bars(marks, reader, chosen=bucket, height=260),
        key=f"aging_{currency}",
        alt=_("Open by days past due: {parts}.", parts=", ".join(mark.hover for mark in marks)),
        on_click=lambda data: _filters.put("bucket", str(data[0]) if data else None),
    )
    if bucket is None and tenant is None:
        _tenants(page, report, currency)
        return
    name = names.get(tenant or "") or _("No tenant")
    _invoices(page, report, bucket, tenant, name, as_of, currency)


def _tenants(page: Page, report: reports.Report, currency: str) -> None:
    table = _behind.named(report.table.sort_by([("open_minor", "descending")]))
    meanings = {c.name: _(c.meaning) for c in report.columns}
    _behind.table(
        page,
        report,
        table,
        [
            Column("tenant_name", _("Tenant"), "open", _("Show its open invoices"), 230),
            Column("open_minor", _("Open, {currency}", currency=currency.upper()), "money", meanings["open_minor"]),
            *(
                Column(field, _(label), "money", meanings[field], is_zero_nothing=True)
                for field, label in BUCKETS.items()
            ),
            Column(
                "no_due_day_minor", _("Without a due day"), "money", meanings["no_due_day_minor"], is_zero_nothing=True
            ),
        ],
        key=f"aging_tenants_{currency}",
        currency=currency,
        alt=_("Open by tenant and age, most first"),
        on_open={"tenant_name": lambda row: _filters.put("tenant", row["tenant_id"] or NOBODY)},
        what=f"ar_aging_{currency}",
    )


def _invoices(
    page: Page, of: reports.Report, bucket: str | None, tenant: str | None, name: str, as_of: date | None, currency: str
) -> None:
    """The open invoices behind a bucket, a tenant, or both."""
    aging = of.table
    title = " · ".join([*([_words.inert(name)] if tenant else []), *([_(BUCKETS[bucket])] if bucket else [])])
    _behind.heading(title, back=_("All receivables"), closes=("bucket", "tenant"), key="aging")
    report = page.report("invoices_list", currency=currency, as_of=as_of)
    rows = receivables.open_invoices(report.table)
    if bucket is not None:
        rows = rows.filter(pc.equal(rows["bucket"], bucket))
    if tenant is not None:
        rows, aging = of_tenant(rows, tenant), of_tenant(aging, tenant)
    figure = sums.total(aging, bucket or "open_minor")
    _print.answer(_behind.sentence(page, p_("amount", "Open"), figure, rows, "open_minor", currency))
    show_invoices(page, report, rows, currency, key="aging_invoices", of=of)


def of_tenant(rows: pa.Table, tenant: str) -> pa.Table:
    """Return the rows of one tenant, or of customers without one."""
    if tenant == NOBODY:
        return rows.filter(pc.is_null(rows["tenant_id"]))
    return rows.filter(pc.equal(rows["tenant_id"], tenant))


def show_invoices(
    page: Page, report: reports.Report, rows: pa.Table, currency: str, *, key: str, of: reports.Report
) -> None:
    """Draw open invoices, those longest past due first; a click opens one. `of` is the report they are behind."""
    rows = rows.sort_by([("days_past_due", "descending"), ("open_minor", "descending")])
    who = zip(rows["tenant_name"].to_pylist(), rows["customer_name"].to_pylist(), strict=True)
    rows = _tables.with_texts(rows, "tenant_name", [tenant or customer for tenant, customer in who])
    rows = _tables.with_texts(rows, "number", [n or _("no number yet") for n in rows["number"].to_pylist()])
    _behind.table(
        page,
        report,
        _behind.named(rows),
        [
            Column("number", _("Invoice"), "open", _("Open the invoice"), 150),
            Column("tenant_name", _("Tenant"), width=230),
            Column("open_minor", _("Open, {currency}", currency=currency.upper()), "money"),
            Column("days_past_due", _("Days past due"), "count", is_zero_nothing=True),
            Column("due_on", _("Due"), "date"),
            Column("finalized_on", _("Finalized"), "date"),
            Column("total_minor", _("Total"), "money"),
        ],
        key=key,
        currency=currency,
        alt=_("Open invoices, longest past due first"),
        on_open={"number": _behind.open_invoice},
        what=f"invoices_open_{currency}",
        also=[of],
    )


def show_failed(page: Page, report: reports.Report, as_of: date | None, currency: str) -> None:
    """Draw the invoices whose charge failed, with the attempts of the one that was clicked.

    Args:
        page: the frame's.
        report: `payments_failed` of this currency and day.
        as_of: the day; None is today.
        currency: of all amounts.
    """
    reader, rows = page.reader, report.table
    _charts.heading(
        _("Invoices whose payment failed"),
        _(
            "{currency} incl. tax still open. The next attempt is Stripe's own and known for today only; where there "
            "is none, somebody has to act.",
            currency=currency.upper(),
        ),
    )
    if rows.num_rows == 0:
        _frame.empty(_("No payment is failing"), _("Every charge of an invoice that is still open went through."))
        _tables.beside(report, reader, key="payments_failed", what=f"payments_failed_{currency}")
        return
    attempts = [
        n_("{count} attempt", "{count} attempts", n, count=reader.number(n)) for n in rows["attempts_count"].to_pylist()
    ]
    shown = _tables.with_texts(rows, "attempts", attempts)
    shown = _tables.with_texts(
        shown, "invoice_number", [n or _("no number yet") for n in rows["invoice_number"].to_pylist()]
    )
    _behind.table(
        page,
        report,
        _behind.named(shown).sort_by([("amount_at_risk_minor", "descending")]),
        [
            Column("tenant_name", _("Tenant"), width=220),
            Column("amount_at_risk_minor", _("At risk, {currency}", currency=currency.upper()), "money"),
            Column("attempts", _("Failed"), "open", _("Show each attempt"), 120),
            Column("failure_message", _("Why, the last time"), width=220),
            Column("next_attempt_at", _("Next attempt"), "time", width=160),
            Column("past_due_since_on", _("Past due since"), "date"),
            Column("invoice_number", _("Invoice"), "open", _("Open the invoice"), 150),
        ],
        key=f"failed_{currency}",
        currency=currency,
        alt=_("Invoices whose payment failed, most at risk first"),
        on_open={
            "attempts": lambda row: _filters.put("failed", row["invoice_id"]),
            "invoice_number": _behind.open_invoice,
        },
        what=f"payments_failed_{currency}",
    )
    asked = _filters.identifier("failed")
    chosen = rows.filter(pc.equal(rows["invoice_id"], asked)).to_pylist() if asked else []
    if chosen:
        _attempts(page, chosen[0], as_of, currency)


def _attempts(page: Page, invoice: dict[str, Any], as_of: date | None, currency: str) -> None:
    reader = page.reader
    _behind.heading(
        _("Attempts on {invoice}", invoice=_words.inert(invoice["invoice_number"]) or _("no number yet")),
        back=_("All failed payments"),
        closes=("failed",),
        key="failed",
    )
    report = page.report("payments_failed_rows", currency=currency, as_of=as_of)
    rows = report.table.filter(pc.equal(report.table["invoice_id"], invoice["invoice_id"]))
    _print.answer(
        _(
            "{attempts}, {rows} below; each tried the same money, **{amount}** is still open.",
            attempts=n_(
                "{count} failed attempt",
                "{count} failed attempts",
                invoice["attempts_count"],
                count=reader.number(invoice["attempts_count"]),
            ),
            rows=n_("{count} row", "{count} rows", rows.num_rows, count=reader.number(rows.num_rows)),
            amount=reader.money(invoice["amount_at_risk_minor"], currency),
        )
    )
    _behind.table(
        page,
        report,
        rows.sort_by([("created_on", "descending")]),
        [
            Column("created_on", _("Date"), "date"),
            Column("amount_minor", _("Tried, {currency}", currency=currency.upper()), "money"),
            Column("failure_message", _("Why"), width=300),
            Column("method", _("Method"), width=150),
        ],
        key="attempts",
        currency=currency,
        alt=_("Failed attempts, newest first"),
        on_open={},
        what=f"payments_failed_rows_{currency}",
    )


TYPES = {
    "credit_note": N_("Credit note"),
    "applied_to_invoice": N_("Used by an invoice"),
    "unapplied_from_invoice": N_("Given back by an invoice"),
    "adjustment": N_("Adjustment"),
    "initial": N_("Opening balance"),
    "invoice_too_small": N_("Invoice too small to charge"),
    "invoice_too_large": N_("Invoice too large to charge"),
}


def show_credit(page: Page, as_of: date | None, currency: str) -> None:
    """Draw what is owed to customers, with the movements of the one that was clicked."""
    report = page.report("customer_balances", currency=currency, as_of=as_of)
    rows = report.table
    _charts.heading(
        _("Customers' credit"),
        _(
            "{currency} that Stripe holds for customers and takes off their next invoice. It is owed to them, a "
            "liability, and not taken off what is open.",
            currency=currency.upper(),
        ),
    )
    if rows.num_rows == 0:
        _frame.empty(_("No customer has a balance"), _("No credit was granted on this day or before."))
        _tables.beside(report, page.reader, key="customer_balances", what=f"customer_balances_{currency}")
        return
    owed = sums.total(rows, "credit_minor")
    _print.answer(_("**{amount}** is owed to customers.", amount=page.reader.money(owed, currency)))
    _behind.table(
        page,
        report,
        _behind.named(rows.sort_by([("balance_minor", "ascending")]), "customer_name"),
        [
            Column("customer_name", _("Customer"), "open", _("Show the movements"), 230),
            Column("credit_minor", _("Credit, {currency}", currency=currency.upper()), "money", is_zero_nothing=True),
            Column("debit_minor", _("Carried over to the next invoice"), "money", is_zero_nothing=True),
            Column("given_minor", _("Given so far"), "money", is_zero_nothing=True),
            Column("used_minor", _("Used so far"), "money", is_zero_nothing=True),
            Column("last_on", _("Last movement"), "date"),
        ],
        key=f"credit_{currency}",
        currency=currency,
        alt=_("Credit balances of customers"),
        on_open={"customer_name": lambda row: _filters.put("customer", row["customer_id"])},
        what=f"customer_balances_{currency}",
    )
    asked = _filters.identifier("customer")
    chosen = rows.filter(pc.equal(rows["customer_id"], asked)).to_pylist() if asked else []
    if chosen:
        _movements(page, chosen[0], as_of, currency)


def _movements(page: Page, customer: dict[str, Any], as_of: date | None, currency: str) -> None:
    """The movements of one customer's balance; they add up to it. Negative gives credit, as in Stripe."""
    _behind.heading(
        _words.inert(customer["customer_name"]) or _("No tenant"),
        back=_("All customers"),
        closes=("customer",),
        key="credit",
    )
    report = page.report("customer_balance_rows", currency=currency, as_of=as_of)
    rows = report.table.filter(pc.equal(report.table["customer_id"], customer["customer_id"]))
    balance = customer["balance_minor"]
    said = _behind.sentence(page, _("Balance (negative is credit)"), balance, rows, "amount_minor", currency)
    _print.answer(said)
    shown = _tables.with_labels(rows, "type", {k: _(v) for k, v in TYPES.items()})
    _behind.table(
        page,
        report,
        shown.sort_by([("created_on", "descending")]),
        [
            Column("created_on", _("Date"), "date"),
            Column("type", _("What"), width=200),
            Column("amount_minor", _("Change, {currency}", currency=currency.upper()), "money"),
            Column("ending_balance_minor", _("Balance after"), "money"),
            Column("invoice_number", _("Invoice"), "open", _("Open the invoice"), 150),
            Column("credit_note_number", _("Credit note"), width=150),
        ],
        key="credit_rows",
        currency=currency,
        alt=_("Movements of the balance, newest first"),
        on_open={"invoice_number": _behind.open_invoice},
        what=f"customer_balance_rows_{currency}",
    )
