"""The full mirror: every resource by paging, newest first, resumable.

The cursor of each resource moves in the transaction that writes its page, so a run that is cut goes on behind its
last page. Before the first page, the newest event is remembered: whatever changes while we page is told by the events
after it. Pages are read ahead in a thread, so that Stripe works while Postgres writes.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from billing_core.errors import GatewayError
from billing_core.gateway import MissingError
from billing_core.gateway.objects import Event
from billing_core.services import mirror_events, mirror_payments, mirror_versions
from billing_core.services.mirror_rows import Run
from billing_core.services.mirror_write import PAGED, prepare, write
from billing_core.settings import Mode
from billing_core.store import tables
from billing_core.store.writes import upsert

T = TypeVar("T")
WHOLE = "full"
_HISTORY = (*mirror_versions.TYPES, *mirror_versions.DISCOUNT_TYPES)
_LISTED_AT_ONCE = 20
_CLOCKED = ("customer", "subscription")
FORBIDDEN = 403
_CALLS_AT_ONCE = 3
_c = tables.mirror_cursors.c
# What can vanish in Stripe without a row of its own: looked for after a later pass, among the rows that it did not see.
_SWEPT: dict[str, tuple[sa.Table, sa.ColumnElement[bool]]] = {
    "product": (tables.products, tables.products.c.is_active),
    "price": (tables.prices, tables.prices.c.is_active),
    "customer": (tables.customers, ~tables.customers.c.is_deleted),
    "subscription": (
        tables.subscriptions,
        sa.and_(tables.subscriptions.c.source == "stripe", tables.subscriptions.c.ended_at.is_(None)),
    ),
    "invoice": (
        tables.invoices,
        sa.and_(tables.invoices.c.source == "stripe", tables.invoices.c.status.in_(("draft", "open"))),
    ),
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a resource stands. `state` is pending, running or complete; `completed_at` is of the last time it was."""

    resource: str
    state: str
    cursor: str | None
    rows_count: int
    started_at: datetime | None
    completed_at: datetime | None


def cursors(connection: sa.Connection) -> dict[str, Cursor]:
    """Return all cursors by resource."""
    rows = connection.execute(sa.select(tables.mirror_cursors))
    return {
        r.resource: Cursor(r.resource, r.state, r.cursor, r.rows_count or 0, r.started_at, r.completed_at) for r in rows
    }


def is_needed(run: Run) -> bool:
    """Whether there was no complete pass yet, or one was cut."""
    with run.database.connect() as connection:
        known = cursors(connection)
    return WHOLE not in known or known[WHOLE].state != "complete"


def mirror_all(run: Run) -> None:
    """Mirror everything; goes on with a pass that was cut.

    Raises:
        GatewayError: Stripe cannot be asked; what was written stays, and the next run goes on from there.
    """
    run.load()
    started_at = _begin_pass(run)
    for kind in PAGED:
        _stage(run, kind, started_at)
        if kind == "invoice":
            _strangers(run)
    mirror_payments.settle(run)
    _balances(run)
    _payout_contents(run)
    _history(run, started_at)
    with run.database.connect() as connection:
        subscriptions = tables.subscriptions.c
        query = sa.select(subscriptions.subscription_id).where(subscriptions.source == "stripe")
        ids = list(connection.execute(query.order_by(subscriptions.subscription_id)).scalars())
    for piece in _pieces(ids, 200):
        mirror_versions.rebuild(run, piece)
    with run.database.begin() as connection:
        _move(connection, WHOLE, state="complete", completed_at=run.now)


def _begin_pass(run: Run) -> datetime:
    with run.database.connect() as connection:
        known = cursors(connection)
    current = known.get(WHOLE)
    if current is not None and current.state == "running" and current.started_at is not None:  # it was cut
        is_fresh = run.now - current.started_at < mirror_events.KEPT
        if is_fresh:
            return current.started_at
    newest = run.gateway.newest_event()
    with run.database.begin() as connection:
        connection.execute(
            sa.update(tables.mirror_cursors).where(_c.resource != WHOLE).values(state="pending", cursor=None)
        )
        mirror_events.start_after(connection, newest.event_id if newest else None, run.now)
        _move(connection, WHOLE, state="running", started_at=run.now)
    return run.now


def _stage(run: Run, kind: str, started_at: datetime) -> None:
    """Page one resource to its end, from where it was cut."""
    cursor = _cursor(run, kind)
    if cursor.state == "complete":
        return
    seen: set[str] = set()
    rows_count = cursor.rows_count if cursor.cursor else 0
    try:
        for page in ahead(run.gateway.pages(kind, after=cursor.cursor)):
            prepare(run, kind, page.objects)
            rows_count += len(page.objects)
            with run.database.begin() as connection:
                write(run, connection, kind, page.objects)
                _move(
                    connection, kind, state="running", cursor=page.cursor, rows_count=rows_count, started_at=started_at
                )
            run.findings += page.unreadable
            seen |= {str(o.raw["id"]) for o in page.objects}
            run.progress(kind, rows_count)
    except MissingError:
        if cursor.cursor is None:
            raise
        # The object that the cursor names is gone: begin this resource again.
        with run.database.begin() as connection:
            _move(connection, kind, state="pending", cursor=None, rows_count=0)
        _stage(run, kind, started_at)
        return
    if kind in _CLOCKED:
        seen |= _on_test_clocks(run, kind)
    if cursor.completed_at is not None:
        _sweep(run, kind, seen)
    if kind == "invoice_payment" and cursor.cursor is None:
        run.knows_all_intents = True
    with run.database.begin() as connection:
        _move(connection, kind, state="complete", cursor=None, rows_count=rows_count, completed_at=run.now)


def _on_test_clocks(run: Run, kind: str) -> set[str]:
    """Mirror the objects on test clocks, which the plain list leaves out; return their ids. A live account has none."""
    if run.gateway.mode is Mode.LIVE:
        return set()
    seen: set[str] = set()
    try:
        clocks = [clock.test_clock_id for clock in run.gateway.objects("test_helpers.test_clock")]
    except GatewayError as error:
        if error.ids.get("status") != FORBIDDEN:
            raise
        run.findings.append("The Stripe key may not list test clocks: customers on them are not mirrored.")
        return seen
    for clock in clocks:
        for page in run.gateway.pages(kind, test_clock=clock):
            with run.database.begin() as connection:
                write(run, connection, kind, page.objects)
            run.findings += page.unreadable
            seen |= {str(o.raw["id"]) for o in page.objects}
    return seen


def _sweep(run: Run, kind: str, seen: set[str]) -> None:
    """Ask for the rows of an earlier pass that this one did not see: deleted, or listed before the pass was cut."""
    if kind not in _SWEPT:
        return
    table, could_vanish = _SWEPT[kind]
    key = next(iter(table.primary_key.columns))
    with run.database.connect() as connection:
        unseen = sorted(set(connection.execute(sa.select(key).where(could_vanish)).scalars()) - seen)
    for piece in _pieces(unseen, _LISTED_AT_ONCE):
        found = [run.gateway.retrieve(kind, object_id) for object_id in piece]
        with run.database.begin() as connection:
            write(run, connection, kind, found)


def _strangers(run: Run) -> None:
    """Ask for customers that subscriptions and invoices name and the list did not hold: those that were deleted."""
    s, i, c = tables.subscriptions.c, tables.invoices.c, tables.customers.c
    named = sa.union(
        sa.select(s.customer_id).where(s.source == "stripe"), sa.select(i.customer_id).where(i.source == "stripe")
    ).subquery()
    query = sa.select(named.c.customer_id).where(named.c.customer_id.not_in(sa.select(c.customer_id)))
    with run.database.connect() as connection:
        unknown = sorted(connection.execute(query).scalars())
    for piece in _pieces(unknown, _LISTED_AT_ONCE):
        found = [run.gateway.retrieve("customer", customer_id) for customer_id in piece]
        with run.database.begin() as connection:
            write(run, connection, "customer", found)


def _balances(run: Run) -> None:
    """Read every customer's balance transactions, which Stripe lists per customer only."""
    resource = "customer_balance_transaction"
    cursor = _cursor(run, resource)
    if cursor.state == "complete":
        return
    c = tables.customers.c
    with run.database.connect() as connection:
        query = sa.select(c.customer_id).where(~c.is_deleted, c.customer_id > (cursor.cursor or ""))
        customers = list(connection.execute(query.order_by(c.customer_id)).scalars())
    rows_count = cursor.rows_count if cursor.cursor else 0
    for piece, found in _per_owner(run, resource, customers):
        rows_count += len(found)
        with run.database.begin() as connection:
            write(run, connection, resource, found)
            _move(connection, resource, state="running", cursor=piece[-1], rows_count=rows_count)
        run.progress(resource, rows_count)
    with run.database.begin() as connection:
        _move(connection, resource, state="complete", cursor=None, rows_count=rows_count, completed_at=run.now)


def _per_owner(run: Run, kind: str, owners: Sequence[str]) -> Iterator[tuple[Sequence[str], list[Any]]]:
    def read(owner: str) -> list[Any]:
        try:
            return list(run.gateway.objects(kind, parent=owner))
        except MissingError:
            return []

    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        for piece in _pieces(owners, _LISTED_AT_ONCE):
            yield piece, [obj for found in pool.map(read, piece) for obj in found]


def _payout_contents(run: Run) -> None:
    """Learn which payout took which balance transactions; Stripe says so only in the list of each automatic payout."""
    resource = "payout_contents"
    cursor = _cursor(run, resource)
    if cursor.state == "complete":
        return
    p = tables.payouts.c
    with run.database.connect() as connection:
        query = sa.select(p.payout_id).where(p.raw["automatic"].as_boolean(), p.payout_id > (cursor.cursor or ""))
        payouts = list(connection.execute(query.order_by(p.payout_id)).scalars())

    def read(payout_id: str) -> list[Any]:
        return list(run.gateway.objects("balance_transaction", payout=payout_id))

    done = cursor.rows_count if cursor.cursor else 0
    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        for piece in _pieces(payouts, _LISTED_AT_ONCE):
            found = dict(zip(piece, pool.map(read, piece), strict=True))
            done += len(piece)
            with run.database.begin() as connection:
                for payout_id, contents in found.items():
                    mirror_events.write_contents(run, connection, payout_id, contents)
                _move(connection, resource, state="running", cursor=piece[-1], rows_count=done)
            run.progress(resource, done)
    with run.database.begin() as connection:
        _move(connection, resource, state="complete", cursor=None, rows_count=done, completed_at=run.now)


def _history(run: Run, started_at: datetime) -> None:
    """Keep the subscription and discount events that Stripe still has: they tell what subscriptions were before now."""
    resource = "subscription_history"
    cursor = _cursor(run, resource)
    if cursor.state == "complete":
        return
    rows_count = cursor.rows_count if cursor.cursor else 0
    types = list(_HISTORY)
    # Events after the remembered one are not history: they are still to be processed.
    last = cursor.cursor or _keep_last(run, started_at)
    if last is None:
        return
    try:
        for page in ahead(run.gateway.pages("event", after=last, types=types)):
            events: Sequence[Event] = page.objects
            with run.database.begin() as connection:
                # Listed newest first: the later in the list, the earlier it is said to have been received.
                mirror_events.keep(
                    run,
                    connection,
                    [(e, started_at - timedelta(microseconds=rows_count + i + 1)) for i, e in enumerate(events)],
                    state="processed",
                )
                rows_count += len(events)
                _move(connection, resource, state="running", cursor=page.cursor, rows_count=rows_count)
            run.progress(resource, rows_count)
    except MissingError:
        # The cursor's event has become older than what Stripe keeps, and so has everything behind it.
        pass
    with run.database.begin() as connection:
        _move(connection, resource, state="complete", cursor=None, rows_count=rows_count, completed_at=run.now)


def _keep_last(run: Run, started_at: datetime) -> str | None:
    """Keep the event that was the newest when the pass began; return its id, None when there was none."""
    event_id = mirror_events.anchor(run)
    event = None if event_id is None else run.gateway.retrieve("event", event_id)
    if isinstance(event, Event) and event.type in _HISTORY:
        with run.database.begin() as connection:
            mirror_events.keep(run, connection, [(event, started_at)], state="processed")
    return event_id


def ahead(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """Yield items while the next ones are made in a thread; what the maker raises is raised here."""
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=depth)
    is_over = threading.Event()

    def offer(entry: tuple[str, Any]) -> bool:
        while not is_over.is_set():
            try:
                ready.put(entry, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            for item in items:
                if not offer(("item", item)):
                    return
            offer(("end", None))
        except BaseException as error:
            # Whatever it is belongs to the reader, who is waiting for it.
            offer(("error", error))

    maker = threading.Thread(target=make, name="mirror-ahead", daemon=True)
    maker.start()
    try:
        while True:
            word, value = ready.get()
            if word == "error":
                raise value
            if word == "end":
                return
            yield value
    finally:
        is_over.set()


def _cursor(run: Run, resource: str) -> Cursor:
    with run.database.connect() as connection:
        found = cursors(connection).get(resource)
    return found or Cursor(resource, "pending", None, 0, None, None)


def _move(connection: sa.Connection, resource: str, **values: Any) -> None:
    upsert(connection, tables.mirror_cursors, [{"resource": resource, **values}])


def _pieces(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (values[i : i + size] for i in range(0, len(values), size))
