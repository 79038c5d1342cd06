"""Whether the first page can show figures: what `/health` answers and the start warms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from billing_core.errors import BillingError
from billing_core.services import access, reports
from pages import _desk

FIRST_REPORT = "overview_kpis"


@dataclass(frozen=True, slots=True)
class Health:
    """Ready or not, and why not."""

    is_ready: bool
    reason: str | None = None
    mode: str | None = None
    as_of: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The answer's body; empty fields are left out."""
        fields = {
            "status": "ready" if self.is_ready else "unavailable",
            "reason": self.reason,
            "mode": self.mode,
            "as_of": self.as_of,
        }
        return {name: value for name, value in fields.items() if value is not None}


def check() -> Health:
    """Reach Postgres, find the published warehouse and run the first page's report."""
    try:
        desk = _desk.desk()
        access.list_staff(desk)
        reports.run(desk, access.SYSTEM, FIRST_REPORT, now=datetime.now(UTC))
        return Health(
            is_ready=True, mode=desk.settings.mode.value, as_of=desk.warehouse.snapshot().refreshed_at.isoformat()
        )
    except BillingError as error:
        return Health(is_ready=False, reason=str(error))
