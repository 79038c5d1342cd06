"""The history of subscriptions without the events that Stripe forgot, against the history with all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import stripe

from billing_core.periods import add_months
from billing_core.store import tables
from tests.mirror.conftest import JULY, Catalogue, Mirroring

Tenant = Callable[..., tuple[str, str]]
Advance = Callable[[str, int | datetime], None]
Worth = dict[tuple[str, str], int]


def worth(mirroring: Mirroring, at: datetime) -> Worth:
    """Return what licensed items bill per period at an instant, by subscription and kind of recurring revenue."""
    found: Worth = {}
    for row in mirroring.rows("subscription_item_versions", usage_type="licensed"):
        if row.valid_from <= at and (row.valid_to is None or at < row.valid_to):
            kind = "trial" if row.is_trial else "paused" if row.is_paused else "committed"
            key = (row.subscription_id, kind)
            found[key] = found.get(key, 0) + row.period_amount_minor - row.forever_discount_minor
    return found


def forget(mirroring: Mirroring, before: datetime | None) -> None:
    """Take away the events before an instant (None: all) and all history, as if they had never been heard of."""
    events = sa.delete(tables.stripe_events)
    if before is not None:
        events = events.where(tables.stripe_events.c.created_at < before)
    with mirroring.database.begin() as connection:
        connection.execute(events)
        connection.execute(sa.delete(tables.subscription_item_versions))


def again(mirroring: Mirroring) -> None:
    """Make the history of every subscription anew."""
    from billing_core.services.mirror_rows import Run
    from billing_core.services.mirror_versions import rebuild

    run = Run(mirroring.database, mirroring.gateway, mirroring.zone, mirroring.now)
    run.load()
    rebuild(run, [row.subscription_id for row in mirroring.rows("subscriptions")])


@pytest.fixture
def lives(client: stripe.StripeClient, catalogue: Catalogue, tenant: Tenant, advance: Advance) -> Mapping[str, str]:
    """Eight lives of nine months, one customer each: name → subscription."""
    v1 = client.v1
    year = v1.prices.create(
        {"product": catalogue.product, "currency": "dkk", "unit_amount": 120000, "recurring": {"interval": "year"}}
    ).id
    steps = v1.prices.create(
        {
            "product": catalogue.product,
            "currency": "dkk",
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": [{"up_to": 2, "unit_amount": 5000, "flat_amount": 1000}, {"up_to": "inf", "unit_amount": 4000}],
            "recurring": {"interval": "month"},
        }
    ).id
    forever = v1.coupons.create({"percent_off": 10, "duration": "forever"}).id
    once = v1.coupons.create(
        {"amount_off": 500, "currency": "dkk", "duration": "repeating", "duration_in_months": 2}
    ).id
    unit = {"price": catalogue.unit, "quantity": 3}
    params: dict[str, dict[str, Any]] = {
        "grows": {"items": [{"price": catalogue.flat}, unit]},
        "shrinks": {"items": [{"price": catalogue.flat}, unit], "discounts": [{"coupon": forever}]},
        "tries": {"items": [unit], "trial_period_days": 20, "discounts": [{"coupon": once}]},
        "yearly": {"items": [{"price": year, "quantity": 2}]},
        "steps": {"items": [{"price": steps, "quantity": 3}], "discounts": [{"coupon": forever}]},
        "pauses": {"items": [unit]},
        "leaves": {"items": [unit]},
        "stays": {"items": [{"price": catalogue.flat}]},
    }
    made, clocks, reached = {}, {}, dict.fromkeys(params, 0)
    for name, more in params.items():
        customer, clocks[name] = tenant(f"t_{name}")
        made[name] = v1.subscriptions.create({"customer": customer, **more}).id  # type: ignore[typeddict-item]

    def items(name: str) -> list[str]:
        return [i.id for i in v1.subscription_items.list({"subscription": made[name]}).data]

    def amount(name: str, quantity: int, item: int = -1) -> None:
        v1.subscription_items.update(items(name)[item], {"quantity": quantity})

    def to(day: int, *names: str) -> None:
        for name in names:
            # A test clock goes at most two intervals at a time.
            for step in (*range(reached[name] + 50, day, 50), day):
                advance(clocks[name], JULY + timedelta(days=step, hours=5, seconds=17))
            reached[name] = day

    units = {i: next(n for n, one in enumerate(v1.subscription_items.list({"subscription": made[i]}).data)
                     if one.price.id == catalogue.unit) for i in ("grows", "shrinks")}  # fmt: skip
    to(12, "grows", "shrinks", "tries", "yearly")
    amount("grows", 5, units["grows"])
    amount("shrinks", 2, units["shrinks"])
    amount("yearly", 4)
    to(40, "grows", "yearly", "pauses", "tries", "steps")
    amount("steps", 6)
    amount("grows", 9, units["grows"])
    amount("grows", 7, units["grows"])
    amount("yearly", 3)
    amount("tries", 6)
    v1.subscriptions.update(made["pauses"], {"pause_collection": {"behavior": "void"}})
    to(70, "shrinks", "leaves")
    v1.subscription_items.delete(items("shrinks")[units["shrinks"]])
    v1.subscriptions.cancel(made["leaves"])
    to(102, "pauses")
    v1.subscriptions.update(made["pauses"], {"pause_collection": ""})
    to(250, *made)
    return made


def test_invoices_tell_what_forgotten_events_told(lives: Mapping[str, str], mirroring: Mirroring) -> None:
    """At every month's end the history is the same with all events, with those of the last months, and with none."""
    mirroring.run(at=JULY + timedelta(days=251))
    ends = [
        datetime.combine(add_months(JULY.date().replace(day=1), n), datetime.min.time(), UTC) - timedelta(hours=2)
        for n in range(1, 9)
    ]
    with_all = [worth(mirroring, at) for at in ends]
    # Flat and 5 units at the end of July; flat less a tenth, its unit gone in September.
    assert with_all[0][lives["grows"], "committed"] == 9900 + 5 * 4900
    assert with_all[3][lives["shrinks"], "committed"] == 8910
    # In tiers: 10.00 + 2 × 50.00 + 40.00, then three units more; less a tenth.
    assert with_all[0][lives["steps"], "committed"] == 13500
    assert with_all[2][lives["steps"], "committed"] == 24300
    assert with_all[2][lives["yearly"], "committed"] == 3 * 120000
    assert (lives["leaves"], "committed") not in with_all[2]
    assert with_all[2][lives["pauses"], "paused"] == 3 * 4900
    for before in (JULY + timedelta(days=30), JULY + timedelta(days=200), None):
        forget(mirroring, before)
        again(mirroring)
        found = [worth(mirroring, at) for at in ends]
        if before is None or before > JULY + timedelta(days=100):
            # A pause counts for whole periods: it began within August and ended within October.
            assert [m for m, one in enumerate(found) if one != with_all[m]] == [1, 3]
            assert found[1].pop((lives["pauses"], "committed")) == found[3].pop((lives["pauses"], "paused")) == 14700
            found[1][lives["pauses"], "paused"] = found[3][lives["pauses"], "committed"] = 14700
        assert found == with_all
        assert "invoice" in {row.source for row in mirroring.rows("subscription_item_versions")}
    state = mirroring.state()
    again(mirroring)
    assert mirroring.difference(state) == []


def test_a_trial_that_nobody_told_of_is_one(lives: Mapping[str, str], mirroring: Mirroring) -> None:
    """Ten days in it is a trial; forty days in it is 3 units, from the day after 6."""
    mirroring.run(at=JULY + timedelta(days=251))
    forget(mirroring, None)
    again(mirroring)
    found = [worth(mirroring, JULY + timedelta(days=days)) for days in (10, 39, 41)]
    assert [{kind: v for (s, kind), v in one.items() if s == lives["tries"]} for one in found] == [
        {"trial": 14700},
        {"committed": 14700},
        {"committed": 29400},
    ]
