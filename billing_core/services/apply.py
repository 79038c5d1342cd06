"""Carrying a plan out: per action an intent, the call, its result, and what Stripe then holds, read back.

Nothing is open in Postgres during a call. A run that was killed is gone on with by the next one: an open intent is read
back first and repeated with its own key, so that nothing is lost and nothing happens twice. An answer that says nothing
is read back before a new attempt; after `REPEATED_FOR` Stripe may have forgotten a key, so that nothing is repeated by
itself any more. Only what is not done is done; an action whose target has moved since the plan was made is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import groupby
from typing import Protocol

import sqlalchemy as sa

from billing_core.errors import ConflictError, ForbiddenError, GatewayError
from billing_core.gateway import Gateway, Written
from billing_core.gateway.limits import backoff_seconds
from billing_core.services import intents
from billing_core.services import stored_plans as stored
from billing_core.services.access import SYSTEM, Actor, authorize
from billing_core.services.desk import Desk
from billing_core.services.intents import Intent, Request
from billing_core.services.outcomes import Outcome, is_without_effect, outcome_of
from billing_core.services.plans import PERMISSIONS
from billing_core.services.stored_plans import Plan, PlannedAction
from billing_core.services.write_policy import WritesStoppedError
from billing_core.store.locks import alone
from billing_core.store.tables import intents as intent_rows

# The SDK has repeated a call twice already when we see its failure.
SAME_KEY_TRIES = 2
ATTEMPTS = 3
REVISIONS_TRIED = 8
REPEATED_FOR = timedelta(hours=23)
# How long a meter may take to show what it took.
LAG = timedelta(hours=1)
POLLS_SECONDS = (0.0, 0.5, 1.0, 2.0, 4.0)
TENANTS_AT_ONCE = 4

Clock = Callable[[], datetime]


class Executor(Protocol):
    """What one kind of plan knows about Stripe; safe to use from several threads.

    `held` and `write` ask Stripe and raise GatewayError; `request` raises ConflictError when there is no room left.
    """

    def stale(self, plan: Plan) -> str | None:
        """Return why a plan that has not begun does not hold any more, or None."""

    def held(self, action: PlannedAction) -> int | None:
        """Return what Stripe holds for an action's target now; None when it holds nothing."""

    def request(self, action: PlannedAction, revision: int) -> Request:
        """Return the call that does an action."""

    def write(self, request: Request, idempotency_key: str) -> Written:
        """Make a call."""

    def taken(self, connection: sa.Connection, plan: Plan, action: PlannedAction, intent: Intent, by: str) -> None:
        """Store what Stripe took, in the transaction of the result."""

    def confirmed(self, connection: sa.Connection, actions: Sequence[PlannedAction]) -> None:
        """Store what was read back."""

    def lags(self, action: PlannedAction) -> bool:
        """Tell whether Stripe may show an effect only later."""

    @property
    def calls_count(self) -> int:
        """Calls so far."""


Executors = dict[str, Callable[[Desk, Gateway, Clock], Executor]]


def run_plan(
    desk: Desk,
    gateway: Gateway,
    plan_id: str,
    executors: Executors,
    *,
    clock: Clock,
    sleep: Callable[[float], None] = time.sleep,
    should_stop: Callable[[], bool] = lambda: False,
) -> Plan:
    """Carry out a plan that was handed over, from where an earlier run of it stopped.

    Args:
        desk: the open desk.
        gateway: the way to Stripe.
        plan_id: a plan; one that is not running is left as it is.
        executors: by action.
        clock: says now.
        sleep: how to wait before a call is repeated.
        should_stop: asked before each tenant; a run that is stopped stays running, for the next one to go on with.

    Returns:
        The plan as it is then.

    Raises:
        ConflictError: another process is at work in the plan's lane.
        StoreError: Postgres was lost; the next run goes on.
    """
    with desk.database.connect() as connection:
        plan = stored.read(connection, plan_id)
    with alone(desk.database, f"apply:{plan.lane}"):
        with desk.database.connect() as connection:
            plan = stored.read(connection, plan_id)
        if plan.state != "running":
            return plan
        run = _Run(desk, plan, executors[plan.action](desk, gateway, clock), clock, sleep, should_stop)
        run.carry_out()
    with desk.database.connect() as connection:
        return stored.read(connection, plan_id)


class _Run:
    def __init__(
        self,
        desk: Desk,
        plan: Plan,
        executor: Executor,
        clock: Clock,
        sleep: Callable[[float], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.desk, self.database, self.plan, self.executor = desk, desk.database, plan, executor
        self.clock, self.sleep, self.should_stop = clock, sleep, should_stop
        self.by = plan.applied_by or plan.requested_by
        self.stopped: str | None = None

    def carry_out(self) -> None:
        """Do what is not done, read it back, and say how it ended."""
        pending = [a for a in self.plan.actions if a.state != "done"]
        try:
            authorize(self.desk, SYSTEM if self.by == SYSTEM.email else Actor(self.by, "", ()), self._permission)
            has_begun = any(a.state != "planned" for a in self.plan.actions) or self._has_intents()
            stale = None if has_begun else self.executor.stale(self.plan)
        except (ForbiddenError, GatewayError) as error:
            self._finish(str(error))
            return
        if stale is not None:
            self._finish(stale)
            return
        groups = [list(group) for _, group in groupby(pending, key=lambda a: a.tenant_id)]
        with ThreadPoolExecutor(TENANTS_AT_ONCE) as pool:
            for _ in pool.map(self._tenant, groups):
                pass
            if self.should_stop():
                return
            self._read_back(pool)
        self._finish(self.stopped)

    @property
    def _permission(self) -> str:
        return PERMISSIONS[self.plan.action]

    def _has_intents(self) -> bool:
        with self.database.connect() as connection:
            query = sa.select(sa.literal(1)).where(intent_rows.c.plan_id == self.plan.plan_id).limit(1)
            return connection.scalar(query) is not None

    def _tenant(self, actions: Sequence[PlannedAction]) -> None:
        for action in actions:
            if self.stopped is not None or self.should_stop():
                return
            try:
                self._perform(action)
            except WritesStoppedError as error:
                self.stopped = str(error)
            except ConflictError as error:
                self._say(action, "failed", str(error))

    # --- one action --------------------------------------------------------------------------------------------------

    def _perform(self, action: PlannedAction) -> None:
        pending = intents.open_on(self.database, action.target)
        try:
            if pending is not None and (pending.plan_id, pending.key) != (self.plan.plan_id, action.key):
                self._settle(pending, action)
                pending = None
            held = self.executor.held(action)
        except GatewayError as error:
            self._say(action, "unknown" if pending else "failed", f"{error} Apply again.")
            return
        if pending is not None:
            self._go_on(action, pending, held)
            return
        last = intents.last_of(self.database, self.plan.plan_id, action.key)
        was_taken = last is not None and last.state == "done"
        if held == action.after_count:
            self._say(action, "sent" if was_taken else "done", None if was_taken else "Stripe held it already.")
        elif was_taken and last and last.ended_at and self.clock() - last.ended_at < LAG:
            self._say(action, "sent", None)
        elif (held or 0) != action.before_count:
            self._say(action, "failed", _moved(action, held))
        else:
            revision = intents.next_revision(self.database, action.target)
            self._attempt(action, revision, 1, self.executor.request(action, revision))

    def _go_on(self, action: PlannedAction, pending: Intent, held: int | None) -> None:
        """Go on with a call of an earlier run whose result nobody stored."""
        if held == action.after_count:
            self._taken(action, pending, None)
        elif (held or 0) != action.before_count:
            self._refused(action, pending, _moved(action, held))
        elif self.clock() - pending.made_at >= REPEATED_FOR:
            trouble = (
                f"The call of {pending.made_at:%Y-%m-%d %H:%M} UTC had no known result, Stripe does not hold its value,"
                " and it is too old to be repeated. Make a new plan."
            )
            self._refused(action, pending, trouble)
        elif pending.state == "intended":
            self._send(action, pending, may_be_there=True)
        else:
            self._again(action, pending)

    def _settle(self, pending: Intent, action: PlannedAction) -> None:
        """Close another plan's open call to the same target by what Stripe holds now."""
        with self.database.connect() as connection:
            theirs = stored.read(connection, pending.plan_id)
        held = self.executor.held(action)
        state = "done" if held == pending.after_count else "failed"
        trouble = None if state == "done" else f"Overtaken by {self.plan.plan_id}; Stripe did not hold its value."
        with self.database.begin() as connection:
            intents.end(connection, pending, state, by=self.by, now=self.clock(), trouble=trouble)
            if state == "done":
                their_action = next(a for a in theirs.actions if a.key == pending.key)
                self.executor.taken(connection, theirs, their_action, pending, self.by)
            stored.change_action(
                connection, theirs.plan_id, pending.key, state=state, trouble=trouble, ended_at=self.clock()
            )

    def _attempt(
        self, action: PlannedAction, revision: int, attempt: int, request: Request, *, may_be_there: bool = False
    ) -> None:
        for _ in range(REVISIONS_TRIED):
            intent = intents.begin(
                self.database,
                self.plan,
                action,
                request,
                revision=revision,
                attempt=attempt,
                by=self.by,
                now=self.clock(),
            )
            if self._send(action, intent, may_be_there=may_be_there):
                return
            # Somebody else reports under identifiers like ours: their revisions are passed over in growing steps.
            revision, attempt = revision * 2, 1
            request = self.executor.request(action, revision)
        self._say(action, "failed", "Another sender uses our identifiers for this item. Stop it, and apply again.")

    def _send(self, action: PlannedAction, intent: Intent, *, may_be_there: bool) -> bool:
        """Make the call of an intent; False when its identifier belongs to somebody else."""
        for turn in range(1, SAME_KEY_TRIES + 1):
            try:
                if turn > 1:
                    intents.check_allowed(self.database)
                written = self.executor.write(intent.request, intent.idempotency_key)
            except GatewayError as error:
                outcome = outcome_of(error)
                if outcome is Outcome.DUPLICATE and may_be_there:
                    self._taken(action, intent, None)
                elif outcome is Outcome.DUPLICATE:
                    self._close(intent, str(error))
                    return False
                elif outcome is Outcome.REFUSED:
                    self._refused(action, intent, str(error))
                elif outcome is Outcome.UNKNOWN:
                    self._look(action, intent, str(error))
                elif turn < SAME_KEY_TRIES:
                    may_be_there = may_be_there or not is_without_effect(error)
                    self.sleep(backoff_seconds(turn))
                    continue
                elif is_without_effect(error) and not may_be_there:
                    self._refused(action, intent, f"{error} Apply again later.")
                else:
                    self._say(action, "unknown", f"{error} Applying again repeats the same call.")
                return True
            if written.is_replayed and not may_be_there:
                # The key was used before, but not by this database: whether it had this effect is to be seen.
                self._look(action, intent, "Stripe had seen the call's key before.")
            else:
                self._taken(action, intent, written.request_id)
            return True
        return True

    def _look(self, action: PlannedAction, intent: Intent, trouble: str) -> None:
        """After an answer that says nothing: look at what Stripe holds before anything new."""
        with self.database.begin() as connection:
            intents.end(connection, intent, "unknown", by=self.by, now=self.clock(), trouble=trouble)
            self._store(connection, action, "unknown", f"{trouble} Applying again reads it back.")
        with suppress(GatewayError):
            if self.executor.held(action) == action.after_count:
                self._taken(action, intent, None)
            elif intent.attempt < ATTEMPTS:
                self._again(action, intent)

    def _again(self, action: PlannedAction, intent: Intent) -> None:
        """Make a new attempt at the same value: same identifier, new key."""
        self._close(intent, "No good answer came, and Stripe did not hold its value when it was read back.")
        self._attempt(action, intent.revision, intent.attempt + 1, intent.request, may_be_there=True)

    # --- results -----------------------------------------------------------------------------------------------------

    def _taken(self, action: PlannedAction, intent: Intent, request_id: str | None) -> None:
        with self.database.begin() as connection:
            intents.end(connection, intent, "done", by=self.by, now=self.clock(), request_id=request_id)
            self.executor.taken(connection, self.plan, action, intent, self.by)
            self._store(connection, action, "sent", None)

    def _refused(self, action: PlannedAction, intent: Intent, trouble: str) -> None:
        with self.database.begin() as connection:
            intents.end(connection, intent, "failed", by=self.by, now=self.clock(), trouble=trouble)
            self._store(connection, action, "failed", trouble)

    def _close(self, intent: Intent, trouble: str) -> None:
        with self.database.begin() as connection:
            intents.end(connection, intent, "failed", by=self.by, now=self.clock(), trouble=trouble)

    def _say(self, action: PlannedAction, state: str, trouble: str | None) -> None:
        with self.database.begin() as connection:
            self._store(connection, action, state, trouble)

    def _store(self, connection: sa.Connection, action: PlannedAction, state: str, trouble: str | None) -> None:
        ended_at = self.clock() if state in ("done", "failed") else None
        stored.change_action(connection, self.plan.plan_id, action.key, state=state, trouble=trouble, ended_at=ended_at)

    # --- reading back ------------------------------------------------------------------------------------------------

    def _read_back(self, pool: ThreadPoolExecutor) -> None:
        """Compare what was taken with what Stripe holds; only what is equal is done."""
        with self.database.connect() as connection:
            waiting = [a for a in stored.read(connection, self.plan.plan_id).actions if a.state == "sent"]
        for seconds in POLLS_SECONDS:
            if not waiting:
                return
            if seconds:
                self.sleep(seconds)
            held = dict(zip((a.key for a in waiting), pool.map(self._held, waiting), strict=True))
            done = [a for a in waiting if held[a.key] == a.after_count]
            with self.database.begin() as connection:
                self.executor.confirmed(connection, done)
                for action in done:
                    self._store(connection, action, "done", None)
            waiting = [a for a in waiting if held[a.key] != a.after_count]
        for action in waiting:
            if self.executor.lags(action):
                self._say(action, "unknown", "Stripe took it, but its meter does not show it yet. Apply again later.")
            else:
                self._say(action, "failed", "Stripe took it, but holds another value now. Make a new plan.")

    def _held(self, action: PlannedAction) -> int | None:
        try:
            return self.executor.held(action)
        except GatewayError:
            return None

    def _finish(self, trouble: str | None) -> None:
        with self.database.begin() as connection:
            now = stored.read(connection, self.plan.plan_id)
            counts = now.counts
            done = counts["done"] == len(now.actions)
            unknown = counts["unknown"] + counts["sent"]
            state = "done" if done else "unknown" if unknown else "partly_done" if counts["done"] else "failed"
            if trouble is None and not done:
                first = next(a for a in now.actions if a.state != "done")
                trouble = f"{len(now.actions) - counts['done']} not done; the first: {first.trouble}"
            calls = (now.calls_count or 0) + self.executor.calls_count
            stored.change(
                connection, now.plan_id, state=state, trouble=trouble, ended_at=sa.func.now(), calls_count=calls
            )
            stored.note(
                connection,
                self.by,
                f"{self.plan.action}.ended",
                now.plan_id,
                reason=trouble,
                after={"state": state, **counts},
            )


def _moved(action: PlannedAction, held: int | None) -> str:
    found = "nothing" if held is None else held
    return f"Stripe holds {found} now and not {action.before_count} as when the plan was made. Make a new plan."
