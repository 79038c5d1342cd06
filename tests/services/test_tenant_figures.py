"""Figures of several tenants put together: outlooks, changes, and what is found by the words typed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from billing_core.services import forecast, tenants


def row(tenant: str, so_far: int | None, expected: int | None, low: int | None, high: int | None) -> dict[str, Any]:
    """A row of `usage_forecast`, in kroner."""
    names = ("tenant_id", "so_far_minor", "expected_minor", "low_minor", "high_minor", "currency")
    return dict(zip(names, (tenant, so_far, expected, low, high, "dkk"), strict=True))


def test_an_outlook_adds_up_and_counts_what_has_no_range_as_expected() -> None:
    """10 and 20 expected, the second without a range; what has no price counts nothing."""
    rows = [row("a", 8, 10, 9, 14), row("b", 20, 20, None, None), row("b", None, None, None, None)]
    assert forecast.together(rows) == forecast.Outlook(28, 30, 29, 34, unranged_count=1)


def test_outlooks_of_two_currencies_are_never_added() -> None:
    """Not even by mistake."""
    with pytest.raises(ValueError, match="never added"):
        forecast.together([row("a", 1, 1, 1, 1), row("b", 1, 1, 1, 1) | {"currency": "eur"}])


def test_tenants_come_by_what_is_expected_of_all_their_items() -> None:
    """Two items of b are more than one of a; equal ones come by id; a tenant without money is left out."""
    rows = [row("a", 1, 5, 5, 5), row("b", 1, 3, 3, 3), row("b", 1, 3, 3, 3), row("0", 1, 5, 5, 5)]
    unpriced = row("c", None, None, None, None)
    assert [tenant for tenant, _ in forecast.by_tenant([*rows, unpriced])] == ["b", "0", "a"]


def test_values_are_arranged_by_tenant_and_month() -> None:
    """A row without a tenant or a value is left out; a month without a row is what was asked for it."""
    june, july = date(2026, 6, 1), date(2026, 7, 1)
    table = pa.table(
        {"tenant_id": ["a", "a", None], "month": [june, july, june], "net_minor": pa.array([5, None, 7], pa.int64())}
    )
    found: dict[str, dict[date, int]] = tenants.by_month(table, "net_minor")
    assert found == {"a": {june: 5}}
    assert tenants.over([june, july], found["a"], missing=0) == [5, 0]
    assert tenants.over([june], found.get("b"), missing=None) == [None]


def test_only_rows_in_a_tenants_own_currency_stay() -> None:
    """An invoice in another currency is not added to it."""
    table = pa.table({"tenant_id": ["a", "a", None], "currency": ["dkk", "eur", "dkk"]})
    assert tenants.own_currency(table, {"a": "dkk"}).to_pylist() == [{"tenant_id": "a", "currency": "dkk"}]


@pytest.mark.parametrize(
    ("words", "expected"),
    [("", [True, True]), ("ÅGADE", [True, False]), ("bolig 12", [False, True]), ("bolig ågade", [False, False])],
)
def test_every_word_has_to_be_in_one_of_the_fields(words: str, expected: list[bool]) -> None:
    """Whatever the case, in any order, also spread over fields."""
    rows = [{"name": "Ågade A/S", "cvr": None}, {"name": "Nordbolig", "cvr": "12345678"}]
    assert tenants.matching(rows, words, ("name", "cvr")) == expected


def test_days_behind_a_change_count_the_earlier_month_negative() -> None:
    """5 in the later month, 3 in the earlier; rows for comparison only are left out."""

    def days(*counted: str) -> pa.Table:
        kind = pa.decimal128(38, 6)
        values = [Decimal(c) for c in counted]
        return pa.table({"part": ["this", "previous"], "counted_quantity": pa.array(values, kind)})

    rows = tenants.days_behind(days("5", "0"), days("3", "0"))
    assert tenants.added(rows, "signed_quantity") == 2
    assert rows.num_rows == 2
