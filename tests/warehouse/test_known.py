"""The warehouse as things were known at an instant, against what was really there at that instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.warehouse import refresh
from billing_core.warehouse.known import as_known

Contents = set[tuple[Any, ...]]
SHOWN = "price_tier_id, price_id, tier_index, up_to, unit_amount_decimal"


def clock(database: Database) -> datetime:
    """Return the server's time."""
    with database.connect() as connection:
        return connection.execute(sa.text("select clock_timestamp()")).scalar_one()


def stored(database: Database) -> Contents:
    """Return the tiers that are there now."""
    with database.connect() as connection:
        return {tuple(row) for row in connection.execute(sa.text(f"select {SHOWN} from billing.price_tiers"))}


def known(path: Path, at: datetime) -> Contents:
    """Return the tiers as known at an instant."""
    return set(as_known(path, at).connection.execute(f"select {SHOWN} from price_tiers").fetchall())


def publish(database: Database, directory: Path, *, full: bool = False) -> Path:
    """Refresh and return the file in force."""
    return refresh(database.url, directory, zone=ZoneInfo("Europe/Copenhagen"), now=datetime.now(UTC), full=full).path


keys = st.sampled_from(["a", "b", "c"])
amounts = st.decimals(min_value=0, max_value=Decimal("99999999999"), places=12)
steps = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["put", "put", "delete", "rename", "clear"]), keys, keys, amounts),
        min_size=1,
        max_size=3,
    ),
    min_size=1,
    max_size=3,
)


def act(connection: sa.Connection, step: tuple[str, str, str, Decimal]) -> None:
    """Do one thing to the table of tiers."""
    verb, key, other, amount = step
    statements = {
        "put": "insert into billing.price_tiers (price_tier_id, price_id, tier_index, up_to, unit_amount_decimal)"
        " values (:key, 'p''\"æ', 0, 9223372036854775807, :amount) on conflict (price_tier_id)"
        " do update set unit_amount_decimal = excluded.unit_amount_decimal",
        "delete": "delete from billing.price_tiers where price_tier_id = :key",
        "rename": "update billing.price_tiers set price_tier_id = :other where price_tier_id = :key"
        " and not exists (select from billing.price_tiers where price_tier_id = :other)",
        "clear": "truncate billing.price_tiers",
    }
    connection.execute(sa.text(statements[verb]), {"key": key, "other": other, "amount": amount})


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.booleans())
def test_every_past_state_is_found_again(
    database: Database, tmp_path: Path, transactions: list[list[Any]], often: bool
) -> None:
    """Inserts, updates, deletes, changed keys and truncates, several in a transaction, refreshed once or often."""
    directory = tmp_path / "warehouse"
    history = [(clock(database), stored(database))]
    for transaction in transactions:
        with database.begin() as connection:
            for step in transaction:
                act(connection, step)
        history.append((clock(database), stored(database)))
        if often:
            publish(database, directory)
    path = publish(database, directory)
    assert [known(path, at) for at, _ in history] == [rows for _, rows in history]


def tier(database: Database, amount: int) -> None:
    """Insert or change tier a."""
    with database.begin() as connection:
        act(connection, ("put", "a", "a", Decimal(amount)))


def test_a_transaction_that_began_first_and_commits_last_is_waited_for(database: Database, tmp_path: Path) -> None:
    """Its rows count from its beginning, so nothing is final from there on until it is over; then all agrees."""
    directory = tmp_path / "warehouse"
    zone, now = ZoneInfo("Europe/Copenhagen"), datetime.now(UTC)
    tier(database, 1)
    with psycopg.connect(database.url) as slow:
        began_at = slow.execute("select now()").fetchone()[0]  # type: ignore[index]
        tier(database, 2)
        between = clock(database)
        snapshot = refresh(database.url, directory, zone=zone, now=now)
        assert snapshot.settled_at is not None
        assert snapshot.settled_at <= began_at < between
        assert {row[4] for row in known(snapshot.path, between)} == {2}
        slow.execute("update billing.price_tiers set unit_amount_decimal = 3")
    after = clock(database)
    snapshot = refresh(database.url, directory, zone=zone, now=now)
    assert {row[4] for row in known(snapshot.path, began_at - timedelta(microseconds=1))} == {1}
    # The slow writer found the row as recorded in between: its state holds from there, and each instant has one row.
    assert [len(known(snapshot.path, at)) for at in (began_at, between, after)] == [1, 1, 1]
    assert {row[4] for row in known(snapshot.path, after)} == {3}


def test_two_states_of_a_key_at_one_instant_are_one_row(database: Database, tmp_path: Path) -> None:
    """A young transaction deletes a row and an older one writes it again: the later recorded state counts."""
    tier(database, 1)
    with psycopg.connect(database.url) as slow:
        slow.execute("select now()")
        with database.begin() as connection:
            connection.execute(sa.text("delete from billing.price_tiers"))
        deleted_at = clock(database)
        slow.execute("insert into billing.price_tiers (price_tier_id, price_id, tier_index) values ('a', 'p', 7)")
    path = publish(database, tmp_path / "warehouse")
    assert {row[2] for row in known(path, deleted_at)} == {7}


def test_settled_is_the_present_when_nobody_else_writes(database: Database, tmp_path: Path) -> None:
    """Whatever was committed before a refresh is final."""
    tier(database, 1)
    at = clock(database)
    snapshot = refresh(database.url, tmp_path / "w", zone=ZoneInfo("Europe/Copenhagen"), now=datetime.now(UTC))
    assert snapshot.settled_at is not None
    assert at < snapshot.settled_at
    assert snapshot.settled_at.tzinfo is UTC


def test_an_insert_keeps_no_history(database: Database) -> None:
    """A bulk load writes its rows and nothing else; nor does a state that its own transaction replaces."""
    with database.begin() as connection:
        for amount in (1, 2):
            act(connection, ("put", "a", "a", Decimal(amount)))
        act(connection, ("delete", "a", "a", Decimal(0)))
        act(connection, ("put", "b", "b", Decimal(1)))
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.row_versions)) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "update billing.row_versions set table_name = 'x'",
        "delete from billing.row_versions",
        "truncate billing.row_versions",
    ],
)
def test_the_history_of_rows_only_grows(database: Database, statement: str) -> None:
    """Whoever asks, the database refuses."""
    tier(database, 1)
    tier(database, 2)
    with pytest.raises(sa.exc.DBAPIError, match="the log is only ever added to"), database.begin() as connection:
        connection.execute(sa.text(statement))


def test_what_was_known_can_neither_be_changed_nor_reach_out(database: Database, tmp_path: Path) -> None:
    """The reader has no files, no network and fixed settings; the published file stays read-only."""
    tier(database, 1)
    connection = as_known(publish(database, tmp_path / "warehouse"), clock(database)).connection
    for sql in (
        "delete from published.price_tiers",
        "select * from read_csv('/etc/passwd')",
        f"copy price_tiers to '{tmp_path}/out.csv'",
        f"attach '{tmp_path}/other.duckdb'",
        "set lock_configuration = false",
    ):
        with pytest.raises(duckdb.Error):
            connection.cursor().execute(sql).fetchall()
