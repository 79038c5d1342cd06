"""Queueing a job in the caller's own transaction: either the state changes and the job waits, or neither.

Tasks are named, never imported. The tables are Procrastinate's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

# A worker that has not shown itself for so long does not count (it says so every three seconds).
SILENT_SECONDS = 15

_DEFER = sa.text(
    "select (procrastinate_defer_jobs_v1(array[row('default', :task, 0, :lock, :queueing_lock, cast(:args as jsonb),"
    " null)::procrastinate_job_to_defer_v1]))[1]"
)
_IS_ALIVE = sa.text("select exists (select from procrastinate_jobs where id = :id and status in ('todo', 'doing'))")
_WAITING = sa.text("select id from procrastinate_jobs where queueing_lock = :queueing_lock and status = 'todo'")
_HAS_WORKER = sa.text(
    "select exists (select from procrastinate_workers where last_heartbeat > now() - make_interval(secs => :seconds))"
)


def defer(connection: sa.Connection, task: str, args: Mapping[str, Any], *, lock: str, queueing_lock: str) -> int:
    """Queue a job; it becomes visible to workers when the transaction commits.

    Args:
        connection: in a transaction.
        task: the task's name.
        args: JSON-safe.
        lock: jobs with the same one run one after the other.
        queueing_lock: only one job with it may wait.

    Returns:
        The job's id; that of the one with this queueing lock that waits already, when there is one.

    Raises:
        sqlalchemy.exc.IntegrityError: another transaction has just queued such a job.
    """
    waiting = connection.scalar(_WAITING, {"queueing_lock": queueing_lock})
    if waiting is not None:
        return int(waiting)
    given = {"task": task, "lock": lock, "queueing_lock": queueing_lock, "args": json.dumps(dict(args))}
    return int(connection.execute(_DEFER, given).scalar_one())


def is_alive(connection: sa.Connection, job_id: int | None) -> bool:
    """Tell whether a job waits or runs; that of a worker that died runs until another worker takes it up."""
    return job_id is not None and bool(connection.scalar(_IS_ALIVE, {"id": job_id}))


def has_worker(connection: sa.Connection) -> bool:
    """Tell whether a worker has shown itself lately."""
    return bool(connection.scalar(_HAS_WORKER, {"seconds": SILENT_SECONDS}))
