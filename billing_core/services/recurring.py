"""Figures that follow from the movements of recurring revenue and from retention; each defined here once.

Amounts are minor units of one currency. What has nothing to divide by is None, which readers see as "n/a".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from billing_core.money import round_minor

GAINS = ("new", "reactivation", "expansion")
LOSSES = ("contraction", "churn")
CHURN_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Movements:
    """How recurring revenue moved over one or more months; gains and losses are both positive.

    `opening_minor` + gains − losses = `closing_minor`.
    """

    opening_minor: int
    gains: Mapping[str, int]
    losses: Mapping[str, int]
    closing_minor: int


def over(months: Sequence[Mapping[str, Any]]) -> Movements:
    """Return the movements of successive months as one.

    Args:
        months: rows of `mrr_movements` of one currency, in order, at least one.
    """
    return Movements(
        opening_minor=months[0]["opening_minor"],
        gains={kind: sum(m[f"{kind}_minor"] for m in months) for kind in GAINS},
        losses={kind: sum(m[f"{kind}_minor"] for m in months) for kind in LOSSES},
        closing_minor=months[-1]["closing_minor"],
    )


def arr_minor(mrr_minor: int) -> int:
    """Return annual recurring revenue: twelve times the monthly."""
    return 12 * mrr_minor


def arpa_minor(mrr_minor: int, tenants_count: int) -> int | None:
    """Return recurring revenue per paying tenant and month, halves away from zero."""
    return round_minor(Fraction(mrr_minor, tenants_count)) if tenants_count else None


def churn_ratio(months: Sequence[Mapping[str, Any]]) -> Fraction | None:
    """Return the mean monthly share of tenants lost: Σ lost ÷ Σ at the start, over the last `CHURN_MONTHS` months.

    Args:
        months: rows of `retention` of one currency, in order.
    """
    last = months[-CHURN_MONTHS:]
    at_start = sum(m["tenants_start_count"] for m in last)
    return Fraction(sum(m["tenants_lost_count"] for m in last), at_start) if at_start else None


def ltv_minor(mrr_minor: int, tenants_count: int, churn: Fraction | None) -> int | None:
    """Return the revenue that a tenant brings until it leaves: ARPA ÷ monthly churn, rounded once.

    None without tenants, and without churn, because nobody can say when nobody leaves.
    """
    if not tenants_count or not churn:
        return None
    return round_minor(Fraction(mrr_minor, tenants_count) / churn)


def with_kept(rows: pa.Table) -> pa.Table:
    """Return rows of `mrr_movement_rows` of tenants that had revenue at the start, with `kept_minor`, the smaller of
    opening and closing and never below 0: what gross retention adds up, as `closing_minor` is what net retention
    does."""
    started = rows.filter(pc.greater(rows["opening_minor"], 0))
    closing = pc.max_element_wise(started["closing_minor"], pa.scalar(0, pa.int64()))
    return started.append_column("kept_minor", pc.min_element_wise(started["opening_minor"], closing))


def with_total(rows: pa.Table) -> pa.Table:
    """Return rows of `mrr_by_tenant` with `total_minor` = committed + usage."""
    return rows.append_column("total_minor", pc.add(rows["committed_minor"], rows["usage_minor"]))
