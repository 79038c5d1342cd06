"""The list of planted faults: what a reconciliation of the demo company must find.

`amount_minor` is what is at stake, ex tax at list price, positive when too little was billed, negative when too much,
0 when no money is wrong (yet). For `collection_stopped` it is what remains to be paid, tax included.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from billing_core.sandbox.demo.cast import Tenant


@dataclass(frozen=True)
class Fault:
    """One planted fault; ids, periods and units as far as they apply, times in UTC."""

    kind: str
    tenant_id: str | None
    customer_id: str | None
    subscription_id: str | None
    invoice_id: str | None
    period_start: str | None
    period_end: str | None
    expected_units: int | None
    billed_units: int | None
    amount_minor: int
    currency: str | None
    note: str


class FaultList:
    """Where the faults are written down while the history is made."""

    def __init__(self) -> None:
        self._found: list[Fault] = []

    def add(self, kind: str, tenant: Tenant | None, note: str, **known: Any) -> None:
        """Write a fault down; `period_start` and `period_end` as Unix seconds."""
        given: dict[str, Any] = dict.fromkeys(Fault.__dataclass_fields__)
        given |= {"kind": kind, "note": note, "amount_minor": 0}
        if tenant:
            given["tenant_id"] = tenant.tenant_id
            given["customer_id"] = tenant.customer or None
            given["subscription_id"] = tenant.subscription or None
            given["currency"] = tenant.currency
        given |= known
        for name in ("period_start", "period_end"):
            if given[name] is not None:
                given[name] = datetime.fromtimestamp(given[name], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._found.append(Fault(**given))

    def listed(self) -> list[dict[str, Any]]:
        """Return the faults for the file, in a fixed order."""
        ordered = sorted(self._found, key=lambda f: (f.kind, f.tenant_id or "", f.period_start or ""))
        return [{"fault_id": f"f_{n + 1:02d}", **asdict(f)} for n, f in enumerate(ordered)]
