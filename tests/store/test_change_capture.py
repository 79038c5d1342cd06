"""What the warehouse hears of: every change, once, and nothing that is no change. And the log that nobody rewrites."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from billing_core.store.database import Database
from billing_core.store.tables import TRACKED, metadata

TENANT = "insert into billing.tenants values ('t1', 'A', null, 'DK', 'dkk', '2026-01-01', '2026-01-01', null)"


def run(database: Database, *statements: str) -> None:
    """Run statements in one transaction."""
    with database.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def stamps(database: Database) -> tuple[int, Any]:
    """Return chg and recorded_at of the one tenant."""
    with database.connect() as connection:
        row = connection.execute(sa.text("select chg::text, recorded_at from billing.tenants")).one()
        return int(row[0]), row[1]


def tombstones(database: Database) -> list[tuple[str, dict[str, str]]]:
    """Return what was buried, oldest first."""
    with database.connect() as connection:
        rows = connection.execute(sa.text("select table_name, row_key from billing.tombstones order by tombstone_id"))
        return [(row.table_name, row.row_key) for row in rows]


def test_an_update_moves_chg_and_recorded_at(database: Database) -> None:
    """Both say when the row last became what it is."""
    run(database, TENANT)
    before = stamps(database)
    run(database, "update billing.tenants set name = 'B'")
    after = stamps(database)
    assert after[0] > before[0]
    assert after[1] > before[1]


def test_an_update_to_the_same_values_moves_nothing(database: Database) -> None:
    """Saving what is there already is no change, not even when somebody writes the stamps themselves."""
    run(database, TENANT)
    before = stamps(database)
    run(database, "update billing.tenants set name = 'A', email = null")
    run(database, "update billing.tenants set chg = '0', recorded_at = '2000-01-01'")
    assert stamps(database) == before


def test_a_delete_leaves_the_key(database: Database) -> None:
    """One statement, many rows; composite keys with all their columns."""
    run(
        database,
        TENANT,
        TENANT.replace("'t1'", "'t2'"),
        "insert into billing.usage_aggregates values ('t1', 'heat', '2026-03-29', 1.5, 1)",
        "delete from billing.tenants",
        "delete from billing.usage_aggregates",
    )
    assert sorted(tombstones(database), key=str) == [
        ("tenants", {"tenant_id": "t1"}),
        ("tenants", {"tenant_id": "t2"}),
        ("usage_aggregates", {"tenant_id": "t1", "metric": "heat", "day": "2026-03-29"}),
    ]


def test_a_truncate_is_a_delete_of_every_row(database: Database) -> None:
    """Row triggers do not fire for it, so it has a trigger of its own."""
    run(database, TENANT, "truncate billing.tenants")
    assert tombstones(database) == [("tenants", {"tenant_id": "t1"})]


def test_a_changed_key_buries_the_old_one(database: Database) -> None:
    """Otherwise the warehouse would keep the row under its old key for ever."""
    run(database, TENANT, "update billing.tenants set tenant_id = 't9', name = 'B'")
    run(database, "update billing.tenants set tenant_id = 't9'")
    assert tombstones(database) == [("tenants", {"tenant_id": "t1"})]


def test_every_tracked_table_can_lose_its_rows(database: Database) -> None:
    """The delete trigger works for each table's key, also without rows."""
    with database.begin() as connection:
        for name in TRACKED:
            connection.execute(metadata.tables[f"billing.{name}"].delete())
            connection.execute(sa.text(f"truncate billing.{name}"))
    assert tombstones(database) == []


@pytest.mark.parametrize(
    "statement",
    [
        "update billing.audit_log set actor = 'x'",
        "delete from billing.audit_log",
        "delete from billing.audit_log where false",
        "truncate billing.audit_log",
    ],
)
def test_the_audit_log_only_grows(database: Database, statement: str) -> None:
    """Whoever asks, the database refuses."""
    run(database, "insert into billing.audit_log (actor, action) values ('a@example.com', 'test')")
    with pytest.raises(sa.exc.DBAPIError, match="the log is only ever added to"):
        run(database, statement)


def test_the_audit_log_is_stamped_by_the_server(database: Database) -> None:
    """A writer cannot say that somebody else wrote it, or when."""
    run(
        database,
        "insert into billing.audit_log (actor, action, at, db_user) values ('a', 'b', '2000-01-01', 'somebody')",
    )
    with database.connect() as connection:
        row = connection.execute(
            sa.text("select at > now() - interval '1 hour' as is_now, db_user from billing.audit_log")
        )
        assert row.one() == (True, "postgres")


@pytest.mark.parametrize("value", ["'NaN'", "'Infinity'"])
def test_no_quantity_is_nan_or_infinite(database: Database, value: str) -> None:
    """Neither can be stored, in a table that no check of ours stands before."""
    with pytest.raises(sa.exc.DBAPIError) as caught:
        run(database, f"insert into billing.usage_aggregates values ('t1', 'heat', '2026-03-29', {value}, 1)")
    assert isinstance(caught.value.orig, psycopg.errors.CheckViolation | psycopg.errors.NumericValueOutOfRange)
