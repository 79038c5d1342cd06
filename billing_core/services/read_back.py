"""What Stripe holds of units, asked from Stripe: subscriptions with their items, and what meters say.

Nothing here comes from our own copy, except what never changes about a price (its tiers, its meter's event name) and
whose customer it is; what the copy does not have is asked too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from billing_core.errors import GatewayError
from billing_core.gateway import Gateway, Page
from billing_core.gateway.limits import backoff_seconds
from billing_core.gateway.objects import Customer, Deleted, Meter, Price, SubscriptionItem
from billing_core.gateway.objects import Subscription as HeldSubscription
from billing_core.periods import Period, epoch
from billing_core.rules.pricing import Tier
from billing_core.rules.unit_items import Item, Subscription, UnitItem, UnitPrice
from billing_core.rules.unit_sync import Reading, period_window, previous_window
from billing_core.settings import Mode

REFUSED, FORBIDDEN = 400, 403
AT_ONCE = 4
TRIES = 5

Answer = TypeVar("Answer")


@dataclass
class Known:
    """What our copy knows and Stripe need not be asked for.

    Attributes:
        tenants: customer id → tenant id, None for a customer of no tenant.
        roles: price id → what it bills.
        tiers: price id → its tiers, in order.
        meters: meter id → (event name or None when not active, formula).
        billed_by_engine: ids of subscriptions that Stripe does not bill.
    """

    tenants: dict[str, str | None]
    roles: dict[str, str | None]
    tiers: dict[str, tuple[Tier, ...]]
    meters: dict[str, tuple[str | None, str]]
    billed_by_engine: frozenset[str] = frozenset()


@dataclass
class Reader:
    """Asks Stripe, and counts how often; safe to share between threads once `subscriptions` has returned."""

    gateway: Gateway
    known: Known
    calls_count: int = 0
    sleep: Callable[[float], None] = time.sleep
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self) -> None:
        """Count a call."""
        with self._lock:
            self.calls_count += 1

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask Stripe, again when no good answer comes: a question changes nothing, and hundreds of them make one plan.

        Raises:
            GatewayError: Stripe refuses to say, or does not answer `TRIES` times.
        """
        for turn in range(1, TRIES + 1):
            self.count()
            try:
                return question()
            except GatewayError as error:
                status = error.ids.get("status", REFUSED)
                is_passing = status is None or (isinstance(status, int) and (status in (409, 429) or status >= 500))
                if turn == TRIES or not is_passing:
                    raise
            self.sleep(backoff_seconds(turn))
        raise AssertionError("every turn returns or raises")

    def subscriptions(self, customer_ids: Sequence[str] | None = None) -> list[Subscription]:
        """Return the subscriptions of tenants, ended ones too; those of nobody are left out.

        Args:
            customer_ids: only of these customers; None for all.
        """
        found = []
        # A list that is read while it grows may show an object twice.
        for held in {held.subscription_id: held for held in self._listed(customer_ids)}.values():
            tenant_id = held.tenant_id or self._tenant_of(held.customer_id)
            if tenant_id is not None and held.customer_id is not None:
                found.append(self._subscription(held, tenant_id, held.customer_id))
        return found

    def readings(self, items: Iterable[UnitItem]) -> dict[str, Reading]:
        """Return what the meters say for metered items, by item id."""
        metered = [i for i in items if i.price.is_metered]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip((i.item.item_id for i in metered), pool.map(self._reading, metered), strict=True))

    def meter_value(self, meter_id: str, customer_id: str, window: Period) -> int | None:
        """Return a meter's value for a customer over whole minutes; None without any event.

        Raises:
            GatewayError: Stripe cannot be asked, or the value is not a whole number.
        """
        if window.seconds == 0:
            return None
        about = {"customer": customer_id, "start_time": epoch(window.start), "end_time": epoch(window.end)}
        summaries = self.ask(
            lambda: list(self.gateway.objects("billing.meter_event_summary", parent=meter_id, **about))
        )
        value = next((s.value for s in summaries), None)
        if value is not None and value != value.to_integral_value():
            raise GatewayError(f"The meter {meter_id} says {value} for {customer_id}, which is no number of units.")
        return None if value is None else int(value)

    def quantity(self, subscription_id: str, item_id: str) -> int | None:
        """Return the quantity of an item; None when it is gone."""
        held = self.ask(lambda: self.gateway.retrieve("subscription", subscription_id))
        if isinstance(held, Deleted) or held.status in ("canceled", "incomplete_expired"):
            return None
        found = next((i for i in held.items if i.subscription_item_id == item_id), None)
        return None if found is None else _whole(found.quantity)

    def _listed(self, customer_ids: Sequence[str] | None) -> Iterator[HeldSubscription]:
        if customer_ids is not None:
            for customer_id in customer_ids:
                yield from self._paged(customer=customer_id)
            return
        yield from self._paged()
        for clock_id in self._test_clocks():
            yield from self._paged(test_clock=clock_id)

    def _paged(self, **filters: Any) -> Iterator[HeldSubscription]:
        cursor: str | None = None
        while True:
            page = self.ask(partial(self._page, cursor, filters))
            if page is None:
                return
            if page.unreadable:
                raise GatewayError(page.unreadable[0])
            yield from page.objects
            if not page.has_more:
                return
            cursor = page.cursor

    def _page(self, cursor: str | None, filters: Mapping[str, Any]) -> Page | None:
        return next(self.gateway.pages("subscription", after=cursor, **filters), None)

    def _test_clocks(self) -> list[str]:
        """Return the test clocks, whose subscriptions the plain list leaves out; a live account has none."""
        if self.gateway.mode is Mode.LIVE:
            return []
        try:
            clocks = self.ask(lambda: list(self.gateway.objects("test_helpers.test_clock")))
            return [clock.test_clock_id for clock in clocks]
        except GatewayError as error:
            if error.ids.get("status") != FORBIDDEN:
                raise
            return []

    def _tenant_of(self, customer_id: str | None) -> str | None:
        if customer_id is None:
            return None
        if customer_id not in self.known.tenants:
            customer = self.ask(lambda: self.gateway.retrieve("customer", customer_id))
            self.known.tenants[customer_id] = customer.tenant_id if isinstance(customer, Customer) else None
        return self.known.tenants[customer_id]

    def _subscription(self, held: HeldSubscription, tenant_id: str, customer_id: str) -> Subscription:
        items = [self._item(held, item) for item in held.items]
        return Subscription(
            tenant_id=tenant_id,
            customer_id=customer_id,
            subscription_id=held.subscription_id,
            status=held.status,
            items=tuple(item for item in items if item is not None),
            pause_behavior=held.pause_behavior,
            pause_resumes_at=held.pause_resumes_at,
            trial_end_at=held.trial_end_at,
            cancel_at=held.cancel_at,
            ended_at=held.ended_at,
            is_billed_by_engine=held.subscription_id in self.known.billed_by_engine,
        )

    def _item(self, held: HeldSubscription, item: SubscriptionItem) -> Item | None:
        price = item.price
        start, end = item.current_period_start_at, item.current_period_end_at
        if price is None or price.interval is None or start is None or end is None:
            return None
        quantity = None if price.meter_id is not None else _whole(item.quantity)
        anchor = held.billing_cycle_anchor_at or start
        return Item(item.subscription_item_id, self._price(price, price.interval), Period(start, end), anchor, quantity)

    def _price(self, price: Price, interval: str) -> UnitPrice:
        metadata: Mapping[str, Any] = price.raw.get("metadata") or {}
        packages: Mapping[str, Any] = price.raw.get("transform_quantity") or {}
        event, formula = self._meter(price.meter_id) if price.meter_id else (None, None)
        stated = str(metadata.get("minimum_units") or "0")
        is_number = stated.isascii() and stated.isdecimal()
        return UnitPrice(
            price_id=price.price_id,
            role=self.known.roles.get(price.price_id, price.role),
            currency=price.currency,
            interval=interval,
            interval_count=price.interval_count or 1,
            unit_amount=price.unit_amount_decimal,
            tiers=self._tiers(price),
            tiers_mode=price.tiers_mode,
            minimum_count=int(stated) if is_number else 0,
            trouble=None if is_number else f"its metadata minimum_units is {stated!r}; write a whole number",
            divide_by=int(packages.get("divide_by") or 1),
            is_rounded_up=packages.get("round", "up") == "up",
            meter_id=price.meter_id,
            meter_event=event,
            meter_formula=formula,
        )

    def _tiers(self, price: Price) -> tuple[Tier, ...]:
        if price.billing_scheme != "tiered":
            return ()
        if not self.known.tiers.get(price.price_id):
            whole = self.ask(lambda: self.gateway.retrieve("price", price.price_id))
            found = whole.tiers or () if isinstance(whole, Price) else ()
            self.known.tiers[price.price_id] = tuple(
                Tier(t.up_to, t.unit_amount_decimal or Decimal(0), t.flat_amount_decimal or Decimal(0)) for t in found
            )
        return self.known.tiers[price.price_id]

    def _meter(self, meter_id: str) -> tuple[str | None, str]:
        if meter_id not in self.known.meters:
            meter = self.ask(lambda: self.gateway.retrieve("billing.meter", meter_id))
            if not isinstance(meter, Meter):
                raise GatewayError(f"Stripe does not know the meter {meter_id} that a price names.")
            self.known.meters[meter_id] = (meter.event_name if meter.status == "active" else None, meter.formula)
        return self.known.meters[meter_id]

    def _reading(self, found: UnitItem) -> Reading:
        meter_id, customer_id = found.price.meter_id or "", found.subscription.customer_id
        count = self.meter_value(meter_id, customer_id, period_window(found.item.period))
        if count is not None:
            return Reading(count)
        return Reading(None, self.meter_value(meter_id, customer_id, previous_window(found)))


def _whole(quantity: Decimal | None) -> int | None:
    if quantity is None:
        return None
    if quantity != quantity.to_integral_value():
        raise GatewayError(f"Stripe holds a quantity of {quantity}, which is no number of units.")
    return int(quantity)
