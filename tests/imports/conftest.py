"""A short way to import a file that is written in the test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from billing_core.services.imports import ImportResult, import_csv
from billing_core.store.database import Database

HEADERS = {
    "tenants": "tenant_id,name,email,country,currency,created_at,deleted_at",
    "occupancies": "occupancy_id,tenant_id,unit_id,starts_on,ends_on,deleted_at",
    "usage": "tenant_id,metric,quantity,at,idempotency_key",
    "subscriptions": (
        "subscription_id,tenant_id,product,started_at,ended_at,is_trial,quantity,unit_amount_minor,currency,"
        "interval,interval_count"
    ),
    "invoices": (
        "invoice_id,tenant_id,number,currency,subtotal_minor,tax_minor,total_minor,finalized_at,due_on,status,"
        "paid_at,paid_minor"
    ),
    "fx_rates": "rate_on,base,quote,rate",
}
# (kind, rows without their header, dry_run) → result
Import = Callable[..., ImportResult]


@pytest.fixture
def import_text(database: Database, tmp_path: Path, zone: ZoneInfo, now: datetime) -> Import:
    """Import rows of a kind; `header=` replaces the kind's own, bytes are written as they are."""

    def run(
        kind: str, *rows: str, header: str | None = None, content: bytes | None = None, dry_run: bool = False
    ) -> ImportResult:
        file = tmp_path / f"{kind}.csv"
        text = "\n".join([HEADERS.get(kind, "") if header is None else header, *rows]) + "\n"
        file.write_bytes(text.encode() if content is None else content)
        return import_csv(database, kind, file, actor="finance@example.com", zone=zone, now=now, dry_run=dry_run)

    return run


@pytest.fixture
def two_tenants(import_text: Import) -> None:
    """Tenants t1 and t2."""
    import_text("tenants", "t1,Sol ApS,sol@example.com,DK,dkk,2026-01-01,", "t2,Måne A/S,,SE,sek,2026-01-01T12:00:00Z,")
