"""What is printed, in plain values: sentences, figures, charts and tables, in the order of the page.

Texts are ready to be read: amounts and dates were written by the reader's locale. The values of a chart are lengths
for drawing only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from billing_core.language import _
from billing_core.money import exponent
from billing_core.services.exports.words import filters
from billing_core.services.formatting import NOTHING, Reader
from billing_core.services.labels import label
from billing_core.services.reports import Report
from billing_core.warehouse import Column


@dataclass(frozen=True, slots=True)
class Sentence:
    """A paragraph, or with `is_heading` the title of what follows."""

    text: str
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure: what, how much, and against what."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """Key figures side by side."""

    items: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """One series of a chart: a length per position, None where there is none.

    `bases` says where a bar begins that does not stand on zero; `colours` one colour per position where they differ.
    """

    name: str
    kind: Literal["bar", "line"]
    colour: str
    values: tuple[float | None, ...]
    bases: tuple[float, ...] | None = None
    colours: tuple[str, ...] | None = None
    is_stepped: bool = False
    is_dotted: bool = False


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """Bars and lines over named positions; `unfinished` are positions that are not over yet and are hatched.

    `description` says in words what the chart shows.
    """

    labels: tuple[str, ...]
    marks: tuple[Mark, ...]
    is_stacked: bool = False
    is_horizontal: bool = False
    unfinished: frozenset[int] = frozenset()
    description: str = ""


@dataclass(frozen=True, slots=True)
class HeatSpec:
    """Rows × columns, stronger is more; texts are written into the cells where they fit."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    texts: tuple[tuple[str, ...], ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table of ready texts; `is_number` says which columns stand to the right.

    `left_out_count` rows are not printed and said to be left out.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_number: tuple[bool, ...]
    left_out_count: int = 0


Part = Sentence | Figures | ChartSpec | HeatSpec | TableSpec


@dataclass(frozen=True, slots=True)
class Document:
    """A page on paper: its title, what was asked for as (name, value), its parts, and the instant of its figures."""

    title: str
    asked: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    as_of: datetime


MOST_ROWS = 2_000
_NUMBERS = {"minor units", "units", "count", "ratio", "days", "quantity"}


def of_report(report: Report, reader: Reader) -> Document:
    """Return one report as a document: its definition, its rows (at most `MOST_ROWS`) and its notes."""
    parts: list[Part] = [Sentence(_(report.purpose)), table_of(report, reader)]
    parts += [Sentence(note) for note in report.notes]
    return Document(_(report.title), tuple(filters(report)), tuple(parts), report.as_of)


def table_of(report: Report, reader: Reader) -> TableSpec:
    """Return a report's rows as texts in the reader's locale; columns without a single value are left out."""
    columns = [c for c in report.columns if report.table[c.name].null_count < report.table.num_rows]
    columns = columns or list(report.columns)
    table = report.table.slice(0, MOST_ROWS)
    codes: Sequence[str | None] = (
        table["currency"].to_pylist() if "currency" in table.column_names else [None] * table.num_rows
    )
    texts = [
        [_written(c, value, code, reader) for value, code in zip(table[c.name].to_pylist(), codes, strict=True)]
        for c in columns
    ]
    return TableSpec(
        headings=tuple(label(c) for c in columns),
        rows=tuple(zip(*texts, strict=True)),
        is_number=tuple(c.unit in _NUMBERS for c in columns),
        left_out_count=report.table.num_rows - table.num_rows,
    )


def _written(column: Column, value: Any, currency: str | None, reader: Reader) -> str:
    if value is None:
        return NOTHING
    match column.unit:
        case "minor units":
            if currency is None:
                return reader.number(value)
            if isinstance(value, Decimal) and value != value.to_integral_value():
                # A price of less than a minor unit is shown with all its digits.
                exact = value.scaleb(-exponent(currency)).normalize()
                return reader.number(exact, max(0, -int(exact.as_tuple().exponent)))
            return reader.amount(int(value), currency)
        case "ratio":
            return reader.percent(Fraction(value), 1)
        case "units" | "count" | "days" | "quantity":
            return reader.number(value)
        case "month":
            return reader.short_month(value)
        case "date":
            return reader.day(value)
        case "instant":
            return f"{reader.day(value.astimezone(reader.zone).date())} {reader.clock(value)}"
        case "yes/no":
            return _("yes") if value else _("no")
        case _:
            if column.name == "currency":
                return str(value).upper()
            return value.isoformat() if isinstance(value, date) else str(value)
