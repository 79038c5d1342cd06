"""The six kinds of CSV file: which columns they have, what a cell may hold, and what a row must add up to.

A file is UTF-8 with a header and commas. A byte order mark is accepted, because Excel writes one when it saves "CSV
UTF-8" and the column would be right to the eye and wrong to the program. Columns may come in any order. Blank lines
mean nothing. Lines are counted as an editor counts them, from 1, the header included; a row that spans lines is where
it begins. `created_at`, `deleted_at`, `started_at`, `ended_at`, `finalized_at` and `paid_at` are dates, meaning the
start of that day in the reporting zone, or instants with a zone; the `at` of a usage event is always an instant with
its zone.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from billing_core.errors import InvalidInputError
from billing_core.periods import INTERVALS
from billing_core.rules import cells
from billing_core.rules.cells import CellError, Reader, optional

KINDS = ("tenants", "occupancies", "usage", "subscriptions", "invoices", "fx_rates")
INVOICE_STATUSES = ("draft", "open", "paid", "uncollectible", "void")
OPTIONAL_COLUMNS = {"usage": ("metadata",)}
# The columns that name a row.
KEY_COLUMNS = {
    "tenants": ("tenant_id",),
    "occupancies": ("occupancy_id",),
    "usage": ("tenant_id", "idempotency_key"),
    "subscriptions": ("subscription_id",),
    "invoices": ("invoice_id",),
    "fx_rates": ("rate_on", "base", "quote"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row whose every cell was read; `values` has all columns of the kind."""

    line: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadCell:
    """A cell that cannot be taken: where it is, what it says, what would do."""

    line: int
    column: str
    value: str
    expected: str

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= 60 else f"{self.value[:57]}..."
        return f"line {self.line}, column {self.column}: {shown!a} is not {self.expected}"


def readers(kind: str, zone: ZoneInfo) -> dict[str, Reader]:
    """Return a reader per column of a kind, in the order of the documentation."""
    moment = cells.moment(zone)
    amount = cells.whole(0)
    match kind:
        case "tenants":
            return {
                "tenant_id": cells.identifier,
                "name": cells.text,
                "email": optional(cells.email),
                "country": optional(cells.country),
                "currency": cells.currency,
                "created_at": moment,
                "deleted_at": optional(moment),
            }
        case "occupancies":
            return {
                "occupancy_id": cells.identifier,
                "tenant_id": cells.identifier,
                "unit_id": cells.identifier,
                "starts_on": cells.day,
                "ends_on": optional(cells.day),
                "deleted_at": optional(moment),
            }
        case "usage":
            return {
                "tenant_id": cells.identifier,
                "metric": cells.identifier,
                "quantity": cells.quantity,
                "at": cells.instant,
                "idempotency_key": cells.identifier,
                "metadata": optional(cells.json_object),
            }
        case "subscriptions":
            return {
                "subscription_id": cells.identifier,
                "tenant_id": cells.identifier,
                "product": cells.identifier,
                "started_at": moment,
                "ended_at": optional(moment),
                "is_trial": cells.boolean,
                "quantity": cells.whole(0, limit=cells.QUANTITY_LIMIT),
                "unit_amount_minor": cells.whole(0, limit=cells.UNIT_AMOUNT_LIMIT),
                "currency": cells.currency,
                "interval": cells.choice(*INTERVALS),
                "interval_count": cells.whole(1, limit=cells.INTEGER_LIMIT),
            }
        case "invoices":
            return {
                "invoice_id": cells.identifier,
                "tenant_id": cells.identifier,
                "number": optional(cells.identifier),
                "currency": cells.currency,
                "subtotal_minor": cells.whole(),
                "tax_minor": cells.whole(),
                "total_minor": cells.whole(),
                "finalized_at": optional(moment),
                "due_on": optional(cells.day),
                "status": cells.choice(*INVOICE_STATUSES),
                "paid_at": optional(moment),
                "paid_minor": optional(amount),
            }
        case "fx_rates":
            return {
                "rate_on": cells.day,
                "base": cells.currency,
                "quote": cells.currency,
                "rate": cells.rate,
            }
    raise ValueError(f"no such kind: {kind}")


def check_kind(kind: str) -> None:
    """Refuse a kind that does not exist.

    Raises:
        InvalidInputError: naming the ones that do.
    """
    if kind not in KINDS:
        raise InvalidInputError(f"There is no import of '{kind}'. Choose one of {', '.join(KINDS)}.")


def read_rows(kind: str, name: str, lines: Iterable[str], zone: ZoneInfo) -> Iterator[Row | BadCell]:
    """Read a file lazily: every row that is right by itself, and every cell that is not, in order.

    Args:
        kind: one of `KINDS`.
        name: the file's name, for messages.
        lines: the file's lines with their endings, decoded with `surrogateescape`: bytes that are not UTF-8 arrive as
            surrogates and become bad cells.
        zone: the reporting zone.

    Raises:
        InvalidInputError: a wrong header, or text that is not CSV at all; names file and line.
    """
    reader_of = readers(kind, zone)
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, [])
        _check_header(kind, name, header, list(reader_of))
        readers_in_order = [(column, reader_of[column]) for column in header]
        absent = dict.fromkeys(column for column in reader_of if column not in header)
        begins = reader.line_num + 1
        for row in reader:
            line, begins = begins, reader.line_num + 1
            if not row:
                continue
            if len(row) != len(header):
                expected = f"a row of {len(header)} cells: it has {len(row)}"
                yield BadCell(line, header[min(len(row), len(header)) - 1], ",".join(row), expected)
                continue
            values: dict[str, Any] = dict(absent)
            bad: list[BadCell] = []
            for (column, read), cell in zip(readers_in_order, row, strict=True):
                try:
                    values[column] = read(cell)
                except CellError as error:
                    bad.append(BadCell(line, column, cell, str(error)))
            if not bad:
                written = dict(zip(header, row, strict=True))
                bad = [BadCell(line, column, written[column], why) for column, why in _contradictions(kind, values)]
            if bad:
                yield from bad
            else:
                yield Row(line, values)
    except csv.Error as error:
        raise InvalidInputError(
            f"{name}, line {reader.line_num}: not readable as CSV ({error}). Look for a quotation mark that is not "
            'closed or not doubled (""); nothing was imported.'
        ) from error


def _check_header(kind: str, name: str, header: list[str], columns: list[str]) -> None:
    expected = f"Expected: {','.join(columns)}. Nothing was imported."
    if not header:
        raise InvalidInputError(f"{name} has no header. {expected}")
    if header[0].startswith(("\udcff\udcfe", "\udcfe\udcff")) or "\x00" in "".join(header):
        raise InvalidInputError(f"{name} is not UTF-8. Save it as CSV UTF-8. {expected}")
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        raise InvalidInputError(f"{name} is separated by semicolons or tabs. Save it with commas. {expected}")
    problems = []
    if missing := [c for c in columns if c not in header and c not in OPTIONAL_COLUMNS.get(kind, ())]:
        problems.append(f"lacks {', '.join(missing)}")
    if extra := [c for c in header if c not in columns]:
        problems.append(f"has unknown {', '.join(ascii(c) for c in extra)}")
    if repeated := sorted({c for c in header if header.count(c) > 1}):
        problems.append(f"has more than one {', '.join(ascii(c) for c in repeated)}")
    if problems:
        raise InvalidInputError(f"{name}, line 1: the header {', '.join(problems)}. {expected}")


def _contradictions(kind: str, row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Find what is wrong between the cells of a row that are right one by one: column, and what is expected there."""
    if kind == "occupancies" and row["ends_on"] is not None and row["ends_on"] < row["starts_on"]:
        yield "ends_on", f"a date on or after starts_on ({row['starts_on']})"
    if kind == "subscriptions":
        if row["ended_at"] is not None and row["ended_at"] < row["started_at"]:
            yield "ended_at", "at or after started_at"
        if row["quantity"] * row["unit_amount_minor"] >= cells.BIGINT_LIMIT:
            yield "quantity", f"a quantity whose amount is below {cells.BIGINT_LIMIT} minor units"
    if kind == "fx_rates" and row["base"] == row["quote"]:
        yield "quote", f"another currency than the base ({row['base']})"
    if kind == "invoices":
        yield from _invoice_contradictions(row)


def _invoice_contradictions(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if row["total_minor"] > row["subtotal_minor"] + row["tax_minor"]:
        yield "total_minor", "at most subtotal_minor + tax_minor (less is a discount)"
    if row["status"] == "draft":
        if row["finalized_at"] is not None:
            yield "finalized_at", "empty, as a draft is not finalized"
    elif row["finalized_at"] is None:
        yield "finalized_at", f"a date or instant, as an invoice that is {row['status']} was finalized"
    paid = row["paid_minor"] or 0
    if paid > max(row["total_minor"], 0):
        yield "paid_minor", "at most total_minor"
    if paid and row["paid_at"] is None:
        yield "paid_at", "a date or instant, as something was paid"
    if row["paid_at"] is not None and row["paid_minor"] is None:
        yield "paid_minor", "a whole number, as there is a paid_at"
    if paid and row["status"] == "draft":
        yield "status", "open, paid, uncollectible or void, as something was paid"
