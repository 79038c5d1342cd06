"""Figures that follow from reports: by hand."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pyarrow as pa
import pytest

from billing_core.services import receivables, recurring, revenue, sums


def test_movements_of_several_months_are_one_from_the_first_opening_to_the_last_closing() -> None:
    """Gains and losses are added, balances are not."""
    first = {
        "opening_minor": 100,
        "new_minor": 50,
        "reactivation_minor": 0,
        "expansion_minor": 7,
        "contraction_minor": 2,
        "churn_minor": 30,
        "closing_minor": 125,
    }
    second = first | {"opening_minor": 125, "reactivation_minor": 5, "closing_minor": 155}
    moved = recurring.over([first, second])
    assert (moved.opening_minor, moved.closing_minor) == (100, 155)
    assert moved.gains == {"new": 100, "reactivation": 5, "expansion": 14}
    assert moved.losses == {"contraction": 4, "churn": 60}
    assert moved.opening_minor + sum(moved.gains.values()) - sum(moved.losses.values()) == moved.closing_minor


def test_lifetime_value_is_revenue_per_tenant_over_monthly_churn_and_rounded_once() -> None:
    """1000 of three tenants, 2 lost of 90 at the start: 333⅓ ÷ 2/90 = 15000; without churn or tenants none."""
    months = [{"tenants_start_count": 30, "tenants_lost_count": lost} for lost in (0, 2, 0)]
    assert recurring.churn_ratio(months) == Fraction(2, 90)
    assert recurring.ltv_minor(1000, 3, Fraction(2, 90)) == 15000
    assert recurring.arpa_minor(1000, 3) == 333
    assert recurring.arr_minor(1000) == 12000
    assert recurring.ltv_minor(1000, 3, Fraction(0)) is None
    assert recurring.ltv_minor(0, 0, Fraction(1, 2)) is None
    assert recurring.arpa_minor(0, 0) is None
    assert recurring.churn_ratio([]) is None


def test_churn_looks_at_the_last_twelve_months_only() -> None:
    """What was lost before is forgotten."""
    months = [{"tenants_start_count": 1, "tenants_lost_count": 1}] * 5
    months += [{"tenants_start_count": 10, "tenants_lost_count": 0}] * 11
    assert recurring.churn_ratio(months) == Fraction(1, 111)


def test_kept_revenue_is_the_smaller_end_of_tenants_that_had_some() -> None:
    """Growth does not count, nor does a tenant that began at nothing; below zero is nothing kept."""
    rows = pa.table({"opening_minor": [100, 100, 100, 0], "closing_minor": [150, 60, -5, 30]})
    assert recurring.with_kept(rows)["kept_minor"].to_pylist() == [100, 60, 0]


@pytest.mark.parametrize(
    ("days", "bucket"),
    [(-3, "not_due"), (0, "not_due"), (1, "d1_30"), (30, "d1_30"), (31, "d31_60"), (120, "d91_120"), (121, "over_120")],
)
def test_days_past_due_belong_to_one_bucket(days: int, bucket: str) -> None:
    """Both ends of a bucket are in it."""
    assert receivables.bucket_of(days) == f"{bucket}_minor"


def test_the_past_due_share_is_all_but_the_first_bucket() -> None:
    """300 not due and 100 late make a quarter; nothing open has no share."""
    buckets = dict.fromkeys(receivables.BUCKETS, 0) | {"not_due_minor": 300, "d31_60_minor": 60, "over_120_minor": 40}
    assert receivables.past_due_minor(buckets) == 100
    assert receivables.past_due_ratio(buckets) == Fraction(1, 4)
    assert receivables.past_due_ratio(dict.fromkeys(receivables.BUCKETS, 0)) is None


def test_over_months_flows_are_added_and_balances_are_those_of_the_end() -> None:
    """A product without a row in the last month has no balance left; one without an id is a key of its own."""
    rows = pa.table(
        {
            "month": [date(2026, 9, 1), date(2026, 10, 1), date(2026, 9, 1), date(2026, 10, 1)],
            "product_id": ["p", "p", "q", None],
            "currency": ["dkk"] * 4,
            "recognised_minor": [5, 6, 7, 8],
            "deferred_minor": [50, 60, 70, 80],
        }
    )
    fields = ["recognised_minor", "deferred_minor"]
    found = revenue.over_months(rows, ["product_id"], fields, {"deferred_minor"}, date(2026, 10, 1))
    assert found.to_pylist() == [
        {"product_id": "p", "recognised_minor": 11, "deferred_minor": 60},
        {"product_id": "q", "recognised_minor": 7, "deferred_minor": 0},
        {"product_id": None, "recognised_minor": 8, "deferred_minor": 80},
    ]
    assert revenue.figure(rows, "deferred_minor", date(2026, 10, 1)) == 140
    assert revenue.figure(rows, "recognised_minor", None) == 26


def test_amounts_of_two_currencies_are_never_added() -> None:
    """Neither as a total nor by key."""
    rows = pa.table({"currency": ["dkk", "eur"], "open_minor": [1, 2]})
    with pytest.raises(ValueError, match="never added"):
        sums.total(rows, "open_minor")
    with pytest.raises(ValueError, match="never added"):
        sums.sum_by(rows, ["currency"], ["open_minor"])
    assert sums.total(rows.slice(0, 0), "open_minor") == 0
