"""The reports service: what it checks, and what its formats write."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from billing_core.errors import ForbiddenError, InvalidInputError, QueryError
from billing_core.services import access, reports
from billing_core.services.access import DEMO_ADMIN, SYSTEM, Actor
from billing_core.services.desk import Desk
from billing_core.services.refresh import refresh
from billing_core.services.report_formats import neutralised
from billing_core.services.reports import Report
from billing_core.settings import Settings
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.warehouse import Warehouse

AS_OF = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def desk(database: Database, tmp_path: Path, now: datetime) -> Desk:
    """A desk with its people, one tenant's two days of usage, and a published warehouse."""
    access.seed_demo_staff(database)
    with database.begin() as connection:
        for day in (1, 2):
            values = {
                "tenant_id": "t1",
                "metric": "kWh",
                "day": date(2026, 11, day),
                "quantity": day,
                "events_count": 1,
            }
            connection.execute(sa.insert(tables.usage_aggregates).values(values))
    desk = Desk(Settings(_env_file=None, home=tmp_path), database, Warehouse(tmp_path / "warehouse"))  # type: ignore[call-arg]
    refresh(desk, now=now)
    return desk


def test_half_a_character_is_refused_before_anything_is_looked_for(desk: Desk, now: datetime) -> None:
    """A lone surrogate in a search or an id; quotes, signs and NUL are only texts."""
    for values in ({"text": "a\ud800"}, {"tenant_id": "\udfff"}):
        with pytest.raises(InvalidInputError, match="no text"):
            reports.run(desk, DEMO_ADMIN, "search", now=now, **values)
    assert reports.run(desk, DEMO_ADMIN, "search", now=now, text="50 % of 'x'\x00").table.num_rows == 0


def test_a_report_says_what_it_is_and_as_of_when(desk: Desk, now: datetime) -> None:
    """Title, explanation, columns, zone and time come with the rows."""
    report = reports.run(desk, DEMO_ADMIN, "usage_daily", now=now, from_date=date(2026, 11, 2))
    assert report.table.to_pylist() == [
        {"tenant_id": "t1", "metric": "kWh", "day": date(2026, 11, 2), "quantity": Decimal("2.000000")}
    ]
    assert (report.as_of, report.zone, report.title) == (now, "Europe/Copenhagen", "Usage per day")
    assert [c.name for c in report.columns] == report.table.schema.names
    assert "late events" in report.purpose


def test_everything_but_the_usual_filters_is_needed_by_name(desk: Desk, now: datetime) -> None:
    """What a report takes is told without running it; a missing value is named."""
    info = reports.describe("invoice_lines_list")
    assert (info.filters, info.needs) == ((), ("invoice_id",))
    assert "revenue_monthly" in [i.name for i in reports.list_reports()]
    with pytest.raises(QueryError, match="invoice_id"):
        reports.run(desk, DEMO_ADMIN, "invoice_lines_list", now=now)
    assert reports.run(desk, DEMO_ADMIN, "invoice_lines_list", now=now, invoice_id="x").table.num_rows == 0


def test_nobody_reads_without_being_staff(desk: Desk, now: datetime) -> None:
    """A stranger is refused, the scheduler is not."""
    with pytest.raises(ForbiddenError):
        reports.run(desk, Actor("x@example.com", "X", ("admin",)), "usage_daily", now=now)
    assert reports.run(desk, SYSTEM, "usage_daily", now=now).table.num_rows == 2


def test_bad_filters_are_refused_in_words(desk: Desk, now: datetime) -> None:
    """A range that runs backwards, a currency that is none, a report that is none."""
    with pytest.raises(InvalidInputError, match="before it begins"):
        reports.run(desk, DEMO_ADMIN, "usage_daily", now=now, from_date=date(2026, 2, 1), to_date=date(2026, 1, 1))
    with pytest.raises(InvalidInputError, match="not a currency"):
        reports.run(desk, DEMO_ADMIN, "revenue_monthly", now=now, currency="kroner")
    with pytest.raises(QueryError, match="Choose one of"):
        reports.run(desk, DEMO_ADMIN, "revenue_weekly", now=now)


def made(columns: dict[str, pa.Array]) -> Report:
    return Report("r", "R", "How.", (), pa.table(columns), AS_OF, "Europe/Copenhagen")


EVERYTHING = {
    "name": pa.array(["=1+1", None, 'a "b", c']),
    "amount_minor": pa.array([-5, 2**63 - 1, None], pa.int64()),
    "quantity": pa.array([Decimal("1.500000"), Decimal("100.000000"), Decimal("0.000000")], pa.decimal128(20, 6)),
    "day": pa.array([date(2024, 2, 29), None, date(2026, 1, 1)]),
    "at": pa.array([datetime(2026, 1, 1, tzinfo=UTC), None, None], pa.timestamp("us", "UTC")),
    "is_on": pa.array([True, False, None]),
}


def test_csv_is_exact_and_inert() -> None:
    """Integers plain, decimals short, dates ISO, nothing is empty, a formula has an apostrophe."""
    assert reports.to_csv(made(EVERYTHING)) == (
        "name,amount_minor,quantity,day,at,is_on\n"
        "'=1+1,-5,1.5,2024-02-29,2026-01-01T00:00:00Z,true\n"
        ",9223372036854775807,100,,,false\n"
        '"a ""b"", c",,0,2026-01-01,,\n'
    )


def test_json_keeps_every_digit() -> None:
    """Amounts beyond what a double holds, decimals as numbers, null for nothing."""
    rows = json.loads(reports.to_json(made(EVERYTHING)), parse_float=Decimal)
    assert rows[0] == {
        "name": "=1+1",
        "amount_minor": -5,
        "quantity": Decimal("1.5"),
        "day": "2024-02-29",
        "at": "2026-01-01T00:00:00Z",
        "is_on": True,
    }
    assert rows[1]["amount_minor"] == 2**63 - 1
    assert json.loads(reports.to_json(made({"a": pa.array([], pa.int64())}))) == []


def test_parquet_has_the_types_and_says_what_it_is() -> None:
    """Read back, the table is the same."""
    report = made(EVERYTHING)
    table = parquet.read_table(io.BytesIO(reports.to_parquet(report)))
    assert table.equals(report.table)
    assert table.schema.metadata[b"as_of"] == b"2026-11-22T12:00:00+00:00"


def test_a_terminal_table_is_aligned_and_draws_nothing() -> None:
    """Control characters in a name are shown as such."""
    text = reports.to_table(made({"name": pa.array(["a\x1b[31m", "bb"]), "n_count": pa.array([1, 1000])}))
    assert text.splitlines()[:4] == ["name    n_count", "------  -------", "a�[31m        1", "bb         1000"]
    assert "as of 2026-11-22 12:00:00 UTC" in text


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1))
def test_no_text_cell_of_a_csv_starts_a_formula_and_all_come_back(names: list[str]) -> None:
    """Whatever the names are: read back, each is itself or itself behind an apostrophe."""
    text = reports.to_csv(made({"name": pa.array(names), "n_count": pa.array([1] * len(names))}))
    cells = [row[0] for row in list(csv.reader(io.StringIO(text, newline="")))[1:]]
    assert cells == [neutralised(name) for name in names]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
