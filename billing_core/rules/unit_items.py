"""Which subscription items bill a tenant's units, and what happens to every tenant that has none to sync.

A tenant is synced through exactly one live item. Its price is found by the price's role, never by the item's place:
a metered price of the role `unit` or `usage` on a meter that keeps the last value, or a licensed price of one of
`LICENSED_ROLES`. Two items that bill units would bill each unit twice; both are left alone and named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from billing_core.periods import Period
from billing_core.rules.pricing import Tier, exact_amount

METERED_ROLES = frozenset({"unit", "usage"})
LICENSED_ROLES = frozenset({"unit", "licensed", "plus", "tiered", "annual"})
LIVE = frozenset({"active", "trialing", "past_due", "unpaid"})
# Invoices of these pauses are never collected; the drafts of `keep_as_draft` are, later.
LOST_PAUSES = frozenset({"void", "mark_uncollectible"})


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """What a price makes of units.

    Attributes:
        role: what it bills, see the gateway's `role_of`.
        unit_amount: minor units of `currency`; None with tiers.
        minimum_count: units that are billed at least (the price's metadata key `minimum_units`); 0 without.
        divide_by: units per package (`transform_quantity`), rounded up or down.
        meter_formula: None for a licensed price.
        trouble: why the price cannot be read; nothing is synced by it.
    """

    price_id: str
    role: str | None
    currency: str
    interval: str
    interval_count: int
    unit_amount: Decimal | None
    tiers: tuple[Tier, ...] = ()
    tiers_mode: str | None = None
    minimum_count: int = 0
    divide_by: int = 1
    is_rounded_up: bool = True
    meter_id: str | None = None
    meter_event: str | None = None
    meter_formula: str | None = None
    trouble: str | None = None

    @property
    def is_metered(self) -> bool:
        """Whether the quantity comes from a meter."""
        return self.meter_id is not None

    @property
    def bills_units(self) -> bool:
        """Whether its quantity is the number of units."""
        if self.is_metered:
            return self.role == "unit" or (self.role == "usage" and self.meter_formula == "last")
        return self.role in LICENSED_ROLES

    def amount(self, count: int) -> Fraction:
        """Return what a full period of so many units costs, exact minor units, ex tax, before discounts."""
        packages = -(-count // self.divide_by) if self.is_rounded_up else count // self.divide_by
        return exact_amount(Decimal(packages), self.unit_amount, self.tiers, self.tiers_mode)


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a subscription, as Stripe holds it.

    Attributes:
        quantity: None for a metered item.
        anchor: a boundary of the billing cycle.
    """

    item_id: str
    price: UnitPrice
    period: Period
    anchor: datetime
    quantity: int | None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription of a tenant, as Stripe holds it; `ended_on` and the like are for what is said about it."""

    tenant_id: str
    customer_id: str
    subscription_id: str
    status: str
    items: tuple[Item, ...]
    pause_behavior: str | None = None
    pause_resumes_at: datetime | None = None
    trial_end_at: datetime | None = None
    cancel_at: datetime | None = None
    ended_at: datetime | None = None
    is_billed_by_engine: bool = False


@dataclass(frozen=True, slots=True)
class UnitItem:
    """The one item through which a tenant's units are billed."""

    subscription: Subscription
    item: Item

    @property
    def tenant_id(self) -> str:
        """Whose units."""
        return self.subscription.tenant_id

    @property
    def price(self) -> UnitPrice:
        """What a unit costs."""
        return self.item.price


@dataclass(frozen=True, slots=True)
class Skipped:
    """A tenant that is not synced, and why: what holds, and what becomes of it."""

    tenant_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant and how many units it occupies today."""

    tenant_id: str
    units_count: int
    deleted_on: date | None = None


def choose(
    tenants: Iterable[Tenant], subscriptions: Iterable[Subscription]
) -> tuple[tuple[UnitItem, ...], tuple[Skipped, ...]]:
    """Find each tenant's item, in order of tenants; every tenant is in exactly one of the two answers."""
    by_tenant: Mapping[str, list[Subscription]] = defaultdict(list)
    for subscription in subscriptions:
        by_tenant[subscription.tenant_id].append(subscription)
    chosen, skipped = [], []
    for tenant in tenants:
        found = _item_of(tenant, by_tenant.get(tenant.tenant_id, []))
        if isinstance(found, UnitItem):
            chosen.append(found)
        else:
            skipped.append(Skipped(tenant.tenant_id, found))
    return tuple(chosen), tuple(skipped)


def _item_of(tenant: Tenant, subscriptions: Sequence[Subscription]) -> UnitItem | str:
    """Return the tenant's item, or the reason why there is none to sync."""
    occupied = _units(tenant.units_count)
    if not subscriptions:
        if tenant.deleted_on is not None and tenant.units_count == 0:
            return f"deleted on {tenant.deleted_on}, without units and without a subscription"
        return f"no subscription in Stripe: {occupied} and billed to nobody"
    live = [s for s in subscriptions if s.status in LIVE]
    if not live:
        return _dead(max(subscriptions, key=_liveliness), occupied)
    billing = [UnitItem(s, item) for s in live for item in s.items if item.price.bills_units]
    if not billing:
        return _without_unit_price(live, occupied)
    if len(billing) > 1:
        return _more_than_one(billing)
    (only,) = billing
    return _refusal(only) or only


def _refusal(found: UnitItem) -> str | None:
    subscription, price = found.subscription, found.price
    if subscription.is_billed_by_engine:
        return f"{subscription.subscription_id} is billed by Billing Desk itself, not by Stripe"
    if price.trouble is not None:
        return f"the price {price.price_id} cannot be used: {price.trouble}"
    if price.is_metered and price.meter_formula != "last":
        return (
            f"the meter {price.meter_id} of {price.price_id} adds up ({price.meter_formula}); the highest number of"
            " units needs a meter that keeps the last value"
        )
    if price.is_metered and price.meter_event is None:
        return f"the meter {price.meter_id} of {price.price_id} is not active: nothing can be reported to it"
    if subscription.pause_behavior in LOST_PAUSES:
        until = f" until {subscription.pause_resumes_at:%Y-%m-%d}" if subscription.pause_resumes_at else ""
        return f"collection is paused{until} and its invoices are dropped; synced again once it resumes"
    if subscription.status == "trialing" and price.is_metered:
        return (
            f"in trial until {_day(subscription.trial_end_at)}: usage before its end is not billed; the first report"
            " follows when it is over"
        )
    return None


def _more_than_one(billing: Sequence[UnitItem]) -> str:
    names = " and ".join(f"{f.item.item_id} of {f.subscription.subscription_id}" for f in billing)
    meters = {(f.subscription.customer_id, f.price.meter_id) for f in billing}
    if len(meters) == 1 and billing[0].price.is_metered:
        return (
            f"refused: {names} are metered on one meter, which counts per customer, so every unit is billed"
            f" {len(billing)} times; end all but one of them"
        )
    return f"refused: {names} all bill units, so every unit is billed {len(billing)} times; end all but one of them"


def _without_unit_price(live: Sequence[Subscription], occupied: str) -> str:
    unknown = sorted(
        f"{item.price.price_id} (role {item.price.role})"
        for s in live
        for item in s.items
        if not item.price.is_metered and item.price.role not in ("flat", None)
    )
    names = ", ".join(s.subscription_id for s in live)
    hint = f"; {', '.join(unknown)} is no known price per unit" if unknown else ""
    return f"{names} has no price per unit: {occupied} and not billed{hint}"


def _dead(last: Subscription, occupied: str) -> str:
    if last.status == "paused":
        return f"{last.subscription_id} is paused since its trial ended without a payment method; {occupied}"
    if last.status in ("incomplete", "incomplete_expired"):
        return f"the first payment of {last.subscription_id} is missing ({last.status}); {occupied}"
    return f"{last.subscription_id} was cancelled on {_day(last.ended_at)}: nothing is reported any more; {occupied}"


def _liveliness(subscription: Subscription) -> tuple[int, float]:
    order = ("incomplete_expired", "canceled", "incomplete", "paused")
    rank = order.index(subscription.status) if subscription.status in order else len(order)
    return rank, subscription.ended_at.timestamp() if subscription.ended_at else 0.0


def _units(count: int) -> str:
    return (
        "no unit is occupied" if count == 0 else "1 unit is occupied" if count == 1 else f"{count} units are occupied"
    )


def _day(instant: datetime | None) -> str:
    return "an unknown day" if instant is None else f"{instant:%Y-%m-%d}"
