"""Schedules: a change of price at the end of the period, and what else phases do."""

from __future__ import annotations

from typing import Any

import pytest
import stripe


def test_a_metered_price_changes_at_the_end_of_the_period(shop: Any, gaps: Any) -> None:
    """April at 0.10, May at 0.20, nothing prorated; then the schedule lets go."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    meter = shop.meter("calls")
    old, new = shop.metered(meter, 10), shop.metered(meter, 20)
    made = shop.subscribe(customer, {"price": shop.price(1000)}, {"price": old})
    flat = made["items"].data[0].price.id
    schedules = shop.client.v1.subscription_schedules
    schedule = schedules.create({"from_subscription": made.id})
    assert gaps(schedule) == []
    assert shop.get(made.id).schedule == schedule.id
    first = schedule.phases[0]
    updated = schedules.update(
        schedule.id,
        {
            "end_behavior": "release",
            "phases": [
                {
                    "items": [{"price": flat, "quantity": 1}, {"price": old}],
                    "start_date": first.start_date,
                    "end_date": first.end_date,
                },
                {
                    "items": [{"price": flat, "quantity": 2}, {"price": new}],
                    "duration": {"interval": "month", "interval_count": 1},
                },
            ],
        },
    )
    assert [p.end_date for p in updated.phases] == [shop.at(2026, 5, 1), shop.at(2026, 6, 1)]
    shop.use(customer, "calls", 7)
    shown = shop.client.v1.invoices.create_preview({"schedule": schedule.id})
    assert shown.total == 70 + 2000
    shop.move(clock, shop.at(2026, 5, 1, 1))
    april = shop.invoices(subscription=made.id)[-1]
    assert [line.amount for line in april.lines.data] == [2000, 70]
    assert {i.price.id for i in shop.get(made.id)["items"].data} == {flat, new}
    shop.use(customer, "calls", 7)
    shop.move(clock, shop.at(2026, 6, 1, 1))
    assert shop.invoices(subscription=made.id)[-1].total == 2000 + 140
    assert schedules.retrieve(schedule.id).status == "released"
    assert shop.get(made.id).schedule is None


def test_a_schedule_can_end_the_subscription(shop: Any) -> None:
    """end_behavior=cancel at the end of the second month."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    price = shop.price(1000)
    schedule = shop.client.v1.subscription_schedules.create(
        {
            "customer": customer,
            "start_date": shop.at(2026, 4, 10),
            "end_behavior": "cancel",
            "phases": [
                {"items": [{"price": price, "quantity": 1}], "duration": {"interval": "month", "interval_count": 2}}
            ],
        }
    )
    assert (schedule.status, schedule.subscription) == ("not_started", None)
    shop.move(clock, shop.at(2026, 4, 10, 1))
    started = shop.client.v1.subscription_schedules.retrieve(schedule.id)
    assert started.status == "active"
    shop.move(clock, shop.at(2026, 5, 11))
    shop.move(clock, shop.at(2026, 6, 11))
    assert [i.total for i in shop.invoices(subscription=started.subscription)] == [1000, 1000]
    assert shop.get(started.subscription).status == "canceled"
    assert shop.client.v1.subscription_schedules.retrieve(schedule.id).status == "completed"


def test_a_schedule_is_released_or_canceled_on_request(shop: Any) -> None:
    """Released, the subscription goes on; canceled, it ends; neither twice."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    price = shop.price(1000)
    one, two = (shop.subscribe(customer, {"price": price}) for _ in range(2))
    schedules = shop.client.v1.subscription_schedules
    first, second = (schedules.create({"from_subscription": s.id}) for s in (one, two))
    assert schedules.release(first.id).released_subscription == one.id
    assert shop.get(one.id).status == "active"
    schedules.cancel(second.id)
    assert shop.get(two.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        schedules.release(first.id)
    with pytest.raises(stripe.InvalidRequestError):
        schedules.update(second.id, {"metadata": {"a": "b"}})


def test_a_scheduled_subscription_is_canceled_through_its_schedule(shop: Any) -> None:
    """Stripe's sentence for `cancel_at_period_end` and `cancel_at`; after the release they are taken."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    schedules = shop.client.v1.subscription_schedules
    schedule = schedules.create({"from_subscription": made.id})
    for ending in ({"cancel_at_period_end": True}, {"cancel_at": shop.at(2026, 6, 1)}):
        with pytest.raises(stripe.InvalidRequestError, match=f"managed by the subscription schedule `{schedule.id}`"):
            shop.change(made.id, **ending)
    assert shop.change(made.id, cancel_at_period_end=False, metadata={"a": "b"}).metadata.to_dict() == {"a": "b"}
    schedules.release(schedule.id)
    assert shop.change(made.id, cancel_at_period_end=True).cancel_at == shop.at(2026, 5, 1)
