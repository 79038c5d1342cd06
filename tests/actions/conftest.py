"""A small company between two real ends: the sandbox over HTTP and a Postgres of the test's own.

`field` makes tenants with their units and subscriptions, plans and applies as the command line does, and tells what
Stripe holds afterwards. Prices: 99 DKK flat, 49 DKK per licensed unit, 19 DKK per metered unit (its highest number),
and a graduated licensed price: 45 DKK up to 10 units, 39 DKK above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import stripe

from billing_core.gateway import Gateway, open_gateway
from billing_core.services import access, runs, unit_sync
from billing_core.services.access import DEMO_ADMIN, Actor
from billing_core.services.desk import Desk
from billing_core.services.stored_plans import Plan
from billing_core.settings import Settings, load_settings
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.warehouse import Warehouse
from tests.sandbox.conftest import Server, advance, client, clock_customer, sandbox

__all__ = ["advance", "client", "clock_customer", "sandbox"]

FREJA, OLIVER, SARA, MIKKEL, ASTA = access.DEMO_STAFF
LONG_AGO = date(2020, 1, 1)


@dataclass
class Field:
    """Tenants, their units and subscriptions, and the desk that syncs them."""

    desk: Desk
    gateway: Gateway
    server: Server
    client: stripe.StripeClient
    make_clock_customer: Callable[..., tuple[str, str]]
    advance: Callable[[str, datetime], None]
    prices: dict[str, str] = field(default_factory=dict)
    meter: str = ""
    customers: dict[str, str] = field(default_factory=dict)
    clocks: dict[str, str] = field(default_factory=dict)
    now: datetime | None = None

    def clock(self) -> datetime:
        """What time it is: real time, unless the test has set another."""
        return self.now or datetime.now(UTC)

    def open_shop(self) -> None:
        """Make the catalogue."""
        v1 = self.client.v1
        product = v1.products.create({"name": "Units", "unit_label": "unit"}).id
        self.meter = v1.billing.meters.create(
            {"display_name": "Units", "event_name": "active_units", "default_aggregation": {"formula": "last"}}
        ).id

        def price(name: str, role: str, recurring: dict[str, Any] | None = None, **given: Any) -> None:
            params: dict[str, Any] = {
                "product": product,
                "currency": "dkk",
                "tax_behavior": "exclusive",
                "metadata": {"role": role, **given.pop("metadata", {})},
                "recurring": {"interval": "month", **(recurring or {})},
                **given,
            }
            self.prices[name] = v1.prices.create(params).id  # type: ignore[arg-type]

        price("flat", "flat", unit_amount=9900)
        price("licensed", "licensed", unit_amount=4900)
        price("metered", "unit", {"usage_type": "metered", "meter": self.meter}, unit_amount=1900)
        tiers = [{"up_to": 10, "unit_amount": 4500}, {"up_to": "inf", "unit_amount": 3900}]
        price("tiered", "tiered", billing_scheme="tiered", tiers_mode="graduated", tiers=tiers)
        price("at_least_five", "licensed", unit_amount=4900, metadata={"minimum_units": "5"})

    def tenant(
        self,
        tenant_id: str,
        price: str | None,
        units: int | Sequence[tuple[str, date, date | None]],
        *,
        at: datetime | None = None,
        quantity: int | None = None,
        **params: Any,
    ) -> str:
        """Make a tenant with its units and a subscription; returns the subscription's id, empty without a price.

        Args:
            tenant_id: its id.
            price: name of the price per unit; None for no subscription.
            units: how many that have always been occupied, or occupancies.
            at: the subscription begins then, on a test clock of its own; None: now, on the account's clock.
            quantity: of a licensed item; the number of units unless given.
            **params: of the subscription.
        """
        spans = [(f"u{n}", LONG_AGO, None) for n in range(units)] if isinstance(units, int) else list(units)
        with self.desk.database.begin() as connection:
            made = {"tenant_id": tenant_id, "name": tenant_id, "currency": "dkk", "country": "DK"}
            made |= {"created_at": datetime(2020, 1, 1, tzinfo=UTC), "created_on": LONG_AGO}
            connection.execute(sa.insert(tables.tenants).values(**made))
        self.occupy(tenant_id, spans)
        if price is None:
            return ""
        metadata = {"tenant_id": tenant_id}
        if at is None:
            given = {"metadata": metadata, "payment_method": "pm_card_visa"}
            card = {"invoice_settings": {"default_payment_method": "pm_card_visa"}}
            customer = self.client.v1.customers.create({**given, **card}).id  # type: ignore[typeddict-item]
        else:
            customer, self.clocks[tenant_id] = self.make_clock_customer(at, metadata=metadata)
        self.customers[tenant_id] = customer
        item: dict[str, Any] = {"price": self.prices[price]}
        if price != "metered":
            item["quantity"] = len(spans) if quantity is None else quantity
        items = [{"price": self.prices["flat"]}, item]
        created = {"customer": customer, "items": items, "metadata": metadata, **params}
        return self.client.v1.subscriptions.create(created).id  # type: ignore[arg-type]

    def occupy(self, tenant_id: str, spans: Sequence[tuple[str, date, date | None]]) -> None:
        """Add occupancies: (unit, first day, first day no longer occupied)."""
        with self.desk.database.begin() as connection:
            held = connection.scalar(sa.select(sa.func.count()).select_from(tables.occupancies)) or 0
            for n, (unit, starts_on, ends_on) in enumerate(spans):
                row = {"occupancy_id": f"o{held + n}", "tenant_id": tenant_id, "unit_id": f"{tenant_id}:{unit}"}
                row |= {"starts_on": starts_on, "ends_on": ends_on}
                connection.execute(sa.insert(tables.occupancies).values(**row))

    def go_to(self, tenant_id: str, at: datetime) -> None:
        """Move a tenant's test clock, and what time it is."""
        self.advance(self.clocks[tenant_id], at)
        self.now = at

    def plan(self, *tenant_ids: str, actor: Actor = DEMO_ADMIN) -> Plan:
        """Plan for some tenants, or all."""
        return unit_sync.plan(self.desk, actor, self.gateway, now=self.clock(), tenant_ids=list(tenant_ids) or None)

    def apply(self, plan: Plan, *, actor: Actor = DEMO_ADMIN, work: bool = True) -> Plan:
        """Hand a plan over, and do a worker's work unless told not to."""
        found = unit_sync.apply(self.desk, actor, self.gateway, plan.plan_id, now=self.clock())
        return self.work(found) if work and found.state == "running" else found

    def work(self, plan: Plan) -> Plan:
        """Do what a worker does with a plan."""
        return runs.run(self.desk, self.gateway, plan.plan_id, clock=self.clock, sleep=lambda _: None)

    def sync(self, *tenant_ids: str) -> Plan:
        """Plan and apply."""
        return self.apply(self.plan(*tenant_ids))

    def quantity(self, subscription_id: str) -> int:
        """What Stripe holds for the licensed item."""
        items = self.client.v1.subscriptions.retrieve(subscription_id).items.data
        return next(i.quantity for i in items if i.price.id != self.prices["flat"])  # type: ignore[misc]

    def events(self, tenant_id: str) -> list[tuple[int, int]]:
        """What was reported for a tenant, `(timestamp, value)` in order, as our own rows say."""
        r = tables.meter_reports.c
        query = sa.select(r.stamped_at, r.units_count).where(r.tenant_id == tenant_id).order_by(r.stamped_at)
        with self.desk.database.connect() as connection:
            return [(int(row.stamped_at.timestamp()), row.units_count) for row in connection.execute(query)]

    def rows(self, table: sa.Table, **where: Any) -> list[Any]:
        """Return the rows of a table by key."""
        query = sa.select(table).filter_by(**where).order_by(*table.primary_key.columns)
        with self.desk.database.connect() as connection:
            return list(connection.execute(query))

    def fault(self, kind: str, *, effect: str = "before", **rule: Any) -> None:
        """Have the next write to Stripe fail."""
        self.server.admin("POST", "/faults", kind=kind, effect=effect, **{"method": "POST", **rule})


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    """A demo's desk with its five people."""
    access.seed_demo_staff(database)
    settings = Settings(_env_file=None, home=tmp_path)  # type: ignore[call-arg]
    return Desk(settings, database, Warehouse(tmp_path / "warehouse"))


@pytest.fixture
def gateway(sandbox: Server) -> Gateway:
    """A gateway to the sandbox that does not really sleep after a 429."""
    return open_gateway(load_settings(), sandbox_url=sandbox.url, sleep=lambda _: None)


@pytest.fixture
def shop(
    desk: Desk,
    gateway: Gateway,
    sandbox: Server,
    client: stripe.StripeClient,
    clock_customer: Callable[..., tuple[str, str]],
    advance: Callable[..., None],
) -> Field:
    """The company with its catalogue, without tenants."""
    made = Field(desk, gateway, sandbox, client, clock_customer, advance)
    made.open_shop()
    return made


def day(text: str) -> date:
    """A date."""
    return date.fromisoformat(text)


def utc(text: str) -> datetime:
    """An instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


HOUR = timedelta(hours=1)
