"""Bulk writes: counts are true, equal rows are left alone, every type survives, writers do not deadlock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.store.writes import UpsertCount, delete, upsert, upsert_changes

AT = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)


def line(number: int, **changes: Any) -> dict[str, Any]:
    """An invoice line with a value of every type."""
    return {
        "invoice_line_id": f"il_{number}",
        "invoice_id": "in_1",
        "position": number,
        "quantity": Decimal("1.500001"),
        "unit_amount_decimal": Decimal("0.000000000001"),
        "amount_minor": 2**62,
        "currency": "dkk",
        "description": "Varme — 'æøå' \" \\ %s :name {x}",
        "period_start_at": AT,
        "period_start_on": date(2026, 11, 1),
        "is_proration": True,
        "usage_type": None,
        "raw": {"b": [1, 2.5, None, {"c": "é"}], "a": "x"},
    } | changes


def test_counts_are_new_changed_and_equal(database: Database) -> None:
    """Hand-counted: three new; then one new, one changed, two equal."""
    with database.begin() as connection:
        assert upsert(connection, tables.invoice_lines, [line(1), line(2), line(3)]) == UpsertCount(3, 0, 0)
        again = [line(1), line(2, amount_minor=5), line(3), line(4)]
        assert upsert(connection, tables.invoice_lines, again) == UpsertCount(1, 1, 2)
        assert upsert(connection, tables.invoice_lines, again) == UpsertCount(0, 0, 4)
        assert upsert(connection, tables.invoice_lines, []) == UpsertCount(0, 0, 0)


def test_every_type_comes_back_as_it_went_in(database: Database) -> None:
    """Decimals to the last digit, instants, dates, JSON, quotation marks and all."""
    with database.begin() as connection:
        upsert(connection, tables.invoice_lines, [line(1)])
        stored = connection.execute(sa.select(tables.invoice_lines)).mappings().one()
    assert {name: stored[name] for name in line(1)} == line(1)


def test_equal_rows_keep_their_chg(database: Database) -> None:
    """The warehouse reads only what changed; JSON with its names in another order is equal."""
    chg = sa.text("select chg::text from billing.invoice_lines order by position")
    with database.begin() as connection:
        upsert(connection, tables.invoice_lines, [line(1), line(2)])
    with database.connect() as connection:
        before = connection.scalars(chg).all()
    with database.begin() as connection:
        raw = {"a": "x", "b": [1, 2.5, None, {"c": "é"}]}
        upsert(connection, tables.invoice_lines, [line(1, raw=raw), line(2, quantity=Decimal("2"))])
    with database.connect() as connection:
        after = connection.scalars(chg).all()
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize(("old", "new"), [(None, "x"), ("x", None)])
def test_null_is_a_value_that_differs(database: Database, old: str | None, new: str | None) -> None:
    """Null to something and back are changes; null to null is none."""
    with database.begin() as connection:
        upsert(connection, tables.products, [{"product_id": "p", "name": "P", "raw": None}])
        assert upsert(connection, tables.invoice_lines, [line(1, usage_type=old)]).inserted == 1
        assert upsert(connection, tables.invoice_lines, [line(1, usage_type=new)]).updated == 1
        assert upsert(connection, tables.invoice_lines, [line(1, usage_type=new)]).unchanged == 1
        assert connection.scalar(sa.text("select raw is null from billing.products")) is True


def test_columns_left_out_keep_their_values(database: Database) -> None:
    """An update touches the columns it was given."""
    with database.begin() as connection:
        upsert(connection, tables.invoice_lines, [line(1)])
        upsert(
            connection,
            tables.invoice_lines,
            [{"invoice_line_id": "il_1", "invoice_id": "in_1", "position": 1, "currency": "eur"}],
        )
        row = connection.execute(sa.select(tables.invoice_lines.c.currency, tables.invoice_lines.c.amount_minor)).one()
    assert tuple(row) == ("eur", 2**62)


def test_of_rows_with_one_key_the_last_counts(database: Database) -> None:
    """A list that shifted while it was paged through may hold an object twice."""
    with database.begin() as connection:
        assert upsert(connection, tables.invoice_lines, [line(1), line(1, amount_minor=7)]) == UpsertCount(1, 0, 0)
        assert connection.scalar(sa.select(tables.invoice_lines.c.amount_minor)) == 7


def test_composite_keys_and_array_columns(database: Database) -> None:
    """usage_aggregates has a key of three columns, staff has an array."""
    row = {"tenant_id": "t", "metric": "m", "day": date(2026, 3, 29), "quantity": Decimal(1), "events_count": 1}
    person = {"email": "a@example.com", "name": "A", "roles": ["finance", 'x"y'], "is_active": True}
    with database.begin() as connection:
        changes = upsert_changes(connection, tables.usage_aggregates, [row, row | {"day": date(2026, 3, 30)}])
        assert changes.inserted == {("t", "m", date(2026, 3, 29)), ("t", "m", date(2026, 3, 30))}
        assert upsert(connection, tables.staff, [person]).inserted == 1
        assert upsert(connection, tables.staff, [person]).unchanged == 1
        assert connection.scalar(sa.select(tables.staff.c.roles)) == ["finance", 'x"y']
        assert delete(connection, tables.usage_aggregates, [row, row | {"day": date(2020, 1, 1)}]) == 1


def test_more_rows_than_one_statement_takes(database: Database) -> None:
    """5,000 rows go in several statements and are counted together."""
    rows = [line(n, raw=None) for n in range(5000)]
    with database.begin() as connection:
        assert upsert(connection, tables.invoice_lines, rows) == UpsertCount(5000, 0, 0)
        rows[4999] = line(4999, raw=None, amount_minor=1)
        assert upsert(connection, tables.invoice_lines, rows) == UpsertCount(0, 1, 4999)
        assert delete(connection, tables.invoice_lines, rows[:2500]) == 2500
        assert connection.scalar(sa.text("select count(*) from billing.tombstones")) == 2500


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"quantity": 1.5}, TypeError),
        ({"period_start_at": AT.replace(tzinfo=None)}, TypeError),
        ({"description": object()}, TypeError),
    ],
)
def test_values_without_an_exact_form_are_refused(database: Database, bad: dict[str, Any], error: type) -> None:
    """A float is never money or a quantity, a naive time is no instant."""
    with database.begin() as connection, pytest.raises(error):
        upsert(connection, tables.invoice_lines, [line(1, **bad)])


def test_rows_that_do_not_match_are_a_bug(database: Database) -> None:
    """Different columns, or no key."""
    with database.begin() as connection:
        with pytest.raises(ValueError, match="different columns"):
            upsert(connection, tables.staff, [{"email": "a", "name": "A"}, {"email": "b"}])
        with pytest.raises(ValueError, match="lack"):
            upsert(connection, tables.staff, [{"name": "A"}])


def test_writers_in_opposite_orders_do_not_deadlock(database: Database) -> None:
    """Two writers of the same 500 rows, forwards and backwards, ten times: both finish."""
    rows = [line(n, raw=None) for n in range(500)]

    def write(number: int) -> None:
        for turn in range(10):
            mine = [row | {"amount_minor": number * 100 + turn} for row in rows]
            with database.begin() as connection:
                upsert(connection, tables.invoice_lines, mine if number else mine[::-1])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))
    with database.connect() as connection:
        distinct = connection.scalars(sa.select(tables.invoice_lines.c.amount_minor).distinct()).all()
    assert len(distinct) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.integers(0, 8), st.integers(0, 2), max_size=8),
    st.dictionaries(st.integers(0, 8), st.integers(0, 2), max_size=8),
)
def test_counts_always_sum_to_the_rows_and_the_second_time_to_nothing(
    database: Database, first: dict[int, int], second: dict[int, int]
) -> None:
    """For any two batches the counts are those of a dictionary, and the table is that dictionary."""
    with database.begin() as connection:
        connection.execute(sa.text("delete from billing.invoice_lines"))
        upsert(connection, tables.invoice_lines, [line(n, amount_minor=v) for n, v in first.items()])
        count = upsert(connection, tables.invoice_lines, [line(n, amount_minor=v) for n, v in second.items()])
        stored = dict(
            connection.execute(sa.select(tables.invoice_lines.c.position, tables.invoice_lines.c.amount_minor)).all()
        )
    assert stored == first | second
    assert count == UpsertCount(
        len(second.keys() - first.keys()),
        sum(first[n] != v for n, v in second.items() if n in first),
        sum(first[n] == v for n, v in second.items() if n in first),
    )
