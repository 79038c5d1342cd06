"""The columns of a report as headings for people.

A heading is made from the column's name (`invoiced_minor` reads "Invoiced"), because the suffix that tells a program
the unit is said to a reader by the figure itself; names that do not read well have one of their own here.
"""

from __future__ import annotations

from billing_core.language import _
from billing_core.warehouse import Column

_OWN = {
    "open_minor": "Amount open",
    "d1_30_minor": "1–30 days",
    "d31_60_minor": "31–60 days",
    "d61_90_minor": "61–90 days",
    "d91_120_minor": "91–120 days",
    "over_120_minor": "Over 120 days",
    "no_due_day_minor": "Without a due day",
    "not_due_minor": "Not due",
    "grr_ratio": "Gross revenue retention",
    "nrr_ratio": "Net revenue retention",
    "logo_churn_ratio": "Tenants lost",
    "quick_ratio": "Quick ratio",
    "mrr_minor": "MRR",
    "mrr_start_minor": "MRR at the start",
    "dso_days": "DSO, days",
    "countback_days": "DSO by count-back, days",
    "vat_number": "VAT number",
    "cvr": "CVR number",
    "cvr_number": "CVR number",
    "ean": "EAN number",
    "invoice_pdf": "PDF",
    "hosted_invoice_url": "Invoice page",
}
_SUFFIXES = ("_minor", "_ratio", "_count", "_on", "_at")
_KEPT_SHORT = {"id": "ID", "mrr": "MRR", "dso": "DSO", "eu": "EU", "pdf": "PDF", "url": "URL", "vat": "VAT", "fx": "FX"}


def label_text(column: Column) -> str:
    """Return a column's heading in English, as translators see it."""
    if own := _OWN.get(column.name):
        return own
    name = next((column.name.removesuffix(s) for s in _SUFFIXES if column.name.endswith(s)), column.name)
    words = [_KEPT_SHORT.get(word, word) for word in name.removeprefix("is_").split("_") if word]
    text = " ".join(words) or column.name
    return text[0].upper() + text[1:]


def label(column: Column) -> str:
    """Return a column's heading in the language being spoken."""
    return _(label_text(column))
