"""The mirror between two real ends: the sandbox over HTTP and a Postgres of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import stripe

from billing_core.gateway import Gateway, open_gateway
from billing_core.services.mirror import MirrorResult, mirror
from billing_core.settings import load_settings
from billing_core.store import tables
from billing_core.store.database import Database
from tests.sandbox.conftest import Server, advance, client, clock_customer, sandbox

__all__ = ["advance", "client", "clock_customer", "sandbox"]

JULY = datetime(2026, 7, 1, 12, tzinfo=UTC)


@dataclass
class Mirroring:
    """A database that mirrors a sandbox; each run is a minute after the one before unless told."""

    database: Database
    gateway: Gateway
    zone: ZoneInfo
    now: datetime

    def run(self, *, full: bool = False, at: datetime | None = None) -> MirrorResult:
        """Mirror once."""
        self.now = at or self.now + timedelta(minutes=1)
        return mirror(self.database, self.gateway, zone=self.zone, now=self.now, full=full)

    def rows(self, table: str, **where: Any) -> list[Any]:
        """Return the rows of a table by key."""
        found = tables.metadata.tables[f"billing.{table}"]
        query = sa.select(found).filter_by(**where).order_by(*found.primary_key.columns)
        with self.database.connect() as connection:
            return list(connection.execute(query))

    def one(self, table: str, **where: Any) -> Any:
        """Return the only row."""
        (row,) = self.rows(table, **where)
        return row

    def difference(self, before: dict[str, list[tuple[Any, ...]]]) -> list[Any]:
        """Return what changed since a `state()`, for a readable failure; empty when nothing did."""
        now = self.state()
        return [(name, row) for name in now for row in now[name] if row not in before[name]] + [
            (name, "gone", row) for name in now for row in before[name] if row[0] not in [r[0] for r in now[name]]
        ]

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every tracked row with the transaction that wrote it: equal when nothing was written."""
        with self.database.connect() as connection:
            return {
                name: [
                    tuple(row)
                    for row in connection.execute(
                        sa.text(f"select to_jsonb(t) - 'recorded_at', t.chg::text from billing.{name} t order by 1")
                    )
                ]
                for name in tables.TRACKED
            }


@pytest.fixture
def gateway(sandbox: Server) -> Gateway:
    """A gateway to the sandbox that does not really sleep after a 429."""
    return open_gateway(load_settings(), sandbox_url=sandbox.url, sleep=lambda _: None)


@pytest.fixture
def mirroring(database: Database, gateway: Gateway, zone: ZoneInfo) -> Mirroring:
    """The database and the sandbox, nothing mirrored yet."""
    return Mirroring(database, gateway, zone, datetime.now(UTC))


@dataclass
class Catalogue:
    """Prices of a small company: a flat fee (DKK and EUR), units billed in advance, units metered."""

    product: str
    flat: str
    unit: str
    metered: str
    flat_eur: str
    meter: str
    tax_rate: str


@pytest.fixture
def catalogue(client: stripe.StripeClient) -> Catalogue:
    """Make the catalogue: 99 DKK flat, 49 DKK per unit, 19 DKK per metered unit, 12 EUR flat, 25 % moms."""
    v1 = client.v1
    product = v1.products.create({"name": "Metered", "unit_label": "unit"}).id
    meter = v1.billing.meters.create(
        {"display_name": "Units", "event_name": "active_units", "default_aggregation": {"formula": "last"}}
    ).id

    def price(amount: int, role: str, currency: str = "dkk", **recurring: Any) -> str:
        params: dict[str, Any] = {
            "product": product,
            "currency": currency,
            "unit_amount": amount,
            "tax_behavior": "exclusive",
            "metadata": {"role": role},
            "recurring": {"interval": "month", **recurring},
        }
        return v1.prices.create(params).id  # type: ignore[arg-type]

    rate = v1.tax_rates.create({"display_name": "Moms", "percentage": 25, "inclusive": False, "country": "DK"}).id
    return Catalogue(
        product,
        price(9900, "flat"),
        price(4900, "unit"),
        price(1900, "usage", usage_type="metered", meter=meter),
        price(1200, "flat", "eur"),
        meter,
        rate,
    )


@pytest.fixture
def tenant(
    client: stripe.StripeClient, clock_customer: Callable[..., tuple[str, str]]
) -> Callable[..., tuple[str, str]]:
    """Make a customer of a tenant on a test clock that starts in July 2026: `(customer id, clock id)`."""

    def make(tenant_id: str | None = "t_1", at: datetime = JULY, **params: Any) -> tuple[str, str]:
        metadata = {} if tenant_id is None else {"tenant_id": tenant_id}
        return clock_customer(at, **{"metadata": metadata, **params})

    return make
