"""Movers: which months are compared, what a change is worth, and that ladders price as the rules do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing_core.rules.pricing import Tier, period_amount
from tests.queries.priced_items import item, price

COLUMNS = ("tenant_id", "earlier_quantity", "later_quantity", "change_quantity", "direction", "place")


def peaks(company: Any, *columns: str, **params: Any) -> list[tuple[Any, ...]]:
    return company.cells("usage_movers", *(columns or COLUMNS), metric="units_peak", **params)


def three_tenants(company: Any) -> None:
    """t1 grows by two units in October, t2 by one, t3 falls by one; each began with two in September."""
    for tenant in ("t1", "t2", "t3"):
        company.tenant(tenant, created="2026-09-01")
        company.occupancy(tenant, "u1", "2026-09-01")
        company.occupancy(tenant, "u2", "2026-09-01", "2026-10-01" if tenant == "t3" else None)
    company.occupancy("t1", "u3", "2026-10-05")
    company.occupancy("t1", "u4", "2026-10-05", "2026-10-06")
    company.occupancy("t2", "u3", "2026-10-31")


def test_the_last_whole_month_is_compared_with_the_one_before_unless_told(company: Any) -> None:
    """October against September; the largest of each direction first."""
    three_tenants(company)
    assert peaks(company) == [
        ("t1", 2, 4, 2, "up", 1),
        ("t2", 2, 3, 1, "up", 2),
        ("t3", 2, 1, -1, "down", 1),
    ]
    [months] = {(r["earlier_month"].month, r["later_month"].month) for r in company.report("usage_movers")}
    assert months == (9, 10)


def test_a_range_compares_its_first_month_with_its_last(company: Any) -> None:
    """August to October; a range within October is October against September."""
    three_tenants(company)
    assert peaks(company, from_date="2026-08-01", to_date="2026-11-01")[0] == ("t1", 0, 4, 4, "up", 1)
    assert peaks(company, from_date="2026-10-01", to_date="2026-11-01") == peaks(company)


def test_a_month_that_is_not_over_is_compared_over_the_same_days(company: Any) -> None:
    """What came after 22 October is not held against the 22 days of November."""
    company.tenant("t1", created="2026-10-01")
    company.occupancy("t1", "u1", "2026-10-01")
    company.occupancy("t1", "u2", "2026-10-25", "2026-10-28")
    company.usage("t1", "kWh", "2026-10-05", "10")
    company.usage("t1", "kWh", "2026-10-25", "10")
    company.usage("t1", "kWh", "2026-11-22", "12")
    now = {"from_date": "2026-10-01", "to_date": "2026-12-01"}
    assert peaks(company, **now) == []
    columns = ("earlier_quantity", "later_quantity", "change_ratio", "until_on", "earlier_until_on")
    assert company.cells("usage_movers", *columns, metric="kWh", **now) == [
        (10, 12, Decimal("0.2"), "2026-11-22", "2026-10-22")
    ]


def test_the_change_is_worth_what_the_price_of_the_later_month_makes_of_it(company: Any) -> None:
    """19.00 a unit for t1; a year of 529.00 a unit is 44.08 a month for t2; t3's has ended: the earlier month's."""
    three_tenants(company)
    price(company, "p_unit", unit_amount="1900", metered=True)
    price(company, "p_year", unit_amount="52900", role="annual", interval="year")
    price(company, "p_flat", unit_amount="9900", role="flat")
    item(company, "t1", "p_unit", "2026-01-01", metered=True)
    item(company, "t1", "p_flat", "2026-01-01")
    item(company, "t2", "p_year", "2026-01-01", interval="year")
    item(company, "t3", "p_unit", "2026-01-01", ends="2026-10-10", metered=True)
    # 3 × 52900 ÷ 12 = 13225, 2 × 52900 ÷ 12 = 8816.67
    assert peaks(company, "tenant_id", "change_minor", "currency") == [
        ("t1", 3800, "dkk"),
        ("t2", 13225 - 8817, "dkk"),
        ("t3", -1900, "dkk"),
    ]


def test_there_is_no_money_without_a_price_per_unit_or_with_two(company: Any) -> None:
    """Nobody knows which unit belongs to which of two items; paused ones do not bill."""
    three_tenants(company)
    price(company, "p_unit", unit_amount="1900", metered=True)
    for _ in range(2):
        item(company, "t1", "p_unit", "2026-01-01", metered=True)
    item(company, "t3", "p_unit", "2026-01-01", metered=True, is_paused=True)
    assert {m for (m,) in peaks(company, "change_minor")} == {None}


def test_the_days_of_both_months_add_up_to_the_change(company: Any) -> None:
    """The rows behind a mover of neighbouring months are those of the later month's cell."""
    three_tenants(company)
    company.usage("t1", "kWh", "2026-09-10", "3.5")
    company.usage("t1", "kWh", "2026-10-10", "1.25")
    for mover in company.report("usage_movers"):
        rows = company.report(
            "usage_rows",
            tenant_id=mover["tenant_id"],
            kind=mover["kind"],
            metric=mover["metric"],
            from_date=mover["later_month"].isoformat(),
            to_date="2026-11-01",
        )
        assert sum(row["change_quantity"] for row in rows) == mover["change_quantity"]


AMOUNT = st.integers(0, 10**8).map(lambda n: Decimal(n) / 10**4)


@st.composite
def ladder(draw: st.DrawFn) -> tuple[str, list[tuple[int | None, Decimal, Decimal]]]:
    """A tiered price: rising ends, the last tier with or without one."""
    ends = sorted(draw(st.sets(st.integers(1, 20), max_size=3)))
    last = draw(st.sampled_from([None, 25]))
    tiers = [(end, draw(AMOUNT), draw(AMOUNT)) for end in [*ends, last]]
    return draw(st.sampled_from(["graduated", "volume"])), tiers


@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(ladder(), st.integers(0, 32), st.integers(0, 32)), min_size=4, max_size=8))
def test_ladders_price_units_as_the_rules_do(company: Any, cases: list[tuple[Any, int, int]]) -> None:
    """Graduated and volume tiers, before, on and beyond each end, against rules.pricing."""
    company.clear()
    expected = {}
    for number, ((mode, tiers), before, after) in enumerate(cases):
        tenant = f"t{number}"
        company.tenant(tenant, created="2026-09-01")
        for unit in range(max(before, after)):
            starts = "2026-09-01" if unit < before else "2026-10-01"
            company.occupancy(tenant, f"u{unit}", starts, None if unit < after else "2026-10-01")
        written = [(end, str(unit), str(flat)) for end, unit, flat in tiers]
        price(company, f"p{number}", role="tiered", tiers=written, mode=mode)
        item(company, tenant, f"p{number}", "2026-01-01")
        if before != after:
            steps = [Tier(*tier) for tier in tiers]
            worth = [period_amount(Decimal(units), None, steps, mode) for units in (before, after)]
            expected[tenant] = worth[1] - worth[0]
    assert dict(peaks(company, "tenant_id", "change_minor")) == expected
