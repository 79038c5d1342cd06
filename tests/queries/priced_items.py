"""Subscriptions with priced items, for reports that say what units cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from billing_core.store import tables


def price(
    company: Any,
    price_id: str,
    *,
    unit_amount: str | None = None,
    role: str | None = "unit",
    metered: bool = False,
    tiers: Sequence[tuple[int | None, str, str]] = (),
    mode: str | None = None,
    currency: str = "dkk",
    interval: str = "month",
    count: int = 1,
) -> None:
    """Add a price; tiers are (up to, per unit, flat), the last one up to None."""
    company.add(
        tables.prices,
        price_id=price_id,
        product_id="prod",
        role=role,
        currency=currency,
        unit_amount_decimal=unit_amount,
        interval=interval,
        interval_count=count,
        usage_type="metered" if metered else "licensed",
        billing_scheme="tiered" if tiers else "per_unit",
        tiers_mode=mode,
    )
    for index, (up_to, unit, flat) in enumerate(tiers):
        company.add(
            tables.price_tiers,
            price_tier_id=f"{price_id}_{index}",
            price_id=price_id,
            tier_index=index,
            up_to=up_to,
            unit_amount_decimal=unit,
            flat_amount_decimal=flat,
        )


def item(
    company: Any,
    tenant: str,
    price_id: str,
    starts: str,
    *,
    ends: str | None = None,
    metered: bool = False,
    quantity: str | None = "1",
    amount: int = 0,
    anchor: str | None = None,
    interval: str = "month",
    count: int = 1,
    currency: str = "dkk",
    **more: Any,
) -> str:
    """Add a subscription with one item over [starts, ends) and return the item's id."""
    number = company.new_id("x")
    values = {"status": "active", "is_trial": False, "is_paused": False} | more
    company.add(
        tables.subscriptions,
        subscription_id=f"sub_{number}",
        tenant_id=tenant,
        status=values["status"],
        currency=currency,
        started_at=starts,
        billing_cycle_anchor_at=anchor or f"{starts}T08:00:00+00:00",
    )
    company.add(
        tables.subscription_item_versions,
        version_id=f"v_{number}",
        tenant_id=tenant,
        subscription_id=f"sub_{number}",
        subscription_item_id=f"si_{number}",
        price_id=price_id,
        product="prod",
        usage_type="metered" if metered else "licensed",
        quantity=None if metered else quantity,
        period_amount_minor=amount,
        currency=currency,
        interval=interval,
        interval_count=count,
        valid_from=f"{starts}T08:00:00+00:00",
        valid_from_on=date.fromisoformat(starts),
        valid_to=f"{ends}T08:00:00+00:00" if ends else None,
        valid_to_on=date.fromisoformat(ends) if ends else None,
        source="event",
        **values,
    )
    return f"si_{number}"
