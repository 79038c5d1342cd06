"""The mirror: what Stripe holds, kept in Postgres.

The first time everything is read by paging (`mirror_full`), after that what events touched is fetched again
(`mirror_events`). Running it twice changes nothing; a run that was cut is continued by the next one. One runs at a
time, under an advisory lock of the session. After a gap that is longer than Stripe keeps events everything is read
again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import psycopg
import sqlalchemy as sa

from billing_core.errors import ConflictError, StoreError
from billing_core.gateway import Gateway
from billing_core.services import mirror_events, mirror_full
from billing_core.services.mirror_rows import Progress, Run
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.store.writes import UpsertCount

if TYPE_CHECKING:
    from billing_core.services.desk import Desk

LOCK = 7_141_001
LOCK_PATIENCE_MS = 1000


@dataclass(frozen=True, slots=True)
class MirrorResult:
    """What a run did.

    Attributes:
        is_full: whether everything was read.
        tables: rows inserted, updated and unchanged per table.
        deleted: rows deleted per table.
        events_count: events processed, those that failed among them.
        failed_count: events whose object could not be read; they are tried again.
        findings: sentences about what could not be mirrored.
        duration_seconds: how long it took.
    """

    is_full: bool
    tables: dict[str, UpsertCount]
    deleted: dict[str, int]
    events_count: int
    failed_count: int
    findings: tuple[str, ...]
    duration_seconds: float

    @property
    def changed_count(self) -> int:
        """Rows inserted, updated or deleted; 0 means that nothing needs to be refreshed."""
        return sum(c.inserted + c.updated for c in self.tables.values()) + sum(self.deleted.values())

    def __str__(self) -> str:
        how = "Mirrored everything" if self.is_full else f"Mirrored {self.events_count} event(s)"
        inserted = sum(c.inserted for c in self.tables.values())
        updated = sum(c.updated for c in self.tables.values())
        unchanged = sum(c.unchanged for c in self.tables.values())
        lines = [
            f"{how} in {self.duration_seconds:.1f} s: {inserted} rows new, {updated} changed,"
            f" {sum(self.deleted.values())} deleted, {unchanged} as they were."
        ]
        return "\n".join([*lines, *self.findings])


def mirror(
    desk: Desk | Database,
    gateway: Gateway,
    *,
    now: datetime,
    zone: ZoneInfo | None = None,
    full: bool = False,
    progress: Progress | None = None,
) -> MirrorResult:
    """Bring Postgres up to what Stripe holds.

    Args:
        desk: the desk, or a database.
        gateway: the way to Stripe.
        now: the instant of the run, aware; it stands in the inbox and the cursors.
        zone: the reporting zone; the desk's unless given.
        full: read everything again, whatever the cursors say.
        progress: called with a resource and how many of its rows are done.

    Raises:
        ConflictError: another mirror is running.
        GatewayError: Stripe cannot be asked; the next run goes on where this one stopped.
        StoreError: Postgres cannot be reached.
    """
    database = desk if isinstance(desk, Database) else desk.database
    if zone is None:
        if isinstance(desk, Database):
            raise ValueError("a database alone has no reporting zone")
        zone = desk.settings.zone
    started = time.monotonic()
    run = Run(database, gateway, zone, now, progress or _no_progress)
    with _alone(database):
        is_full = full or mirror_full.is_needed(run)
        if is_full:
            mirror_full.mirror_all(run)
        try:
            mirror_events.mirror_events(run)
        except mirror_events.GapError:
            if is_full:
                raise
            is_full = True
            mirror_full.mirror_all(run)
            mirror_events.mirror_events(run)
    return MirrorResult(
        is_full,
        run.counts,
        run.deleted,
        run.events_count,
        run.failed_count,
        tuple(dict.fromkeys(run.findings)),
        time.monotonic() - started,
    )


@dataclass(frozen=True, slots=True)
class MonthTotal:
    """Finalized invoices of one month and currency, void and uncollectible ones among them.

    Minor units, tax included.
    """

    month: date
    currency: str
    invoices_count: int
    total_minor: int
    open_minor: int


def totals(database: Database) -> list[MonthTotal]:
    """Return the sums of the mirrored invoices per month of finalization (reporting zone) and currency."""
    i = tables.invoices.c
    month = sa.cast(sa.func.date_trunc("month", sa.cast(i.finalized_on, sa.DateTime)), sa.Date)
    query = (
        sa.select(month, i.currency, sa.func.count(), sa.func.sum(i.total_minor), sa.func.sum(i.amount_remaining_minor))
        .where(i.source == "stripe", i.finalized_on.is_not(None))
        .group_by(month, i.currency)
        .order_by(month, i.currency)
    )
    with database.connect() as connection:
        return [MonthTotal(r[0], r[1], r[2], int(r[3]), int(r[4])) for r in connection.execute(query)]


def _no_progress(resource: str, rows_count: int) -> None:
    pass


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Hold the mirror's lock on a connection of its own.

    It ends with the connection, also when the process is killed.
    """
    try:
        connection = psycopg.connect(database.url, autocommit=True, application_name="billing-desk mirror")
    except psycopg.OperationalError as error:
        raise StoreError("Postgres cannot be reached for the mirror. See billing doctor.") from error
    with connection:
        # A moment of patience, because the lock of a run that was just killed ends when the server notices.
        connection.execute(f"set lock_timeout = {LOCK_PATIENCE_MS}")
        try:
            connection.execute("select pg_advisory_lock(%s)", (LOCK,))
        except psycopg.errors.LockNotAvailable:
            raise ConflictError(
                "A mirror is already running; this one has nothing to do. Try again when it has ended."
            ) from None
        try:
            yield
        finally:
            # A connection that was lost has no lock any more; what lost it is told by the run itself.
            with suppress(psycopg.Error):
                connection.execute("select pg_advisory_unlock(%s)", (LOCK,))
