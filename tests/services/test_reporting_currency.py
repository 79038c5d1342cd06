"""Amounts in a reporting currency: which rate, rounded where, and what stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from billing_core.errors import InvalidInputError, QueryError
from billing_core.rules.fx import Rate, Rates, factor
from billing_core.services import access, reports
from billing_core.services.access import DEMO_ADMIN
from billing_core.services.desk import Desk
from billing_core.services.refresh import refresh
from billing_core.services.reporting_currency import convert
from billing_core.services.reports import Report
from billing_core.settings import Settings
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.warehouse import Warehouse, headers

Ask = Callable[..., Report]


def rate(on: str, value: str, base: str = "eur", quote: str = "dkk") -> Rate:
    """A rate, of the euro in kroner unless told."""
    return Rate(date.fromisoformat(on), base, quote, Decimal(value))


def add_invoice(connection: sa.Connection, invoice_id: str, net: int, tax: int, on: str | None, currency: str) -> None:
    """An open invoice, or a draft without a day."""
    day = None if on is None else date.fromisoformat(on)
    values = {
        "invoice_id": invoice_id, "tenant_id": "t1", "status": "open" if day else "draft", "currency": currency,
        "subtotal_minor": net, "tax_minor": tax, "total_minor": net + tax, "amount_due_minor": net + tax,
        "amount_remaining_minor": net + tax, "finalized_on": day, "due_on": day,
        "finalized_at": day and datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    connection.execute(sa.insert(tables.invoices).values(values))


@pytest.fixture
def ask(database: Database, tmp_path: Path, now: datetime) -> Ask:
    """Run a report on what was inserted before the first question."""
    access.seed_demo_staff(database)
    desk = Desk(Settings(_env_file=None, home=tmp_path), database, Warehouse(tmp_path / "warehouse"))  # type: ignore[call-arg]

    def run(name: str, **filters: Any) -> Report:
        refresh(desk, now=now)
        return reports.run(desk, DEMO_ADMIN, name, now=now, **filters)

    return run


def add_rates(database: Database, *rates: Rate) -> None:
    """Write rates."""
    with database.begin() as connection:
        for one in rates:
            values = {"rate_on": one.rate_on, "base_currency": one.base, "quote_currency": one.quote, "rate": one.rate}
            connection.execute(sa.insert(tables.fx_rates).values(values))


def test_months_of_two_currencies_become_one(database: Database, ask: Ask) -> None:
    """October: 100.00 DKK + 10.01 EUR × 7.4655 (of the 30th, not of the 1st) = 174.73 DKK, a half-unit up."""
    with database.begin() as connection:
        add_invoice(connection, "a", 10000, 2500, "2026-10-05", "dkk")
        add_invoice(connection, "b", 1001, 0, "2026-10-31", "eur")
    add_rates(database, rate("2026-10-01", "7"), rate("2026-10-30", "7.4655"), rate("2026-11-01", "9"))
    report = ask("revenue_monthly", to_date=date(2026, 11, 1), reporting_currency="DKK")
    [row] = [r for r in report.table.to_pylist() if r["invoiced_minor"]]
    assert (row["month"], row["currency"], row["invoiced_minor"]) == (date(2026, 10, 1), "dkk", 17473)
    assert row["tax_minor"] == 2500
    assert (row["converted_by"], row["not_converted"]) == ("1 eur = 7.4655 dkk (2026-10-30)", None)
    assert (report.notes, report.columns[-1].name) == ((), "not_converted")
    assert [c.name for c in report.columns] == report.table.schema.names
    back = ask("revenue_monthly", to_date=date(2026, 11, 1), reporting_currency="eur")
    [row] = [r for r in back.table.to_pylist() if r["invoiced_minor"]]
    assert row["invoiced_minor"] == 2340  # 1001 + 10000 ÷ 7.4655 = 2340.4965…


def test_what_has_no_rate_is_listed_and_never_one_to_one(database: Database, ask: Ask) -> None:
    """Too old, or none at all: the row keeps its currency and amount and says why."""
    with database.begin() as connection:
        add_invoice(connection, "a", 10000, 0, "2026-09-05", "dkk")
        add_invoice(connection, "b", 500, 0, "2026-09-05", "eur")
        add_invoice(connection, "c", 700, 0, "2026-09-05", "sek")
    add_rates(database, rate("2026-08-26", "7.46"), rate("2026-10-01", "7.5"))
    report = ask("revenue_monthly", from_date=date(2026, 9, 1), to_date=date(2026, 10, 1), reporting_currency="dkk")
    rows = {r["currency"]: r for r in report.table.to_pylist()}
    # The 30th of September is 35 days after the 26th of August.
    assert (rows["dkk"]["invoiced_minor"], rows["sek"]["invoiced_minor"]) == (10000 + 3730, 700)
    assert rows["sek"]["not_converted"] == (
        "there is no rate between sek and dkk on or before 2026-09-30, at most 35 days old"
    )
    assert report.notes == (
        "1 row is not in DKK (1 in SEK); the column not_converted says why. "
        "Import rates with: billing import fx_rates FILE.csv",
    )


def test_a_balance_is_converted_by_the_day_it_is_of(database: Database, ask: Ask) -> None:
    """Aging at the end of October takes October's rate, today's aging today's; counts add up where they are listed."""
    with database.begin() as connection:
        add_invoice(connection, "a", 1000, 0, "2026-10-05", "eur")
        add_invoice(connection, "b", 1000, 0, "2026-10-06", "dkk")
    add_rates(database, rate("2026-10-20", "7"), rate("2026-11-20", "8"))
    for as_of, expected in ((date(2026, 10, 31), 8000), (None, 9000)):
        [row] = ask("ar_aging", as_of=as_of, reporting_currency="dkk").table.to_pylist()
        assert (row["tenant_id"], row["open_minor"]) == ("t1", expected)
    [row] = ask("invoice_status", reporting_currency="dkk").table.to_pylist()
    assert (row["invoices_count"], row["status"], row["total_minor"]) == (2, "open", 8000)


def test_documents_stay_one_row_each(database: Database, ask: Ask) -> None:
    """Each invoice by the rate of its own day; a draft has none."""
    with database.begin() as connection:
        add_invoice(connection, "a", 100, 0, "2026-10-05", "eur")
        add_invoice(connection, "b", 100, 0, "2026-10-06", "eur")
        add_invoice(connection, "c", 100, 0, None, "eur")
    add_rates(database, rate("2026-10-05", "7"), rate("2026-10-06", "8"))
    rows = {r["invoice_id"]: r for r in ask("invoices_list", reporting_currency="dkk").table.to_pylist()}
    assert [(rows[i]["currency"], rows[i]["total_minor"], rows[i]["not_converted"]) for i in "abc"] == [
        ("dkk", 700, None),
        ("dkk", 800, None),
        ("eur", 100, "it has no date"),
    ]


def test_some_reports_stay_in_their_currencies(ask: Ask) -> None:
    """Refused in words; a currency that is none too."""
    with pytest.raises(QueryError, match="stays in its own currencies"):
        ask("retention", reporting_currency="dkk")
    with pytest.raises(InvalidInputError, match="not a currency"):
        ask("revenue_monthly", reporting_currency="kroner")


def test_rates_are_those_that_were_known(database: Database, ask: Ask) -> None:
    """A rate that is corrected later does not change a report as known before."""
    with database.begin() as connection:
        add_invoice(connection, "a", 100, 0, "2026-10-05", "eur")
    add_rates(database, rate("2026-10-05", "7"))
    with database.connect() as connection:
        known_at = connection.execute(sa.text("select clock_timestamp()")).scalar_one()
    with database.begin() as connection:
        connection.execute(sa.update(tables.fx_rates).values(rate=8))
    totals = [
        ask("invoices_list", reporting_currency="dkk", known_at=at).table.column("total_minor")[0].as_py()
        for at in (known_at, None)
    ]
    assert totals == [700, 800]


def test_the_latest_rate_in_either_direction_counts() -> None:
    """The later one, the asked direction on the same day, up to the age that is allowed."""
    rates = Rates([rate("2026-01-01", "7.5"), rate("2026-01-11", "0.125", "dkk", "eur"), rate("2026-01-21", "7.4")], 30)
    found = {day: rates.find("eur", "dkk", date(2026, 1, day)) for day in (1, 10, 11, 20, 21)}
    assert [str(r and r.rate) for r in found.values()] == ["7.5", "7.5", "0.125", "0.125", "7.4"]
    assert factor(rate("2026-01-11", "0.125", "dkk", "eur"), "dkk") == 8
    assert rates.find("eur", "dkk", date(2025, 12, 31)) is None
    assert rates.find("eur", "dkk", date(2026, 2, 20)) is not None
    assert rates.find("eur", "dkk", date(2026, 2, 21)) is None
    assert rates.find("eur", "sek", date(2026, 1, 21)) is None
    both = Rates([rate("2026-01-01", "7.5"), rate("2026-01-01", "0.1", "dkk", "eur")], 30)
    assert [str(both.find(*pair, date(2026, 1, 1))) for pair in (("eur", "dkk"), ("dkk", "eur"))] == [
        "1 eur = 7.5 dkk (2026-01-01)",
        "1 dkk = 0.1 eur (2026-01-01)",
    ]


@pytest.mark.parametrize(
    ("base", "quote", "into", "value", "expected"),
    [("jpy", "dkk", "dkk", "0.045", Fraction(9, 2)), ("kwd", "dkk", "dkk", "22", Fraction(11, 5)),
     ("dkk", "jpy", "jpy", "22", Fraction(11, 50))],
)  # fmt: skip
def test_decimals_of_a_currency_are_heeded(base: str, quote: str, into: str, value: str, expected: Fraction) -> None:
    """1 JPY is one minor unit, 1 KWD a thousand: 1 JPY at 0.045 DKK is 4.5 øre."""
    assert factor(rate("2026-01-01", value, base, quote), into) == expected


amounts = st.integers(-(10**12), 10**12)
rows = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["dkk", "eur", "sek"]), amounts), max_size=8)
values = st.decimals(min_value=Decimal("0.000001"), max_value=Decimal(10000), places=12)


@given(rows, values, st.integers(0, 40))
def test_any_table_equals_a_calculation_by_decimals(cells: list[tuple[int, str, int]], eur: Decimal, age: int) -> None:
    """One row per month with the sum rounded once; kronor without a rate stay; nothing is lost or counted twice."""
    header = headers.header("revenue_by_tenant")
    names = [c.name for c in header.columns]
    unique = {(month, currency): amount for month, currency, amount in cells}
    table = pa.table(
        {
            name: pa.array(
                [
                    {"month": date(2026, month, 1), "currency": currency, "tenant_id": "t1"}.get(
                        name, None if name == "tenant_name" else amount
                    )
                    for (month, currency), amount in unique.items()
                ],
                pa.date32() if name == "month" else pa.int64() if name.endswith("_minor") else pa.string(),
            )
            for name in names
        }
    )
    last_on = date(2026, 3, 15)
    ends = {1: date(2026, 1, 31), 2: date(2026, 2, 28), 3: last_on}
    rates = Rates([Rate(end - timedelta(days=age), "eur", "dkk", eur) for end in ends.values()], 35)
    found = convert(header, table, rates, "dkk", last_on=last_on).table.to_pylist()
    expected: dict[tuple[int, str], Decimal] = {}
    with localcontext(prec=60):
        for (month, currency), amount in unique.items():
            # Within 35 days of a month's end there may also be the rate of the end before.
            there = [end for m, end in ends.items() if end - timedelta(days=age) <= ends[month]]
            usable = any(ends[month] - (end - timedelta(days=age)) <= timedelta(days=35) for end in there)
            into, by = ("dkk", eur) if currency == "eur" and usable else (currency, Decimal(1))
            key = (month, into)
            expected[key] = expected.get(key, Decimal(0)) + amount * by
        rounded = {key: int(value.quantize(Decimal(1), ROUND_HALF_UP)) for key, value in expected.items()}
    assert {(r["month"].month, r["currency"]): r["net_minor"] for r in found} == rounded
    assert len(found) == len(rounded)
    assert all((r["currency"] == "dkk") == (r["not_converted"] is None) for r in found)
