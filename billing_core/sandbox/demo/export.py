"""What the demo company's own systems hold, as files: tenants, occupancies, usage, company details, planted faults.

CSV as `billing import` takes it: UTF-8, times ISO 8601 in UTC, dates of the reporting zone.
"""

from __future__ import annotations

import csv
import json
import math
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from billing_core.sandbox.demo.cast import Tenant
from billing_core.sandbox.demo.platform import Platform
from billing_core.sandbox.demo.stage import DAY, at_local, day_of
from billing_core.sandbox.demo.units import Occupancy

# Every so many tenants meter heat, and every so many call the platform's API.
HEAT_EVERY = 6
API_EVERY = 9
USAGE_DAYS = 400


def write(folder: Path, platform: Platform, seed: int) -> None:
    """Write all files of the demo into a folder that exists."""
    tenants = platform.tenants
    _csv(
        folder / "tenants.csv",
        ("tenant_id", "name", "email", "country", "currency", "created_at", "deleted_at"),
        (_tenant(t) for t in tenants),
    )
    _csv(
        folder / "occupancies.csv",
        ("occupancy_id", "tenant_id", "unit_id", "starts_on", "ends_on", "deleted_at"),
        (_occupancy(t, o) for t in tenants for o in sorted(t.occupancies, key=lambda o: o.occupancy_id)),
    )
    _csv(
        folder / "usage.csv",
        ("tenant_id", "metric", "quantity", "at", "idempotency_key"),
        _usage(tenants, seed, day_of(platform.stage.begins), day_of(platform.stage.ends)),
    )
    _json(folder / "details.json", [_details(t) for t in tenants])
    _json(folder / "faults.json", platform.faults.listed())


def _csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _instant(when: int) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _tenant(tenant: Tenant) -> Sequence[Any]:
    deleted_at = _instant(at_local(tenant.deleted_on, 9)) if tenant.deleted_on else ""
    company = tenant.company
    created_at = _instant(at_local(tenant.created_on, 7, 30))
    return tenant.tenant_id, company.name, company.email, company.country, tenant.currency, created_at, deleted_at


def _occupancy(tenant: Tenant, o: Occupancy) -> Sequence[Any]:
    deleted_at = _instant(at_local(o.starts_on + timedelta(days=2), 10)) if o.is_deleted else ""
    return o.occupancy_id, tenant.tenant_id, o.unit_id, o.starts_on, o.ends_on or "", deleted_at


def _details(tenant: Tenant) -> dict[str, Any]:
    company = tenant.company
    return {
        "tenant_id": tenant.tenant_id,
        "cvr": company.cvr,
        "ean": company.ean,
        "vat_id": company.vat_id,
        "order_reference": company.order_reference,
        "street": company.street,
        "postal_code": company.postal_code,
        "city": company.city,
        "country": company.country,
    }


def _usage(tenants: Sequence[Tenant], seed: int, first: date, last: date) -> Iterable[Sequence[Any]]:
    for number, tenant in enumerate(tenants):
        rng = random.Random(f"{seed}:usage:{tenant.tenant_id}")
        begin = max(first, tenant.created_on, last - timedelta(days=USAGE_DAYS))
        if number % HEAT_EVERY == 1:
            yield from _heat(tenant, rng, begin, last)
        if number % API_EVERY == 4:
            yield from _calls(tenant, rng, begin, last)


def _heat(tenant: Tenant, rng: random.Random, begin: date, last: date) -> Iterable[Sequence[Any]]:
    """Heat of the day before in kWh: much in January, hot water only in July."""
    day = begin
    while day < last:
        cold = (1 + math.cos((day.timetuple().tm_yday - 20) / 365 * 2 * math.pi)) / 2
        milli = round(tenant.counts.on(day) * (2500 + 21500 * cold) * rng.uniform(0.85, 1.15))
        at = _instant(at_local(day + timedelta(days=1)) - 1)
        yield tenant.tenant_id, "heat_kwh", f"{milli // 1000}.{milli % 1000:03d}", at, f"heat:{tenant.tenant_id}:{day}"
        day += timedelta(days=1)


def _calls(tenant: Tenant, rng: random.Random, begin: date, last: date) -> Iterable[Sequence[Any]]:
    """Calls of the platform's API on a day: busy on weekdays, more every month."""
    day, growth = begin, 1.0
    while day < last:
        base = 40 + 9 * tenant.counts.on(day)
        quantity = round(base * growth * (0.25 if day.weekday() > 4 else 1) * rng.uniform(0.7, 1.3))
        at = _instant(at_local(day) + DAY * 3 // 4)
        yield tenant.tenant_id, "api_calls", quantity, at, f"api:{tenant.tenant_id}:{day}"
        day, growth = day + timedelta(days=1), growth * 1.0012
