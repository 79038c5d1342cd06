"""Figures that follow from those of a revenue report by one rule each, so that no page computes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from billing_core.services import sums


def with_net(table: pa.Table) -> pa.Table:
    """Return a table of revenue with `net_minor` = `invoiced_minor` − `credited_minor` (minor units, ex tax); one that
    has it already is returned as it is."""
    if "net_minor" in table.column_names:
        return table
    return table.append_column("net_minor", pc.subtract(table["invoiced_minor"], table["credited_minor"]))


def figure(rows: pa.Table, field: str, last: date | None) -> int:
    """Return a figure over some months of one currency: the sum of what flowed, or the balance at the end.

    Args:
        rows: with a `month`.
        field: of minor units.
        last: the month whose balance is meant; None for what is summed.
    """
    return sums.total(rows if last is None else rows.filter(pc.equal(rows["month"], last)), field)


def over_months(
    rows: pa.Table, keys: Sequence[str], fields: Sequence[str], balances: Collection[str], last: date
) -> pa.Table:
    """Return one row per key over some months of one currency: flows summed, balances as at the last month's end.

    Args:
        rows: of `revenue_by_product` or `revenue_by_tenant`.
        keys: of a row, together unique.
        fields: what to keep, minor units.
        balances: those of them that are balances; 0 for a key that has no row in the last month.
        last: the last month.
    """
    flows = [f for f in fields if f not in balances]
    table = sums.sum_by(rows, keys, flows)
    stands = sums.sum_by(rows.filter(pc.equal(rows["month"], last)), keys, [f for f in fields if f in balances])
    held = {tuple(row[k] for k in keys): row for row in stands.to_pylist()}
    for field in fields:
        if field in balances:
            found = (held.get(key, {}).get(field, 0) for key in zip(*(table[k].to_pylist() for k in keys), strict=True))
            table = table.append_column(field, pa.array(list(found), pa.int64()))
    return table.select([*keys, *fields])
