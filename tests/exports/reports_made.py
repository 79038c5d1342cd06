"""Reports made by hand for the tests of what is written from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from billing_core.services.reports import Report
from billing_core.warehouse import Column

AS_OF = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)

COLUMNS = (
    Column("month", "date", "month", "First day of the month."),
    Column("currency", "varchar", "text", "ISO code, lower case."),
    Column("invoiced_minor", "bigint", "minor units", "Finalized less voided."),
    Column("units_count", "bigint", "units", "Distinct units."),
    Column("nrr_ratio", "decimal(18,6)", "ratio", "Net revenue retention."),
    Column("finalized_at", "timestamp with time zone", "instant", "When it was finalized."),
    Column("due_on", "date", "date", "Due."),
    Column("is_late", "boolean", "yes/no", "Whether it is late."),
    Column("tenant_name", "varchar", "text", "Its name."),
)
TYPES = (
    pa.date32(),
    pa.string(),
    pa.int64(),
    pa.int64(),
    pa.decimal128(18, 6),
    pa.timestamp("us", "UTC"),
    pa.date32(),
    pa.bool_(),
    pa.string(),
)
ROWS: Sequence[tuple[Any, ...]] = (
    (
        date(2026, 9, 1),
        "dkk",
        1234567,
        41,
        Decimal("1.025000"),
        datetime(2026, 9, 30, 22, 15, tzinfo=UTC),
        date(2026, 10, 14),
        True,
        "Ærø Boliger & Søn",
    ),
    (date(2026, 9, 1), "jpy", 5000, 3, None, None, None, False, "=1+1"),
    (date(2026, 10, 1), "kwd", -1005, 0, Decimal("0.500000"), None, None, None, None),
)


def report_of(
    columns: Sequence[Column] = COLUMNS,
    rows: Sequence[tuple[Any, ...]] = ROWS,
    types: Sequence[pa.DataType] = TYPES,
    **changed: Any,
) -> Report:
    """A report with these columns and rows, as of the last half hour of October in UTC: November in Copenhagen."""
    arrays = [pa.array([row[i] for row in rows], type) for i, type in enumerate(types)]
    table = pa.table(arrays, names=[c.name for c in columns])
    given = {
        "name": "revenue_monthly",
        "title": "Revenue per month",
        "purpose": "Three views that are never mixed.",
        "zone": "Europe/Copenhagen",
        "as_of": AS_OF,
        "asked": {"from_date": "2026-09-01", "currency": "dkk"},
    }
    return Report(columns=tuple(columns), table=table, **(given | changed))


def amounts_report(amounts_minor: Sequence[int], currency: str) -> Report:
    """A report of nothing but amounts in one currency."""
    columns = (COLUMNS[1], COLUMNS[2])
    return report_of(columns, [(currency, amount) for amount in amounts_minor], (pa.string(), pa.int64()))
