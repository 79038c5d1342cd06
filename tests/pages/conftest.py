"""A company that all page tests look at, and one that has nothing; both on real Postgres and a published warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from billing_core.store.database import Database
from pages import _desk
from tests import company
from tests.world import ZONE, World, small_company, world

ROOT = Path(__file__).resolve().parents[2]
UI = ROOT / "pages" / "ui.py"


@pytest.fixture(scope="session")
def company_world(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Twelve tenants, fourteen months, two currencies."""
    with world(server_url, tmp_path_factory.mktemp("company"), small_company) as made:
        yield made


@pytest.fixture(scope="session")
def empty_world(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Nothing but the schema."""
    with world(server_url, tmp_path_factory.mktemp("empty")) as made:
        yield made


@pytest.fixture(scope="session")
def tiny_world(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two tenants with an invoice each, one of them subscribed, one month, one currency."""

    def build(database: Database) -> None:
        company.build(database, today=datetime.now(ZONE).date(), months=1, tenants=2, currencies=("dkk",))

    with world(server_url, tmp_path_factory.mktemp("one"), build) as made:
        yield made


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[World], None]]:
    """Point the app at a world; what the app keeps between runs is forgotten before and after."""

    def forget() -> None:
        _desk.desk.clear()
        _desk._report.clear()

    def into(world: World) -> None:
        for key in ("STRIPE_API_KEY", "BILLING_OFFLINE", "BILLING_ACTOR"):
            monkeypatch.delenv(key, raising=False)
        for key, value in world.items():
            monkeypatch.setenv(key, value)
        forget()

    yield into
    forget()


@pytest.fixture
def company_app(enter: Callable[[World], None], company_world: World) -> Callable[..., AppTest]:
    """Open a page of the company as a browser would: by name, with parameters in the link."""
    enter(company_world)
    return open_page


@pytest.fixture
def tiny_app(enter: Callable[[World], None], tiny_world: World) -> Callable[..., AppTest]:
    """Open a page where there is hardly anything."""
    enter(tiny_world)
    return open_page


@pytest.fixture
def empty_app(enter: Callable[[World], None], empty_world: World) -> Callable[..., AppTest]:
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
