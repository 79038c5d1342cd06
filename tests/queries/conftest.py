"""A company put together by hand: rows into Postgres, a refresh, and a report read back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from billing_core.periods import local_date
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.warehouse import Warehouse, headers, refresh

Rows = list[dict[str, Any]]


def instant(day: str | None, zone: ZoneInfo, hour: int = 12) -> datetime | None:
    """Return noon of a local day, in UTC; a full ISO instant is taken as it is."""
    if day is None:
        return None
    if "T" in day:
        return datetime.fromisoformat(day).astimezone(UTC)
    return datetime.combine(date.fromisoformat(day), time(hour), tzinfo=zone).astimezone(UTC)


class Company:
    """Rows by their business meaning; dates are ISO strings of the reporting zone.

    Args:
        database: a migrated, empty database.
        directory: where the warehouse is published.
        zone: reporting time zone.
        now: the instant reports are run at.
    """

    def __init__(self, database: Database, directory: Path, zone: ZoneInfo, now: datetime) -> None:
        self.database, self.directory, self.zone, self.now = database, directory, zone, now
        self._waiting: list[tuple[sa.Table, dict[str, Any]]] = []
        self._count = 0
        self._is_published = False
        self._warehouse = Warehouse(directory)

    def add(self, table: sa.Table, **values: Any) -> None:
        """Add a row; for each `_at` of it the `_on` beside it follows."""
        for name in [n for n in values if n.endswith("_at")]:
            if isinstance(values[name], str):
                values[name] = instant(values[name], self.zone)
            beside = f"{name.removesuffix('_at')}_on"
            if beside in table.c and values[name] is not None:
                values.setdefault(beside, local_date(values[name], self.zone))
        self._waiting.append((table, values))

    def new_id(self, prefix: str) -> str:
        """Return an id that was not used yet."""
        self._count += 1
        return f"{prefix}_{self._count:05d}"

    def tenant(
        self, tenant_id: str, *, currency: str = "dkk", created: str = "2024-01-01", deleted: str | None = None
    ) -> None:
        """Add a tenant named like its id in capitals."""
        self.add(
            tables.tenants,
            tenant_id=tenant_id,
            name=tenant_id.upper(),
            currency=currency,
            created_at=created,
            deleted_at=deleted,
        )

    def occupancy(
        self, tenant_id: str, unit_id: str, starts: str, ends: str | None = None, *, deleted: str | None = None
    ) -> None:
        """Add an occupancy [starts, ends)."""
        self.add(
            tables.occupancies,
            occupancy_id=self.new_id("occ"),
            tenant_id=tenant_id,
            unit_id=unit_id,
            starts_on=date.fromisoformat(starts),
            ends_on=date.fromisoformat(ends) if ends else None,
            deleted_at=deleted,
        )

    def usage(self, tenant_id: str, metric: str, day: str, quantity: str, events: int = 1) -> None:
        """Add a day of usage."""
        self.add(
            tables.usage_aggregates,
            tenant_id=tenant_id,
            metric=metric,
            day=date.fromisoformat(day),
            quantity=Decimal(quantity),
            events_count=events,
        )

    def invoice(
        self,
        invoice_id: str,
        tenant_id: str | None,
        total: int,
        *,
        tax: int = 0,
        status: str = "open",
        finalized: str | None = "2026-01-01",
        due: str | None = None,
        paid: int = 0,
        credited: int = 0,
        paid_on: str | None = None,
        voided: str | None = None,
        written_off: str | None = None,
        created: str | None = None,
        currency: str = "dkk",
        **more: Any,
    ) -> None:
        """Add an invoice as Stripe would state it now; `paid` and `credited` reduce what remains."""
        self.add(
            tables.invoices,
            invoice_id=invoice_id,
            tenant_id=tenant_id,
            number=None if status == "draft" else invoice_id.upper(),
            status=status,
            currency=currency,
            subtotal_minor=total - tax,
            tax_minor=tax,
            total_excluding_tax_minor=total - tax,
            total_minor=total,
            amount_due_minor=total - credited,
            amount_paid_minor=paid,
            amount_remaining_minor=total - credited - paid,
            pre_payment_credit_minor=credited,
            created_at=created or finalized,
            finalized_at=None if status == "draft" else finalized,
            due_at=due,
            paid_at=paid_on,
            voided_at=voided,
            marked_uncollectible_at=written_off,
            **more,
        )

    def payment(self, invoice_id: str, amount: int, on: str, *, currency: str = "dkk", **more: Any) -> None:
        """Add money that arrived for an invoice."""
        values = {"payment_id": self.new_id("pay"), "status": "paid"} | more
        self.add(tables.payments, invoice_id=invoice_id, amount_minor=amount, currency=currency, paid_at=on, **values)

    def credit_note(
        self,
        invoice_id: str,
        total: int,
        on: str,
        *,
        tax: int = 0,
        before_payment: int = 0,
        voided: str | None = None,
        currency: str = "dkk",
    ) -> None:
        """Add a credit note; `before_payment` is the part that reduces what is open."""
        self.add(
            tables.credit_notes,
            credit_note_id=self.new_id("cn"),
            invoice_id=invoice_id,
            status="void" if voided else "issued",
            currency=currency,
            tax_minor=tax,
            total_minor=total,
            total_excluding_tax_minor=total - tax,
            pre_payment_minor=before_payment,
            post_payment_minor=total - before_payment,
            issued_at=on,
            voided_at=voided,
        )

    def refund(
        self, invoice_id: str, amount: int, on: str, *, currency: str = "dkk", status: str = "succeeded"
    ) -> None:
        """Add money that went back."""
        self.add(
            tables.refunds,
            refund_id=self.new_id("re"),
            invoice_id=invoice_id,
            amount_minor=amount,
            currency=currency,
            status=status,
            created_at=on,
        )

    def charge(self, invoice_id: str, amount: int, on: str, *, status: str = "failed", **more: Any) -> None:
        """Add an attempt to charge an invoice."""
        values = {"charge_id": self.new_id("ch"), "currency": "dkk"} | more
        self.add(tables.charges, invoice_id=invoice_id, amount_minor=amount, status=status, created_at=on, **values)

    def subscription(
        self, tenant_id: str, *, status: str = "active", started: str = "2024-01-01", currency: str = "dkk"
    ) -> None:
        """Add a subscription without items."""
        self.add(
            tables.subscriptions,
            subscription_id=self.new_id("sub"),
            tenant_id=tenant_id,
            status=status,
            currency=currency,
            started_at=started,
        )

    def publish(self) -> Warehouse:
        """Write what is waiting, refresh, and return the warehouse."""
        if self._waiting or not self._is_published:
            with self.database.begin() as connection:
                for table in dict.fromkeys(t for t, _ in self._waiting):
                    # Rows of one statement share their columns; what a row leaves out keeps the column's default.
                    groups: dict[frozenset[str], Rows] = {}
                    for _, values in (w for w in self._waiting if w[0] is table):
                        groups.setdefault(frozenset(values), []).append(values)
                    for rows in groups.values():
                        connection.execute(sa.insert(table), rows)
            self._waiting.clear()
            refresh(self.database.url, self.directory, zone=self.zone, now=self.now)
            self._is_published = True
        return self._warehouse

    def clear(self) -> None:
        """Take all rows away again, so that the next generated company starts from nothing."""
        self._waiting.clear()
        with self.database.begin() as connection:
            for name in tables.TRACKED:
                connection.execute(sa.text(f"delete from billing.{name}"))
        self._is_published = False

    def report(self, name: str, **params: Any) -> Rows:
        """Run a report; dates may be ISO strings, filters that are left out are off."""
        given = {
            k: date.fromisoformat(v) if k in ("from_date", "to_date", "as_of") and v else v for k, v in params.items()
        }
        clock = {"now": self.now, "today": local_date(self.now, self.zone)}
        unfiltered = dict.fromkeys(("from_date", "to_date", "as_of", "tenant_id", "currency"))
        rows: Rows = self.publish().run(name, {**unfiltered, **clock, **given}).to_pylist()
        return rows

    def cells(self, name: str, *columns: str, **params: Any) -> list[tuple[Any, ...]]:
        """Run a report and keep some columns, dates as ISO strings."""
        return [tuple(_plain(row[c]) for c in columns) for row in self.report(name, **params)]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value


@pytest.fixture
def company(database: Database, tmp_path: Path, zone: ZoneInfo, now: datetime) -> Company:
    """A company without anything."""
    return Company(database, tmp_path / "warehouse", zone, now)


@pytest.fixture
def header() -> Callable[[str], headers.Header]:
    """Read a query's header."""
    return headers.header
