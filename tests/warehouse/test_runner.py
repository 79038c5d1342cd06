"""Readers: what they see while new versions come, and what they cannot do."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
import sqlalchemy as sa

from billing_core.errors import QueryError
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.warehouse import Warehouse, headers, refresh

UNFILTERED: dict[str, Any] = {"from_date": None, "to_date": None, "as_of": None, "tenant_id": None, "currency": None}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the versions go."""
    return tmp_path / "warehouse"


def use(database: Database, day: date) -> None:
    values = {"tenant_id": "t1", "metric": "kWh", "day": day, "quantity": 1, "events_count": 1}
    with database.begin() as connection:
        connection.execute(sa.insert(tables.usage_aggregates).values(values))


def test_without_a_warehouse_the_error_names_the_command(directory: Path) -> None:
    """Nothing was published yet."""
    with pytest.raises(QueryError, match="billing refresh"):
        Warehouse(directory).run("usage_daily", UNFILTERED)


def test_an_unknown_report_lists_those_that_exist(directory: Path) -> None:
    """A name that is not a file of queries is refused before anything is opened, also one that climbs directories."""
    for name in ("usage_weekly", "../pyproject", "macros", "prepared/unit_spans", ""):
        with pytest.raises(QueryError, match=r"There is no report .*usage_daily"):
            Warehouse(directory).run(name, UNFILTERED)


def test_a_missing_value_is_named(database: Database, directory: Path, zone: ZoneInfo, now: datetime) -> None:
    """A query's own parameter has no default; values that it does not name are not sent."""
    refresh(database.url, directory, zone=zone, now=now)
    with pytest.raises(QueryError, match="needs a value for invoice_id"):
        Warehouse(directory).run("invoice_lines_list", UNFILTERED)
    assert Warehouse(directory).run("invoice_lines_list", UNFILTERED | {"invoice_id": "in_1"}).num_rows == 0


def test_values_are_bound_and_never_run(database: Database, directory: Path, zone: ZoneInfo, now: datetime) -> None:
    """A value that looks like SQL finds nothing."""
    use(database, date(2026, 1, 1))
    refresh(database.url, directory, zone=zone, now=now)
    found = Warehouse(directory).run("usage_daily", UNFILTERED | {"tenant_id": "' or 1=1 --"})
    assert found.num_rows == 0


def test_a_reader_moves_to_the_new_version_and_a_pinned_one_stays(
    database: Database, directory: Path, zone: ZoneInfo, now: datetime
) -> None:
    """All figures of one page come from one version; the next page sees the new one."""
    refresh(database.url, directory, zone=zone, now=now)
    warehouse = Warehouse(directory)
    pinned = warehouse.pinned()
    for i in range(4):
        use(database, date(2026, 1, 1 + i))
        refresh(database.url, directory, zone=zone, now=now + timedelta(minutes=i))
    assert warehouse.run("usage_daily", UNFILTERED).num_rows == 4
    assert pinned.run("usage_daily", UNFILTERED).num_rows == 0
    assert (pinned.snapshot().version, warehouse.snapshot().version) == (1, 5)
    assert not pinned.snapshot().path.exists()


def test_a_pinned_reader_says_the_latest_as_of_time_although_the_file_stayed(
    database: Database, directory: Path, zone: ZoneInfo, now: datetime
) -> None:
    """Nothing changed between two refreshes, so the version stays; the figures are nevertheless as of the later one."""
    refresh(database.url, directory, zone=zone, now=now)
    warehouse = Warehouse(directory)
    assert warehouse.pinned().snapshot().refreshed_at == now
    warehouse.run("usage_daily", UNFILTERED)
    refresh(database.url, directory, zone=zone, now=now + timedelta(minutes=5))
    assert warehouse.pinned().snapshot().refreshed_at == now + timedelta(minutes=5)


def test_a_reader_can_neither_write_nor_reach_out_nor_unlock(
    database: Database, directory: Path, zone: ZoneInfo, now: datetime
) -> None:
    """The connection is read-only, without files and network, and its settings are locked."""
    refresh(database.url, directory, zone=zone, now=now)
    pinned = Warehouse(directory).pinned()
    assert pinned._open is not None
    for sql in (
        "create table x (a int)",
        "delete from invoices",
        f"copy invoices to '{directory}/out.csv'",
        "select * from read_csv('/etc/passwd')",
        "set lock_configuration = false",
        "set enable_external_access = true",
        "install httpfs",
        f"attach '{directory}/other.duckdb'",
    ):
        with pytest.raises(duckdb.Error):
            pinned._open.connection.cursor().execute(sql).fetchall()


def test_every_header_can_be_read(directory: Path) -> None:
    """Each query says what it is, and every permission exists."""
    from billing_core.services.access import ALLOWED

    for name in headers.names():
        header = headers.header(name)
        assert header.title, name
        assert len(header.purpose) > 20, name
        assert header.permission in ALLOWED, name


def test_a_broken_header_is_refused_by_name() -> None:
    """The message says which file and what."""
    fields = ("title: T", "purpose: P", "grain: a", "params: x", "sources: s", "permission: p", "columns:")
    good = "".join(f"-- {field}\n" for field in fields) + "--   a | date | date | A.\nselect 1"
    assert headers.parse("q", good).columns[0].meaning == "A."
    assert headers.parse("q", good.replace("purpose: P", "purpose: P\n--   more")).purpose == "P more"
    for broken in (
        good.replace("-- grain: a\n", ""),
        good.replace("| A.", ""),
        good.replace("date | A.", "furlong | A."),
        "--   x\n" + good,
    ):
        with pytest.raises(ValueError, match=r"q\.sql"):
            headers.parse("q", broken)
