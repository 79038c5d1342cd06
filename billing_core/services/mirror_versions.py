"""The history of subscription items in `subscription_item_versions`, which recurring revenue is computed from.

What a subscription looked like when is read from the subscription events in the inbox: each holds the subscription as
it was at its moment. What it looks like now comes from the re-fetched object and counts from the last moment known.
History is always made anew from all that is known, so the order in which events arrived does not matter; rows that
come out as they are, are not written.

The time before the first moment known is read from the lines of the invoices (`rules.mirror_backfill`).

Sources: `event` (an event told), `mirror` (seen by the mirror without an event) and `invoice` (its lines told). Rows of
other sources belong to others and are left alone. Metered items have no amount here; what they bill is in the invoices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from billing_core.gateway.shapes import Raw, decimal, entries, instant, link, part
from billing_core.periods import epoch, local_date, utc
from billing_core.rules import mirror_backfill
from billing_core.rules.mirror_versions import ENDED, Discount, ItemState, Moment, Version, discounted, timeline
from billing_core.rules.pricing import Tier, period_amount
from billing_core.services.mirror_backfill import ask_pending, pending_lines, read_lines
from billing_core.services.mirror_rows import Run
from billing_core.store import tables

SOURCES = ("event", "mirror", mirror_backfill.SOURCE)
# Events that hold a subscription as it was.
TYPES = (
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
)
DISCOUNT_TYPES = ("customer.discount.created", "customer.discount.updated", "customer.discount.deleted")
_TABLE = tables.subscription_item_versions


def rebuild(run: Run, subscription_ids: Sequence[str]) -> None:
    """Make the history of some subscriptions anew from the inbox and their present state, and write what changed."""
    if not subscription_ids:
        return
    book = _Book(run, subscription_ids)
    rows = [row for one in subscription_ids for row in book.rows(one)]
    with run.database.begin() as connection:
        run.upsert(connection, _TABLE, rows)
        c = _TABLE.c
        stale = sa.select(c.version_id).where(
            c.subscription_id.in_(subscription_ids),
            c.source.in_(SOURCES),
            c.version_id.not_in([row["version_id"] for row in rows]),
        )
        run.delete(connection, _TABLE, list(connection.execute(stale).scalars()))


class _Book:
    """What is known about some subscriptions: events, present rows, tiers, discounts."""

    def __init__(self, run: Run, subscription_ids: Sequence[str]) -> None:
        self._run = run
        with run.database.connect() as connection:
            self._events = _events(connection, subscription_ids)
            self._subscriptions = _by(connection, tables.subscriptions, "subscription_id", subscription_ids)
            self._items = _items(connection, subscription_ids)
            self._seen = _seen(connection, subscription_ids)
            customers = {s.customer_id for s in self._subscriptions.values() if s.customer_id}
            self._customers = _by(connection, tables.customers, "customer_id", customers)
            self._tiers = _tiers(connection)
            past = _discount_events(connection, customers)
        # Discounts by id, the newest word on each: events first, then what subscriptions and customers hold now.
        self._discounts: dict[str, Raw] = dict(past)
        for subscription in self._subscriptions.values():
            for discount in part(subscription.raw, "discounts") or ():
                if isinstance(discount, dict):
                    self._discounts[discount["id"]] = discount
        untold = [one for one in self._subscriptions.values() if not self._is_told_from_the_start(one)]
        pending = ask_pending(run, {one.customer_id for one in untold if one.customer_id}) if untold else []
        with run.database.connect() as connection:
            ids = [one.subscription_id for one in untold]
            self._lines = read_lines(connection, ids, self._tiers, self._find_discount)
            for subscription_id, lines in pending_lines(connection, pending, self._tiers).items():
                self._lines.setdefault(subscription_id, []).extend(lines)

    def rows(self, subscription_id: str) -> list[dict[str, Any]]:
        """Return the rows of one subscription's history."""
        subscription = self._subscriptions.get(subscription_id)
        if subscription is None:
            return []
        moments = self._moments(subscription)
        earlier = mirror_backfill.moments(
            self._lines.get(subscription_id, ()),
            trial=(subscription.trial_start_at, subscription.trial_end_at) if subscription.trial_start_at else None,
            first=moments[0],
        )
        return [self._row(subscription, version) for version in timeline([*earlier, *moments])]

    def _is_told_from_the_start(self, subscription: sa.Row[Any]) -> bool:
        told = self._events.get(subscription.subscription_id)
        if not told:
            return False
        at, raw = told[0]
        return subscription.started_at is not None and self._start_of(raw, at) <= subscription.started_at

    def _find_discount(self, discount_id: str) -> Discount | None:
        raw = self._discounts.get(discount_id)
        return None if raw is None else self._discount(raw)

    def _moments(self, subscription: sa.Row[Any]) -> list[Moment]:
        told = [
            (self._start_of(raw, at), raw, "event") for at, raw in self._events.get(subscription.subscription_id, ())
        ]
        present = {**subscription.raw, "items": {"data": [i.raw for i in self._items[subscription.subscription_id]]}}
        told.append((self._present_at(subscription, present, told), present, "mirror"))
        moments = [self._moment(subscription, at, raw, source) for at, raw, source in told]
        # A discount begins and ends by itself: the state in force then is looked at again.
        horizon = max(self._run.now, told[-1][0])
        for edge in sorted(self._edges(subscription, told)):
            before = [(raw, source) for at, raw, source in told if at <= edge]
            if before and edge <= horizon:
                moments.append(self._moment(subscription, edge, *before[-1]))
        # The sort is stable: of several at one instant the one told last stays last.
        return sorted(moments, key=lambda moment: moment.at)

    def _start_of(self, raw: Raw, at: datetime) -> datetime:
        """A new subscription may have been started earlier than it was created, an ended one earlier than was told."""
        if raw.get("status") in ENDED:
            return min(at, instant(raw, "ended_at") or at)
        is_new = raw.get("created") is not None and utc(int(raw["created"])) == at
        return min(at, instant(raw, "start_date") or at) if is_new else at

    def _present_at(
        self, subscription: sa.Row[Any], present: Raw, told: Sequence[tuple[datetime, Raw, str]]
    ) -> datetime:
        """Since when the present state counts: the last moment told of, or when the mirror first saw it so."""
        if subscription.ended_at is not None and subscription.status in ENDED:
            ended_at: datetime = subscription.ended_at
            return max([ended_at, *(at for at, _, _ in told)])
        if told:
            at, raw, _ = told[-1]
            if self._moment(subscription, at, raw, "").items == self._moment(subscription, at, present, "").items:
                return at
        seen = self._seen.get(subscription.subscription_id)
        floor = told[-1][0] if told else None
        if seen is not None and (floor is None or seen > floor):
            return seen
        return self._run.now if floor is None else max(self._run.now, floor)

    def _moment(self, subscription: sa.Row[Any], at: datetime, raw: Raw, source: str) -> Moment:
        if raw.get("status") in ENDED:
            return Moment(at, (), source)
        items = [state for item in entries(raw, "items") if (state := self._state(raw, item)) is not None]
        own: dict[str, Sequence[Discount]] = {item["id"]: self._read_discounts(item) for item in entries(raw, "items")}
        shared = self._read_discounts(raw) or self._customer_discounts(subscription)
        return Moment(at, discounted(items, at, own, shared), source)

    def _state(self, subscription: Raw, item: Raw) -> ItemState | None:
        price = item.get("price")
        if not isinstance(price, dict) or not price.get("recurring"):
            return None
        usage_type = part(price, "recurring", "usage_type") or "licensed"
        quantity = decimal(item, "quantity")
        unit_amount = decimal(price, "unit_amount_decimal")
        amount = 0
        if usage_type == "licensed":
            billed = Decimal(1) if quantity is None else quantity
            amount = period_amount(billed, unit_amount, self._tiers.get(price["id"], ()), price.get("tiers_mode"))
        status = subscription["status"]
        return ItemState(
            subscription_item_id=item["id"],
            product=link(price, "product"),
            price_id=price["id"],
            status=status,
            usage_type=usage_type,
            is_trial=status == "trialing",
            is_paused=status == "paused" or subscription.get("pause_collection") is not None,
            quantity=quantity,
            unit_amount_decimal=unit_amount,
            period_amount_minor=amount,
            currency=price["currency"],
            interval=price["recurring"]["interval"],
            interval_count=int(price["recurring"].get("interval_count") or 1),
        )

    def _read_discounts(self, holder: Raw) -> list[Discount]:
        # Before 2025-09-30 there was one `discount` with its coupon inside.
        held = holder.get("discounts") or ([holder["discount"]] if holder.get("discount") else [])
        raws = [d if isinstance(d, dict) else self._discounts.get(d) for d in held]
        return [discount for raw in raws if raw is not None and (discount := self._discount(raw)) is not None]

    def _customer_discounts(self, subscription: sa.Row[Any]) -> list[Discount]:
        customer = self._customers.get(subscription.customer_id)
        raw = None if customer is None else part(customer.raw, "discount")
        found = self._discount(raw) if isinstance(raw, dict) else None
        return [] if found is None else [found]

    def _discount(self, raw: Raw) -> Discount | None:
        coupon_id = link(raw, "source", "coupon") or link(raw, "coupon")
        coupon = None if coupon_id is None else self._run.coupon(coupon_id)
        if coupon is None:
            return None
        return Discount(
            starts_at=instant(raw, "start"),
            ends_at=instant(raw, "end"),
            percent_off=coupon.percent_off,
            amount_off_minor=coupon.amount_off_minor,
            is_forever=coupon.duration == "forever",
            product_ids=coupon.product_ids,
        )

    def _edges(self, subscription: sa.Row[Any], told: Sequence[tuple[datetime, Raw, str]]) -> set[datetime]:
        discounts = self._customer_discounts(subscription)
        for _, raw, _ in told:
            discounts += self._read_discounts(raw)
            discounts += [d for item in entries(raw, "items") for d in self._read_discounts(item)]
        return {edge for d in discounts for edge in (d.starts_at, d.ends_at) if edge is not None}

    def _row(self, subscription: sa.Row[Any], version: Version) -> dict[str, Any]:
        state, zone = version.state, self._run.zone
        return {
            "version_id": f"{state.subscription_item_id}:{epoch(version.valid_from)}",
            "tenant_id": subscription.tenant_id,
            "subscription_id": subscription.subscription_id,
            **{name: getattr(state, name) for name in ItemState.__slots__},
            "valid_from": version.valid_from,
            "valid_to": version.valid_to,
            "valid_from_on": local_date(version.valid_from, zone),
            "valid_to_on": None if version.valid_to is None else local_date(version.valid_to, zone),
            "source": version.source,
        }


def _by(connection: sa.Connection, table: sa.Table, key: str, ids: Any) -> dict[str, sa.Row[Any]]:
    query = sa.select(table).where(table.c[key].in_(list(ids)))
    return {getattr(row, key): row for row in connection.execute(query)}


def _items(connection: sa.Connection, subscription_ids: Sequence[str]) -> Mapping[str, list[Any]]:
    c = tables.subscription_items.c
    query = sa.select(c.subscription_id, c.raw).where(c.subscription_id.in_(subscription_ids), ~c.is_deleted)
    found: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(query.order_by(c.subscription_item_id)):
        found[row.subscription_id].append(row)
    return found


def _events(connection: sa.Connection, subscription_ids: Sequence[str]) -> dict[str, list[tuple[datetime, Raw]]]:
    c = tables.stripe_events.c
    query = (
        sa.select(c.object_id, c.created_at, c.raw["data"]["object"].label("object"))
        .where(c.object_id.in_(subscription_ids), c.type.in_(TYPES))
        .order_by(c.created_at, c.received_at, c.event_id)
    )
    found: dict[str, list[tuple[datetime, Raw]]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.object_id].append((row.created_at, row.object))
    return found


def _discount_events(connection: sa.Connection, customer_ids: Any) -> dict[str, Raw]:
    c = tables.stripe_events.c
    query = (
        sa.select(c.raw["data"]["object"].label("object"))
        .where(c.customer_id.in_(list(customer_ids)), c.type.in_(DISCOUNT_TYPES))
        .order_by(c.created_at, c.received_at, c.event_id)
    )
    return {row.object["id"]: row.object for row in connection.execute(query)}


def _seen(connection: sa.Connection, subscription_ids: Sequence[str]) -> dict[str, datetime]:
    """When the mirror first saw what no event told, by subscription."""
    c = _TABLE.c
    query = (
        sa.select(c.subscription_id, sa.func.min(c.valid_from))
        .where(c.subscription_id.in_(subscription_ids), c.source == "mirror", c.valid_to.is_(None))
        .group_by(c.subscription_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _tiers(connection: sa.Connection) -> dict[str, list[Tier]]:
    query = sa.select(tables.price_tiers).order_by(tables.price_tiers.c.price_id, tables.price_tiers.c.tier_index)
    found: dict[str, list[Tier]] = defaultdict(list)
    for row in connection.execute(query):
        nothing = Decimal(0)
        found[row.price_id].append(
            Tier(row.up_to, row.unit_amount_decimal or nothing, row.flat_amount_decimal or nothing)
        )
    return found
