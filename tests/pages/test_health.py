"""When the app says that it is ready, and what it says when it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pages import _health
from tests.world import World

Enter = Callable[[World], None]


def test_ready_when_the_first_page_can_show_figures(enter: Enter, company_world: World) -> None:
    """Postgres answers, a warehouse is published, its first report runs."""
    enter(company_world)
    state = _health.check()
    assert state.is_ready
    assert state.as_json()["mode"] == "demo"
    assert "reason" not in state.as_json()


def test_ready_without_any_tenant(enter: Enter, empty_world: World) -> None:
    """Nothing to show is not the same as not being able to show."""
    enter(empty_world)
    assert _health.check().is_ready


def test_not_ready_without_a_warehouse_and_the_reason_names_the_command(
    enter: Enter, company_world: World, tmp_path: Path
) -> None:
    """Nothing has ever been published under this home."""
    enter({**company_world, "BILLING_HOME": str(tmp_path)})
    state = _health.check()
    assert not state.is_ready
    assert "billing refresh" in (state.reason or "")


def test_not_ready_without_postgres_and_the_reason_keeps_the_password(enter: Enter, company_world: World) -> None:
    """A port where nobody listens; the sentence does not carry the secret."""
    enter({**company_world, "DATABASE_URL": "postgresql://someone:hunter2@127.0.0.1:9/none"})
    state = _health.check()
    assert not state.is_ready
    assert "hunter2" not in (state.reason or "")


def test_not_ready_with_a_broken_setting_and_the_reason_names_it(enter: Enter, company_world: World) -> None:
    """A zone that does not exist."""
    enter({**company_world, "BILLING_REPORTING_TIMEZONE": "Moon/Base"})
    assert "BILLING_REPORTING_TIMEZONE" in (_health.check().reason or "")
