"""Fixtures that every test may use: a fresh migrated database, the reporting zone and a fixed `now`.

One embedded server serves the whole run, shared by xdist's workers; each test that asks for `database` gets a
database of its own, copied from a migrated template in tens of milliseconds and dropped afterwards.
"""

from __future__ import annotations

import os
import shutil
import tempfile
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
SERVER_HOME = "BILLING_TESTS_SERVER"


def pytest_configure(config: pytest.Config) -> None:
    """Choose the directory of the run's server, before xdist starts workers, who inherit it.

    Not below pytest's own directory: every pytest that starts closes that to others, and as root the server is one.
    """
    if not hasattr(config, "workerinput"):
        os.environ[SERVER_HOME] = tempfile.mkdtemp(prefix="billing-tests-")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the run's server, in the process that outlives the workers."""
    if not hasattr(config, "workerinput"):
        home = Path(os.environ.pop(SERVER_HOME))
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def fresh_home() -> Iterator[Path]:
    """A BILLING_HOME of the test's own, empty; its Postgres is stopped and everything removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix="billing-home-"))
    yield home
    embedded.stop(home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def server_url() -> str:
    """URI of the run's server, with the migrated template in it."""
    url = embedded.start(Path(os.environ[SERVER_HOME]))
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
