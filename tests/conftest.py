"""Fixtures that every test may use: a fresh migrated database, the reporting zone and a fixed `now`.

One embedded server serves the whole run, shared by xdist's workers; each test that asks for `database` gets a
database of its own, copied from a migrated template in tens of milliseconds and dropped afterwards.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from billing_core.store import embedded
from billing_core.store.database import Database, database_at
from billing_core.store.migrate import migrate

TEMPLATE = "billing_template"
TEMPLATE_LOCK = 20261122


def _server_home(basetemp: Path, *, is_worker: bool) -> Path:
    """Return the home of the run's server: xdist gives each worker a directory inside the controller's."""
    return (basetemp.parent if is_worker else basetemp) / "server"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the run's server, in the process that outlives the workers."""
    if hasattr(session.config, "workerinput"):
        return
    factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    if factory._basetemp is not None:
        embedded.stop(_server_home(factory._basetemp, is_worker=False))


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """URI of the run's server, with the migrated template in it."""
    url = embedded.start(_server_home(tmp_path_factory.getbasetemp(), is_worker=hasattr(request.config, "workerinput")))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", (TEMPLATE_LOCK,))
        if connection.execute("select 1 from pg_database where datname = %s", (TEMPLATE,)).fetchone() is None:
            # Tests lose nothing when the machine does; the product's own server keeps fsync on.
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")
            connection.execute("drop database if exists template_in_the_making with (force)")
            connection.execute("create database template_in_the_making")
            making = database_at(url.replace("/postgres?", "/template_in_the_making?"))
            migrate(making)
            making.close()
            connection.execute(f"alter database template_in_the_making rename to {TEMPLATE}")
    return url


@pytest.fixture
def empty_database(server_url: str) -> Iterator[Database]:
    """A database with nothing in it, not even the schema."""
    yield from _scratch_database(server_url, "template1")


@pytest.fixture
def database(server_url: str) -> Iterator[Database]:
    """A migrated database of the test's own."""
    yield from _scratch_database(server_url, TEMPLATE)


def _scratch_database(server_url: str, template: str) -> Iterator[Database]:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
        scratch = database_at(server_url.replace("/postgres?", f"/{name}?"))
        yield scratch
        scratch.close()
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def zone() -> ZoneInfo:
    """The reporting time zone: Copenhagen, with days of 23 and 25 hours."""
    return ZoneInfo("Europe/Copenhagen")


@pytest.fixture
def now() -> datetime:
    """A fixed instant to call now: Sunday 22 November 2026, 12:00 UTC."""
    return datetime(2026, 11, 22, 12, tzinfo=UTC)
