"""Unusual months: the stated rule by hand and against a calculation in Python."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing_core.periods import add_months
from tests.queries.priced_items import item, price
from tests.queries.usage_by_hand import median, rounded

RANGE = ("observed_quantity", "expected_quantity", "low_quantity", "high_quantity")


def use(company: Any, tenant: str, quantities: list[int], metric: str = "kWh", last: date = date(2026, 10, 1)) -> None:
    """One event a month, the last in the given month."""
    for back, quantity in enumerate(reversed(quantities)):
        company.usage(tenant, metric, add_months(last, -back).isoformat(), str(quantity))


def test_a_month_far_from_its_like_is_found_with_the_range_and_by_how_much(company: Any) -> None:
    """Ten months of about 100, then 200: expected is 100, the range a tenth of it around."""
    company.tenant("t1", created="2025-01-01")
    use(company, "t1", [100, 101, 99, 100, 100, 102, 98, 100, 100, 100, 200])
    [row] = company.report("usage_anomalies", metric="kWh")
    assert (row["month"], row["direction"], row["history_count"]) == (date(2026, 10, 1), "above", 7)
    # Differences from the median of three before: 0 0 2 -2 0 0 0; their median is 0, their deviation 0: a tenth.
    assert [row[name] for name in RANGE] == [200, 100, 90, 110]
    assert (row["difference_quantity"], row["beyond_quantity"], row["score_ratio"]) == (100, 90, 10)


def test_the_range_is_as_wide_as_the_months_before_were_uneven(company: Any) -> None:
    """Differences 20 -20 20 -40 40 -40 40 -40 20: median 20, deviation 20, 3.5 × 1.4826 × 20 = 103.782 around 120."""
    company.tenant("t1", created="2025-01-01")
    use(company, "t1", [100, 100, 100, 120, 80, 120, 80, 120, 80, 120, 80, 100, 250])
    [row] = company.report("usage_anomalies", metric="kWh", from_date="2026-10-01")
    # The last three months have the median 100.
    assert [row[name] for name in RANGE] == [250, 120, Decimal("16.218"), Decimal("223.782")]
    assert (row["beyond_quantity"], row["history_count"]) == (Decimal("26.218"), 9)


def test_with_less_than_nine_whole_months_before_nothing_is_judged(company: Any) -> None:
    """The same leap after eight and after nine."""
    for tenant, months in (("t8", 8), ("t9", 9)):
        company.tenant(tenant, created="2025-01-01")
        use(company, tenant, [*[100] * months, 500])
    assert company.cells("usage_anomalies", "tenant_id", metric="kWh") == [("t9",)]


def test_a_month_that_is_not_over_can_only_be_too_much(company: Any) -> None:
    """Half of the usual after 22 days says nothing; twice the usual does."""
    for tenant, so_far in (("few", 50), ("many", 200)):
        company.tenant(tenant, created="2025-01-01")
        use(company, tenant, [*[100] * 12, so_far], last=date(2026, 11, 1))
    columns = ("tenant_id", "direction", "is_complete")
    assert company.cells("usage_anomalies", *columns, metric="kWh") == [("many", "above", False)]


def test_units_have_to_differ_by_more_than_two(company: Any) -> None:
    """From 5 to 7 is a move-in or two, to 8 is unusual; money is 3 × 19.00."""
    price(company, "p_unit", unit_amount="1900", metered=True)
    for tenant, more in (("t7", 2), ("t8", 3)):
        company.tenant(tenant, created="2025-01-01")
        item(company, tenant, "p_unit", "2025-01-01", metered=True)
        for unit in range(5 + more):
            company.occupancy(tenant, f"u{unit}", "2025-01-01" if unit < 5 else "2026-10-10")
    columns = ("tenant_id", "month", *RANGE, "difference_minor", "currency")
    rows = company.cells("usage_anomalies", *columns, to_date="2026-11-01")
    assert rows == [("t8", "2026-10-01", 8, 5, 3, 7, 5700, "dkk")]


def test_a_range_of_months_finds_the_same_as_all_history(company: Any) -> None:
    """What a month is judged by lies before the range."""
    company.tenant("t1", created="2024-01-01")
    use(company, "t1", [*[100] * 12, 300, *[100] * 8, 10, 100])
    everything = company.report("usage_anomalies", metric="kWh")
    assert len(everything) == 2
    for row in everything:
        month = row["month"]
        cut = {"from_date": month.isoformat(), "to_date": add_months(month, 1).isoformat()}
        assert company.report("usage_anomalies", metric="kWh", **cut) == [row]


def test_later_months_do_not_change_what_was_unusual(company: Any) -> None:
    """As of the end of October, before and after November's events."""
    company.tenant("t1", created="2025-01-01")
    use(company, "t1", [*[100] * 12, 300])
    before = company.report("usage_anomalies", as_of="2026-10-31")
    assert len(before) == 1
    company.usage("t1", "kWh", "2026-11-05", "1000")
    assert company.report("usage_anomalies", as_of="2026-10-31") == before


@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.lists(st.integers(0, 1000), min_size=9, max_size=22), min_size=5, max_size=5))
def test_what_is_found_is_what_the_rule_says(company: Any, tenants: list[list[int]]) -> None:
    """Every month of generated tenants, judged once more in Python."""
    company.clear()
    expected = {}
    for number, months in enumerate(tenants):
        tenant = f"t{number}"
        company.tenant(tenant, created="2024-01-01")
        use(company, tenant, months)
        for end in range(len(months)):
            judged = _judged(months[: end + 1])
            observed = Decimal(months[end])
            if judged is not None and not judged[0][1] <= observed <= judged[0][2]:
                month = add_months(date(2026, 10, 1), end + 1 - len(months))
                expected[tenant, month] = (observed, *judged[0])
    rows = company.report("usage_anomalies", metric="kWh", to_date="2026-11-01")
    assert {(r["tenant_id"], r["month"]): tuple(r[n] for n in RANGE) for r in rows} == expected


def _judged(months: list[int]) -> tuple[tuple[Decimal, Decimal, Decimal], int] | None:
    """Return expected, low and high for the last month, and how many months it was made from."""
    values = [Decimal(m) for m in months]
    levels = [median(values[i - 3 : i]) if i >= 3 else None for i in range(len(values))]
    past = range(max(len(values) - 13, 0), len(values) - 1)
    differences = [values[i] - level for i in past if (level := levels[i]) is not None]
    level = levels[-1]
    if level is None or len(differences) < 6:
        return None
    drift = median(differences)
    deviation = median([abs(d - drift) for d in differences])
    expected = level + drift
    width = max(rounded(deviation * Decimal("5.1891")), rounded(abs(expected) / 10), Decimal("0.000001"))
    low = expected - width if expected < 0 else max(expected - width, Decimal(0))
    return (expected, low, expected + width), len(differences)
