"""What the running periods of all tenants come to together, so that no page computes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where something is heading, in minor units of one currency.

    Attributes:
        so_far_minor: what it costs as it is now.
        expected_minor: where it is likely to end.
        low_minor: with every part at the lower end of its range; a part without a range counts as expected.
        high_minor: with every part at the upper end.
        unranged_count: parts without a range.
    """

    so_far_minor: int
    expected_minor: int
    low_minor: int
    high_minor: int
    unranged_count: int


def together(rows: Iterable[Mapping[str, Any]]) -> Outlook:
    """Return the outlook of rows of `usage_forecast` of one currency; rows without money count nothing."""
    priced = [row for row in rows if row["expected_minor"] is not None]
    if len({row["currency"] for row in priced}) > 1:
        raise ValueError("amounts of different currencies are never added")
    return Outlook(
        sum(row["so_far_minor"] for row in priced),
        sum(row["expected_minor"] for row in priced),
        sum(_or(row["low_minor"], row["expected_minor"]) for row in priced),
        sum(_or(row["high_minor"], row["expected_minor"]) for row in priced),
        sum(1 for row in priced if row["low_minor"] is None or row["high_minor"] is None),
    )


def by_tenant(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Outlook]]:
    """Return tenants with their outlooks, the largest expectation first, then by id.

    Args:
        rows: of `usage_forecast` in one currency.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["expected_minor"] is not None:
            groups.setdefault(row["tenant_id"], []).append(row)
    outlooks = [(tenant, together(some)) for tenant, some in groups.items()]
    return sorted(outlooks, key=lambda one: (-one[1].expected_minor, one[0]))


def _or(amount: int | None, otherwise: int) -> int:
    return otherwise if amount is None else amount
