"""The workbook, read back with another library than the one that wrote it."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from billing_core.language import spoken
from billing_core.money import exponent, to_major
from billing_core.services.exports import to_xlsx
from billing_core.services.reports import Report
from tests.exports.reports_made import COLUMNS, ROWS, amounts_report, report_of


def at(*parts: int) -> datetime:
    """A cell's date and time, which know no zone."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[arg-type,misc]


def read(report: Report, sheet: str = "Rows") -> Any:
    """The workbook of a report as openpyxl reads it."""
    return openpyxl.load_workbook(io.BytesIO(to_xlsx(report)))[sheet]


def test_rows_have_the_types_of_their_columns() -> None:
    """Dates are dates, instants stand in the reporting zone, amounts are numbers in major units, nothing is empty."""
    rows = list(read(report_of()).iter_rows(values_only=True))
    assert rows[0] == ("Month", "Currency", "Invoiced", "Units", *("Net revenue retention", "Finalized"), *rows[0][6:])
    assert rows[0][6:] == ("Due", "Late", "Tenant name")
    assert rows[1] == (
        at(2026, 9, 1),
        "dkk",
        12345.67,
        41,
        1.025,
        at(2026, 10, 1, 0, 15),
        at(2026, 10, 14),
        True,
        "Ærø Boliger & Søn",
    )
    assert rows[3] == (at(2026, 10, 1), "kwd", -1.005, 0, 0.5, None, None, None, None)


def test_amounts_carry_their_row_s_currency_and_its_decimals() -> None:
    """One column may hold kroner, yen and dinar: each is formatted as its own currency is written."""
    sheet = read(report_of())
    assert [sheet.cell(r, 3).number_format for r in (2, 3, 4)] == [
        "#,##0.00 [$DKK]",
        "#,##0 [$JPY]",
        "#,##0.000 [$KWD]",
    ]
    assert [sheet.cell(r, 3).value for r in (2, 3, 4)] == [12345.67, 5000, -1.005]
    assert sheet.cell(2, 1).number_format == "yyyy-mm"
    assert sheet.cell(2, 5).number_format == "0.0 %"


@settings(max_examples=25, deadline=None)
@given(
    amounts=st.lists(st.integers(-(10**15) + 1, 10**15 - 1), min_size=1, max_size=30),
    currency=st.sampled_from(["dkk", "jpy", "kwd"]),
)
def test_sums_read_back_are_the_sums_of_the_report(amounts: list[int], currency: str) -> None:
    """Every amount of up to fifteen digits comes back exactly, so the sum does, in major units."""
    cells = [row[1] for row in read(amounts_report(amounts, currency)).iter_rows(min_row=2, values_only=True)]
    exact = [Decimal(repr(c)) if isinstance(c, float) else Decimal(c) for c in cells]
    assert [a.scaleb(exponent(currency)) for a in exact] == amounts
    assert sum(exact) == to_major(sum(amounts), currency)


def test_a_number_that_a_spreadsheet_would_round_is_text() -> None:
    """Sixteen digits do not fit into a spreadsheet's numbers: they are written out instead of changed."""
    sheet = read(amounts_report([1234567890123456], "dkk"))
    assert sheet.cell(2, 2).value == "12345678901234.56"
    assert sheet.cell(2, 2).data_type == "s"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_looks_like_a_formula_is_text(start: str) -> None:
    """A name cannot run: it is a text cell, and it stays one when somebody edits it."""
    name = f'{start}HYPERLINK("http://example.invalid","x")'
    sheet = read(report_of((COLUMNS[-1],), [(name,)], (pa.string(),)))
    cell = sheet.cell(2, 1)
    assert (unescape(cell.value), cell.data_type) == (name, "s")
    assert cell.quotePrefix


def test_the_second_sheet_says_what_the_rows_are() -> None:
    """Definition, filters, as of when in the reporting zone, notes, and each column's meaning and unit."""
    sheet = read(report_of(notes=("Not final.",)), "About")
    told = [row[:2] for row in sheet.iter_rows(values_only=True)]
    assert told[0][0] == "Revenue per month"
    assert ("Definition", "Three views that are never mixed.") in told
    assert ("From", "2026-09-01") in told
    assert ("Currency", "DKK") in told
    assert ("Figures as of", "2026-11-01 00:30:00 (Europe/Copenhagen)") in told
    assert ("Note", "Not final.") in told
    columns = {row[3]: row[:3] for row in sheet.iter_rows(values_only=True) if row[3]}
    assert columns["invoiced_minor"] == ("Invoiced", "Finalized less voided.", "amount in the row's currency")


def test_headings_and_sheets_are_in_the_language_spoken() -> None:
    """A Danish reader gets Danish sheets; the figures are the same."""
    with spoken("da"):
        book = openpyxl.load_workbook(io.BytesIO(to_xlsx(report_of())))
    assert book.sheetnames == ["Rækker", "Om rapporten"]
    assert book["Rækker"].cell(1, 3).value == "Faktureret"
    assert book["Rækker"].cell(2, 3).value == 12345.67


def test_the_heading_stays_and_filters() -> None:
    """The first row is frozen and carries the filter of all columns."""
    sheet = read(report_of())
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:I4"


def test_no_rows_is_a_sheet_with_its_headings() -> None:
    """An empty report is a workbook too."""
    rows = list(read(report_of(rows=[])).iter_rows(values_only=True))
    assert [row[0] for row in rows] == ["Month"]


def test_the_same_report_gives_the_same_bytes() -> None:
    """Nothing in the file depends on when it was written."""
    assert to_xlsx(report_of()) == to_xlsx(report_of())
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(report_of())))
    assert book.properties.created == at(2026, 10, 31, 23, 30)


def test_the_hand_made_report_is_what_it_seems() -> None:
    """The rows the other tests compare with stand on a month of autumn 2026."""
    assert {row[0] for row in ROWS} == {date(2026, 9, 1), date(2026, 10, 1)}
