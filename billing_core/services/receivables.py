"""Receivables by age, from the report `ar_aging` and the invoices behind it; minor units with tax, of one currency."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc

from billing_core.services import sums

# The columns of `ar_aging` in order, each with the last day past due that it holds.
BUCKETS: Mapping[str, int | None] = {
    "not_due_minor": 0,
    "d1_30_minor": 30,
    "d31_60_minor": 60,
    "d61_90_minor": 90,
    "d91_120_minor": 120,
    "over_120_minor": None,
}


def bucket_of(days_past_due: int) -> str:
    """Return the column of `ar_aging` that an invoice so many whole days past due belongs to; 0 and less is not due."""
    return next(name for name, last in BUCKETS.items() if last is None or days_past_due <= last)


def by_bucket(aging: pa.Table) -> dict[str, int]:
    """Return the sum of each bucket over the rows of `ar_aging`."""
    return {name: sums.total(aging, name) for name in BUCKETS}


def past_due_minor(buckets: Mapping[str, int]) -> int:
    """Return what is past due: every bucket but the first."""
    return sum(amount for name, amount in buckets.items() if name != "not_due_minor")


def past_due_ratio(buckets: Mapping[str, int]) -> Fraction | None:
    """Return past due ÷ open; None when nothing is open."""
    everything = sum(buckets.values())
    return Fraction(past_due_minor(buckets), everything) if everything else None


def open_invoices(invoices: pa.Table) -> pa.Table:
    """Return the rows of `invoices_list` that are behind `ar_aging` of the same day, with their `bucket`.

    Args:
        invoices: as of the day of the aging.
    """
    rows = invoices.filter(pc.not_equal(invoices["open_minor"], 0))
    rows = rows.filter(pc.equal(rows["status"], "open"))
    buckets = [bucket_of(days or 0) for days in rows["days_past_due"].to_pylist()]
    return rows.append_column("bucket", pa.array(buckets, pa.string()))


def billed_rows(revenue_rows: pa.Table) -> pa.Table:
    """Return the rows of `revenue_rows` that are behind `invoiced_90_minor` of `dso`: invoices and their voidings, with
    `billed_minor` = invoiced + tax."""
    rows = revenue_rows.filter(pc.is_in(revenue_rows["kind"], pa.array(["invoice", "invoice_voided"])))
    return rows.append_column("billed_minor", pc.add(rows["invoiced_minor"], rows["tax_minor"]))
