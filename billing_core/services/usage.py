"""Recording usage: a batch is taken whole or not at all, and the same events again change nothing.

An event is known by (tenant, idempotency key). The key with the same body is a duplicate and is counted; with another
body it is a conflict and the batch is refused: a correction is an event of its own, nothing recorded is ever edited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from billing_core.errors import ConflictError, InvalidInputError
from billing_core.rules.usage import UsageEvent
from billing_core.store import usage as store


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch; the two sum to its size."""

    recorded_count: int
    duplicates_count: int


def record(connection: sa.Connection, events: Sequence[UsageEvent], *, zone: ZoneInfo) -> Recorded:
    """Record events and keep the daily aggregates exact, in the caller's transaction.

    A metric is registered with aggregation `sum` when it is first used.

    Args:
        connection: in a READ COMMITTED transaction; the caller commits, and rolls back on an error.
        events: up to hundreds of thousands, in any order, early or late.
        zone: the reporting zone, which decides the day an event belongs to.

    Raises:
        InvalidInputError: a tenant is unknown, a key occurs twice in the batch, or a day's total has more than 14
        digits. ConflictError: a key was recorded before with another body; `ids["rows"]` are the places in the batch,
        from 1.
    """
    with store.staging(connection, zone) as stage:
        for place, event in enumerate(events, start=1):
            stage.add(place, event)
    return merge_staged(connection, zone=zone, where="event")


def merge_staged(connection: sa.Connection, *, zone: ZoneInfo, where: str) -> Recorded:
    """Check and store what was staged on this connection; `where` names a place in the messages (event, line)."""
    total = connection.scalar(sa.text("select count(*) from pg_temp.usage_stage")) or 0
    repeated, count = store.repeated_keys(connection)
    if repeated:
        listed = "; ".join(
            f"{where} {p.lines[1]}: idempotency_key '{p.idempotency_key}' of tenant '{p.tenant_id}' is on {where} "
            f"{p.lines[0]} already"
            for p in repeated
        )
        raise InvalidInputError(f"{count} idempotency key(s) occur more than once: {listed}. Nothing was recorded.")
    if unknown := store.unknown_tenants(connection):
        names = ", ".join(f"'{tenant}'" for tenant in unknown)
        raise InvalidInputError(f"No such tenant: {names}. Import the tenants first; nothing was recorded.")
    fresh_count = _merge(connection, zone)
    if fresh_count < total:
        _refuse_conflicts(connection, where)
    return Recorded(fresh_count, total - fresh_count)


def _merge(connection: sa.Connection, zone: ZoneInfo) -> int:
    try:
        return store.merge(connection, zone)
    except sa.exc.DataError as error:
        if getattr(error.orig, "sqlstate", None) != "22003":  # numeric value out of range
            raise
        raise InvalidInputError(
            "A tenant's usage of one metric on one day comes to more than 14 digits. Nothing was recorded."
        ) from error


def _refuse_conflicts(connection: sa.Connection, where: str) -> None:
    conflicting, count = store.conflicting_keys(connection)
    if not conflicting:
        return
    listed = "; ".join(
        f"{where} {p.lines[0]}: idempotency_key '{p.idempotency_key}' of tenant '{p.tenant_id}'" for p in conflicting
    )
    raise ConflictError(
        f"{count} event(s) have a key that was recorded before with another body: {listed}. Nothing was recorded; "
        "give a correction a key of its own.",
        rows=[p.lines[0] for p in conflicting],
        conflicts_count=count,
    )
