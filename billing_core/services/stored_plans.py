"""Plans as they are kept: the rows of `plans`, `plan_actions` and `approvals`, read and written.

What may happen to a plan is decided in `plans` and `apply`; here is only how it is stored. A plan's hash covers what it
would do, not when or by whom: the same actions have the same hash.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from billing_core.errors import NotFoundError
from billing_core.store.tables import approvals, audit_log, plan_actions, plans

# From which the next run of a plan goes on with what is not done.
UNFINISHED = ("partly_done", "unknown", "failed")


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """One action of a plan.

    Attributes:
        key: unique in the plan.
        target: what is changed; of one target one call is open at a time.
        before_count: what Stripe held when the plan was made.
        effect_minor: how the running period's bill moves, minor units of `currency`.
        details: what the action's executor needs, JSON-safe.
        state: planned, sent (Stripe took it, not read back yet), done (read back), unknown or failed.
        trouble: why it is not done, and what to do.
    """

    key: str
    tenant_id: str
    target: str
    before_count: int
    after_count: int
    effect_minor: int
    currency: str
    note: str | None
    is_flagged: bool
    details: Mapping[str, Any]
    state: str = "planned"
    trouble: str | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a second person said of a plan; `decision` is approved or rejected."""

    decision: str
    decided_by: str
    decided_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan and what has become of it.

    Attributes:
        lane: plans of one lane run one after the other.
        state: planned, waiting (for approval), running, done, partly_done, unknown, failed or rejected.
        scope: which tenants it was made for; None for all.
        skipped: `{tenant_id, reason}` of each tenant that it leaves alone for a reason.
        approval_needed: why a second person has to approve; empty when nobody has to.
        applied_by: who had it carried out.
        calls_count: calls to Stripe of its runs so far.
        trouble: why it ended without being done, and what to do.
    """

    plan_id: str
    action: str
    lane: str
    hash: str
    state: str
    scope: tuple[str, ...] | None
    actions: tuple[PlannedAction, ...]
    skipped: tuple[Mapping[str, str], ...]
    approval_needed: tuple[str, ...]
    requested_by: str
    requested_at: datetime
    reason: str | None = None
    applied_by: str | None = None
    job_id: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    calls_count: int | None = None
    trouble: str | None = None
    decision: Decision | None = field(default=None)

    @property
    def is_approved(self) -> bool:
        """Whether nobody has to approve it, or somebody has."""
        return not self.approval_needed or (self.decision is not None and self.decision.decision == "approved")

    @property
    def counts(self) -> dict[str, int]:
        """How many actions are in each state, and how many tenants were left alone."""
        found = Counter(a.state for a in self.actions)
        return {**{s: found[s] for s in ("done", "failed", "unknown", "sent", "planned")}, "skipped": len(self.skipped)}

    def as_json(self) -> dict[str, Any]:
        """Return the plan as the command line prints it."""
        shown = ("key", "tenant_id", "before_count", "after_count", "effect_minor", "currency", "note")
        return {
            "plan_id": self.plan_id,
            "hash": self.hash,
            "actions": [{name: getattr(a, name) for name in shown} for a in self.actions],
            "skipped": [dict(s) for s in self.skipped],
        }

    def run_as_json(self) -> dict[str, Any]:
        """Return what became of the plan as the command line prints it."""
        is_over = self.started_at is not None and self.ended_at is not None
        return {
            "plan_id": self.plan_id,
            "hash": self.hash,
            "state": self.state,
            "counts": self.counts,
            "approval_needed": list(self.approval_needed),
            "approved_by": self.decision.decided_by if self.decision else None,
            "requested_by": self.requested_by,
            "applied_by": self.applied_by,
            "started_at": _text(self.started_at),
            "ended_at": _text(self.ended_at),
            "duration_seconds": (self.ended_at - self.started_at).total_seconds()  # type: ignore[operator]
            if is_over
            else None,
            "calls_count": self.calls_count or 0,
            "trouble": self.trouble,
            "actions": [
                {"key": a.key, "tenant_id": a.tenant_id, "state": a.state, "trouble": a.trouble} for a in self.actions
            ],
        }


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def hash_of(action: str, actions: Sequence[PlannedAction], skipped: Sequence[Mapping[str, str]]) -> str:
    """Return 64 hex digits over what a plan would do and whom it leaves alone."""
    content = [
        action,
        [
            [a.key, a.tenant_id, a.target, a.before_count, a.after_count, a.effect_minor, a.currency, dict(a.details)]
            for a in actions
        ],
        [dict(s) for s in skipped],
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def insert(connection: sa.Connection, plan: Plan) -> None:
    """Write a new plan and its actions."""
    connection.execute(
        sa.insert(plans).values(
            plan_id=plan.plan_id,
            action=plan.action,
            lane=plan.lane,
            hash=plan.hash,
            state=plan.state,
            scope=sa.null() if plan.scope is None else list(plan.scope),
            skipped=[dict(s) for s in plan.skipped],
            approval_needed=list(plan.approval_needed),
            requested_by=plan.requested_by,
            requested_at=plan.requested_at,
            reason=plan.reason,
        )
    )
    names = ("key", "tenant_id", "target", "before_count", "after_count", "effect_minor", "currency", "note")
    rows = [
        {
            "plan_id": plan.plan_id,
            "position": position,
            **{name: getattr(a, name) for name in names},
            "is_flagged": a.is_flagged,
            "details": dict(a.details),
        }
        for position, a in enumerate(plan.actions)
    ]
    if rows:
        connection.execute(sa.insert(plan_actions), rows)


def new_id() -> str:
    """Return an id for a plan."""
    return f"plan_{secrets.token_hex(8)}"


def read(connection: sa.Connection, plan_id: str, *, for_update: bool = False) -> Plan:
    """Return a plan.

    Args:
        connection: in a transaction when the row is to be locked.
        plan_id: its id.
        for_update: lock the plan's row until the transaction ends.

    Raises:
        NotFoundError: there is none.
    """
    query = sa.select(plans).where(plans.c.plan_id == plan_id)
    row = connection.execute(query.with_for_update() if for_update else query).one_or_none()
    if row is None:
        raise _unknown(plan_id)
    return _plan(connection, [row])[0]


def action_of(connection: sa.Connection, plan_id: str) -> str:
    """Return what kind of plan it is.

    Raises:
        NotFoundError: there is none.
    """
    found = connection.scalar(sa.select(plans.c.action).where(plans.c.plan_id == plan_id))
    if found is None:
        raise _unknown(plan_id)
    return str(found)


def latest(connection: sa.Connection, *, action: str, limit: int, states: Sequence[str] = ()) -> list[Plan]:
    """Return the newest plans of an action, the newest first."""
    query = sa.select(plans).where(plans.c.action == action)
    if states:
        query = query.where(plans.c.state.in_(states))
    rows = connection.execute(query.order_by(plans.c.requested_at.desc(), plans.c.plan_id).limit(limit)).all()
    return _plan(connection, rows)


def _unknown(plan_id: str) -> NotFoundError:
    return NotFoundError(f"There is no plan {plan_id[:60]!r}. Make one with: billing units plan")


def _plan(connection: sa.Connection, rows: Sequence[Any]) -> list[Plan]:
    ids = [row.plan_id for row in rows]
    found: dict[str, list[PlannedAction]] = {plan_id: [] for plan_id in ids}
    query = sa.select(plan_actions).where(plan_actions.c.plan_id.in_(ids)).order_by(plan_actions.c.position)
    for a in connection.execute(query):
        found[a.plan_id].append(
            PlannedAction(
                a.key,
                a.tenant_id,
                a.target,
                a.before_count,
                a.after_count,
                a.effect_minor,
                a.currency,
                a.note,
                a.is_flagged,
                a.details,
                a.state,
                a.trouble,
                a.ended_at,
            )
        )
    said = connection.execute(sa.select(approvals).where(approvals.c.plan_id.in_(ids)))
    decisions = {d.plan_id: Decision(d.decision, d.decided_by, d.decided_at, d.reason) for d in said}
    return [
        Plan(
            plan_id=r.plan_id,
            action=r.action,
            lane=r.lane,
            hash=r.hash,
            state=r.state,
            scope=None if r.scope is None else tuple(r.scope),
            actions=tuple(found[r.plan_id]),
            skipped=tuple(r.skipped),
            approval_needed=tuple(r.approval_needed),
            requested_by=r.requested_by,
            requested_at=r.requested_at,
            reason=r.reason,
            applied_by=r.applied_by,
            job_id=r.job_id,
            started_at=r.started_at,
            ended_at=r.ended_at,
            calls_count=r.calls_count,
            trouble=r.trouble,
            decision=decisions.get(r.plan_id),
        )
        for r in rows
    ]


def change(connection: sa.Connection, plan_id: str, **values: Any) -> None:
    """Update columns of a plan."""
    connection.execute(sa.update(plans).where(plans.c.plan_id == plan_id).values(**values))


def change_action(connection: sa.Connection, plan_id: str, key: str, **values: Any) -> None:
    """Update columns of an action."""
    connection.execute(
        sa.update(plan_actions).where(plan_actions.c.plan_id == plan_id, plan_actions.c.key == key).values(**values)
    )


def note(
    connection: sa.Connection,
    actor: str,
    action: str,
    plan_id: str,
    *,
    tenant_id: str | None = None,
    reason: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write a row of the audit log about a plan."""
    connection.execute(
        sa.insert(audit_log).values(
            actor=actor,
            action=action,
            subject_kind="plan",
            subject_id=plan_id,
            tenant_id=tenant_id,
            reason=reason,
            before=sa.null() if before is None else dict(before),
            after=sa.null() if after is None else dict(after),
        )
    )
