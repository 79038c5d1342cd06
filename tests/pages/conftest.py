"""A company that all page tests look at, and one that has nothing; both on real Postgres and a published warehouse."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from billing_core.store.database import Database, database_at
from billing_core.warehouse.refresh import refresh
from pages import _desk
from tests import company

ROOT = Path(__file__).resolve().parents[2]
UI = ROOT / "pages" / "ui.py"
ZONE = ZoneInfo("Europe/Copenhagen")


def _world(server_url: str, home: Path, build: Callable[[Database], None] | None) -> Iterator[dict[str, str]]:
    """Make a database and a warehouse, and yield the environment in which the app finds them."""
    name = f"pages_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"create database {name} template billing_template")
        database = database_at(server_url.replace("/postgres?", f"/{name}?"))
        if build is not None:
            build(database)
        refresh(database.url, home / "warehouse", zone=ZONE, now=datetime.now(UTC))
        yield {"DATABASE_URL": database.url, "BILLING_HOME": str(home)}
        database.close()
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def company_world(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Twelve tenants, fourteen months, two currencies."""
    today = datetime.now(ZONE).date()
    yield from _world(
        server_url, tmp_path_factory.mktemp("company"), lambda database: company.build(database, today=today)
    )


@pytest.fixture(scope="session")
def empty_world(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Nothing but the schema."""
    yield from _world(server_url, tmp_path_factory.mktemp("empty"), None)


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], None]]:
    """Point the app at a world; what the app keeps between runs is forgotten before and after."""

    def forget() -> None:
        _desk.desk.clear()
        _desk._report.clear()

    def into(world: dict[str, str]) -> None:
        for key in ("STRIPE_API_KEY", "BILLING_OFFLINE", "BILLING_ACTOR"):
            monkeypatch.delenv(key, raising=False)
        for key, value in world.items():
            monkeypatch.setenv(key, value)
        forget()

    yield into
    forget()


@pytest.fixture
def company_app(enter: Callable[[dict[str, str]], None], company_world: dict[str, str]) -> Callable[..., AppTest]:
    """Open a page of the company as a browser would: by name, with parameters in the link."""
    enter(company_world)
    return open_page


@pytest.fixture
def empty_app(enter: Callable[[dict[str, str]], None], empty_world: dict[str, str]) -> Callable[..., AppTest]:
    """Open a page where there is nothing."""
    enter(empty_world)
    return open_page


def open_page(page: str, locale: str = "en-GB", **params: str) -> AppTest:
    """Run the UI script and go to a page."""
    app = AppTest.from_file(str(UI), default_timeout=60)
    app.context["locale"] = locale
    app.run()
    for name, value in params.items():
        app.query_params[name] = value
    return app.switch_page(f"{page}.py").run()
