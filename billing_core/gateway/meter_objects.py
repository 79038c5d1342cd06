"""What meters say, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Self

from billing_core.gateway.shapes import Raw, decimal, instant


@dataclass(frozen=True, slots=True)
class MeterEventSummary:
    """A meter's value for one customer over [start_at, end_at). Stripe has none for a window without events."""

    meter_id: str
    value: Decimal
    start_at: datetime
    end_at: datetime
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a summary."""
        value, start_at, end_at = decimal(raw, "aggregated_value"), instant(raw, "start_time"), instant(raw, "end_time")
        if value is None or start_at is None or end_at is None:
            raise KeyError("aggregated_value, start_time or end_time")
        return cls(raw["meter"], value, start_at, end_at, raw)
