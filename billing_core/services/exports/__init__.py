"""Reports and pages as files for people: a workbook and a printable document, in the language being spoken.

The same input gives the same bytes: both carry the instant of the figures and never the time they were written.
"""

from __future__ import annotations

from billing_core.services.exports.document import (
    ChartSpec,
    Document,
    Figure,
    Figures,
    HeatSpec,
    Mark,
    Sentence,
    TableSpec,
    of_report,
)
from billing_core.services.exports.pdf import to_pdf
from billing_core.services.exports.words import unit as unit_name
from billing_core.services.exports.xlsx import to_xlsx

__all__ = [
    "ChartSpec",
    "Document",
    "Figure",
    "Figures",
    "HeatSpec",
    "Mark",
    "Sentence",
    "TableSpec",
    "of_report",
    "to_pdf",
    "to_xlsx",
    "unit_name",
]
