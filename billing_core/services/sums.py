"""Sums over the rows of a report, in minor units of one currency, so that no page adds anything up itself."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc


def total(table: pa.Table, field: str) -> int:
    """Return the sum of a column of minor units; 0 without rows.

    Raises:
        ValueError: the rows are of more than one currency.
    """
    _one_currency(table)
    found = pc.sum(table[field]).as_py()
    return 0 if found is None else int(found)


def sum_by(table: pa.Table, keys: Sequence[str], fields: Sequence[str]) -> pa.Table:
    """Return one row per combination of keys with the fields added up (int64), in the order of first appearance.

    Args:
        table: rows of one currency.
        keys: columns that stay apart; a missing key is a key of its own.
        fields: columns of minor units or counts.

    Raises:
        ValueError: the rows are of more than one currency.
    """
    _one_currency(table)
    grouped = table.group_by(list(keys), use_threads=False).aggregate([(field, "sum") for field in fields])
    return pa.table(
        {
            **{key: grouped[key] for key in keys},
            **{field: pc.cast(grouped[f"{field}_sum"], pa.int64()) for field in fields},
        }
    )


def _one_currency(table: pa.Table) -> None:
    if "currency" in table.column_names and len(pc.unique(table["currency"])) > 1:
        raise ValueError("amounts of different currencies are never added")
