"""Unit sync: what has to be said to Stripe so that it holds every tenant's units, as a plan in units and money.

Licensed: the number of units today, as absolute quantity with prorations. Metered: the running peak of the period, on a
meter that keeps the last value; a period's first report is its baseline, zero is reported as zero. What Stripe holds is
compared, not what was sent before. A price's minimum counts in both. Amounts are minor units at list price, ex tax,
before discounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from billing_core.money import round_minor
from billing_core.periods import Period, epoch, local_date, utc
from billing_core.rules.approval import Change, Thresholds, outlier
from billing_core.rules.proration import change_minor, full_period, share_left
from billing_core.rules.unit_items import Skipped, UnitItem
from billing_core.rules.units import UnitCounts, days_of, running_peak

MINUTE = 60
# Kept for corrections and for the recount of a closed period.
LAST_MINUTES = timedelta(seconds=MINUTE)


@dataclass(frozen=True, slots=True)
class Reading:
    """What Stripe's meter says for a customer.

    Attributes:
        count: the last value of the running period; None when nothing was reported in it.
        previous_count: that of the period before; None when nothing was reported or there was none.
    """

    count: int | None
    previous_count: int | None = None


@dataclass(frozen=True, slots=True)
class UnitAction:
    """One change in Stripe.

    Attributes:
        key: unique in the plan and the same for the same item and period.
        before_count: what Stripe holds; 0 where nothing was reported in the period, which bills 0.
        effect_minor: how the running period's bill moves by it.
        reference_count: what the tenant had before, for a baseline in the last period; None when there was nothing.
        reference_minor: how the bill moves against that.
        is_flagged: whether a person should look at it.
    """

    key: str
    unit_item: UnitItem
    before_count: int
    after_count: int
    effect_minor: int
    note: str
    reference_count: int | None
    reference_minor: int
    is_flagged: bool

    @property
    def tenant_id(self) -> str:
        """Whose units."""
        return self.unit_item.tenant_id

    @property
    def currency(self) -> str:
        """Of the amounts."""
        return self.unit_item.price.currency

    @property
    def change(self) -> Change:
        """The action as the rule of approval sees it."""
        return Change(self.tenant_id, self.reference_count, self.after_count, self.reference_minor, self.currency)


def period_window(period: Period) -> Period:
    """Return the whole minutes of a billing period, which is all that a meter can be asked about.

    Reports are stamped inside them, so nothing of ours is left out; a start or end within a minute loses that minute.
    """
    start = -(-epoch(period.start) // MINUTE) * MINUTE
    end = epoch(period.end) // MINUTE * MINUTE
    return Period(utc(start), utc(max(start, end)))


def previous_window(unit_item: UnitItem) -> Period:
    """Return the whole minutes of the billing period before the running one."""
    price, period = unit_item.price, unit_item.item.period
    before = full_period(
        unit_item.item.anchor, price.interval, price.interval_count, period.start - timedelta(seconds=1)
    )
    return period_window(Period(before.start, period.start))


def stamp_for(period: Period, now: datetime, last_stamped_at: datetime | None) -> datetime | None:
    """Return the instant under which a report of a period goes: now, later than the last one, clear of the period's
    last minute; None when there is no room left.
    """
    window = period_window(period)
    stamp = max(utc(epoch(now)), window.start)
    if last_stamped_at is not None:
        stamp = max(stamp, last_stamped_at + timedelta(seconds=1))
    return stamp if stamp < window.end - LAST_MINUTES else None


def plan_units(
    items: Iterable[UnitItem],
    counts: Mapping[str, UnitCounts],
    readings: Mapping[str, Reading],
    *,
    now: datetime,
    zone: ZoneInfo,
    thresholds: Thresholds,
) -> tuple[tuple[UnitAction, ...], tuple[Skipped, ...]]:
    """Compare and plan, in the order of the items.

    Args:
        items: one per tenant.
        counts: by tenant; a tenant that is not there has no unit.
        readings: of the metered items, by item id.
        now: aware.
        zone: whose days count.
        thresholds: from where on a change is flagged.

    Returns:
        What to do, and items that are as they should be but about which something has to be said.
    """
    actions, skipped = [], []
    for found in items:
        own = counts.get(found.tenant_id) or UnitCounts()
        if stamp_for(found.item.period, now, None) is None:
            skipped.append(Skipped(found.tenant_id, _ending(found)))
            continue
        if found.price.is_metered:
            action = _metered(found, own, readings[found.item.item_id], now, zone, thresholds)
        else:
            action = _licensed(found, own, now, zone, thresholds)
        if action is not None:
            actions.append(action)
        elif found.subscription.status == "trialing":
            until = found.subscription.trial_end_at
            skipped.append(
                Skipped(
                    found.tenant_id, f"in trial until {until:%Y-%m-%d}: its quantity is right and nothing is billed"
                )
            )
    return tuple(actions), tuple(skipped)


def key_of(found: UnitItem) -> str:
    """Return the key of an item's action in its running period."""
    return f"units:{found.item.item_id}:{epoch(found.item.period.start)}"


def wanted_count(found: UnitItem, counts: UnitCounts, now: datetime, zone: ZoneInfo) -> int:
    """Return what Stripe should hold: the running peak or today's units, at least the price's minimum."""
    if found.price.is_metered:
        count = running_peak(counts, found.item.period, now, zone)
    else:
        count = counts.on(local_date(now, zone))
    return max(count, found.price.minimum_count)


def _metered(
    found: UnitItem, counts: UnitCounts, reading: Reading, now: datetime, zone: ZoneInfo, thresholds: Thresholds
) -> UnitAction | None:
    after = wanted_count(found, counts, now, zone)
    if reading.count == after:
        return None
    is_baseline = reading.count is None
    before = reading.count or 0
    reference = reading.previous_count if is_baseline else before
    first, end = days_of(found.item.period, zone)
    peaked_on = counts.peak_day(first, min(local_date(now, zone) + timedelta(days=1), end))
    notes = [f"highest on {peaked_on}"] if after else ["no unit in this period: reported as zero"]
    if is_baseline:
        last = "the first report" if reference is None else f"the last period had {reference}"
        notes.insert(0, f"nothing reported in this period yet; {last}")
    elif after < before:
        notes.insert(0, "Stripe holds more than was ever occupied in this period")

    def moved(from_count: int) -> int:
        return round_minor(found.price.amount(after)) - round_minor(found.price.amount(from_count))

    return _action(found, before, after, moved(before), reference, moved(reference or 0), notes, thresholds)


def _licensed(
    found: UnitItem, counts: UnitCounts, now: datetime, zone: ZoneInfo, thresholds: Thresholds
) -> UnitAction | None:
    after, before = wanted_count(found, counts, now, zone), found.item.quantity or 0
    if after == before:
        return None
    price, item = found.price, found.item
    notes = []
    effect = 0
    if found.subscription.status == "trialing":
        until = found.subscription.trial_end_at
        notes.append(f"in trial until {until:%Y-%m-%d}: nothing is charged now, the first invoice bills it")
    else:
        full = full_period(item.anchor, price.interval, price.interval_count, max(now, item.period.start))
        effect = change_minor(price.amount(before), price.amount(after), share_left(item.period, full, now))
        notes.append(f"prorated from now to {item.period.end:%Y-%m-%d}")
    return _action(found, before, after, effect, before, effect, notes, thresholds)


def _action(
    found: UnitItem,
    before: int,
    after: int,
    effect: int,
    reference: int | None,
    reference_minor: int,
    notes: list[str],
    thresholds: Thresholds,
) -> UnitAction:
    subscription = found.subscription
    if found.price.minimum_count == after and after:
        notes.append(f"its price bills at least {after}")
    if subscription.status in ("past_due", "unpaid"):
        notes.append(f"{subscription.status.replace('_', ' ')}, synced all the same")
    if subscription.pause_behavior is not None:
        notes.append("collection is paused, its drafts are kept")
    if subscription.cancel_at is not None:
        notes.append(f"ends on {subscription.cancel_at:%Y-%m-%d}")
    why = outlier(reference, after, thresholds)
    if why:
        notes.append(f"look at it: {why}")
    return UnitAction(
        key_of(found), found, before, after, effect, "; ".join(notes), reference, reference_minor, why is not None
    )


def _ending(found: UnitItem) -> str:
    return (
        f"its billing period ends at {found.item.period.end:%Y-%m-%d %H:%M} UTC: the last minute is kept for the"
        " recount of the closed period; synced again in the next one"
    )
