"""The worker: schedules as settings say, missed ticks caught up, jobs of dead workers taken up again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import croniter
import procrastinate
import psycopg
import pytest

from billing_core import worker
from billing_core.services.desk import open_desk
from billing_core.settings import Settings
from billing_core.warehouse.versions import read_state


@pytest.fixture
def settings(database, tmp_path: Path, monkeypatch) -> Settings:
    """Settings of a desk without Stripe on the test's database."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    return Settings(home=tmp_path / "home", offline=True)


@pytest.fixture
def jobs(database):
    """A client that defers jobs as a service does: by name."""
    client = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=database.jobs_url))
    with client.open():
        yield client


def _rows(database, query: str):
    with psycopg.connect(database.jobs_url, autocommit=True) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize(
    ("seconds", "ticks"),
    [
        (5.0, ["08:00:05", "08:00:10", "08:00:15"]),
        (0.2, ["08:00:01", "08:00:02", "08:00:03"]),
        (30.0, ["08:00:30", "08:01:00", "08:01:30"]),
        (60.0, ["08:01:00", "08:02:00", "08:03:00"]),
        (300.0, ["08:05:00", "08:10:00", "08:15:00"]),
    ],
)
def test_interval_becomes_a_schedule(seconds: float, ticks: list[str]):
    """Seconds of a setting become a cron line that ticks as often."""
    lines = croniter.croniter(worker.every(seconds), datetime(2026, 11, 22, 8, tzinfo=UTC))
    assert [f"{lines.get_next(datetime):%H:%M:%S}" for _ in ticks] == ticks


def test_deferred_refresh_publishes_the_warehouse(settings: Settings, jobs):
    """A refresh deferred by name runs in the worker, and figures can be read afterwards."""
    jobs.configure_task(worker.REFRESH, queueing_lock=worker.REFRESH).defer()
    worker.run_worker(settings, is_until_idle=True)
    assert open_desk(settings).warehouse.snapshot().version == 1


def _work_until_gone(settings: Settings, database, job_id: int) -> None:
    """Work until a job is gone and its figures are published."""
    for _ in range(5):
        worker.run_worker(settings, is_until_idle=True)
        left = _rows(database, f"select 1 from procrastinate_jobs where id = {job_id}")
        if not left and read_state(settings.home / "warehouse"):
            return
    raise AssertionError(_rows(database, "select id, task_name, status::text from procrastinate_jobs"))


def _left_by_a_dead_worker(database) -> int:
    query = (
        "with dead as (insert into procrastinate_workers (last_heartbeat) values (now() - interval '1 hour')"
        " returning id)"
        " update procrastinate_jobs set status = 'doing', worker_id = (select id from dead) returning id"
    )
    return _rows(database, query)[0][0]


def test_job_of_a_worker_that_died_is_taken_up_again(settings: Settings, database, jobs):
    """A job whose worker stopped giving signs of life is run by the next one."""
    jobs.configure_task(worker.REFRESH, queueing_lock=worker.REFRESH, lock=worker.REFRESH).defer()
    left = _left_by_a_dead_worker(database)
    jobs.configure_task(worker.RESCUE, queueing_lock=worker.RESCUE, lock=worker.RESCUE).defer()
    _work_until_gone(settings, database, left)


def test_stalled_job_gives_way_to_the_one_that_waits(settings: Settings, database, jobs):
    """When the same job waits already, the dead worker's is dropped instead of blocking the rescue."""
    refresh = jobs.configure_task(worker.REFRESH, queueing_lock=worker.REFRESH, lock=worker.REFRESH)
    refresh.defer()
    left = _left_by_a_dead_worker(database)
    waiting = refresh.defer()
    jobs.configure_task(worker.RESCUE, queueing_lock=worker.RESCUE, lock=worker.RESCUE).defer()
    _work_until_gone(settings, database, left)
    _work_until_gone(settings, database, waiting)


def test_tick_missed_while_everything_was_down_is_caught_up():
    """A monthly tick that fell into a longer stop is still due at the next start."""
    app = worker.app
    deferrer = procrastinate.periodic.PeriodicDeferrer(registry=app.periodic_registry, **app.periodic_defaults)
    monthly = procrastinate.periodic.PeriodicTask(app.tasks[worker.CLEAN], "0 2 1 * *", "", {})
    started = datetime(2026, 11, 22, 8, tzinfo=UTC).timestamp()
    due = list(deferrer.get_timestamps(monthly, since=None, until=started))
    assert due == [int(datetime(2026, 11, 1, 2, tzinfo=UTC).timestamp())]


def test_offline_desk_has_no_mirror_schedule(settings: Settings):
    """Without Stripe nothing is mirrored or told to it, and everything else keeps its schedule."""
    assert worker.MIRROR not in worker.schedules(settings)
    assert worker.UNIT_SYNC not in worker.schedules(settings)
    assert set(worker.schedules(settings)) == {worker.REFRESH, worker.RESCUE, worker.CLEAN}


def test_trouble_is_logged_when_it_begins_and_when_it_is_over(settings: Settings, caplog):
    """A Stripe that is away for an hour gives two lines, not one for each tick."""
    import asyncio

    from billing_core.errors import GatewayError

    place = worker.Workplace(open_desk(settings), None)

    def fail():
        raise GatewayError("Stripe could not be reached.")

    for work in (fail, fail, fail, lambda: None, lambda: None):
        asyncio.run(place.attempt(worker.MIRROR, work))
    assert [record.getMessage() for record in caplog.records if record.name == "billing_core.worker"] == [
        "billing.mirror: Stripe could not be reached.",
        "billing.mirror works again",
    ]
