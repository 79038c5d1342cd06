"""Unit sync: load what is occupied, ask Stripe what it holds, plan the difference, and carry it out.

Postgres is asked a constant number of times however many tenants there are. Occupancies come through the source views.
The schedule acts as `system`: what stands out waits for a person in a plan of its own, the rest is done at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from billing_core.errors import ConflictError, NotFoundError
from billing_core.gateway import Gateway
from billing_core.periods import local_date
from billing_core.rules.approval import Thresholds, reasons
from billing_core.rules.pricing import Tier
from billing_core.rules.unit_items import Tenant, UnitItem, choose
from billing_core.rules.unit_sync import Reading, UnitAction, plan_units, wanted_count
from billing_core.rules.units import Occupancy, UnitCounts
from billing_core.services import plans, write_policy
from billing_core.services import stored_plans as stored
from billing_core.services.access import SYSTEM, Actor, authorize
from billing_core.services.apply import Clock
from billing_core.services.desk import Desk
from billing_core.services.read_back import Known, Reader
from billing_core.services.stored_plans import Plan, PlannedAction
from billing_core.services.unit_actions import UnitExecutor, planned_action
from billing_core.store import tables as t
from billing_core.store.writes import upsert

ACTION = LANE = "unit_sync"
# A tick of the schedule that comes later than this is one that was caught up.
ON_TIME = timedelta(minutes=10)
# Up to so many customers are asked for one by one.
FEW = 20
# The longest billing period that Stripe has is three years; older occupancies that ended cannot count any more.
LONGEST_PERIOD = timedelta(days=3 * 366)


@dataclass(frozen=True, slots=True)
class Compared:
    """The units that are occupied beside what Stripe holds, and what follows."""

    actions: tuple[UnitAction, ...]
    skipped: tuple[Mapping[str, str], ...]
    thresholds: Thresholds
    items: tuple[UnitItem, ...]
    counts: Mapping[str, UnitCounts]
    readings: Mapping[str, Reading]


def plan(desk: Desk, actor: Actor, gateway: Gateway, *, now: datetime, tenant_ids: Sequence[str] | None = None) -> Plan:
    """Make a plan of what Stripe has to be told; changes nothing in Stripe.

    Args:
        desk: the open desk.
        actor: who plans.
        gateway: the way to Stripe.
        now: aware.
        tenant_ids: only these; None for all.

    Raises:
        ForbiddenError: the actor may not sync units.
        NotFoundError: no such tenant.
        GatewayError: Stripe cannot be asked.
    """
    authorize(desk, actor, plans.PERMISSIONS[ACTION])
    found = compare(desk, gateway, now=now, tenant_ids=tenant_ids)
    _keep(desk, found, now)
    return _make(desk, actor, found, found.actions, found.skipped, scope=tenant_ids, now=now)


def apply(
    desk: Desk, actor: Actor, gateway: Gateway, plan_id: str, *, now: datetime, expected_hash: str | None = None
) -> Plan:
    """Hand a plan over to a worker, after comparing it with what Stripe holds now.

    Returns:
        The plan: running, waiting for approval, or done.

    Raises:
        ForbiddenError: the actor may not sync units.
        NotFoundError: there is no such plan.
        ConflictError: the plan is stale, was rejected, or another one runs; or writes are stopped.
        GatewayError: Stripe cannot be asked.
    """
    authorize(desk, actor, plans.PERMISSIONS[ACTION])
    with desk.database.connect() as connection:
        found = stored.read(connection, plan_id)
    if found.action != ACTION:
        raise ConflictError(f"Plan {plan_id} is no plan of units ({found.action}).", plan_id=plan_id)
    if found.state in ("planned", "waiting"):
        trouble = stale(desk, gateway, found, now=now)
        if trouble is not None:
            raise ConflictError(trouble, plan_id=plan_id)
    return plans.submit(desk, actor, plan_id, expected_hash=expected_hash)


def stale(desk: Desk, gateway: Gateway, made: Plan, *, now: datetime) -> str | None:
    """Return why a plan does not hold any more: the same comparison now has other actions; None when it holds."""
    if not made.actions:
        return None
    found = compare(desk, gateway, now=now, tenant_ids=sorted({a.tenant_id for a in made.actions}))
    then = {a.key: (a.before_count, a.after_count) for a in made.actions}
    today = {a.key: (a.before_count, a.after_count) for a in found.actions if a.key in then}
    moved = [a.tenant_id for a in made.actions if today.get(a.key) != then[a.key]]
    if not moved:
        return None
    more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
    return (
        f"Plan {made.plan_id} is stale: what is occupied or what Stripe holds has changed for"
        f" {', '.join(moved[:3])}{more}. Make a new plan."
    )


def scheduled(desk: Desk, gateway: Gateway, *, now: datetime) -> tuple[Plan, Plan | None]:
    """Make the nightly plans as `system`: what stands out waits for a person, the rest is handed over at once.

    Returns:
        The plan that was handed over, and the one that waits, if any.

    Raises:
        ConflictError: another run of units is going on, or writes are stopped; the plans are there.
        GatewayError: Stripe cannot be asked.
    """
    with desk.database.connect() as connection:
        left = stored.latest(connection, action=ACTION, limit=1, states=("running",))
    if left:
        # A run whose job died for good goes on; while it does, the submission below is refused and tried again.
        plans.submit(desk, SYSTEM, left[0].plan_id)
    found = compare(desk, gateway, now=now)
    _keep(desk, found, now)
    flagged = [a for a in found.actions if a.is_flagged]
    held = _waiting(desk, found, flagged, now=now)
    rest = [a for a in found.actions if not a.is_flagged]
    made = _make(desk, SYSTEM, found, rest, found.skipped, scope=None, now=now, is_unattended=True)
    return plans.submit(desk, SYSTEM, made.plan_id), held


def is_before_the_first(desk: Desk, *, tick: datetime, now: datetime) -> bool:
    """Tell whether a tick of the schedule is caught up by a desk that had made no plan before it: that desk has missed
    nothing, and its first sync is somebody's to look at, or the next night's.
    """
    p = t.plans.c
    query = sa.select(p.plan_id).where(p.action == ACTION, p.requested_at < tick).limit(1)
    with desk.database.connect() as connection:
        return now - tick > ON_TIME and connection.scalar(query) is None


def executor(desk: Desk, gateway: Gateway, clock: Clock) -> UnitExecutor:
    """Return what carries out plans of units."""
    return UnitExecutor(desk, gateway, clock, lambda made: stale(desk, gateway, made, now=clock()))


def compare(desk: Desk, gateway: Gateway, *, now: datetime, tenant_ids: Sequence[str] | None = None) -> Compared:
    """Compare what is occupied with what Stripe holds; writes nothing.

    Raises:
        NotFoundError: no such tenant.
        GatewayError: Stripe cannot be asked.
    """
    zone = desk.settings.zone
    today = local_date(now, zone)
    with desk.database.connect() as connection:
        rows = _tenants(connection, tenant_ids)
        counts = _counts(connection, today, tenant_ids)
        known = _known(connection)
        thresholds = write_policy.thresholds(connection)
    if tenant_ids is not None and (unknown := set(tenant_ids) - {r.tenant_id for r in rows}):
        raise NotFoundError(f"There is no tenant {', '.join(repr(i[:60]) for i in sorted(unknown))}.")
    people = [
        Tenant(
            r.tenant_id,
            counts.get(r.tenant_id, UnitCounts()).on(today),
            local_date(r.deleted_at, zone) if r.deleted_at else None,
        )
        for r in rows
    ]
    reader = Reader(gateway, known)
    own = {p.tenant_id for p in people}
    customers = [c for c, tenant in known.tenants.items() if tenant in own]
    # A tenant whose customer is not mirrored yet can only be found among all of them; so are many of them, faster.
    is_few = tenant_ids is not None and own <= set(known.tenants.values()) and len(customers) <= FEW
    subscriptions = [s for s in reader.subscriptions(customers if is_few else None) if s.tenant_id in own]
    items, left = choose(people, subscriptions)
    readings = reader.readings(items)
    actions, quiet = plan_units(items, counts, readings, now=now, zone=zone, thresholds=thresholds)
    skipped = tuple({"tenant_id": s.tenant_id, "reason": s.reason} for s in (*left, *quiet))
    return Compared(actions, skipped, thresholds, items, counts, readings)


def _make(
    desk: Desk,
    actor: Actor,
    found: Compared,
    actions: Sequence[UnitAction],
    skipped: Sequence[Mapping[str, str]],
    *,
    scope: Sequence[str] | None,
    now: datetime,
    is_unattended: bool = False,
) -> Plan:
    return plans.make(
        desk,
        actor,
        action=ACTION,
        lane=LANE,
        actions=[planned_action(a) for a in actions],
        skipped=skipped,
        approval_needed=() if is_unattended else reasons([a.change for a in actions], found.thresholds),
        scope=scope,
        now=now,
    )


def _waiting(desk: Desk, found: Compared, flagged: Sequence[UnitAction], *, now: datetime) -> Plan | None:
    """Have what stands out wait for a person; last night's plan for the same goes on waiting."""
    planned = [planned_action(a) for a in flagged]
    with desk.database.begin() as connection:
        before = [
            p
            for p in stored.latest(connection, action=ACTION, limit=20, states=("waiting",))
            if p.requested_by == SYSTEM.email
        ]
        kept = next((p for p in before if planned and _same(p.actions, planned)), None)
        for old in before:
            if old is not kept:
                plans.withdraw(connection, old, by=SYSTEM.email, why="Replaced by what the next night found.")
    if kept is not None or not planned:
        return kept
    made = _make(desk, SYSTEM, found, flagged, (), scope=[a.tenant_id for a in flagged], now=now)
    return plans.submit(desk, SYSTEM, made.plan_id)


def _same(before: Sequence[PlannedAction], now: Sequence[PlannedAction]) -> bool:
    return [(a.key, a.before_count, a.after_count) for a in before] == [
        (a.key, a.before_count, a.after_count) for a in now
    ]


def _keep(desk: Desk, found: Compared, now: datetime) -> None:
    """Write down what was counted and what the meters said, for the reconciliation."""
    zone = desk.settings.zone
    counted, read = [], []
    for i in found.items:
        period: dict[str, Any] = {
            "subscription_item_id": i.item.item_id,
            "period_start_at": i.item.period.start,
            "tenant_id": i.tenant_id,
            "period_end_at": i.item.period.end,
        }
        own = found.counts.get(i.tenant_id) or UnitCounts()
        counted.append({**period, "units_count": wanted_count(i, own, now, zone), "is_peak": i.price.is_metered})
        if i.price.meter_id is not None:
            about = {"customer_id": i.subscription.customer_id, "meter_id": i.price.meter_id}
            read.append({**period, **about, "units_count": found.readings[i.item.item_id].count})
    with desk.database.begin() as connection:
        upsert(connection, t.unit_counts, counted)
        upsert(connection, t.meter_summaries, read)


# --- from Postgres: one statement each --------------------------------------------------------------------------------


def _tenants(connection: sa.Connection, tenant_ids: Sequence[str] | None) -> Sequence[Any]:
    query = sa.text(
        "select tenant_id, deleted_at from billing.source_tenants"
        " where cast(:tenant_ids as text[]) is null or tenant_id = any(cast(:tenant_ids as text[])) order by tenant_id"
    )
    return connection.execute(query, {"tenant_ids": None if tenant_ids is None else list(tenant_ids)}).all()


def _counts(connection: sa.Connection, today: date, tenant_ids: Sequence[str] | None) -> dict[str, UnitCounts]:
    query = sa.text(
        "select tenant_id, unit_id, starts_on, ends_on from billing.source_occupancies"
        " where deleted_at is null and (ends_on is null or ends_on > :since) and starts_on <= :today"
        " and (cast(:tenant_ids as text[]) is null or tenant_id = any(cast(:tenant_ids as text[])))"
    )
    given = {
        "since": today - LONGEST_PERIOD,
        "today": today,
        "tenant_ids": None if tenant_ids is None else list(tenant_ids),
    }
    found: dict[str, list[Occupancy]] = defaultdict(list)
    for row in connection.execute(query, given):
        found[row.tenant_id].append(Occupancy(row.unit_id, row.starts_on, row.ends_on))
    return {tenant_id: UnitCounts(own) for tenant_id, own in found.items()}


def _known(connection: sa.Connection) -> Known:
    customers = connection.execute(sa.select(t.customers.c.customer_id, t.customers.c.tenant_id))
    tenants = {row.customer_id: row.tenant_id for row in customers}
    roles = {row.price_id: row.role for row in connection.execute(sa.select(t.prices.c.price_id, t.prices.c.role))}
    tiers: dict[str, list[Tier]] = defaultdict(list)
    p = t.price_tiers.c
    for row in connection.execute(sa.select(t.price_tiers).order_by(p.price_id, p.tier_index)):
        unit, flat = row.unit_amount_decimal or Decimal(0), row.flat_amount_decimal or Decimal(0)
        tiers[row.price_id].append(Tier(row.up_to, unit, flat))
    meters = {
        row.meter_id: (row.event_name if row.status == "active" else None, row.formula)
        for row in connection.execute(sa.select(t.meters))
    }
    s = t.subscriptions.c
    engine = connection.execute(sa.select(s.subscription_id).where(s.billed_by == "engine")).scalars()
    return Known(tenants, roles, {k: tuple(v) for k, v in tiers.items()}, meters, frozenset(engine))
