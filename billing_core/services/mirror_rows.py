"""One run of the mirror: what it knows, what it counts, and how a Stripe object becomes a row.

A dataclass's field goes into the column of the same name; a column `x_on` is filled from the field `x_at` in the
reporting zone; `raw` is the object as Stripe sent it without the lists that have tables of their own (lines, items,
payments), so that it is the same however it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from billing_core.gateway import Gateway
from billing_core.gateway.objects import Coupon, Deleted
from billing_core.periods import local_date
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.store.writes import UpsertCount, delete, upsert

Progress = Callable[[str, int], None]
_KEPT_APART = ("lines", "items", "payments")


def _silent(resource: str, rows_count: int) -> None:
    pass


@dataclass
class Run:
    """One run: the rooms it uses, what it remembers between pages, and its counts.

    Attributes:
        zone: the reporting zone, for `_on` columns.
        now: the instant of the run.
        progress: called with a resource and how many of its rows are done.
        tenants: customer → tenant (None: belongs to none), for all customers that are mirrored.
        usage_types: price → licensed, metered or None.
        unit_labels: products that are sold per unit.
        intents: payment intent → invoice (None: pays no invoice).
        knows_all_intents: whether `intents` holds every payment of an invoice, so that nothing needs to be asked.
        findings: sentences about what could not be mirrored.
    """

    database: Database
    gateway: Gateway
    zone: ZoneInfo
    now: datetime
    progress: Progress = _silent
    counts: dict[str, UpsertCount] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    tenants: dict[str, str | None] = field(default_factory=dict)
    usage_types: dict[str, str | None] = field(default_factory=dict)
    unit_labels: set[str] = field(default_factory=set)
    intents: dict[str, str | None] = field(default_factory=dict)
    knows_all_intents: bool = False
    findings: list[str] = field(default_factory=list)
    events_count: int = 0
    failed_count: int = 0
    _coupons: dict[str, Coupon | None] = field(default_factory=dict)
    _is_loaded: bool = False

    def load(self) -> None:
        """Read what earlier runs left, once: which customer is which tenant's, and what prices bill."""
        if self._is_loaded:
            return
        self._is_loaded = True
        with self.database.connect() as connection:
            c, p, o = tables.customers.c, tables.prices.c, tables.products.c
            self.tenants = {row[0]: row[1] for row in connection.execute(sa.select(c.customer_id, c.tenant_id))}
            self.usage_types = {row[0]: row[1] for row in connection.execute(sa.select(p.price_id, p.usage_type))}
            labelled = sa.select(o.product_id).where(o.raw["unit_label"].astext.is_not(None))
            self.unit_labels = set(connection.execute(labelled).scalars())

    def tenant_of(self, customer_id: str | None) -> str | None:
        """Return the tenant of a customer, None when it has none or is not known."""
        return self.tenants.get(customer_id) if customer_id else None

    def upsert(self, connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> UpsertCount:
        """Write rows and count them."""
        count = upsert(connection, table, rows)
        self.counts[table.name] = self.counts.get(table.name, UpsertCount()) + count
        return count

    def delete(self, connection: sa.Connection, table: sa.Table, keys: Sequence[str]) -> None:
        """Delete rows of a table with a single key, and count them."""
        if keys:
            key = next(iter(table.primary_key.columns)).name
            count = delete(connection, table, [{key: value} for value in keys])
            self.deleted[table.name] = self.deleted.get(table.name, 0) + count

    def coupon(self, coupon_id: str) -> Coupon | None:
        """Return a coupon, asked for once per run; None (and a finding) when Stripe no longer has it."""
        if coupon_id not in self._coupons:
            found = self.gateway.retrieve("coupon", coupon_id)
            if isinstance(found, Deleted):
                self.findings.append(
                    f"Coupon {coupon_id} was deleted in Stripe: its discounts count as nothing in the history of"
                    " subscriptions."
                )
            self._coupons[coupon_id] = None if isinstance(found, Deleted) else found
        return self._coupons[coupon_id]

    def row(self, table: sa.Table, obj: Any, **more: Any) -> dict[str, Any]:
        """Return the row of a table for one of the gateway's objects; `more` adds to it and overrides."""
        kind: Any = type(obj)
        taken, dated = _plan(table, kind)
        values = {name: getattr(obj, name) for name in taken}
        for day, instant in dated:
            value = getattr(obj, instant)
            values[day] = None if value is None else local_date(value, self.zone)
        if "raw" in values:
            values["raw"] = {key: value for key, value in values["raw"].items() if key not in _KEPT_APART}
        return {**values, **more}


@cache
def _plan(table: sa.Table, kind: Any) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    names = {f.name for f in fields(kind)}
    columns = [column.name for column in table.columns]
    dated = [(c, f"{c[:-3]}_at") for c in columns if c.endswith("_on") and f"{c[:-3]}_at" in names]
    return tuple(c for c in columns if c in names), tuple(dated)
