"""A report as a workbook: one sheet of typed rows, one that says what they are.

Amounts are numbers in major units, formatted with their row's currency and its decimals; dates are dates; instants are
shown in the reporting time zone. A number of more than 15 significant digits, which a spreadsheet would round, is
written as text. Texts are never formulas: they are text cells, and those that look like one carry the mark of a typed
apostrophe, so that editing the cell does not make them one either.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import xlsxwriter

from billing_core.errors import InvalidInputError
from billing_core.language import _
from billing_core.money import exponent
from billing_core.services.exports.words import filters, unit
from billing_core.services.labels import label
from billing_core.services.report_formats import FORMULA_STARTS
from billing_core.services.reports import Report
from billing_core.warehouse import Column

MOST_ROWS = 1_048_575
MOST_CHARACTERS = 32_767
EXACT_DIGITS = 15
WIDEST = 60

_NUMBERS = {"minor units", "units", "count", "ratio", "days", "quantity"}


def to_xlsx(report: Report) -> bytes:
    """Return the workbook; headings and the sheet about the report are in the language being spoken.

    Raises:
        InvalidInputError: more rows than a sheet holds.
    """
    if report.table.num_rows > MOST_ROWS:
        raise InvalidInputError(
            _(
                "{rows} rows do not fit into a sheet, which holds {most}. Narrow the range, or take CSV.",
                rows=report.table.num_rows,
                most=MOST_ROWS,
            )
        )
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    written_at = report.as_of.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    book.set_properties({"title": _(report.title), "author": "Billing Desk", "created": written_at})
    _Rows(book, report).write()
    _write_about(book, report)
    book.close()
    return out.getvalue()


class _Rows:
    """The sheet of rows while it is written."""

    def __init__(self, book: Any, report: Report) -> None:
        self.book, self.report = book, report
        self.sheet = book.add_worksheet(_sheet_name(_("Rows")))
        self.zone = ZoneInfo(report.zone)
        self.formats: dict[str, Any] = {}

    def format(self, pattern: str, *, is_quoted: bool = False) -> Any:
        key = f"{pattern}{is_quoted}"
        if key not in self.formats:
            look: dict[str, Any] = {"num_format": pattern, "valign": "top"}
            self.formats[key] = self.book.add_format(look | ({"quote_prefix": True} if is_quoted else {}))
        return self.formats[key]

    def write(self) -> None:
        columns = self.report.columns
        heading = self.book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        headings = [label(c) for c in columns]
        for index, text in enumerate(headings):
            self.sheet.write_string(0, index, text, heading)
        values = [self.report.table[c.name].to_pylist() for c in columns]
        currencies = self.report.table["currency"].to_pylist() if "currency" in self.report.table.column_names else []
        for index, column in enumerate(columns):
            write = self.writer(column)
            for row, value in enumerate(values[index]):
                if value is not None:
                    write(row + 1, index, value, currencies[row] if currencies else None)
            self.sheet.set_column(index, index, _width(headings[index], column, values[index]))
        self.sheet.freeze_panes(1, 0)
        self.sheet.autofilter(0, 0, max(1, self.report.table.num_rows), len(columns) - 1)
        self.sheet.repeat_rows(0)
        self.sheet.set_landscape()
        self.sheet.fit_to_pages(1, 0)
        self.sheet.set_paper(9)

    def writer(self, column: Column) -> Callable[[int, int, Any, str | None], None]:
        """Return what writes a value of this column at (row, column) beside its row's currency."""
        match column.unit:
            case "minor units":
                return self.money
            case "ratio":
                return lambda row, at, value, _code: self.number(row, at, Decimal(value), "0.0 %")
            case number if number in _NUMBERS:
                return lambda row, at, value, _code: self.number(row, at, Decimal(value), "#,##0.######")
            case "date" | "month" | "instant":
                return self.moment(column.unit)
            case "yes/no":
                return lambda row, at, value, _code: self.sheet.write_boolean(row, at, value)
            case _:
                return lambda row, at, value, _code: self.text(row, at, str(value))

    def money(self, row: int, at: int, value: int | Decimal, currency: str | None) -> None:
        if currency is None:
            # An amount that belongs to no currency has no decimals to show; it stays in minor units.
            self.number(row, at, Decimal(value), "0")
            return
        digits = exponent(currency)
        decimals = "." + "0" * digits if digits else ""
        self.number(row, at, Decimal(value).scaleb(-digits), f"#,##0{decimals} [${currency.upper()}]")

    def number(self, row: int, at: int, value: Decimal, pattern: str) -> None:
        if len(value.normalize().as_tuple().digits) > EXACT_DIGITS:
            self.text(row, at, f"{value:f}")
            return
        if pattern == "#,##0.######" and value == value.to_integral_value():
            pattern = "#,##0"
        self.sheet.write_number(row, at, value, self.format(pattern))

    def moment(self, kind: str) -> Callable[[int, int, Any, str | None], None]:
        pattern = {"date": "yyyy-mm-dd", "month": "yyyy-mm", "instant": "yyyy-mm-dd hh:mm:ss"}[kind]

        def write(row: int, at: int, value: date | datetime, _code: str | None) -> None:
            if isinstance(value, datetime):
                # A sheet knows no zones; the sheet about the report names the one that is meant.
                value = value.astimezone(self.zone).replace(tzinfo=None)
            self.sheet.write_datetime(row, at, value, self.format(pattern))

        return write

    def text(self, row: int, at: int, value: str) -> None:
        is_quoted = value.startswith(FORMULA_STARTS)
        self.sheet.write_string(row, at, value[:MOST_CHARACTERS], self.format("@", is_quoted=is_quoted))


def _width(heading: str, column: Column, values: list[Any]) -> int:
    longest = max((len(str(v)) for v in values[:500] if v is not None), default=0)
    room = {"minor units": longest * 4 // 3 + 5, "month": 9, "date": 11, "instant": 20}.get(column.unit, longest + 2)
    return max(8, min(WIDEST, max(room, min(len(heading) + 2, 18))))


def _write_about(book: Any, report: Report) -> None:
    """What the rows are: definition, filters, as of when, in which zone, and what each column means."""
    sheet = book.add_worksheet(_sheet_name(_("About")))
    bold = book.add_format({"bold": True, "valign": "top"})
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    title = book.add_format({"bold": True, "font_size": 14})
    as_of = report.as_of.astimezone(ZoneInfo(report.zone))
    lines = [
        (_("Definition"), _(report.purpose)),
        *filters(report),
        (_("Figures as of"), f"{as_of:%Y-%m-%d %H:%M:%S} ({report.zone})"),
        (_("Days and months in"), report.zone),
        (_("Rows"), str(report.table.num_rows)),
        (_("On the command line"), f"billing report {report.name}"),
        *((_("Note"), note) for note in report.notes),
    ]
    sheet.write_string(0, 0, _(report.title), title)
    for row, (name, value) in enumerate(lines, start=2):
        sheet.write_string(row, 0, name, bold)
        sheet.write_string(row, 1, value, wrapped)
    start = len(lines) + 3
    for at, heading in enumerate([_("Column"), _("Meaning"), _("Unit"), _("Name in data files")]):
        sheet.write_string(start, at, heading, bold)
    for row, column in enumerate(report.columns, start=start + 1):
        meaning = [label(column), _(column.meaning), unit(column.unit), column.name]
        for at, value in enumerate(meaning):
            sheet.write_string(row, at, value, wrapped)
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 1, 90)
    sheet.set_column(2, 3, 28)


def _sheet_name(text: str) -> str:
    """A name Excel takes: at most 31 characters, none of `[]:*?/\\`."""
    return "".join("-" if c in "[]:*?/\\" else c for c in text)[:31]
