"""Usage: what an event is, when two of them are the same, and what a day of them comes to.

A day is a day of the reporting zone (23, 24 or 25 hours) and an event belongs to the day its `at` falls on, however
late it is recorded. Quantities are Decimals with at most six decimals.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

DECIMALS = 6


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """Something a tenant used: so much of a metric at an instant, recorded once per idempotency key.

    Attributes:
        tenant_id: who used it.
        metric: what was used, such as `heat_kwh`.
        quantity: how much, exact.
        at: when; aware.
        idempotency_key: unique per tenant; the same key again is the same event.
        metadata: a JSON object for whoever has to explain the number; not computed with.
    """

    tenant_id: str
    metric: str
    quantity: Decimal
    at: datetime
    idempotency_key: str
    metadata: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if not self.quantity.is_finite() or int(self.quantity.as_tuple().exponent) < -DECIMALS:
            raise ValueError(f"{self.quantity} is not a quantity with at most {DECIMALS} decimals")
        if self.at.utcoffset() is None:
            raise ValueError(f"{self.at} has no time zone")


def fingerprint(event: UsageEvent) -> str:
    """Return 32 hex digits that are equal exactly when two events say the same, whatever their notation (1.50,
    +01:00).
    """
    metadata = "" if event.metadata is None else json.dumps(event.metadata, sort_keys=True, separators=(",", ":"))
    at = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    # The metric is the only part of free text before the last one, so its length keeps the parts apart.
    text = f"{len(event.metric)} {event.metric} {event.quantity:.6f} {at} {metadata}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def aggregate(events: Sequence[UsageEvent], aggregation: str) -> Decimal:
    """Return what one tenant's events of one metric and one day come to: the definition that the stored rollup obeys.

    sum: of the quantities · max: the highest · last: that of the latest `at`, of several the one recorded last ·
    count: how many events · unique: how many different quantities (an id that is reported as a number).

    Args:
        events: in the order they were recorded; at least one.
        aggregation: sum, max, last, count or unique.

    Raises:
        ValueError: no events, or an unknown aggregation.
    """
    if not events:
        raise ValueError("a day without events has no aggregate")
    quantities = [event.quantity for event in events]
    match aggregation:
        case "sum":
            return sum(quantities, Decimal(0))
        case "max":
            return max(quantities)
        case "last":
            return max(enumerate(events), key=lambda numbered: (numbered[1].at, numbered[0]))[1].quantity
        case "count":
            return Decimal(len(quantities))
        case "unique":
            return Decimal(len(set(quantities)))
    raise ValueError(f"no such aggregation: {aggregation}")
