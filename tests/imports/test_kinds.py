"""What the rows of each kind become."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_core.errors import InvalidInputError
from billing_core.services.imports import ImportResult
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.store.writes import upsert

Import = Callable[..., ImportResult]


def only(database: Database, table: sa.Table) -> dict[str, Any]:
    """Return the one row of a table, without its empty and default columns."""
    with database.connect() as connection:
        row = connection.execute(sa.select(table)).mappings().one()
    return {
        name: value
        for name, value in row.items()
        if value not in (None, 0, False, "") and name not in ("chg", "recorded_at")
    }


def count(database: Database, table: sa.Table) -> int:
    """Return how many rows a table has."""
    with database.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_an_occupancy_keeps_its_local_dates(import_text: Import, database: Database, two_tenants: None) -> None:
    """An empty interval is a valid row; ends_on and deleted_at may be empty."""
    result = import_text(
        "occupancies", "o1,t1,A-1,2026-03-01,2026-03-01,", "o2,t1,A-1,2026-03-01,,2026-04-01T10:00:00+02:00"
    )
    assert result == ImportResult("occupancies", 2, 2, 0, 0)
    with database.connect() as connection:
        rows = connection.execute(
            sa.text("select occupancy_id, starts_on, ends_on, deleted_at from billing.source_occupancies order by 1")
        )
        assert [tuple(row) for row in rows] == [
            ("o1", date(2026, 3, 1), date(2026, 3, 1), None),
            ("o2", date(2026, 3, 1), None, datetime(2026, 4, 1, 8, tzinfo=UTC)),
        ]


def test_a_subscription_is_a_subscription_an_item_and_a_version(
    import_text: Import, database: Database, two_tenants: None
) -> None:
    """3 × 125.00 a quarter from 1 March in Copenhagen until 1 July, which has passed."""
    row = "s1,t1,Basis,2026-03-01,2026-07-01,false,3,12500,dkk,month,3"
    assert import_text("subscriptions", row) == ImportResult("subscriptions", 1, 1, 0, 0)
    start, end = datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert only(database, tables.subscriptions) == {
        "subscription_id": "s1", "tenant_id": "t1", "status": "canceled", "currency": "dkk", "started_at": start,
        "created_at": start, "ended_at": end, "canceled_at": end, "billed_by": "stripe", "source": "import",
    }  # fmt: skip
    assert only(database, tables.subscription_items) == {
        "subscription_item_id": "s1", "subscription_id": "s1", "tenant_id": "t1", "quantity": Decimal(3),
        "created_at": start,
    }  # fmt: skip
    assert only(database, tables.subscription_item_versions) == {
        "version_id": "s1", "tenant_id": "t1", "subscription_id": "s1", "subscription_item_id": "s1",
        "product": "Basis", "status": "active", "usage_type": "licensed", "quantity": Decimal(3),
        "unit_amount_decimal": Decimal(12500), "period_amount_minor": 37500, "currency": "dkk", "interval": "month",
        "interval_count": 3, "valid_from": start, "valid_to": end, "valid_from_on": date(2026, 3, 1),
        "valid_to_on": date(2026, 7, 1), "source": "import",
    }  # fmt: skip
    assert import_text("subscriptions", row) == ImportResult("subscriptions", 1, 0, 0, 1)
    assert import_text("subscriptions", row.replace("12500", "12600")) == ImportResult("subscriptions", 1, 0, 1, 0)


def test_a_trial_and_an_end_to_come(import_text: Import, database: Database, two_tenants: None) -> None:
    """A trial that ends next year is trialing and will be cancelled."""
    import_text("subscriptions", "s1,t1,Basis,2026-11-01,2027-01-01,true,1,100,dkk,year,1")
    subscription = only(database, tables.subscriptions)
    end = datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert subscription["status"] == "trialing"
    assert (subscription["cancel_at"], subscription["trial_end_at"], subscription.get("ended_at")) == (end, end, None)
    assert only(database, tables.subscription_item_versions)["is_trial"] is True


def test_a_paid_invoice_has_a_payment_outside_stripe(
    import_text: Import, database: Database, two_tenants: None
) -> None:
    """Half of 1,250.00 is paid: half of its 250.00 tax is in it, and 625.00 remains."""
    row = "i1,t1,2026-001,dkk,100000,25000,125000,2026-10-31T23:30:00Z,2026-11-30,open,2026-11-15,62500"
    assert import_text("invoices", row) == ImportResult("invoices", 1, 1, 0, 0)
    finalized_at, paid_at = datetime(2026, 10, 31, 23, 30, tzinfo=UTC), datetime(2026, 11, 14, 23, tzinfo=UTC)
    assert only(database, tables.invoices) == {
        "invoice_id": "i1", "tenant_id": "t1", "number": "2026-001", "status": "open", "currency": "dkk",
        "subtotal_minor": 100000, "tax_minor": 25000, "total_excluding_tax_minor": 100000, "total_minor": 125000,
        "amount_due_minor": 125000, "amount_paid_minor": 62500, "amount_remaining_minor": 62500,
        "created_at": finalized_at, "finalized_at": finalized_at, "finalized_on": date(2026, 11, 1),
        "due_at": datetime(2026, 11, 29, 23, tzinfo=UTC), "due_on": date(2026, 11, 30), "paid_at": paid_at,
        "paid_on": date(2026, 11, 15), "source": "import",
    }  # fmt: skip
    assert only(database, tables.payments) == {
        "payment_id": "i1", "invoice_id": "i1", "tenant_id": "t1", "currency": "dkk", "amount_minor": 62500,
        "tax_minor": 12500, "status": "paid", "is_outside_stripe": True, "paid_at": paid_at,
        "paid_on": date(2026, 11, 15), "created_at": paid_at, "source": "import",
    }  # fmt: skip
    assert import_text("invoices", row) == ImportResult("invoices", 1, 0, 0, 1)


def test_a_payment_that_is_taken_back_goes_and_comes(
    import_text: Import, database: Database, two_tenants: None
) -> None:
    """The payment follows its row of the file; the invoice counts as changed, once."""
    unpaid, paid = (f"i1,t1,1,dkk,100,25,125,2026-11-01,,open,{rest}" for rest in (",", "2026-11-02,125"))
    import_text("invoices", paid)
    assert import_text("invoices", unpaid) == ImportResult("invoices", 1, 0, 1, 0)
    assert count(database, tables.payments) == 0
    assert import_text("invoices", unpaid) == ImportResult("invoices", 1, 0, 0, 1)
    assert import_text("invoices", paid) == ImportResult("invoices", 1, 0, 1, 0)
    assert count(database, tables.payments) == 1


def test_discounts_credits_voids_and_drafts(import_text: Import, database: Database, two_tenants: None) -> None:
    """What the total is less is a discount; a negative invoice is due nothing; nothing remains of a paid one."""
    import_text(
        "invoices",
        "discounted,t1,1,dkk,100000,22500,112500,2026-11-01,,open,,0",
        "negative,t1,2,dkk,-100,-25,-125,2026-11-01,,paid,,0",
        "settled,t1,3,dkk,100,25,125,2026-11-01,,paid,2026-11-02,100",
        "void,t1,4,dkk,100,25,125,2026-11-01,,void,,",
        "draft,t1,,dkk,100,25,125,,,draft,,",
    )
    columns = "invoice_id, discount_minor, amount_due_minor, amount_paid_minor, amount_remaining_minor, voided_on"
    with database.connect() as connection:
        rows = connection.execute(sa.text(f"select {columns} from billing.invoices order by number nulls last"))
        assert [tuple(row) for row in rows] == [
            ("discounted", 10000, 112500, 0, 112500, None),
            ("negative", 0, 0, 0, 0, None),
            ("settled", 0, 125, 100, 0, None),
            ("void", 0, 125, 0, 125, date(2026, 11, 1)),
            ("draft", 0, 125, 0, 125, None),
        ]


@pytest.mark.parametrize(
    ("table", "mirrored", "kind", "row"),
    [
        (
            tables.invoices, {"invoice_id": "x", "status": "paid", "currency": "dkk"},
            "invoices", "x,t1,1,dkk,100,25,125,2026-11-01,,open,,0",
        ),
        (
            tables.subscriptions, {"subscription_id": "x", "status": "active", "currency": "dkk"},
            "subscriptions", "x,t1,flat,2026-01-01,,false,1,100,dkk,month,1",
        ),
        (
            tables.payments, {"payment_id": "x", "status": "paid", "currency": "dkk"},
            "invoices", "x,t1,1,dkk,100,25,125,2026-11-01,,paid,2026-11-01,125",
        ),
    ],
)  # fmt: skip
def test_an_id_of_the_mirror_is_refused(
    import_text: Import,
    database: Database,
    two_tenants: None,
    table: sa.Table,
    mirrored: dict[str, Any],
    kind: str,
    row: str,
) -> None:
    """What Stripe says is not changed by a file."""
    with database.begin() as connection:
        upsert(connection, table, [mirrored])
    with pytest.raises(
        InvalidInputError, match=rf"line 2, column {kind[:-1]}_id: 'x' is not a new id: stripe has one like it"
    ):
        import_text(kind, row)


texts = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(str.strip)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(
            lambda key: key == key.strip()
        ),
        st.tuples(texts, st.dates(date(1990, 1, 1), date(2100, 1, 1))),
        max_size=6,
    )
)
def test_any_tenants_come_back_as_they_were_written(
    import_text: Import, database: Database, rows: dict[str, tuple[str, date]]
) -> None:
    """Whatever is in a name, in any script and with any quotation marks: written, imported, read back equal."""
    with database.begin() as connection:
        connection.execute(tables.tenants.delete())
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(["tenant_id", "name", "email", "country", "currency", "created_at", "deleted_at"])
    for tenant_id, (name, day) in rows.items():
        writer.writerow([tenant_id, name, "", "", "dkk", day.isoformat(), ""])
    content = written.getvalue().encode()
    assert import_text("tenants", content=content).inserted == len(rows)
    with database.connect() as connection:
        stored = connection.execute(
            sa.select(tables.tenants.c.tenant_id, tables.tenants.c.name, tables.tenants.c.created_on)
        )
        assert {row.tenant_id: (row.name, row.created_on) for row in stored} == rows
    assert import_text("tenants", content=content).unchanged == len(rows)
