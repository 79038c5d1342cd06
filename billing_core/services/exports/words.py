"""The words that both kinds of files share: the names of filters, units and the lines that say what a report is."""

from __future__ import annotations

from collections.abc import Iterator

from billing_core.language import N_, _
from billing_core.services.reports import Report

FILTERS = {
    "from_date": N_("From"),
    "to_date": N_("To, not included"),
    "as_of": N_("Counted to the end of"),
    "known_at": N_("As known at"),
    "tenant_id": N_("Tenant"),
    "currency": N_("Currency"),
    "invoice_id": N_("Invoice"),
    "basis": N_("Basis"),
    "metric": N_("Metric"),
    "month": N_("Month"),
}
UNITS = {
    "id": N_("ID"),
    "text": N_("text"),
    "minor units": N_("amount in the row's currency"),
    "units": N_("units"),
    "count": N_("number"),
    "ratio": N_("share, 1 is 100 %"),
    "days": N_("days"),
    "date": N_("date"),
    "month": N_("month"),
    "instant": N_("date and time"),
    "yes/no": N_("yes or no"),
    "quantity": N_("quantity"),
}


def filter_name(name: str) -> str:
    """Return a filter as words; one that has none of its own reads as it is written."""
    return _(FILTERS[name]) if name in FILTERS else name.replace("_", " ")


def filters(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what was asked for as (name, value); nothing asked is one line that says so."""
    if not report.asked:
        yield _("Filters"), _("none: everything there is")
    for name, value in report.asked.items():
        yield filter_name(name), value.upper() if name == "currency" else value


def unit(name: str) -> str:
    """Return a unit of `Column.unit` as words."""
    return _(UNITS[name])
