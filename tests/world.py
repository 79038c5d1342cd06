"""A world for the web app: a database, a published warehouse, and the environment in which the app finds both."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg

from billing_core.store.database import Database, database_at
from billing_core.warehouse.refresh import refresh
from tests import company

ZONE = ZoneInfo("Europe/Copenhagen")
World = dict[str, str]


@contextmanager
def world(server_url: str, home: Path, build: Callable[[Database], None] | None = None) -> Iterator[World]:
    """Make a world, empty or built by a function, and take its database away afterwards.

    Args:
        server_url: of the run's Postgres, with the migrated template in it.
        home: where the warehouse goes.
        build: writes the rows.
    """
    name = f"pages_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"create database {name} template billing_template")
        database = database_at(server_url.replace("/postgres?", f"/{name}?"))
        try:
            if build is not None:
                build(database)
            refresh(database.url, home / "warehouse", zone=ZONE, now=datetime.now(UTC))
            yield {"DATABASE_URL": database.url, "BILLING_HOME": str(home)}
        finally:
            database.close()
            connection.execute(f"drop database {name} with (force)")


def small_company(database: Database) -> None:
    """Twelve tenants, fourteen months up to today, two currencies."""
    company.build(database, today=datetime.now(ZONE).date())
