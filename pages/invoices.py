"""Invoices: every invoice by status, and one invoice with its lines, taxes and payments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow.compute as pc

from billing_core import money
from billing_core.services.language import N_, _, n_
from pages import _currency, _filters, _frame, _invoice, _print, _tables
from pages._frame import Page

STATUSES = ("past_due", "open", "draft", "paid", "uncollectible", "void")
STATUS_HELP = N_(
    "Past due is an open invoice beyond its due date. Void and uncollectible ones are no longer expected to be paid."
)


def _statuses(table: Any) -> list[str]:
    """Each invoice's status, with past due set apart from open."""
    return [
        "past_due" if status == "open" and (days or 0) > 0 else status
        for status, days in zip(table["status"].to_pylist(), table["days_past_due"].to_pylist(), strict=True)
    ]


def _filtered(page: Page, table: Any) -> tuple[Any, str]:
    """Draw the filters and return the rows that pass, and the currency chosen."""
    statuses = _statuses(table)
    table = _tables.with_texts(table, "state", statuses)
    counts = {s: statuses.count(s) for s in STATUSES}
    names = dict(zip(table["tenant_id"].to_pylist(), table["tenant_name"].to_pylist(), strict=True))
    months = sorted({d.replace(day=1).isoformat() for d in table["finalized_on"].to_pylist() if d}, reverse=True)
    labels = {"all": _("All {count}", count=page.reader.number(table.num_rows))}
    labels |= {s: f"{_tables.status_label(s)} {page.reader.number(n)}" for s, n in counts.items() if n}
    status = _filters.choice(
        _("Status"),
        "status",
        list(labels),
        default="all",
        name=labels.__getitem__,
        as_segments=True,
        help=_(STATUS_HELP),
    )
    with _filters.row():
        number = _filters.words(_("Invoice number"), "q", placeholder=_("Part of a number"))
        by_name = sorted((t for t in names if t), key=lambda t: (names[t] or t).casefold())
        tenant = _filters.choice(
            _("Tenant"),
            "tenant",
            ["", *by_name],
            default="",
            name=lambda t: (names.get(t) or t) if t else _("All tenants"),
        )
        month = _filters.choice(
            _("Finalized in"), "month", ["", *months], default="", name=lambda m: _month_name(page, m)
        )
        codes = _currency.known(table["currency"].to_pylist())
        currency = codes[0]
        if len(codes) > 1:
            options = [_currency.EVERY, *codes]
            currency = _filters.choice(
                _("Currency"),
                "currency",
                options,
                default=_currency.EVERY,
                name=lambda c: _("All currencies") if c == _currency.EVERY else c.upper(),
            )
    if status != "all":
        table = table.filter(pc.equal(table["state"], status))
    if tenant:
        table = table.filter(pc.equal(table["tenant_id"], tenant))
    if month:
        table = table.filter(pc.equal(pc.strftime(table["finalized_on"], "%Y-%m-01"), month))
    if currency != _currency.EVERY:
        table = table.filter(pc.equal(table["currency"], currency))
    if number:
        table = table.filter(pc.match_substring(table["number"], number, ignore_case=True))
    return table, currency


def _month_name(page: Page, month: str) -> str:
    return page.reader.month(date.fromisoformat(month)) if month else _("Any month")


def _answer(page: Page, table: Any) -> None:
    """Say how many, and per currency how much is still open."""
    reader = page.reader
    open_sums = money.total(
        (a, c) for a, c in zip(table["open_minor"].to_pylist(), table["currency"].to_pylist(), strict=True)
    )
    total_sums = money.total(
        (a, c) for a, c in zip(table["total_minor"].to_pylist(), table["currency"].to_pylist(), strict=True)
    )
    sides = [
        _(
            "**{open}** of {total} open",
            open=reader.money(open_sums[c], c, whole=True),
            total=reader.money(total_sums[c], c, whole=True),
        )
        for c in sorted(total_sums)
    ]
    count = n_("{count} invoice", "{count} invoices", table.num_rows, count=reader.number(table.num_rows))
    _print.answer(f"{count}: {'; '.join(sides)}." if sides else _("No invoice matches."))


def _list(page: Page, report: Any) -> None:
    table, currency = _filtered(page, report.table)
    if table.num_rows == 0:
        _frame.empty(_("No invoice matches"), _("Every invoice is left out by the filters above. Take one back."))
        return
    _answer(page, table)

    def opened(row: Mapping[str, Any]) -> None:
        _filters.put("invoice", row["invoice_id"])

    one = None if currency == _currency.EVERY else currency
    table = _tables.with_texts(table, "status_name", [_tables.status_label(s) for s in table["state"].to_pylist()])
    named = zip(table["tenant_name"].to_pylist(), table["customer_name"].to_pylist(), strict=True)
    table = _tables.with_texts(table, "tenant_name", [tenant or customer for tenant, customer in named])
    table = _tables.with_codes(table)
    table = _tables.with_texts(table, "number_shown", [n or _("no number yet") for n in table["number"].to_pylist()])
    _tables.show(
        table,
        _invoice.list_columns(one),
        key=f"invoices_{one}",
        reader=page.reader,
        currency=one,
        alt=_("Invoices"),
        on_open={"number_shown": opened},
        rows=16,
    )
    _tables.beside(report, page.reader, key="invoices", what="invoices")


def body(page: Page) -> None:
    """Draw the list, or the one invoice the link asks for."""
    report = page.report("invoices_list")
    if report.table.num_rows == 0:
        _frame.empty(
            _("No invoices yet"),
            _("Invoices come from the Stripe account that is mirrored, or from a file. Import some, then refresh."),
            command="billing import invoices invoices.csv\nbilling refresh",
        )
        return
    asked = _filters.identifier("invoice")
    if asked is not None:
        found = report.table.filter(pc.equal(report.table["invoice_id"], asked))
        if found.num_rows == 1:
            _invoice.show(page, found.to_pylist()[0])
            return
        _filters.note(_("There is no invoice “{asked}”; showing all.", asked=asked[:40]))
        _filters.put("invoice", None)
    _list(page, report)


_frame.show("invoices", body)
