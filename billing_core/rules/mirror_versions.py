"""The history of subscription items: from moments to versions with a beginning and an end.

A version is half-open [valid_from, valid_to), UTC; None as its end means that it still holds. Moments may repeat and
may hold equal states: only a change makes a version. A version of no length is left out, because the last state of a
second is what counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from billing_core.money import allocate, round_minor

# In these states a subscription bills nothing any more.
ENDED = frozenset({"canceled", "incomplete_expired"})


@dataclass(frozen=True, slots=True)
class Discount:
    """A discount in force over [starts_at, ends_at).

    A share in per cent or an amount per invoice, on all products or some.
    """

    starts_at: datetime | None
    ends_at: datetime | None
    percent_off: Decimal | None
    amount_off_minor: int | None
    is_forever: bool
    product_ids: tuple[str, ...] = ()

    def holds_at(self, at: datetime) -> bool:
        """Whether the discount is in force at an instant."""
        return (self.starts_at is None or self.starts_at <= at) and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True, slots=True)
class ItemState:
    """One item as it was: amounts in minor units per billing period, before and of discounts, without tax."""

    subscription_item_id: str
    product: str | None
    price_id: str | None
    status: str
    usage_type: str
    is_trial: bool
    is_paused: bool
    quantity: Decimal | None
    unit_amount_decimal: Decimal | None
    period_amount_minor: int
    currency: str
    interval: str
    interval_count: int
    forever_discount_minor: int = 0
    other_discount_minor: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """A subscription at an instant: its items then, none once it has ended. `source` says who told."""

    at: datetime
    items: tuple[ItemState, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Version:
    """One item's state over [valid_from, valid_to)."""

    state: ItemState
    valid_from: datetime
    valid_to: datetime | None
    source: str


def timeline(moments: Iterable[Moment]) -> list[Version]:
    """Return the versions of all items of one subscription.

    Args:
        moments: in order of time; of several at one instant the last counts.

    Returns:
        Versions by item, then by time; those of an item do not overlap.
    """
    closed: list[Version] = []
    running: dict[str, Version] = {}
    for moment in moments:
        states = {state.subscription_item_id: state for state in moment.items}
        for item_id in [i for i, version in running.items() if states.get(i) != version.state]:
            closed.append(replace(running.pop(item_id), valid_to=moment.at))
        for item_id, state in states.items():
            if item_id not in running:
                running[item_id] = Version(state, moment.at, None, moment.source)
    versions = [v for v in (*closed, *running.values()) if v.valid_to is None or v.valid_from < v.valid_to]
    return _joined(sorted(versions, key=lambda v: (v.state.subscription_item_id, v.valid_from)))


def _joined(versions: list[Version]) -> list[Version]:
    """Join neighbours that are equal, which a state that came and went within one second leaves behind."""
    joined: list[Version] = []
    for version in versions:
        last = joined[-1] if joined else None
        if last is not None and last.state == version.state and last.valid_to == version.valid_from:
            joined[-1] = replace(last, valid_to=version.valid_to)
        else:
            joined.append(version)
    return joined


def discounted(
    items: Sequence[ItemState], at: datetime, own: dict[str, Sequence[Discount]], shared: Sequence[Discount]
) -> tuple[ItemState, ...]:
    """Return items with the discounts that hold at an instant taken off, in order, rounded per item.

    Args:
        items: without discounts. Metered items keep 0: what they bill is known at the period's end only.
        at: the instant.
        own: discounts per item id, which come first.
        shared: discounts of the whole subscription; an amount is spread over what is left of the licensed items.
    """
    left = {item.subscription_item_id: item.period_amount_minor for item in items}
    forever = dict.fromkeys(left, 0)
    other = dict.fromkeys(left, 0)
    jobs = [(d, [i]) for i in items for d in own.get(i.subscription_item_id, ())]
    jobs += [(d, list(items)) for d in shared]
    for discount, candidates in jobs:
        if not discount.holds_at(at):
            continue
        touched = [
            i.subscription_item_id for i in candidates if not discount.product_ids or i.product in discount.product_ids
        ]
        if not touched:
            continue
        if discount.percent_off is not None:
            cuts = [round_minor(Fraction(left[i]) * Fraction(discount.percent_off) / 100) for i in touched]
        else:
            whole = min(discount.amount_off_minor or 0, sum(left[i] for i in touched))
            cuts = allocate(whole, [left[i] for i in touched])
        for item_id, cut in zip(touched, cuts, strict=True):
            left[item_id] -= cut
            (forever if discount.is_forever else other)[item_id] += cut
    return tuple(
        replace(
            item,
            forever_discount_minor=forever[item.subscription_item_id],
            other_discount_minor=other[item.subscription_item_id],
        )
        for item in items
    )
