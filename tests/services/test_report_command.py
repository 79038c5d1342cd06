"""`billing report`, `billing refresh` and `billing roles`, as typed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
import typer
from click.testing import Result
from typer.testing import CliRunner

from billing_core.cli import report, roles
from billing_core.errors import BillingError, ForbiddenError, InvalidInputError, NotFoundError, QueryError, StoreError
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.warehouse import versions

Run = Callable[..., Result]


@pytest.fixture
def home(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings by environment, as on a command line: the test's own database and home, demo mode."""
    for name in ("BILLING_ACTOR", "STRIPE_API_KEY", "STRIPE_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("BILLING_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def billing(home: Path) -> Run:
    """Run a command; what it raises is raised here."""
    app = typer.Typer()
    report.register(app)
    roles.register(app)

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(app, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def with_usage(database: Database, billing: Run) -> None:
    """One tenant, three days of usage, published."""
    with database.begin() as connection:
        tenant = {"tenant_id": "t1", "name": "Ålborg", "currency": "dkk", "created_on": date(2026, 1, 1)}
        connection.execute(sa.insert(tables.tenants).values(tenant | {"created_at": sa.func.now()}))
        for day in (1, 2, 3):
            values = {
                "tenant_id": "t1",
                "metric": "kWh",
                "day": date(2026, 10, day),
                "quantity": day / 2,
                "events_count": 1,
            }
            connection.execute(sa.insert(tables.usage_aggregates).values(values))
    assert "rows read, version 1" in billing("refresh").output


@pytest.mark.usefixtures("with_usage")
def test_csv_has_a_header_and_exact_rows(billing: Run) -> None:
    """From is included, to is not."""
    result = billing("report", "usage_daily", "--format", "csv", "--from", "2026-10-02", "--to", "2026-10-03")
    assert (result.exit_code, result.stdout) == (0, "tenant_id,metric,day,quantity\nt1,kWh,2026-10-02,1\n")


@pytest.mark.usefixtures("with_usage")
def test_json_table_and_a_file(billing: Run, home: Path) -> None:
    """The same rows in each form; a file is written whole."""
    rows = json.loads(billing("report", "usage_daily", "--format", "json", "--as-of", "2026-10-01").stdout)
    assert rows == [{"tenant_id": "t1", "metric": "kWh", "day": "2026-10-01", "quantity": 0.5}]
    assert "Usage per day · 3 rows" in billing("report", "usage_daily").stdout
    billing("report", "usage_daily", "--format", "csv", "--output", str(home / "out.csv"))
    assert len(list(csv.reader(io.StringIO((home / "out.csv").read_text("utf-8"))))) == 4
    billing("report", "usage_daily", "--format", "parquet", "--output", str(home / "out.parquet"))
    assert (home / "out.parquet").read_bytes()[:4] == b"PAR1"


MISTAKES: list[tuple[list[str], type[BillingError], str]] = [
    (["report", "usage_weekly"], QueryError, "There is no report 'usage_weekly'. Choose one of"),
    (["report"], InvalidInputError, "Name a report"),
    (["report", "usage_daily", "--from", "1.10.2026"], InvalidInputError, "--from is '1.10.2026'"),
    (["report", "usage_daily", "--as-of", "2026-02-29"], InvalidInputError, "--as-of is '2026-02-29'"),
    (["report", "usage_daily", "--to", "20261001"], InvalidInputError, "--to is '20261001'"),
    (
        ["report", "usage_daily", "--from", "2026-10-02", "--to", "2026-10-01"],
        InvalidInputError,
        "before it begins",
    ),
    (["report", "usage_daily", "--currency", "kr"], InvalidInputError, "'kr' is not a currency"),
    (["report", "usage_daily", "--tenant", "t9"], NotFoundError, "There is no tenant 't9'"),
    (["report", "attention", "--as-of", "2026-10-01"], QueryError, "has no --as-of"),
    (["report", "usage_daily", "--with", "invoice_id=x"], QueryError, "takes no invoice_id"),
    (["report", "invoice_lines_list", "--with", "invoice_id"], InvalidInputError, "NAME=VALUE"),
    (["report", "invoice_lines_list"], QueryError, "needs a value for invoice_id"),
    (["report", "usage_daily", "--as", "who@example.com"], ForbiddenError, "not on the staff list"),
    (["report", "usage_daily", "--output", "/nowhere/x.csv"], InvalidInputError, "cannot be written"),
]


@pytest.mark.usefixtures("with_usage")
def test_each_mistake_is_one_sentence(billing: Run) -> None:
    """It says what is wrong and what to do, and has the exit code of its kind."""
    for arguments, kind, said in MISTAKES:
        with pytest.raises(kind) as raised:
            billing(*arguments)
        assert said in str(raised.value), arguments
        assert "\n" not in str(raised.value), arguments
        assert raised.value.exit_code in (2, 3, 4, 9), arguments


@pytest.mark.usefixtures("with_usage")
def test_a_tenant_without_rows_is_no_error(billing: Run) -> None:
    """It exists, so the report is empty."""
    result = billing("report", "usage_daily", "--tenant", "t1", "--from", "2027-01-01", "--format", "csv")
    assert result.stdout == "tenant_id,metric,day,quantity\n"


def test_the_list_names_every_report_and_needs_no_data(billing: Run) -> None:
    """Without Postgres or a warehouse."""
    output = billing("report", "--list").stdout
    takes = "--from, --to, --as-of, --tenant, --currency, --known-at, --reporting-currency"
    assert f"revenue_monthly: Revenue per month\n    takes: {takes}\n" in output
    assert "takes: --with invoice_id=…" in output


def test_before_the_first_refresh_the_error_names_it(billing: Run) -> None:
    """Nothing is published yet, and the report is told to publish nothing."""
    with pytest.raises(QueryError, match="billing refresh"):
        billing("report", "usage_daily", "--as-published")


def add_usage(database: Database, day: date) -> None:
    """Another day of use of tenant t1."""
    values = {"tenant_id": "t1", "metric": "kWh", "day": day, "quantity": 7, "events_count": 1}
    with database.begin() as connection:
        connection.execute(sa.insert(tables.usage_aggregates).values(values))


@pytest.mark.usefixtures("with_usage")
def test_a_report_shows_what_came_since_the_last_refresh_unless_told_not_to(billing: Run, database: Database) -> None:
    """Nobody has to think of refreshing."""
    add_usage(database, date(2026, 10, 4))
    asked = ("report", "usage_daily", "--format", "csv", "--from", "2026-10-03")
    old, new = "t1,kWh,2026-10-03,1.5\n", "t1,kWh,2026-10-04,7\n"
    assert billing(*asked, "--as-published").stdout == f"tenant_id,metric,day,quantity\n{old}"
    assert billing(*asked).stdout == f"tenant_id,metric,day,quantity\n{old}{new}"


@pytest.mark.usefixtures("with_usage")
def test_while_another_refresh_runs_the_report_says_that_it_is_older(
    billing: Run, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some patience it takes what is published."""
    monkeypatch.setattr(report, "REFRESH_PATIENCE_SECONDS", 0.1)
    add_usage(database, date(2026, 10, 4))
    with versions.only_refresher(home / "home" / "warehouse"):
        result = billing("report", "usage_daily", "--format", "csv", "--from", "2026-10-04")
    assert result.stdout == "tenant_id,metric,day,quantity\n"
    assert result.stderr.startswith("Figures as published at 20")
    assert "Another refresh" in result.stderr


@pytest.mark.usefixtures("with_usage")
def test_without_postgres_the_demo_still_reports_what_is_published(
    billing: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody with a name is refused: what he may see is written in Postgres; so is everybody outside the demo."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone@127.0.0.1:1/nothing")
    result = billing("report", "usage_daily", "--format", "csv", "--to", "2026-10-02")
    assert result.stdout == "tenant_id,metric,day,quantity\nt1,kWh,2026-10-01,0.5\n"
    assert "Figures as published at 20" in result.stderr
    assert "port 1 refuses connections" in result.stderr
    with pytest.raises(StoreError, match="port 1 refuses connections"):
        billing("report", "usage_daily", "--as", "asta@demo.example")
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_1")
    with pytest.raises(StoreError, match="port 1 refuses connections"):
        billing("report", "usage_daily")


def test_without_postgres_and_figures_the_error_is_about_postgres(
    billing: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to fall back on."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone@127.0.0.1:1/nothing")
    with pytest.raises(StoreError, match="port 1 refuses connections"):
        billing("report", "usage_daily")


def test_roles_on_the_command_line(billing: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's admin grants; a support person may not."""
    assert (
        "anna@example.com now has: finance."
        in billing("roles", "grant", "anna@example.com", "finance", "--name", "Anna").output
    )
    people = json.loads(billing("roles", "list", "--json").output)
    assert {"email": "anna@example.com", "name": "Anna", "roles": ["finance"]} in people
    monkeypatch.setenv("BILLING_ACTOR", "anna@example.com")
    with pytest.raises(ForbiddenError):
        billing("roles", "revoke", "asta@demo.example", "admin")
    output = billing("roles", "revoke", "anna@example.com", "finance", "--as", "asta@demo.example").output
    assert "no role, and is not staff any more" in output


def test_a_connected_desk_takes_its_first_admin_and_then_only_named_actors(
    billing: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a Stripe key nobody acts by default."""
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_1")
    billing("roles", "grant", "boss@example.com", "admin")
    with pytest.raises(ForbiddenError, match="Nobody is acting"):
        billing("roles", "grant", "other@example.com", "admin")
    with pytest.raises(ForbiddenError, match="Nobody is acting"):
        billing("refresh")
    assert "version 1" in billing("refresh", "--as", "boss@example.com").output
