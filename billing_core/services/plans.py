"""What may happen to a plan: made, approved or refused by a second person, handed to a worker.

planned → (waiting →) running → done, partly_done, unknown or failed; the last three can be applied again, which goes on
with what is not done. Handing over is one transaction: the plan runs and its job waits, or neither. However often it
is asked for, there is one job; plans of one lane run one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from billing_core.errors import ConflictError, ForbiddenError
from billing_core.services import stored_plans as stored
from billing_core.services.access import Actor, authorize
from billing_core.services.desk import Desk
from billing_core.services.reasons import checked_reason
from billing_core.services.stored_plans import UNFINISHED, Plan, PlannedAction
from billing_core.services.write_policy import refuse_when_stopped
from billing_core.store import jobs
from billing_core.store.tables import approvals, plans

APPLY = "billing.apply_plan"
# Action → the permission that planning and applying it takes.
PERMISSIONS: Mapping[str, str] = {"unit_sync": "units.sync"}


def make(
    desk: Desk,
    actor: Actor,
    *,
    action: str,
    lane: str,
    actions: Sequence[PlannedAction],
    skipped: Sequence[Mapping[str, str]],
    approval_needed: Sequence[str],
    scope: Sequence[str] | None,
    now: datetime,
) -> Plan:
    """Store a plan.

    Args:
        desk: the open desk.
        actor: who plans.
        action: a key of `PERMISSIONS`.
        lane: plans of one lane run one after the other.
        actions: what it does, in order.
        skipped: `{tenant_id, reason}`.
        approval_needed: why a second person has to approve.
        scope: the tenants it was made for; None for all.
        now: aware.

    Raises:
        ForbiddenError: the actor may not plan this.
    """
    by = authorize(desk, actor, PERMISSIONS[action])
    plan = Plan(
        plan_id=stored.new_id(),
        action=action,
        lane=lane,
        hash=stored.hash_of(action, actions, skipped),
        state="planned",
        scope=None if scope is None else tuple(scope),
        actions=tuple(actions),
        skipped=tuple(dict(s) for s in skipped),
        approval_needed=tuple(approval_needed),
        requested_by=by.email,
        requested_at=now,
    )
    with desk.database.begin() as connection:
        stored.insert(connection, plan)
        about = {"hash": plan.hash, "actions_count": len(plan.actions), "skipped_count": len(plan.skipped)}
        stored.note(connection, by.email, f"{action}.planned", plan.plan_id, after=about)
    return plan


def get(desk: Desk, actor: Actor, plan_id: str) -> Plan:
    """Return a plan and what became of it.

    Raises:
        ForbiddenError: the actor may not see reports.
        NotFoundError: there is none.
    """
    authorize(desk, actor, "reports.read")
    with desk.database.connect() as connection:
        return stored.read(connection, plan_id)


def history(
    desk: Desk, actor: Actor, action: str = "unit_sync", *, limit: int = 50, states: Sequence[str] = ()
) -> list[Plan]:
    """Return the newest plans of an action, the newest first; only those in some states when named.

    Raises:
        ForbiddenError: the actor may not see reports.
    """
    authorize(desk, actor, "reports.read")
    with desk.database.connect() as connection:
        return stored.latest(connection, action=action, limit=limit, states=states)


def submit(
    desk: Desk, actor: Actor, plan_id: str, *, expected_hash: str | None = None, reason: str | None = None
) -> Plan:
    """Have a plan carried out by a worker; asking again changes nothing.

    Args:
        desk: the open desk.
        actor: who applies.
        plan_id: the plan.
        expected_hash: of the plan that was looked at; another one is refused.
        reason: why, 1 to 2,000 characters; kept with the plan when it is first handed over, and in the audit log.

    Returns:
        The plan: running, waiting for approval, or done when it has nothing (left) to do.

    Raises:
        ForbiddenError: the actor may not apply it.
        InvalidInputError: a reason that cannot be used.
        NotFoundError: there is no such plan.
        ConflictError: it was rejected, is another one than was looked at, writes are stopped, or another plan runs.
    """
    with desk.database.connect() as connection:
        action = stored.action_of(connection, plan_id)
    # Before the row is locked: those who wait for it hold the connections that the question would need.
    by = authorize(desk, actor, PERMISSIONS[action])
    text = None if reason is None else checked_reason(reason)
    with desk.database.begin() as connection:
        plan = stored.read(connection, plan_id, for_update=True)
        if expected_hash is not None and expected_hash != plan.hash:
            raise ConflictError(f"Plan {plan_id} is not the one that was looked at. Look at it again.", plan_id=plan_id)
        if plan.state == "rejected":
            said = plan.decision.reason if plan.decision else "no reason given"
            raise ConflictError(f"Plan {plan_id} was rejected: {said} Make a new one.", plan_id=plan_id)
        if plan.state == "done":
            return plan
        if plan.state == "running" and jobs.is_alive(connection, plan.job_id):
            return plan
        refuse_when_stopped(connection)
        if text is not None and plan.state == "planned":
            stored.change(connection, plan_id, reason=text)
        if not plan.is_approved:
            if plan.state not in ("planned", "waiting"):
                raise ConflictError(f"Plan {plan_id} was withdrawn: {plan.trouble} Make a new one.", plan_id=plan_id)
            if plan.state == "planned":
                stored.change(connection, plan_id, state="waiting", applied_by=by.email)
                about = {"approval_needed": list(plan.approval_needed)}
                stored.note(connection, by.email, f"{plan.action}.waiting", plan_id, reason=text, after=about)
            return stored.read(connection, plan_id)
        _start(connection, plan, by.email, reason=text)
        return stored.read(connection, plan_id)


def approve(desk: Desk, actor: Actor, plan_id: str, reason: str) -> Plan:
    """Approve somebody else's plan; one that was waiting to be applied starts.

    Args:
        desk: the open desk.
        actor: a second person.
        plan_id: the plan.
        reason: 1 to 2,000 characters.

    Raises:
        ForbiddenError: the actor may not approve, or has asked for the plan.
        InvalidInputError: no usable reason.
        NotFoundError: there is no such plan.
        ConflictError: it needs no approval or was decided on before; or another plan runs, or writes are stopped: the
            approval is then not kept.
    """
    return _decide(desk, actor, plan_id, reason, "approved")


def reject(desk: Desk, actor: Actor, plan_id: str, reason: str) -> Plan:
    """Refuse somebody else's plan for good; as `approve`."""
    return _decide(desk, actor, plan_id, reason, "rejected")


def _decide(desk: Desk, actor: Actor, plan_id: str, reason: str, decision: str) -> Plan:
    by = authorize(desk, actor, "plan.approve")
    text = checked_reason(reason)
    with desk.database.begin() as connection:
        plan = stored.read(connection, plan_id, for_update=True)
        if by.email in (plan.requested_by, plan.applied_by):
            raise ForbiddenError(f"{by.email} has asked for plan {plan_id}, so somebody else has to decide on it.")
        if plan.decision is not None:
            raise ConflictError(
                f"{plan.decision.decided_by} has {plan.decision.decision} plan {plan_id} already.", plan_id=plan_id
            )
        if not plan.approval_needed or plan.state not in ("planned", "waiting"):
            raise ConflictError(f"Plan {plan_id} is {plan.state} and needs no approval.", plan_id=plan_id)
        connection.execute(
            sa.insert(approvals).values(
                plan_id=plan_id, hash=plan.hash, decision=decision, decided_by=by.email, reason=text
            )
        )
        stored.note(connection, by.email, f"{plan.action}.{decision}", plan_id, reason=text, after={"hash": plan.hash})
        if decision == "rejected":
            stored.change(connection, plan_id, state="rejected")
        elif plan.state == "waiting":
            refuse_when_stopped(connection)
            _start(connection, plan, plan.applied_by or plan.requested_by)
        return stored.read(connection, plan_id)


def _start(connection: sa.Connection, plan: Plan, by: str, *, reason: str | None = None) -> None:
    """Set a plan running and queue its job, in the caller's transaction."""
    if not plan.actions:
        stored.change(
            connection, plan.plan_id, state="done", applied_by=by, started_at=sa.func.now(), ended_at=sa.func.now()
        )
        return
    busy = sa.select(plans.c.plan_id).where(plans.c.lane == plan.lane, plans.c.state == "running")
    # Two that start at the same moment both see nobody running; the unique index lets one of them through.
    others = [i for i in connection.execute(busy).scalars() if i != plan.plan_id]
    # Who goes on with a run answers for nothing new: whoever had it carried out first still does.
    applied_by = plan.applied_by if plan.state == "running" and plan.applied_by else by
    values = {"state": "running", "applied_by": applied_by, "ended_at": sa.null(), "trouble": sa.null()}
    try:
        if others:
            raise _busy(plan, others[0])
        with connection.begin_nested():
            job_id = jobs.defer(
                connection,
                APPLY,
                {"plan_id": plan.plan_id},
                lock=f"apply:{plan.lane}",
                queueing_lock=f"apply:{plan.plan_id}",
            )
            started = {} if plan.started_at else {"started_at": sa.func.now()}
            stored.change(connection, plan.plan_id, job_id=job_id, **started, **values)
    except sa.exc.IntegrityError as error:
        raise _busy(plan, "another one") from error
    what = "resumed" if plan.state in (*UNFINISHED, "running") else "started"
    stored.note(connection, by, f"{plan.action}.{what}", plan.plan_id, reason=reason, after={"hash": plan.hash})


def _busy(plan: Plan, other: str) -> ConflictError:
    return ConflictError(
        f"Plan {plan.plan_id} has to wait: {other} is running. See what it does with billing units show, and apply"
        " again when it has ended.",
        plan_id=plan.plan_id,
    )


def withdraw(connection: sa.Connection, plan: Plan, *, by: str, why: str) -> Plan:
    """End a plan that has not begun, in the caller's transaction; it stays as a record."""
    stored.change(connection, plan.plan_id, state="failed", trouble=why, ended_at=sa.func.now())
    stored.note(connection, by, f"{plan.action}.withdrawn", plan.plan_id, reason=why)
    return replace(plan, state="failed", trouble=why)
