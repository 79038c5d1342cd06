"""Reports as known at an instant: whatever arrives later, the bytes stay."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from billing_core.cli import app
from billing_core.errors import InvalidInputError
from billing_core.services import access, reports
from billing_core.services.access import DEMO_ADMIN
from billing_core.services.desk import Desk
from billing_core.services.refresh import refresh
from billing_core.settings import Settings
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.warehouse import Warehouse
from tests import company

TODAY = date(2026, 11, 22)
NEEDED = {"invoice_id": "in_03_t_02", "tenant_id": "t_02"}
# Columns that name a row, or whose values a CHECK ties together.
FIXED = ("chg", "recorded_at", "valid_from", "valid_to", "starts_on", "ends_on", "billed_by", "state", "aggregation")


@pytest.fixture
def desk(database: Database, tmp_path: Path, now: datetime) -> Desk:
    """A desk over a company of two currencies with something in most tables, published."""
    company.build(database, today=TODAY, months=8, tenants=4)
    access.seed_demo_staff(database)
    with database.begin() as connection:
        for tenant, currency in (("t_01", "dkk"), ("t_04", "eur")):
            for months in range(3):
                began = datetime(2026, 3 + 2 * months, 10, tzinfo=UTC)
                values = {
                    "version_id": f"{tenant}:{months}", "tenant_id": tenant, "subscription_id": f"sub_{tenant}",
                    "subscription_item_id": f"si_{tenant}", "product": "Basis", "status": "active",
                    "usage_type": "licensed", "quantity": 1 + months, "unit_amount_decimal": 9900,
                    "period_amount_minor": 9900 * (1 + months), "currency": currency, "interval": "month",
                    "interval_count": 1, "valid_from": began, "valid_from_on": began.date(),
                    "valid_to": began + timedelta(days=61) if months < 2 else None,
                    "valid_to_on": began.date() + timedelta(days=61) if months < 2 else None, "source": "event",
                }  # fmt: skip
                connection.execute(sa.insert(tables.subscription_item_versions).values(values))
        rate = {"rate_on": date(2026, 1, 1), "base_currency": "eur", "quote_currency": "dkk", "rate": Decimal("7.46")}
        connection.execute(sa.insert(tables.fx_rates).values(rate))
    return Desk(Settings(_env_file=None, home=tmp_path), database, Warehouse(tmp_path / "warehouse"))  # type: ignore[call-arg]


def clock(database: Database) -> datetime:
    """Return the server's time."""
    with database.connect() as connection:
        instant: datetime = connection.execute(sa.text("select clock_timestamp()")).scalar_one()
        return instant


def printed(desk: Desk, known_at: datetime | date, now: datetime, as_of: date | None) -> dict[str, list[str | bytes]]:
    """Return every report in every format."""
    found = {}
    for info in reports.list_reports():
        needs = {name: NEEDED[name] for name in info.needs}
        report = reports.run(desk, DEMO_ADMIN, info.name, now=now, as_of=as_of, known_at=known_at, **needs)
        writers = (reports.to_csv, reports.to_json, reports.to_table, reports.to_parquet)
        found[info.name] = [write(report) for write in writers]
    return found


def storm(database: Database, wave: int = 0) -> None:
    """Change, delete and add rows in every table, the way payments, credit notes and corrections do and beyond."""
    with database.begin() as connection:
        for name in tables.TRACKED:
            table = tables.metadata.tables[f"billing.{name}"]
            key = [column.name for column in table.primary_key.columns]
            changes = []
            for column in table.columns:
                if column.name in (*FIXED, *key) or isinstance(column.type, sa.JSON):
                    continue
                if isinstance(column.type, sa.BigInteger | sa.Numeric):
                    changes.append(f'"{column.name}" = "{column.name}" + 7')
                elif isinstance(column.type, sa.Date):
                    changes.append(f'"{column.name}" = "{column.name}" - 40')
                elif isinstance(column.type, sa.Boolean):
                    changes.append(f'"{column.name}" = not "{column.name}"')
                elif column.name in ("name", "status", "description", "detail"):
                    changes.append(f"\"{column.name}\" = 'void'")
            which = f"abs(hashtext(row({', '.join(key)})::text) + {wave}) % 3"
            if changes:
                connection.execute(sa.text(f"update billing.{name} set {', '.join(changes)} where {which} = 0"))
            connection.execute(sa.text(f"delete from billing.{name} where {which} = 1"))
    later = datetime(2026, 6, 1, tzinfo=UTC)
    with database.begin() as connection:
        connection.execute(
            sa.insert(tables.payments),
            [{"payment_id": f"late_{wave}", "invoice_id": "in_01_t_01", "currency": "dkk", "amount_minor": 1,
              "status": "paid", "paid_at": later, "paid_on": later.date()}],
        )  # fmt: skip
        connection.execute(
            sa.insert(tables.credit_notes),
            [{"credit_note_id": f"late_{wave}", "invoice_id": "in_01_t_01", "currency": "dkk", "total_minor": 5,
              "status": "issued", "issued_at": later, "issued_on": later.date()}],
        )  # fmt: skip


@pytest.mark.parametrize("as_of", [date(2026, 8, 31), None])
def test_no_report_changes_by_what_is_recorded_later(desk: Desk, now: datetime, as_of: date | None) -> None:
    """Every report, in every format, before and after a storm; without `known_at` nearly all do change."""
    refresh(desk, now=now)
    known_at = clock(desk.database)
    present = known_at + timedelta(minutes=1)
    before = printed(desk, known_at, present, as_of)
    plain = {i.name: i for i in reports.list_reports() if not i.needs}
    untouched = {name: reports.run(desk, DEMO_ADMIN, name, now=present, as_of=as_of).table for name in plain}
    for wave in range(1 if as_of else 2):
        storm(desk.database, wave)
        refresh(desk, now=present)
        assert printed(desk, known_at, present + timedelta(days=400), as_of) == before
    changed = [n for n, t in untouched.items() if reports.run(desk, DEMO_ADMIN, n, now=present, as_of=as_of).table != t]
    assert {"revenue_monthly", "units_daily", "usage_daily", "invoice_status", "tenants_list"} <= set(changed)


def test_as_known_just_now_is_as_it_is(desk: Desk, now: datetime) -> None:
    """The tables laid out in memory give what the published file gives."""
    storm(desk.database)
    refresh(desk, now=now)
    known_at = clock(desk.database)
    for info in reports.list_reports():
        needs = {name: NEEDED[name] for name in info.needs}
        plain = reports.run(desk, DEMO_ADMIN, info.name, now=known_at, **needs)
        known = reports.run(desk, DEMO_ADMIN, info.name, now=known_at, known_at=known_at, **needs)
        assert known.table == plain.table, info.name


def test_before_anything_was_recorded_there_is_nothing(desk: Desk, now: datetime) -> None:
    """A company that was loaded today was not known yesterday, whatever its dates."""
    refresh(desk, now=now)
    at = clock(desk.database)
    yesterday = at.date() - timedelta(days=2)
    assert reports.run(desk, DEMO_ADMIN, "revenue_monthly", now=at, known_at=yesterday).table.num_rows == 0


def test_a_report_says_until_when_it_is_final(desk: Desk, now: datetime) -> None:
    """An instant after the last refresh is computed and marked; once a refresh has passed it, it is final."""
    refresh(desk, now=now)
    at = clock(desk.database)
    open_still = reports.run(desk, DEMO_ADMIN, "revenue_monthly", now=at, known_at=at)
    assert [note.split(":")[0] for note in open_still.notes] == ["Not final"]
    refresh(desk, now=now)
    final = reports.run(desk, DEMO_ADMIN, "revenue_monthly", now=at, known_at=at)
    assert (final.notes, final.as_of, final.table) == ((), at, open_still.table)


def test_a_source_without_history_is_named(desk: Desk, now: datetime) -> None:
    """An adopter's own view has no recorded_at: it is taken as it is now, and the report says so."""
    with desk.database.begin() as connection:
        connection.execute(sa.text("drop view billing.source_occupancies"))
        connection.execute(
            sa.text(
                "create view billing.source_occupancies as select occupancy_id, tenant_id, unit_id, starts_on, ends_on,"
                " deleted_at, chg from billing.occupancies"
            )
        )
    refresh(desk, now=now)
    at = clock(desk.database)
    refresh(desk, now=now)
    report = reports.run(desk, DEMO_ADMIN, "units_daily", now=at, known_at=at)
    assert report.notes == ("As they are now, because nobody keeps what they were: occupancies.",)


def test_an_instant_needs_its_zone_and_a_day_is_its_end(desk: Desk, now: datetime) -> None:
    """22 November in Copenhagen ends at 23:00 UTC."""
    zone = desk.settings.zone
    assert reports.known_until(date(2026, 11, 22), zone) == datetime(2026, 11, 22, 22, 59, 59, 999999, tzinfo=UTC)
    with pytest.raises(InvalidInputError, match="has no time zone"):
        reports.run(desk, DEMO_ADMIN, "usage_daily", now=now, known_at=datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("text", ["2026-11-22T10:00:00", "2026-13-01", "T", "yesterday"])
def test_the_command_refuses_other_times(text: str) -> None:
    """The message says what to write instead."""
    result = CliRunner().invoke(app, ["report", "usage_daily", "--known-at", text])
    assert isinstance(result.exception, InvalidInputError)
    assert "write 2026-10-01" in str(result.exception)
