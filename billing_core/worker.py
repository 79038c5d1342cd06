"""The Procrastinate app and its periodic tasks: the one scheduler of the product.

Schedules are UTC. A tick that was missed while everything was down is caught up at the next start (once, however many
were missed), and jobs of a worker that died are taken up again. Mirror and refresh come every few seconds: for them the
next tick is the retry. Tasks that come rarely are retried three times, five minutes apart. Services defer tasks by name
and never import this module.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import procrastinate
from procrastinate import exceptions

from billing_core.errors import BillingError, ConflictError
from billing_core.gateway import Gateway, open_gateway
from billing_core.services import unit_sync
from billing_core.services.desk import Desk, open_desk
from billing_core.services.mirror import mirror
from billing_core.services.plans import APPLY
from billing_core.services.refresh import refresh
from billing_core.services.runs import run
from billing_core.settings import Mode, Settings

MIRROR = "billing.mirror"
REFRESH = "billing.refresh"
RESCUE = "billing.rescue_stalled_jobs"
CLEAN = "billing.remove_old_jobs"
UNIT_SYNC = "billing.unit_sync"

# A run that could not begin, because another one was at work or Postgres was away, is tried again.
RUN_RETRY = procrastinate.RetryStrategy(max_attempts=20, wait=15)
RETRY = procrastinate.RetryStrategy(max_attempts=3, wait=300)
# The longest schedule that is planned is monthly; a tick older than this is not caught up.
CATCH_UP_SECONDS = 40 * 24 * 3600
JOBS_KEPT_HOURS = 30 * 24
CONCURRENCY = 4
HEARTBEAT_SECONDS = 3.0
STALLED_SECONDS = 15.0
RESCUE_SECONDS = 10.0
STOP_SECONDS = 8.0

Result = TypeVar("Result")
logger = logging.getLogger(__name__)
app = procrastinate.App(connector=procrastinate.PsycopgConnector(), periodic_defaults={"max_delay": CATCH_UP_SECONDS})


@dataclass(slots=True)
class Workplace:
    """What the tasks of one worker share."""

    desk: Desk
    gateway: Gateway | None
    troubles: dict[str, str] = field(default_factory=dict)

    async def attempt(self, task: str, work: Callable[[], Result]) -> Result | None:
        """Do the work of a frequent task in a thread; trouble with the world is logged when it begins and when it is
        over, not at every tick.

        Returns:
            What the work returned, None when it failed.
        """
        try:
            result = await asyncio.to_thread(work)
        except BillingError as error:
            if self.troubles.get(task) != str(error):
                logger.warning("%s: %s", task, error)
            self.troubles[task] = str(error)
            return None
        if self.troubles.pop(task, None):
            logger.warning("%s works again", task)
        return result


def _workplace(context: procrastinate.JobContext) -> Workplace:
    place: Workplace = context.additional_context["workplace"]
    return place


@app.task(name=MIRROR, pass_context=True, queueing_lock=MIRROR, lock=MIRROR)
async def mirror_now(context: procrastinate.JobContext, timestamp: int | None = None) -> None:
    """Copy what changed in Stripe; a change asks for a refresh at once."""
    place = _workplace(context)
    gateway, desk = place.gateway, place.desk
    if gateway is None:
        return
    result = await place.attempt(
        MIRROR, lambda: mirror(desk, gateway, zone=desk.settings.zone, full=False, now=datetime.now(UTC))
    )
    if result and result.changed_count:
        with suppress(exceptions.AlreadyEnqueued):
            await refresh_now.defer_async()


@app.task(name=REFRESH, pass_context=True, queueing_lock=REFRESH, lock=REFRESH)
async def refresh_now(context: procrastinate.JobContext, timestamp: int | None = None) -> None:
    """Publish what changed in Postgres to the warehouse."""
    place = _workplace(context)
    await place.attempt(REFRESH, lambda: refresh(place.desk, full=False, now=datetime.now(UTC)))


@app.task(name=APPLY, pass_context=True, retry=RUN_RETRY)
async def apply_plan(context: procrastinate.JobContext, plan_id: str) -> None:
    """Carry out a plan that was handed over; a worker that is told to stop leaves the rest of it to the next one."""
    place = _workplace(context)
    if place.gateway is None:
        raise ConflictError("BILLING_OFFLINE is set, so there is no Stripe to tell.")
    stop = threading.Event()
    desk, gateway = place.desk, place.gateway
    try:
        await asyncio.to_thread(
            lambda: run(desk, gateway, plan_id, clock=lambda: datetime.now(UTC), should_stop=stop.is_set)
        )
    except asyncio.CancelledError:
        stop.set()
        raise


@app.task(name=UNIT_SYNC, pass_context=True, queueing_lock=UNIT_SYNC, lock=UNIT_SYNC, retry=RETRY)
async def sync_units(context: procrastinate.JobContext, timestamp: int) -> None:
    """Plan the night's unit sync and hand it over; what stands out waits for a person."""
    place = _workplace(context)
    desk, gateway, now = place.desk, place.gateway, datetime.now(UTC)
    if gateway is None:
        return
    tick = datetime.fromtimestamp(timestamp, UTC)
    if await asyncio.to_thread(lambda: unit_sync.is_before_the_first(desk, tick=tick, now=now)):
        logger.info("no unit sync was missed: this desk begins with the next one")
        return
    made, held = await asyncio.to_thread(lambda: unit_sync.scheduled(desk, gateway, now=now))
    waiting = f"; {len(held.actions)} wait for a person in {held.plan_id}" if held else ""
    logger.info(
        "unit sync %s: %d to change, %d left alone%s", made.plan_id, len(made.actions), len(made.skipped), waiting
    )


@app.task(name=RESCUE, pass_context=True, queueing_lock=RESCUE, lock=RESCUE)
async def rescue_stalled_jobs(context: procrastinate.JobContext, timestamp: int | None = None) -> None:
    """Give the jobs of workers that went silent to somebody else."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
        logger.warning("job %s (%s) was left by a worker that died and is taken up again", job.id, job.task_name)
        try:
            await app.job_manager.retry_job(job)
        except exceptions.UniqueViolation:
            # Another job of the same kind waits already and will do what this one did not.
            await app.job_manager.finish_job(job, status=procrastinate.jobs.Status.ABORTED, delete_job=True)
        except exceptions.ConnectorException as error:
            # Its worker was slow, not dead, and has ended it meanwhile.
            logger.warning("job %s has moved on: %s", job.id, error.__cause__)


@app.task(name=CLEAN, queueing_lock=CLEAN, retry=RETRY)
async def remove_old_jobs(timestamp: int | None = None) -> None:
    """Delete finished jobs that nobody asks about any more."""
    await app.job_manager.delete_old_jobs(
        nb_hours=JOBS_KEPT_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )


def every(seconds: float) -> str:
    """Return a cron line (with seconds) for a task that comes every so many seconds.

    Whole seconds below a minute, whole minutes up to an hour; other values are rounded to these, never to less than a
    second.
    """
    if seconds < 60:
        whole = max(1, round(seconds))
        return f"* * * * * */{whole}" if whole < 60 else "* * * * * 0"
    return f"*/{min(max(1, round(seconds / 60)), 59)} * * * * 0"


def schedules(settings: Settings) -> dict[str, str]:
    """Return the cron line of every periodic task, by task name."""
    lines = {
        MIRROR: every(settings.mirror_seconds),
        REFRESH: every(settings.refresh_seconds),
        RESCUE: every(RESCUE_SECONDS),
        CLEAN: "10 3 * * *",
        UNIT_SYNC: "0 5 * * *",
    }
    if settings.mode is Mode.OFFLINE:
        del lines[MIRROR], lines[UNIT_SYNC]
    return lines


def _register(settings: Settings) -> None:
    app.periodic_registry.periodic_tasks.clear()
    for name, cron in schedules(settings).items():
        app.periodic(cron=cron)(app.tasks[name])


async def _run(place: Workplace, **options: Any) -> None:
    connector = procrastinate.PsycopgConnector(
        conninfo=place.desk.database.jobs_url, min_size=1, max_size=CONCURRENCY + 2
    )
    with app.replace_connector(connector):
        async with app.open_async():
            await app.run_worker_async(
                additional_context={"workplace": place},
                concurrency=CONCURRENCY,
                delete_jobs="successful",
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
                shutdown_graceful_timeout=STOP_SECONDS,
                **options,
            )


def run_worker(settings: Settings, *, is_until_idle: bool = False) -> None:
    """Run jobs and schedules until SIGTERM or SIGINT.

    Args:
        settings: whose Postgres, Stripe and intervals.
        is_until_idle: end when no job is due.

    Raises:
        StoreError: Postgres cannot be reached.
        GatewayError: Stripe refuses the key.
    """
    _register(settings)
    desk = open_desk(settings)
    gateway = None if settings.mode is Mode.OFFLINE else open_gateway(settings)
    try:
        asyncio.run(_run(Workplace(desk, gateway), wait=not is_until_idle))
    finally:
        desk.database.close()
