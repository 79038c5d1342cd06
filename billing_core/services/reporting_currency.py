"""A report in one reporting currency: its rows converted by dated rates, once, after the query.

Which reports allow it, and by which date their rows are converted, stands in the header of their query
(`converted_on`). A month is converted by the rate of its last day, the running month and a balance by that of the day
the report has reached. A row without a usable rate keeps its currency and says so in `not_converted`.

Where the currency is part of what names a row, the rows of several currencies become one: amounts are added exactly
and rounded once, to the nearest minor unit, halves away from zero; columns that the header lists as `added` are
summed; what else differs between the rows is empty. In lists of documents each row stays, rounded by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

import pyarrow as pa

from billing_core import money
from billing_core.errors import QueryError
from billing_core.language import _, n_
from billing_core.periods import add_months, month_of
from billing_core.rules.fx import Rates, factor
from billing_core.warehouse import Column, Header
from billing_core.warehouse.headers import AS_OF

COLUMNS = (
    Column(
        "converted_by", "varchar", "text", "The rates by which the amounts were converted; empty when none was needed."
    ),
    Column("not_converted", "varchar", "text", "Why the row is not in the reporting currency; empty when it is."),
)
MINOR = "minor units"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Converted:
    """Rows in a reporting currency.

    Attributes:
        table: the report's columns, then `COLUMNS`.
        columns: of the table.
        notes: sentences about what could not be converted.
    """

    table: pa.Table
    columns: tuple[Column, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Sum:
    """Rows that become one."""

    first: Row
    exact: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    others: list[Row] = field(default_factory=list)
    rates: set[str] = field(default_factory=set)


def convert(header: Header, table: pa.Table, rates: Rates, into: str, *, last_on: date) -> Converted:
    """Show a report's amounts in one currency.

    Args:
        header: of the report.
        table: its rows as computed.
        rates: what is known, with how old a rate may be.
        into: the reporting currency, lower case.
        last_on: the day that the report has reached: its as-of day, or today.

    Raises:
        QueryError: the report does not allow it.
    """
    if not header.converted_on:
        raise QueryError(
            _(
                "Report '{name}' stays in its own currencies. Those that can be converted say so in: "
                "billing report --list",
                name=header.name,
            )
        )
    amounts = [column.name for column in header.columns if column.unit == MINOR]
    is_month = any(column.name == header.converted_on and column.unit == "month" for column in header.columns)
    keeps_rows = "currency" not in header.grain
    key = [name for name in header.grain if name != "currency"]
    sums: dict[tuple[Any, ...], _Sum] = {}
    left: dict[str, int] = defaultdict(int)
    for number, row in enumerate(table.to_pylist()):
        currency, on = row["currency"], _date_of(row, header.converted_on, last_on, is_month=is_month)
        rate, reason = _rate(rates, currency, into, on)
        row |= {"not_converted": reason, "converted_by": None}
        if reason is not None:
            left["no currency" if currency is None else currency.upper()] += 1
            sums[(number,)] = _Sum(row, {name: Fraction(row[name]) for name in amounts if row[name] is not None})
            continue
        one = Fraction(1) if rate is None else factor(rate, into)
        place = (number,) if keeps_rows else (None, *(row[name] for name in key))
        held = sums.setdefault(place, _Sum({**row, "currency": into}))
        held.others.append(row)
        if rate is not None:
            held.rates.add(str(rate))
        for name in amounts:
            if row[name] is not None:
                held.exact[name] += row[name] * one
    fields = [*header.columns, *COLUMNS]
    rows = [_row(held, amounts, header.added, [column.name for column in header.columns]) for held in sums.values()]
    types = {name: table.schema.field(name).type for name in table.schema.names}
    arrays = [pa.array([row[column.name] for row in rows], types.get(column.name, pa.string())) for column in fields]
    made = pa.Table.from_arrays(arrays, names=[column.name for column in fields])
    return Converted(made, tuple(fields), _notes(left, into))


def _rate(rates: Rates, currency: str | None, into: str, on: date | None) -> tuple[Any, str | None]:
    """Return the rate, None when none is needed, or why there is none."""
    if currency is None:
        return None, "it has no currency"
    if currency == into:
        return None, None
    if on is None:
        return None, "it has no date"
    rate = rates.find(currency, into, on)
    if rate is None:
        limit = f"at most {rates.max_age_days} days old"
        return None, f"there is no rate between {currency} and {into} on or before {on}, {limit}"
    return rate, None


def _date_of(row: Mapping[str, Any], converted_on: str, last_on: date, *, is_month: bool) -> date | None:
    if converted_on == AS_OF:
        return last_on
    on: date | None = row[converted_on]
    if on is None or not is_month:
        return on
    # The last day of the month, or the day the report has reached within it.
    return min(date.fromordinal(add_months(month_of(on), 1).toordinal() - 1), max(on, last_on))


def _row(held: _Sum, amounts: Sequence[str], added: Sequence[str], names: Sequence[str]) -> Row:
    row = dict(held.first)
    for name in names:
        if name in amounts:
            row[name] = money.round_minor(held.exact[name]) if name in held.exact else None
        elif name in added and held.others:
            values = [other[name] for other in held.others if other[name] is not None]
            row[name] = sum(values) if values else None
        elif name != "currency" and any(other[name] != row[name] for other in held.others):
            row[name] = None
    row["converted_by"] = "; ".join(sorted(held.rates)) or None
    return row


def _notes(left: Mapping[str, int], into: str) -> tuple[str, ...]:
    if not left:
        return ()
    count = sum(left.values())
    listed = ", ".join(_("{count} in {currency}", count=n, currency=code) for code, n in sorted(left.items()))
    said = n_(
        "{count} row is not in {currency} ({listed}); the column not_converted says why. "
        "Import rates with: billing import fx_rates FILE.csv",
        "{count} rows are not in {currency} ({listed}); the column not_converted says why. "
        "Import rates with: billing import fx_rates FILE.csv",
        count,
        count=count,
        currency=into.upper(),
        listed=listed,
    )
    return (said,)
