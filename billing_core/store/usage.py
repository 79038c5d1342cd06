"""Usage events in bulk: staged by COPY in a table of the session, then merged into events and daily aggregates by
statements.

All of it happens in the caller's READ COMMITTED transaction. Rows are inserted in the order of their keys, and
aggregates in the order of theirs, so that writers queue up instead of blocking each other in a circle. An aggregate
row is locked by the statement that changes it and holds the lock to the end of the transaction, so no event is missed
or counted twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import sqlalchemy as sa

from billing_core.periods import end_of_day, local_date, start_of_day
from billing_core.rules.usage import UsageEvent, fingerprint

# Made once per session and emptied by every commit, so that a small batch leaves no trace in the catalogue.
STAGE = """
create temporary table if not exists usage_stage (
    line integer not null,
    tenant_id text not null,
    metric text not null,
    quantity numeric(20, 6) not null,
    at timestamptz not null,
    day date not null,
    idempotency_key text not null,
    fingerprint text not null,
    metadata jsonb
) on commit delete rows
"""
COPY = """
copy pg_temp.usage_stage (line, tenant_id, metric, quantity, at, day, idempotency_key, fingerprint, metadata) from stdin
"""
REPEATED = """
select tenant_id, idempotency_key, (array_agg(line order by line))[1:2] as lines, count(*) over () as total
from pg_temp.usage_stage
group by tenant_id, idempotency_key
having count(*) > 1
order by lines
limit :limit
"""
UNKNOWN_TENANTS = """
select distinct staged.tenant_id
from pg_temp.usage_stage as staged
where not exists (select from billing.source_tenants as known where known.tenant_id = staged.tenant_id)
order by 1
limit :limit
"""
REGISTER_METRICS = """
insert into billing.metrics (metric)
select distinct metric from pg_temp.usage_stage order by metric
on conflict (metric) do nothing
"""
# For sum, max and count the day's aggregate moves by what is new; last and unique are computed again afterwards.
MERGE = """
with fresh as (
    insert into billing.usage_events (tenant_id, metric, quantity, at, idempotency_key, fingerprint, metadata)
    select tenant_id, metric, quantity, at, idempotency_key, fingerprint, metadata
    from pg_temp.usage_stage
    order by tenant_id, idempotency_key
    on conflict (tenant_id, idempotency_key) do nothing
    returning tenant_id, idempotency_key
),

touched as (
    select
        tenant_id,
        metric,
        day,
        aggregation,
        case aggregation when 'count' then count(*) when 'max' then max(quantity) else sum(quantity) end as quantity,
        count(*) as events_count
    from fresh
    join pg_temp.usage_stage using (tenant_id, idempotency_key)
    join billing.metrics using (metric)
    group by tenant_id, metric, day, aggregation
),

kept as (
    insert into billing.usage_aggregates as stored (tenant_id, metric, day, quantity, events_count)
    select tenant_id, metric, day, quantity, events_count
    from touched
    order by tenant_id, metric, day
    on conflict (tenant_id, metric, day) do update set
        quantity = case (select aggregation from billing.metrics where metrics.metric = stored.metric)
            when 'max' then greatest(stored.quantity, excluded.quantity)
            else stored.quantity + excluded.quantity
        end,
        events_count = stored.events_count + excluded.events_count
)

select
    (select count(*) from fresh) as fresh_count,
    array(select distinct day from touched where aggregation in ('last', 'unique')) as days_to_compute
"""
COMPUTE_AGAIN = """
with days as (
    select * from unnest(cast(:days as date[]), cast(:starts as timestamptz[]), cast(:ends as timestamptz[])) as d
    (day, starts, ends)
),

touched as (
    select distinct tenant_id, metric, day, aggregation
    from pg_temp.usage_stage
    join billing.metrics using (metric)
    where aggregation in ('last', 'unique')
),

computed as (
    select
        touched.tenant_id,
        touched.metric,
        touched.day,
        case aggregation
            when 'unique' then count(distinct events.quantity)
            else (array_agg(events.quantity order by events.at desc, events.usage_event_id desc))[1]
        end as quantity
    from touched
    join days on days.day = touched.day
    join billing.usage_events as events
        on events.tenant_id = touched.tenant_id
        and events.metric = touched.metric
        and events.at >= days.starts
        and events.at < days.ends
    group by touched.tenant_id, touched.metric, touched.day, aggregation
)

update billing.usage_aggregates as stored
set quantity = computed.quantity
from computed
where (stored.tenant_id, stored.metric, stored.day) = (computed.tenant_id, computed.metric, computed.day)
"""
CONFLICTS = """
select staged.line, staged.tenant_id, staged.idempotency_key, count(*) over () as total
from pg_temp.usage_stage as staged
join billing.usage_events as stored using (tenant_id, idempotency_key)
where stored.fingerprint <> staged.fingerprint
order by staged.line
limit :limit
"""
LISTED = 20


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """A key that is refused: on which lines (or at which places of a batch), counted from 1."""

    tenant_id: str
    idempotency_key: str
    lines: tuple[int, ...]


class Stage:
    """An open COPY into the session's staging table."""

    def __init__(self, copy: psycopg.Copy, zone: ZoneInfo) -> None:
        self._copy = copy
        self._zone = zone

    def add(self, line: int, event: UsageEvent) -> None:
        """Add one event, with the line it came from."""
        self._copy.write_row(
            (
                line,
                event.tenant_id,
                event.metric,
                event.quantity,
                event.at,
                local_date(event.at, self._zone),
                event.idempotency_key,
                fingerprint(event),
                None if event.metadata is None else json.dumps(event.metadata),
            )
        )


@contextmanager
def staging(connection: sa.Connection, zone: ZoneInfo) -> Iterator[Stage]:
    """Open the session's empty staging table for adding events."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("staging needs psycopg")
    connection.execute(sa.text(STAGE))
    connection.execute(sa.text("truncate pg_temp.usage_stage"))
    with driver.cursor() as cursor, cursor.copy(COPY.encode()) as copy:
        yield Stage(copy, zone)
    connection.execute(sa.text("analyze pg_temp.usage_stage"))


def repeated_keys(connection: sa.Connection) -> tuple[list[KeyProblem], int]:
    """Return the first staged keys that occur more than once, each with its first two lines, and how many there are."""
    rows = connection.execute(sa.text(REPEATED), {"limit": LISTED}).all()
    return [KeyProblem(row.tenant_id, row.idempotency_key, tuple(row.lines)) for row in rows], _total(rows)


def unknown_tenants(connection: sa.Connection) -> list[str]:
    """Return the first staged tenants that the source of tenants does not have."""
    return list(connection.scalars(sa.text(UNKNOWN_TENANTS), {"limit": LISTED}))


def conflicting_keys(connection: sa.Connection) -> tuple[list[KeyProblem], int]:
    """Return the first staged keys whose stored event says something else, and how many; to be asked after `merge`."""
    rows = connection.execute(sa.text(CONFLICTS), {"limit": LISTED}).all()
    return [KeyProblem(row.tenant_id, row.idempotency_key, (row.line,)) for row in rows], _total(rows)


def merge(connection: sa.Connection, zone: ZoneInfo) -> int:
    """Store the staged events that are new, and bring the aggregates of their days up to date.

    Args:
        connection: the one that was staged on; keys occur once there.
        zone: the reporting zone that was staged with.

    Returns:
        How many events were new; the others have a key that is stored already.
    """
    connection.execute(sa.text(REGISTER_METRICS))
    merged = connection.execute(sa.text(MERGE)).one()
    days: list[date] = merged.days_to_compute
    if days:
        # A statement of its own: it sees what other transactions committed while we waited for the aggregates' locks.
        starts: list[datetime] = [start_of_day(day, zone) for day in days]
        ends: list[datetime] = [end_of_day(day, zone) for day in days]
        connection.execute(sa.text(COMPUTE_AGAIN), {"days": days, "starts": starts, "ends": ends})
    return int(merged.fresh_count)


def _total(rows: Sequence[Any]) -> int:
    return int(rows[0].total) if rows else 0
