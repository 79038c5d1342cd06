"""The rows of a report as files: the buttons beside every table.

A file is made when its button is pressed, outside the run that drew it; so it takes the language along.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from billing_core.services import exports, reports
from billing_core.services.formatting import Reader
from billing_core.services.language import current, n_, spoken

Content = Callable[[], bytes]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def offer(report: reports.Report, reader: Reader, *, key: str, what: str) -> None:
    """Draw a button for each kind of file.

    Args:
        report: whose rows go out, all of them.
        reader: for the printed one.
        key: unique on the page.
        what: the file's name without its ending.
    """
    rows = report.table.num_rows
    for form, content, mime in kinds(report, reader):
        st.download_button(
            form,
            data=content,
            file_name=f"{what}.{form.lower()}",
            mime=mime,
            key=f"{form.lower()}_{key}",
            on_click="ignore",
            type="tertiary",
            icon=":material/download:",
            help=n_("The only row of this report", "All {count} rows of this report", rows, count=reader.number(rows)),
        )


def kinds(report: reports.Report, reader: Reader) -> tuple[tuple[str, Content, str], ...]:
    """Return the kinds of files there are: name, what makes the file, its media type."""
    language = current()

    def workbook() -> bytes:
        with spoken(language):
            return exports.to_xlsx(report)

    def printed() -> bytes:
        with spoken(language):
            return exports.to_pdf(exports.of_report(report, reader), reader)

    return (
        ("CSV", lambda: reports.to_csv(report).encode("utf-8"), "text/csv"),
        ("XLSX", workbook, XLSX),
        ("PDF", printed, "application/pdf"),
    )
