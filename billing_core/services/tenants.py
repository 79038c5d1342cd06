"""Figures of many tenants arranged for comparison, so that no page computes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

Value = TypeVar("Value", int, Decimal)


def by_month(table: pa.Table, field: str) -> dict[str, dict[date, Value]]:
    """Return a report's figures as tenant → month → value.

    Args:
        table: with `tenant_id` and `month`, one row for each pair, in one currency; rows without a tenant are left out.
        field: the column of the values; empty ones are left out.
    """
    found: dict[str, dict[date, Value]] = {}
    columns = (table["tenant_id"].to_pylist(), table["month"].to_pylist(), table[field].to_pylist())
    for tenant, month, value in zip(*columns, strict=True):
        if tenant is not None and value is not None:
            found.setdefault(tenant, {})[month] = value
    return found


def own_currency(table: pa.Table, currencies: Mapping[str, str]) -> pa.Table:
    """Return the rows of a report that are in their tenant's own currency.

    Args:
        table: with `tenant_id` and `currency`.
        currencies: the currency of each tenant.
    """
    pairs = zip(table["tenant_id"].to_pylist(), table["currency"].to_pylist(), strict=True)
    return table.filter(pa.array([currencies.get(tenant) == currency for tenant, currency in pairs], pa.bool_()))


def over(months: Sequence[date], values: Mapping[date, Value] | None, *, missing: Value | None) -> list[Value | None]:
    """Return one value per month, in their order; `missing` where there is none."""
    return [(values or {}).get(month, missing) for month in months]


def matching(rows: Iterable[Mapping[str, object]], words: str, fields: Sequence[str]) -> list[bool]:
    """Tell for each row whether every word occurs in one of its fields, whatever the case; no words match all.

    Args:
        rows: of any report.
        words: as typed, separated by spaces.
        fields: where to look.
    """
    wanted = words.casefold().split()
    return [all(any(word in str(row[field] or "").casefold() for field in fields) for word in wanted) for row in rows]


def change(rows: Iterable[Mapping[str, Decimal]]) -> Decimal:
    """Return what the changes of some movers of one metric come to together."""
    return sum((row["change_quantity"] for row in rows), Decimal(0))


def added(table: pa.Table, field: str) -> Decimal:
    """Return the sum of a column of quantities, exact; 0 without rows."""
    return sum((value for value in table[field].to_pylist() if value is not None), Decimal(0))


def days_behind(later: pa.Table, earlier: pa.Table) -> pa.Table:
    """Return the days behind a change between two months, with `signed_quantity`, which adds up to it.

    Args:
        later: `usage_rows` of one tenant and metric for the later month.
        earlier: the same for the earlier month, as of its last day that is compared.
    """
    parts = []
    for table, sign in ((later, 1), (earlier, -1)):
        rows = table.filter(pc.equal(table["part"], "this"))
        counted = rows["counted_quantity"]
        signed = counted if sign > 0 else pc.negate(counted)
        parts.append(rows.append_column("signed_quantity", pc.cast(signed, counted.type)))
    return pa.concat_tables(parts)


def recurring_minor(profile: Mapping[str, int | None]) -> int:
    """Return a tenant's recurring revenue in a month, committed and usage, from its row of `tenant_profile`."""
    return (profile["committed_minor"] or 0) + (profile["usage_minor"] or 0)
