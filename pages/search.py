"""Search: one box for everything that somebody may read out on the telephone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billing_core.services.language import N_, _, n_
from pages import _charts, _filters, _frame, _tables, _tenant_choice, _words
from pages._frame import Page
from pages._tables import Column

KINDS = {
    "tenant": N_("Tenant"),
    "customer": N_("Customer"),
    "subscription": N_("Subscription"),
    "invoice": N_("Invoice"),
    "credit_note": N_("Credit note"),
    "charge": N_("Charge"),
    "payment": N_("Payment"),
    "refund": N_("Refund"),
    "unit": N_("Unit"),
}
FIELDS = {
    "name": N_("Name"),
    "id": N_("Id"),
    "email": N_("E-mail"),
    "number": N_("Number"),
    "cvr_number": N_("CVR number"),
    "ean_number": N_("EAN number"),
    "reference": N_("Reference"),
    "order_reference": N_("Order reference"),
}
# The part of a tenant's page that shows what was found.
PARTS = {"subscription": "subscriptions", "customer": "subscriptions", "unit": "units"}


def _open(row: Mapping[str, Any]) -> None:
    """Go to what was found: its invoice, else its tenant."""
    if row["invoice_id"]:
        _frame.open_page("invoices", invoice=row["invoice_id"])
    elif row["tenant_id"]:
        part = {"part": PARTS[row["kind"]]} if row["kind"] in PARTS else {}
        _frame.open_page("tenant", tenant=row["tenant_id"], **part)


def _results(page: Page, words: str) -> None:
    report = page.report("search", text=words)
    rows = report.table.num_rows
    if rows == 0:
        _frame.empty(
            _("Nothing was found"),
            _(
                "No name, e-mail, id, invoice number, CVR or EAN number and no reference has “{words}” in it. "
                "Try fewer letters.",
                words=_words.inert(words),
            ),
        )
        return
    _charts.heading(
        n_("{count} result", "{count} results", rows, count=page.reader.number(rows)),
        _("The best first, at most fifty. Click one to open it."),
    )
    table = report.table
    kinds = [_(KINDS.get(kind, kind)) for kind in table["kind"].to_pylist()]
    fields = [_(FIELDS[f]) if f in FIELDS else str(f).replace("_", " ") for f in table["field"].to_pylist()]
    table = _tables.with_texts(_tables.with_texts(table, "kind_name", kinds), "field_name", fields)
    _tables.show(
        table,
        [
            Column("title", _("Found"), "open", _("Open it"), 270),
            Column("kind_name", _("What"), "status", width=130),
            Column("tenant_name", _("Tenant"), width=230),
            Column("field_name", _("Found in"), width=130),
            Column("found", _("Text"), width=260),
        ],
        key="results",
        reader=page.reader,
        alt=_("What was found, the best first"),
        on_open={"title": _open},
        rows=20,
    )
    _tables.beside(report, page.reader, key="search", what="search")


def body(page: Page) -> None:
    """Draw the box and what it finds; without words, all tenants."""
    tenants = page.report("tenants_list")
    words = _filters.words(
        _("Find"), "q", placeholder=_("Name, e-mail, id, invoice number, CVR number, unit or bank reference")
    )
    if words:
        _results(page, words)
    elif tenants.table.num_rows == 0:
        _frame.empty(
            _("Nothing to find yet"),
            _("Import tenants and their occupancies, or mirror a Stripe account, then refresh."),
            command="billing import tenants tenants.csv\nbilling import occupancies occupancies.csv\nbilling refresh",
        )
    else:
        _tenant_choice.table(page, tenants, tenants.table)


_frame.show("search", body)
