"""Catalogue, customers, subscriptions and events as frozen dataclasses.

A field has the name of the column it is kept in (`store/tables.py`); `raw` is the object as Stripe sent it,
JSON-safe. Each `from_raw` reads the API version this product is pinned to, and an older shape where the difference is
only a place (see the comments). A required field that is missing raises KeyError, which the gateway turns into
`UnknownShapeError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Self

from billing_core.gateway.shapes import Raw, amount, decimal, entries, instant, link, part
from billing_core.periods import utc


@dataclass(frozen=True, slots=True)
class Deleted:
    """What is left of an object that was deleted in Stripe, or that Stripe no longer knows."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Account:
    """The Stripe account behind the key."""

    account_id: str
    country: str | None
    default_currency: str | None
    name: str | None
    api_version: str | None
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw, api_version: str | None) -> Self:
        """Read an account."""
        name = part(raw, "settings", "dashboard", "display_name") or part(raw, "business_profile", "name")
        return cls(raw["id"], raw.get("country"), raw.get("default_currency"), name, api_version, raw)


@dataclass(frozen=True, slots=True)
class TestClock:
    """A test clock; Stripe lists its customers and subscriptions only when asked for this clock."""

    __test__ = False  # no test, whatever its name says to pytest

    test_clock_id: str
    status: str
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a test clock."""
        return cls(raw["id"], raw["status"], raw)


@dataclass(frozen=True, slots=True)
class Product:
    """A product."""

    product_id: str
    name: str
    is_active: bool
    created_at: datetime | None
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a product."""
        return cls(raw["id"], raw["name"], bool(raw["active"]), instant(raw, "created"), raw)


@dataclass(frozen=True, slots=True)
class PriceTier:
    """One tier of a price; `up_to` None is without end; amounts in minor units."""

    price_tier_id: str
    price_id: str
    tier_index: int
    up_to: int | None
    unit_amount_decimal: Decimal | None
    flat_amount_decimal: Decimal | None


@dataclass(frozen=True, slots=True)
class Price:
    """A price; `role` says what it bills (see `role_of`). Tiers are None when the answer did not hold them."""

    price_id: str
    product_id: str
    lookup_key: str | None
    nickname: str | None
    role: str | None
    currency: str
    unit_amount_decimal: Decimal | None
    interval: str | None
    interval_count: int | None
    usage_type: str | None
    billing_scheme: str | None
    tiers_mode: str | None
    meter_id: str | None
    tax_behavior: str | None
    is_active: bool
    created_at: datetime | None
    tiers: tuple[PriceTier, ...] | None
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a price."""
        product = link(raw, "product")
        if product is None:
            raise KeyError("product")
        tiers = raw.get("tiers")
        return cls(
            price_id=raw["id"],
            product_id=product,
            lookup_key=raw.get("lookup_key"),
            nickname=raw.get("nickname"),
            role=role_of(raw),
            currency=raw["currency"],
            unit_amount_decimal=decimal(raw, "unit_amount_decimal"),
            interval=part(raw, "recurring", "interval"),
            interval_count=part(raw, "recurring", "interval_count"),
            usage_type=part(raw, "recurring", "usage_type"),
            billing_scheme=raw.get("billing_scheme"),
            tiers_mode=raw.get("tiers_mode"),
            meter_id=part(raw, "recurring", "meter"),
            tax_behavior=raw.get("tax_behavior"),
            is_active=bool(raw["active"]),
            created_at=instant(raw, "created"),
            tiers=None if tiers is None else tuple(_tier(raw["id"], i, tier) for i, tier in enumerate(tiers)),
            raw=raw,
        )


def _tier(price_id: str, index: int, raw: Raw) -> PriceTier:
    return PriceTier(
        price_tier_id=f"{price_id}:{index}",
        price_id=price_id,
        tier_index=index,
        up_to=raw.get("up_to"),
        unit_amount_decimal=decimal(raw, "unit_amount_decimal"),
        flat_amount_decimal=decimal(raw, "flat_amount_decimal"),
    )


def role_of(raw: Raw) -> str | None:
    """Return what a price bills: `usage`, `unit` or `flat`; None for a price that does not recur.

    The metadata key `role` decides. Without it: a metered price bills usage; a licensed one that is named per unit,
    by its product's `unit_label` (when expanded), tiers, or a quantity transformation, bills units; any other
    licensed price is a flat fee. Both look the same in Stripe (an amount times a quantity), so a company whose prices
    do not say should set the key.
    """
    stated = part(raw, "metadata", "role")
    if stated:
        return str(stated)
    recurring = raw.get("recurring")
    if not recurring:
        return None
    if recurring.get("usage_type") == "metered":
        return "usage"
    is_per_unit = (
        raw.get("billing_scheme") == "tiered"
        or raw.get("transform_quantity") is not None
        or part(raw, "product", "unit_label") is not None
        or part(raw, "product", "metadata", "role") == "unit"
    )
    return "unit" if is_per_unit else "flat"


@dataclass(frozen=True, slots=True)
class Meter:
    """A billing meter."""

    meter_id: str
    event_name: str
    display_name: str | None
    formula: str
    status: str | None
    created_at: datetime | None
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a meter."""
        formula = raw["default_aggregation"]["formula"]
        return cls(
            raw["id"],
            raw["event_name"],
            raw.get("display_name"),
            formula,
            raw.get("status"),
            instant(raw, "created"),
            raw,
        )


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A tax rate; `percentage` is in per cent (25 for 25 %)."""

    tax_rate_id: str
    display_name: str | None
    country: str | None
    jurisdiction: str | None
    percentage: Decimal | None
    is_inclusive: bool
    is_active: bool
    created_at: datetime | None
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a tax rate."""
        return cls(
            tax_rate_id=raw["id"],
            display_name=raw.get("display_name"),
            country=raw.get("country"),
            jurisdiction=raw.get("jurisdiction"),
            percentage=decimal(raw, "percentage"),
            is_inclusive=bool(raw["inclusive"]),
            is_active=bool(raw["active"]),
            created_at=instant(raw, "created"),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer; `tenant_id` is what its metadata says."""

    customer_id: str
    tenant_id: str | None
    name: str | None
    email: str | None
    country: str | None
    currency: str | None
    balance_minor: int
    is_delinquent: bool
    is_deleted: bool
    test_clock_id: str | None
    created_at: datetime | None
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a customer."""
        return cls(
            customer_id=raw["id"],
            tenant_id=part(raw, "metadata", "tenant_id") or None,
            name=raw.get("name"),
            email=raw.get("email"),
            country=part(raw, "address", "country"),
            currency=raw.get("currency"),
            balance_minor=amount(raw, "balance"),
            is_delinquent=bool(raw.get("delinquent")),
            is_deleted=False,
            test_clock_id=link(raw, "test_clock"),
            created_at=instant(raw, "created"),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class SubscriptionItem:
    """One item of a subscription, with its billing period [start, end)."""

    subscription_item_id: str
    subscription_id: str
    price_id: str | None
    product_id: str | None
    quantity: Decimal | None
    current_period_start_at: datetime | None
    current_period_end_at: datetime | None
    created_at: datetime | None
    is_deleted: bool
    price: Price | None
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw, subscription: Raw) -> Self:
        """Read an item; before 2025-03-31 the billing period was the subscription's."""
        holder = raw if "current_period_start" in raw else subscription
        return cls(
            subscription_item_id=raw["id"],
            subscription_id=subscription["id"],
            price_id=link(raw, "price"),
            product_id=link(raw, "price", "product"),
            quantity=decimal(raw, "quantity"),
            current_period_start_at=instant(holder, "current_period_start"),
            current_period_end_at=instant(holder, "current_period_end"),
            created_at=instant(raw, "created"),
            is_deleted=False,
            price=Price.from_raw(raw["price"]) if isinstance(raw.get("price"), dict) else None,
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription with all its items.

    `tenant_id` is what its own metadata says (the customer's counts otherwise).
    """

    subscription_id: str
    customer_id: str | None
    tenant_id: str | None
    status: str
    currency: str
    collection_method: str | None
    days_until_due: int | None
    started_at: datetime | None
    trial_start_at: datetime | None
    trial_end_at: datetime | None
    cancel_at: datetime | None
    is_cancel_at_period_end: bool
    canceled_at: datetime | None
    ended_at: datetime | None
    pause_behavior: str | None
    pause_resumes_at: datetime | None
    billing_cycle_anchor_at: datetime | None
    latest_invoice_id: str | None
    created_at: datetime | None
    items: tuple[SubscriptionItem, ...]
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a subscription."""
        return cls(
            subscription_id=raw["id"],
            customer_id=link(raw, "customer"),
            tenant_id=part(raw, "metadata", "tenant_id") or None,
            status=raw["status"],
            currency=raw["currency"],
            collection_method=raw.get("collection_method"),
            days_until_due=raw.get("days_until_due"),
            started_at=instant(raw, "start_date"),
            trial_start_at=instant(raw, "trial_start"),
            trial_end_at=instant(raw, "trial_end"),
            cancel_at=instant(raw, "cancel_at"),
            is_cancel_at_period_end=bool(raw.get("cancel_at_period_end")),
            canceled_at=instant(raw, "canceled_at"),
            ended_at=instant(raw, "ended_at"),
            pause_behavior=part(raw, "pause_collection", "behavior"),
            pause_resumes_at=instant(raw, "pause_collection", "resumes_at"),
            billing_cycle_anchor_at=instant(raw, "billing_cycle_anchor"),
            latest_invoice_id=link(raw, "latest_invoice"),
            created_at=instant(raw, "created"),
            items=tuple(SubscriptionItem.from_raw(item, raw) for item in entries(raw, "items")),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class Coupon:
    """What a discount takes off: a share (`percent_off`, per cent) or an amount in `currency`.

    Not mirrored, read when needed.
    """

    coupon_id: str
    duration: str
    percent_off: Decimal | None
    amount_off_minor: int | None
    currency: str | None
    product_ids: tuple[str, ...]
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a coupon; no product ids means that it applies to all."""
        return cls(
            coupon_id=raw["id"],
            duration=raw["duration"],
            percent_off=decimal(raw, "percent_off"),
            amount_off_minor=raw.get("amount_off"),
            currency=raw.get("currency"),
            product_ids=tuple(part(raw, "applies_to", "products") or ()),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `object_id` is None where Stripe sends an object without id (`invoice.upcoming`)."""

    event_id: str
    type: str
    object_type: str | None
    object_id: str | None
    customer_id: str | None
    api_version: str | None
    created_at: datetime
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read an event."""
        about = part(raw, "data", "object")
        object_type = part(about, "object")
        object_id = link(about, "id")
        return cls(
            event_id=raw["id"],
            type=raw["type"],
            object_type=object_type,
            object_id=object_id,
            customer_id=object_id if object_type == "customer" else link(about, "customer"),
            api_version=raw.get("api_version"),
            created_at=utc(int(raw["created"])),
            raw=raw,
        )
