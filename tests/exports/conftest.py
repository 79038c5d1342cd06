"""A published warehouse and the command line on it, as somebody types it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
import typer
from click.testing import Result
from typer.testing import CliRunner

from billing_core.cli import report
from billing_core.store import tables
from billing_core.store.database import Database

Run = Callable[..., Result]


@pytest.fixture
def billing(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a company of one tenant with three days of usage; what it raises is raised here."""
    for name in ("BILLING_ACTOR", "STRIPE_API_KEY", "STRIPE_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("BILLING_HOME", str(tmp_path / "home"))
    with database.begin() as connection:
        for day in (1, 2, 3):
            values = {"metric": "kWh", "day": date(2026, 10, day), "quantity": day / 2, "events_count": 1}
            connection.execute(sa.insert(tables.usage_aggregates).values({"tenant_id": "=t1", **values}))
    app = typer.Typer()
    report.register(app)

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(app, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    assert "rows read" in run("refresh").output
    return run
