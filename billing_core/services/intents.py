"""Intents: every call that may change something in Stripe, written down and committed before it is made.

An intent is open (`intended`, or `unknown` after an answer that says nothing) until its result is known; of one target
one intent is open at a time, which a unique index sees to. Its key is
`action:tenant:period:revision:attempt`: the same key again is the same call, a new attempt is a new key, a new revision
is a new value. What is told about a result goes into the audit log in the transaction that stores it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from billing_core.services import stored_plans as stored
from billing_core.services.stored_plans import Plan, PlannedAction
from billing_core.services.write_policy import refuse_when_stopped
from billing_core.store.database import Database
from billing_core.store.tables import intents, plan_actions, plans

OPEN = ("intended", "unknown")
LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Request:
    """A call that changes something: where to, with what."""

    path: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Intent:
    """One call, open or not.

    Attributes:
        revision: which value of the target this is, from 1.
        attempt: which try at this revision, from 1.
        after_count: what its action wants Stripe to hold.
        lane: of its plan.
    """

    intent_id: int
    plan_id: str
    key: str
    target: str
    idempotency_key: str
    request: Request
    revision: int
    attempt: int
    state: str
    made_at: datetime
    ended_at: datetime | None
    after_count: int


def idempotency_key(action: str, tenant_id: str, target: str, revision: int, attempt: int) -> str:
    """Return the key of a call; a tenant's id that is too long for it is replaced by its digest."""
    tail = f":{target}:{revision}:{attempt}"
    if len(action) + 1 + len(tenant_id) + len(tail) > LONGEST_KEY:
        tenant_id = hashlib.blake2b(tenant_id.encode(), digest_size=16).hexdigest()
    return f"{action}:{tenant_id}{tail}"


def open_on(database: Database, target: str) -> Intent | None:
    """Return the open intent of a target, whichever plan it belongs to."""
    with database.connect() as connection:
        return _first(connection, intents.c.target == target, intents.c.state.in_(OPEN))


def last_of(database: Database, plan_id: str, key: str) -> Intent | None:
    """Return the newest intent of a plan's action."""
    with database.connect() as connection:
        return _first(connection, intents.c.plan_id == plan_id, intents.c.key == key)


def begin(
    database: Database,
    plan: Plan,
    action: PlannedAction,
    request: Request,
    *,
    revision: int,
    attempt: int,
    by: str,
    now: datetime,
) -> Intent:
    """Write an intent down: the first transaction of a call.

    Raises:
        WritesStoppedError: all writes are stopped; nothing was written.
        sqlalchemy.exc.IntegrityError: another call to the target is open.
    """
    key = idempotency_key(plan.action, action.tenant_id, action.target, revision, attempt)
    with database.begin() as connection:
        refuse_when_stopped(connection)
        intent_id = connection.execute(
            sa.insert(intents)
            .values(
                plan_id=plan.plan_id,
                key=action.key,
                target=action.target,
                idempotency_key=key,
                path=request.path,
                params=dict(request.params),
                revision=revision,
                attempt=attempt,
                state="intended",
                made_at=now,
            )
            .returning(intents.c.intent_id)
        ).scalar_one()
        stored.note(
            connection,
            by,
            f"{plan.action}.intended",
            plan.plan_id,
            tenant_id=action.tenant_id,
            before={"count": action.before_count},
            after={"count": action.after_count, "idempotency_key": key},
        )
    return Intent(
        intent_id,
        plan.plan_id,
        action.key,
        action.target,
        key,
        request,
        revision,
        attempt,
        "intended",
        now,
        None,
        action.after_count,
    )


def check_allowed(database: Database) -> None:
    """Let a call that is repeated pass.

    Raises:
        WritesStoppedError: all writes are stopped.
    """
    with database.connect() as connection:
        refuse_when_stopped(connection)


def end(
    connection: sa.Connection,
    intent: Intent,
    state: str,
    *,
    by: str,
    now: datetime,
    request_id: str | None = None,
    trouble: str | None = None,
) -> None:
    """Store what became of a call, in the caller's transaction: the second one.

    Args:
        connection: in a transaction.
        intent: the call.
        state: done, failed, or unknown, which leaves it open.
        by: who acts.
        now: aware.
        request_id: Stripe's.
        trouble: why it is not done.
    """
    connection.execute(
        sa.update(intents)
        .where(intents.c.intent_id == intent.intent_id)
        .values(state=state, ended_at=None if state == "unknown" else now, request_id=request_id, trouble=trouble)
    )
    about = (
        sa.select(plans.c.action, plan_actions.c.tenant_id, plan_actions.c.before_count)
        .join(plan_actions, plan_actions.c.plan_id == plans.c.plan_id)
        .where(plans.c.plan_id == intent.plan_id, plan_actions.c.key == intent.key)
    )
    row = connection.execute(about).one()
    result = {"count": intent.after_count, "idempotency_key": intent.idempotency_key, "request_id": request_id}
    stored.note(
        connection,
        by,
        f"{row.action}.{'sent' if state == 'done' else state}",
        intent.plan_id,
        tenant_id=row.tenant_id,
        reason=trouble,
        before={"count": row.before_count},
        after=result,
    )


def next_revision(database: Database, target: str) -> int:
    """Return the revision of a target's next value: one more than the highest so far."""
    with database.connect() as connection:
        highest = connection.scalar(sa.select(sa.func.max(intents.c.revision)).where(intents.c.target == target))
    return 1 + (highest or 0)


def _first(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> Intent | None:
    query = (
        sa.select(intents, plan_actions.c.after_count)
        .join(plan_actions, sa.and_(plan_actions.c.plan_id == intents.c.plan_id, plan_actions.c.key == intents.c.key))
        .where(*where)
        .order_by(intents.c.intent_id.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Intent(
        row.intent_id,
        row.plan_id,
        row.key,
        row.target,
        row.idempotency_key,
        Request(row.path, row.params),
        row.revision,
        row.attempt,
        row.state,
        row.made_at,
        row.ended_at,
        row.after_count,
    )
