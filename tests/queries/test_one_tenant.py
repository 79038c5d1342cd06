"""What the page of one tenant shows: the units behind its number, and its subscriptions with their items."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_core.store import tables

DAY = st.integers(0, 20)


def test_a_unit_is_one_row_however_many_occupancies_it_has(company: Any) -> None:
    """Two overlapping ones of u1, one of them open; u2 ended on the day itself; u3 is deleted; u4 ends later."""
    company.tenant("t1", created="2026-10-01")
    company.occupancy("t1", "u1", "2026-10-01", "2026-12-01")
    company.occupancy("t1", "u1", "2026-10-05")
    company.occupancy("t1", "u2", "2026-10-01", "2026-10-10")
    company.occupancy("t1", "u3", "2026-10-01", deleted="2026-10-02")
    company.occupancy("t1", "u4", "2026-10-10", "2026-10-31")
    columns = ("unit_id", "starts_on", "ends_on", "units_count", "occupancies_count")
    assert company.cells("tenant_unit_rows", *columns, tenant_id="t1", as_of="2026-10-10") == [
        ("u1", "2026-10-01", None, 1, 2),
        ("u4", "2026-10-10", "2026-10-31", 1, 1),
    ]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stays=st.lists(st.tuples(st.sampled_from("abc"), DAY, st.none() | DAY), max_size=8))
def test_the_rows_of_a_day_add_up_to_its_units(company: Any, stays: list[tuple[str, int, int | None]]) -> None:
    """For each of three weeks' days, whatever overlaps."""
    company.clear()
    company.tenant("t1", created="2026-10-01")
    first = company.now.date().replace(month=10, day=1)
    for unit, start, length in stays:
        ends = None if length is None else (first + timedelta(days=start + length)).isoformat()
        company.occupancy("t1", unit, (first + timedelta(days=start)).isoformat(), ends)
    daily = {r["day"]: r["units_count"] for r in company.report("tenant_units_daily", tenant_id="t1")}
    for offset in range(0, 21, 4):
        day = first + timedelta(days=offset)
        rows = company.report("tenant_unit_rows", tenant_id="t1", as_of=day.isoformat())
        assert sum(r["units_count"] for r in rows) == daily[day]


def test_a_subscription_shows_its_items_with_price_and_period(company: Any) -> None:
    """A flat fee and a metered item in tiers; the subscription is cancelled at the period's end and paused."""
    company.tenant("t1")
    company.add(tables.products, product_id="prod_1", name="Platform")
    price = {"product_id": "prod_1", "currency": "dkk", "interval": "month", "interval_count": 1}
    company.add(
        tables.prices,
        price_id="price_flat",
        usage_type="licensed",
        unit_amount_decimal=Decimal("9900"),
        billing_scheme="per_unit",
        **price,
    )
    company.add(tables.prices, price_id="price_unit", usage_type="metered", billing_scheme="tiered", **price)
    company.add(
        tables.subscriptions,
        subscription_id="sub_1",
        customer_id="cus_1",
        tenant_id="t1",
        status="active",
        currency="dkk",
        started_at="2026-01-05",
        is_cancel_at_period_end=True,
        pause_behavior="void",
    )
    for item, price_id, quantity in (("si_1", "price_flat", Decimal(2)), ("si_2", "price_unit", None)):
        company.add(
            tables.subscription_items,
            subscription_item_id=item,
            subscription_id="sub_1",
            price_id=price_id,
            product_id="prod_1",
            quantity=quantity,
            current_period_start_at="2026-11-05",
            current_period_end_at="2026-12-05",
        )
    columns = ("subscription_item_id", "product_name", "usage_type", "quantity", "unit_amount_decimal", "cancel_on")
    assert company.cells("tenant_subscriptions", *columns, tenant_id="t1") == [
        ("si_1", "Platform", "licensed", 2, 9900, "2026-12-05"),
        ("si_2", "Platform", "metered", None, None, "2026-12-05"),
    ]
    [first, _] = company.cells("tenant_subscriptions", "is_paused", "period_start_on", "started_on", tenant_id="t1")
    assert first == (True, "2026-11-05", "2026-01-05")


def test_ended_subscriptions_come_last_and_have_no_cancellation_ahead(company: Any) -> None:
    """An imported one has a row without an item; another currency can be asked for alone."""
    company.tenant("t1")
    for name, ended, currency in (("sub_old", "2026-05-01", "dkk"), ("sub_new", None, "eur")):
        company.add(
            tables.subscriptions,
            subscription_id=name,
            tenant_id="t1",
            status="canceled" if ended else "active",
            currency=currency,
            started_at="2025-01-01" if ended else "2026-06-01",
            ended_at=ended,
            cancel_at=ended,
            source="import",
        )
    columns = ("subscription_id", "subscription_item_id", "ended_on", "cancel_on")
    assert company.cells("tenant_subscriptions", *columns, tenant_id="t1") == [
        ("sub_new", None, None, None),
        ("sub_old", None, "2026-05-01", None),
    ]
    assert [r["subscription_id"] for r in company.report("tenant_subscriptions", currency="eur")] == ["sub_new"]
