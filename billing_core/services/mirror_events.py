"""The mirror by events: what was touched is fetched again, so the order of events does not matter.

Each page of events is one transaction: the objects as they are now, and the events in the inbox. The cursor is an
*anchor*, an event that lies at least `OVERLAP` behind the newest one read: events are listed after it and those
already in the inbox are passed over. So an event that becomes visible behind a newer one, or within the same second,
is still found. Events that failed, and those a webhook left in the inbox as received, are taken up with every run,
the failed ones up to `MAX_ATTEMPTS` times.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from billing_core.gateway import MissingError, UnknownShapeError
from billing_core.gateway.invoice_objects import CreditNote, Invoice
from billing_core.gateway.money_objects import Charge, Dispute, Payout, Refund
from billing_core.gateway.objects import Event
from billing_core.gateway.shapes import Raw, link, part
from billing_core.services import mirror_versions
from billing_core.services.mirror_rows import Run
from billing_core.services.mirror_write import ORDER, prepare, write
from billing_core.store import tables
from billing_core.store.writes import upsert

RESOURCE = "events"
OVERLAP = timedelta(seconds=60)
# Stripe keeps events for 30 days.
KEPT = timedelta(days=29)
MAX_ATTEMPTS = 10
PENDING = "pending_balance"
PENDING_AGAIN = timedelta(hours=1)
_e = tables.stripe_events.c
# Events of an invoice after which its customer may have another currency, number sequence, balance or standing,
# of which there need not be an event.
_MOVES_CUSTOMER = frozenset(
    f"invoice.{word}"
    for word in ("finalized", "paid", "payment_failed", "overdue", "voided", "marked_uncollectible", "overpaid")
)
_MIRRORED = frozenset(ORDER) - {"invoice_payment", "customer_balance_transaction", "balance_transaction"}

Target = tuple[str, str]


class GapError(MissingError):
    """Stripe no longer has the events after the cursor: only a full mirror helps."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading goes on: after `anchor`; `candidate` becomes the anchor once it was seen `OVERLAP` ago."""

    anchor: str | None
    candidate: str | None
    candidate_seen_at: datetime

    def seen(self, newest: str | None, now: datetime) -> Position:
        """Return the position after a run whose newest event is given."""
        if self.candidate is None or now - self.candidate_seen_at >= OVERLAP:
            newest = newest or self.candidate
            moved = self if self.candidate is None else Position(self.candidate, None, now)
            return moved if newest == moved.anchor else Position(moved.anchor, newest, now)
        return self


def start_after(connection: sa.Connection, event_id: str | None, now: datetime) -> None:
    """Set the cursor: events after this one are to be read."""
    _save(connection, Position(event_id, None, now), now)


def anchor(run: Run) -> str | None:
    """Return the event after which reading goes on, None for the very first one."""
    with run.database.connect() as connection:
        return _read(connection)[0].anchor


def mirror_events(run: Run) -> None:
    """Process what is in the inbox and what Stripe has after the cursor.

    Raises:
        GapError: the cursor's event is too old.
        GatewayError: Stripe cannot be asked; pages done so far are kept.
    """
    with run.database.connect() as connection:
        position, last_run_at = _read(connection)
    if run.now - last_run_at > KEPT:
        raise GapError("Stripe no longer has the events since the last mirror.")
    _process(run, _waiting(run))
    newest = None
    try:
        for page in run.gateway.events_since(position.anchor):
            events: Sequence[Event] = page.objects
            newest = page.cursor or newest
            _process(run, _unknown(run, events))
            run.progress(RESOURCE, run.events_count)
    except MissingError as error:
        raise GapError("Stripe no longer has the events since the last mirror.") from error
    with run.database.begin() as connection:
        _save(connection, position.seen(newest, run.now), run.now)
    _settle_balance(run)


def _settle_balance(run: Run) -> None:
    """Read pending movements of the balance again once they are due, since nothing tells that they became available.

    Those that are due since the last look are looked at now, those that stayed pending again every `PENDING_AGAIN`.
    """
    b, c = tables.balance_transactions.c, tables.mirror_cursors.c
    with run.database.connect() as connection:
        due_at = connection.execute(
            sa.select(sa.func.max(b.available_at)).where(b.status == "pending", b.available_at <= run.now)
        ).scalar_one()
        looked_at = connection.execute(sa.select(c.completed_at).where(c.resource == PENDING)).scalar_one_or_none()
    if due_at is None or (looked_at is not None and due_at <= looked_at and run.now - looked_at < PENDING_AGAIN):
        return
    found = _ask(run, PENDING, "")
    with run.database.begin() as connection:
        write(run, connection, "balance_transaction", found)
        upsert(
            connection,
            tables.mirror_cursors,
            [{"resource": PENDING, "state": "complete", "rows_count": len(found), "completed_at": run.now}],
        )


def keep(
    run: Run,
    connection: sa.Connection,
    events: Iterable[tuple[Event, datetime]],
    *,
    state: str,
    error: str | None = None,
) -> None:
    """Put events that are not there yet into the inbox.

    Args:
        run: the run.
        connection: in a transaction.
        events: with the instant at which each was received.
        state: of all of them.
        error: why they failed.
    """
    rows = [_inbox_row(run, event, at, state, error, 1) for event, at in events]
    ids = [row["event_id"] for row in rows]
    known = set(connection.execute(sa.select(_e.event_id).where(_e.event_id.in_(ids))).scalars())
    upsert(connection, tables.stripe_events, [row for row in rows if row["event_id"] not in known])


def targets(event: Event) -> list[Target]:
    """Return what an event is about and has to be fetched again; nothing for what is not mirrored."""
    about: Raw = part(event.raw, "data", "object") or {}
    found: list[Target] = []

    def add(kind: str, object_id: str | None) -> None:
        if object_id:
            found.append((kind, object_id))

    if event.object_type in _MIRRORED:
        add(event.object_type or "", event.object_id)
    match event.object_type:
        case "customer":
            add("customer_balance_transaction", event.object_id)
        case "invoice_payment" | "invoiceitem":
            add("invoice", link(about, "invoice"))
        case "invoice" if event.type in _MOVES_CUSTOMER:
            add("customer", event.customer_id)
        case "credit_note":
            add("invoice", link(about, "invoice"))
            add("customer_balance_transaction", event.customer_id)
        case "refund" | "dispute":
            add("charge", link(about, "charge"))
        case "discount":
            add("subscription", link(about, "subscription"))
            add("customer", None if part(about, "subscription") else event.customer_id)
        case "balance":
            add(PENDING, "now")
        case _:
            pass
    return found


def write_contents(run: Run, connection: sa.Connection, payout_id: str, contents: Sequence[Any]) -> None:
    """Write the balance transactions of a payout and that it took them (its own movement is no part of it)."""
    write(run, connection, "balance_transaction", contents)
    b = tables.balance_transactions.c
    ids = [t.balance_transaction_id for t in contents if t.source_id != payout_id]
    connection.execute(
        sa.update(tables.balance_transactions)
        .where(b.balance_transaction_id.in_(ids), b.payout_id.is_distinct_from(payout_id))
        .values(payout_id=payout_id)
    )


# --- one batch of events -------------------------------------------------------------------------------------------


def _process(run: Run, batch: Sequence[tuple[Event, int]]) -> None:
    """Fetch what the events touched, then write it and the events in one transaction."""
    if not batch:
        return
    run.load()
    wanted: dict[Target, None] = {t: None for event, _ in batch for t in targets(event)}
    errors: dict[Target, str] = {}
    fetched = _fetch(run, wanted, errors)
    contents = {
        payout.payout_id: list(run.gateway.objects("balance_transaction", payout=payout.payout_id))
        for payout in fetched.get("payout", ())
        if isinstance(payout, Payout) and payout.is_automatic
    }
    for kind, objects in fetched.items():
        prepare(run, kind, objects)
    with run.database.begin() as connection:
        for kind in ORDER:
            write(run, connection, kind, fetched.get(kind, ()))
        for payout_id, found in contents.items():
            write_contents(run, connection, payout_id, found)
        upsert(connection, tables.stripe_events, [_outcome(run, i, *entry, errors) for i, entry in enumerate(batch)])
    run.events_count += len(batch)
    run.failed_count += sum(any(t in errors for t in targets(event)) for event, _ in batch)
    run.findings += errors.values()
    touched = {object_id for kind, object_id in wanted if kind == "subscription"}
    if "customer" in {kind for kind, _ in wanted}:
        # A discount of the customer counts for all its subscriptions.
        touched |= _subscriptions_of(run, [object_id for kind, object_id in wanted if kind == "customer"])
    mirror_versions.rebuild(run, sorted(touched))


def _fetch(run: Run, wanted: Iterable[Target], errors: dict[Target, str]) -> dict[str, list[Any]]:
    fetched: dict[str, list[Any]] = defaultdict(list)
    open_targets, done = list(wanted), set[Target]()
    while open_targets:
        target = open_targets.pop(0)
        if target in done:
            continue
        done.add(target)
        kind, object_id = target
        try:
            found = _ask(run, kind, object_id)
        except UnknownShapeError as error:
            errors[target] = str(error)
            continue
        for one in found:
            fetched["balance_transaction" if kind == PENDING else kind].append(one)
            open_targets += _consequences(run, one)
    return fetched


def _ask(run: Run, kind: str, object_id: str) -> list[Any]:
    if kind == "customer_balance_transaction":
        try:
            return list(run.gateway.objects(kind, parent=object_id))
        except MissingError:
            return []
    if kind == PENDING:
        b = tables.balance_transactions.c
        with run.database.connect() as connection:
            oldest = connection.execute(sa.select(sa.func.min(b.created_at)).where(b.status == "pending")).scalar_one()
        if oldest is None:
            return []
        return list(run.gateway.objects("balance_transaction", created={"gte": int(oldest.timestamp())}))
    return [run.gateway.retrieve(kind, object_id)]


def _consequences(run: Run, obj: Any) -> list[Target]:
    """Return what has to come with an object.

    Movements of the balance, which have no events, and a customer that is new to us.
    """
    ids: list[str | None] = []
    match obj:
        case Charge() | Refund():
            ids = [obj.balance_transaction_id, link(obj.raw, "failure_balance_transaction")]
        case Payout():
            ids = [obj.balance_transaction_id, link(obj.raw, "failure_balance_transaction")]
        case Dispute():
            ids = [link(t, "id") for t in part(obj.raw, "balance_transactions") or ()]
        case _:
            pass
    more: list[Target] = [("balance_transaction", i) for i in ids if i]
    customer_id = getattr(obj, "customer_id", None)
    if customer_id and customer_id not in run.tenants:
        more.append(("customer", customer_id))
    if isinstance(obj, CreditNote | Invoice) and customer_id and _moves_balance(obj):
        more.append(("customer_balance_transaction", customer_id))
    return more


def _moves_balance(obj: CreditNote | Invoice) -> bool:
    if isinstance(obj, Invoice):
        return bool(obj.starting_balance_minor or obj.ending_balance_minor)
    return link(obj.raw, "customer_balance_transaction") is not None


def _subscriptions_of(run: Run, customers: Sequence[str]) -> set[str]:
    c = tables.subscriptions.c
    query = sa.select(c.subscription_id).where(c.customer_id.in_(customers), c.source == "stripe")
    with run.database.connect() as connection:
        return set(connection.execute(query).scalars())


# --- the inbox -----------------------------------------------------------------------------------------------------


def _waiting(run: Run) -> list[tuple[Event, int]]:
    """Return events that the inbox holds and nobody has processed, with the number of tries so far."""
    query = (
        sa.select(_e.raw, _e.attempts_count)
        .where(_e.state.in_(("received", "failed")), sa.func.coalesce(_e.attempts_count, 0) < MAX_ATTEMPTS)
        .where(_e.raw.is_not(None))
        .order_by(_e.created_at, _e.received_at)
        .limit(200)
    )
    with run.database.connect() as connection:
        return [(Event.from_raw(row.raw), row.attempts_count or 0) for row in connection.execute(query)]


def _unknown(run: Run, events: Sequence[Event]) -> list[tuple[Event, int]]:
    query = sa.select(_e.event_id).where(_e.event_id.in_([event.event_id for event in events]))
    with run.database.connect() as connection:
        known = set(connection.execute(query).scalars())
    return [(event, 0) for event in events if event.event_id not in known]


def _outcome(run: Run, index: int, event: Event, attempts: int, errors: dict[Target, str]) -> dict[str, Any]:
    about = targets(event)
    error = next((errors[t] for t in about if t in errors), None)
    state = "failed" if error else "processed" if about else "ignored"
    return _inbox_row(
        run, event, run.now + timedelta(microseconds=index + run.events_count), state, error, attempts + 1
    )


def _inbox_row(
    run: Run, event: Event, received_at: datetime, state: str, error: str | None, attempts: int
) -> dict[str, Any]:
    return run.row(
        tables.stripe_events,
        event,
        tenant_id=run.tenant_of(event.customer_id),
        received_at=received_at,
        state=state,
        processed_at=None if state == "failed" else run.now,
        error=error,
        attempts_count=attempts,
        raw=dict(event.raw),
    )


# --- the cursor ----------------------------------------------------------------------------------------------------


def _save(connection: sa.Connection, position: Position, now: datetime) -> None:
    cursor = json.dumps(
        {"anchor": position.anchor, "candidate": position.candidate, "seen_at": position.candidate_seen_at.isoformat()}
    )
    row = {"resource": RESOURCE, "state": "complete", "cursor": cursor, "completed_at": now}
    upsert(connection, tables.mirror_cursors, [row])


def _read(connection: sa.Connection) -> tuple[Position, datetime]:
    """Return the position and the instant of the run that left it."""
    c = tables.mirror_cursors.c
    row = connection.execute(sa.select(c.cursor, c.completed_at).where(c.resource == RESOURCE)).one()
    read = json.loads(row.cursor)
    return Position(read["anchor"], read["candidate"], datetime.fromisoformat(read["seen_at"])), row.completed_at
