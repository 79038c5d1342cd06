"""What people see of unit syncs: how the desk stands, what a plan changes in units and money, and what became of it.

Nothing here changes anything in Stripe. Tables are in the order in which they are looked at: what stands out, then the
largest changes of money.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from billing_core.errors import NotFoundError
from billing_core.gateway import open_gateway
from billing_core.language import N_
from billing_core.services import plans, unit_sync
from billing_core.services import stored_plans as stored
from billing_core.services.access import Actor, authorize
from billing_core.services.desk import Desk
from billing_core.services.reports import Report
from billing_core.services.stored_plans import Plan, PlannedAction
from billing_core.services.write_policy import Stop, writes_stopped
from billing_core.store import jobs
from billing_core.warehouse import Column

SKIPPED = "skipped"
STANDS_OUT = N_("Stands out")
_COLUMNS = (
    Column("tenant_id", "varchar", "id", N_("The tenant.")),
    Column("name", "varchar", "text", N_("Its name.")),
    Column("before_count", "bigint", "units", N_("Units that Stripe held when the plan was made.")),
    Column("after_count", "bigint", "units", N_("Units that Stripe holds afterwards.")),
    Column("change_count", "bigint", "units", N_("The difference of the two.")),
    Column("effect_minor", "bigint", "minor units", N_("How the running period's bill moves, list price, excl. tax.")),
    Column("currency", "varchar", "text", N_("Currency of the amount, lower case.")),
    Column("is_flagged", "boolean", "yes/no", N_("Whether a person should look at it.")),
    Column("state", "varchar", "text", N_("What became of it; skipped: the tenant is left alone.")),
    Column("note", "varchar", "text", N_("How the number came about, why it is not done, or why it is left alone.")),
)
_TYPES = {"varchar": pa.string(), "bigint": pa.int64(), "boolean": pa.bool_()}


@dataclass(frozen=True, slots=True)
class Standing:
    """How unit sync stands.

    Attributes:
        stop: who stopped all writes to Stripe; None while they are allowed.
        has_worker: whether somebody is there to do jobs.
        running: the plan that is being carried out.
        waiting: plans that wait for a second person, the newest first.
        history: plans of any state, the newest first.
    """

    stop: Stop | None
    has_worker: bool
    running: Plan | None
    waiting: tuple[Plan, ...]
    history: tuple[Plan, ...]

    @property
    def last_run(self) -> Plan | None:
        """The newest run that ended."""
        ended = [p for p in self.history if p.started_at is not None and p.ended_at is not None]
        return max(ended, key=lambda p: p.ended_at or p.requested_at, default=None)


@dataclass(frozen=True, slots=True)
class Totals:
    """What a plan comes to.

    Attributes:
        tenants_count: tenants with a change.
        flagged_count: of them those that stand out.
        more_count: units added, over all tenants that grow.
        fewer_count: units taken away, over all tenants that shrink; not negative.
        effect_minor: by currency, the sum of how the running periods' bills move.
    """

    tenants_count: int
    flagged_count: int
    more_count: int
    fewer_count: int
    effect_minor: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `sent_count` was taken by Stripe and is not read back yet."""

    all_count: int
    done_count: int
    sent_count: int
    trouble_count: int
    done_ratio: float


def standing(desk: Desk, actor: Actor, *, limit: int = 12) -> Standing:
    """Return how unit sync stands, with the newest plans.

    Raises:
        ForbiddenError: the actor may not see reports.
    """
    authorize(desk, actor, "reports.read")
    with desk.database.connect() as connection:
        running = stored.latest(connection, action=unit_sync.ACTION, limit=1, states=("running",))
        waiting = stored.latest(connection, action=unit_sync.ACTION, limit=limit, states=("waiting",))
        history = stored.latest(connection, action=unit_sync.ACTION, limit=limit)
        stop, has_worker = writes_stopped(connection), jobs.has_worker(connection)
    return Standing(stop, has_worker, next(iter(running), None), tuple(waiting), tuple(history))


def get(desk: Desk, actor: Actor, plan_id: str) -> Plan:
    """Return a plan of units.

    Raises:
        ForbiddenError: the actor may not see reports.
        NotFoundError: there is none, or it is a plan of something else.
    """
    found = plans.get(desk, actor, plan_id)
    if found.action != unit_sync.ACTION:
        raise NotFoundError(f"Plan {plan_id} is no plan of units ({found.action}).", plan_id=plan_id)
    return found


def make(desk: Desk, actor: Actor, *, now: datetime, tenant_ids: Sequence[str] | None) -> Plan:
    """Make a plan as `unit_sync.plan` does, over a way to Stripe of its own.

    Raises:
        ForbiddenError: the actor may not sync units.
        NotFoundError: no such tenant.
        SettingError: there is no Stripe to ask.
        GatewayError: it cannot be asked.
    """
    authorize(desk, actor, plans.PERMISSIONS[unit_sync.ACTION])
    return unit_sync.plan(desk, actor, open_gateway(desk.settings), now=now, tenant_ids=tenant_ids)


def totals(plan: Plan) -> Totals:
    """Add up what a plan changes."""
    effect: dict[str, int] = defaultdict(int)
    for action in plan.actions:
        effect[action.currency] += action.effect_minor
    moved = [a.after_count - a.before_count for a in plan.actions]
    return Totals(
        tenants_count=len({a.tenant_id for a in plan.actions}),
        flagged_count=len({a.tenant_id for a in plan.actions if a.is_flagged}),
        more_count=sum(m for m in moved if m > 0),
        fewer_count=-sum(m for m in moved if m < 0),
        effect_minor=dict(sorted(effect.items())),
    )


def progress(plan: Plan) -> Progress:
    """Return how far a run is."""
    counts, everything = plan.counts, len(plan.actions)
    done, sent = counts["done"], counts["sent"]
    return Progress(
        everything, done, sent, counts["failed"] + counts["unknown"], done / everything if everything else 1
    )


def undone_count(plan: Plan) -> int:
    """Return how many actions a retry would do."""
    return len(plan.actions) - plan.counts["done"]


def duration(plan: Plan) -> timedelta | None:
    """Return how long a run took, from its first start to its last end; None while there is no end."""
    return None if plan.started_at is None or plan.ended_at is None else plan.ended_at - plan.started_at


def actions_table(plan: Plan, names: Mapping[str, str], *, is_undone_only: bool = False) -> pa.Table:
    """Return what a plan changes, what stands out first; columns as in its file, without tenants left alone."""
    chosen = [a for a in plan.actions if not is_undone_only or a.state != "done"]
    ordered = sorted(chosen, key=lambda a: (not a.is_flagged, -abs(a.effect_minor), a.tenant_id))
    return _table([_row(a, names) for a in ordered])


def skipped_table(plan: Plan, names: Mapping[str, str]) -> pa.Table:
    """Return the tenants that a plan leaves alone; columns as in its file."""
    return _table(
        [
            {"tenant_id": s["tenant_id"], "name": names.get(s["tenant_id"]), "state": SKIPPED, "note": s["reason"]}
            for s in plan.skipped
        ]
    )


def report(desk: Desk, plan: Plan, names: Mapping[str, str]) -> Report:
    """Return a plan with all its rows, for files."""
    return Report(
        name="unit_plan",
        title=N_("Plan of units"),
        purpose=N_(
            "What has to be said to Stripe so that it holds every tenant's units: the number of today for a licensed "
            "price, the highest number of the billing period for a metered one."
        ),
        columns=_COLUMNS,
        table=pa.concat_tables([actions_table(plan, names), skipped_table(plan, names)]),
        as_of=plan.requested_at,
        zone=desk.settings.reporting_timezone,
        asked={"plan": plan.plan_id},
    )


def history_table(runs: Sequence[Plan], people: Mapping[str, str]) -> pa.Table:
    """Return one row per plan: who, when, what state, how many tenants, calls and seconds."""
    rows = []
    for plan in runs:
        took = duration(plan)
        rows.append(
            {
                "plan_id": plan.plan_id,
                "requested_at": plan.requested_at,
                "requested_by": people.get(plan.requested_by, plan.requested_by),
                "state": plan.state,
                "changes_count": len(plan.actions),
                "done_count": plan.counts["done"],
                "trouble_count": plan.counts["failed"] + plan.counts["unknown"],
                "calls_count": plan.calls_count,
                "seconds_count": None if took is None else round(took.total_seconds()),
            }
        )
    texts = ("plan_id", "requested_by", "state")
    schema = pa.schema(
        [
            (name, pa.string() if name in texts else pa.timestamp("us", "UTC") if name.endswith("_at") else pa.int64())
            for name in rows[0]
        ]
        if rows
        else []
    )
    return pa.Table.from_pylist(rows, schema)


def _row(action: PlannedAction, names: Mapping[str, str]) -> dict[str, object]:
    return {
        "tenant_id": action.tenant_id,
        "name": names.get(action.tenant_id),
        "before_count": action.before_count,
        "after_count": action.after_count,
        "change_count": action.after_count - action.before_count,
        "effect_minor": action.effect_minor,
        "currency": action.currency,
        "is_flagged": action.is_flagged,
        "state": action.state,
        "note": action.trouble or action.note,
    }


def _table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    schema = pa.schema([(c.name, _TYPES[c.type]) for c in _COLUMNS])
    return pa.Table.from_pylist([{c.name: row.get(c.name) for c in _COLUMNS} for row in rows], schema)
