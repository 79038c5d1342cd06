"""What writes to Stripe are allowed now: the switch that stops all of them, and the thresholds of approval.

Both live in the table `settings`, so that every process sees a change at its next look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from billing_core.errors import ConflictError, SettingError
from billing_core.rules.approval import Thresholds
from billing_core.services.access import Actor, authorize
from billing_core.services.desk import Desk
from billing_core.services.reasons import checked_reason
from billing_core.store.tables import audit_log, settings

WRITES_STOPPED = "writes_stopped"
THRESHOLDS = "approval_thresholds"


@dataclass(frozen=True, slots=True)
class Stop:
    """Who stopped all writes to Stripe, and why."""

    by: str
    reason: str


class WritesStoppedError(ConflictError):
    """Somebody has stopped all writes to Stripe."""


def writes_stopped(connection: sa.Connection) -> Stop | None:
    """Return who stopped writing, or None while writing is allowed."""
    value = _value(connection, WRITES_STOPPED)
    return Stop(str(value["by"]), str(value["reason"])) if value and value.get("is_stopped") else None


def refuse_when_stopped(connection: sa.Connection) -> None:
    """Let a write pass.

    Raises:
        WritesStoppedError: all writes are stopped.
    """
    stop = writes_stopped(connection)
    if stop is not None:
        raise WritesStoppedError(
            f"{stop.by} has stopped all writes to Stripe ({stop.reason}). Go on with: billing writes allow"
        )


def set_writes(desk: Desk, actor: Actor, *, is_stopped: bool, reason: str) -> None:
    """Stop all writes to Stripe, or allow them again; runs that are going on stop before their next call.

    Raises:
        ForbiddenError: the actor may not.
        InvalidInputError: no reason, or an unusable one.
    """
    by = authorize(desk, actor, "writes.stop")
    text = checked_reason(reason)
    value = {"is_stopped": is_stopped, "by": by.email, "reason": text}
    with desk.database.begin() as connection:
        before = _value(connection, WRITES_STOPPED)
        changed = pg.insert(settings).values(key=WRITES_STOPPED, value=value)
        connection.execute(changed.on_conflict_do_update(index_elements=[settings.c.key], set_={"value": value}))
        connection.execute(
            sa.insert(audit_log).values(
                actor=by.email,
                action="writes.stopped" if is_stopped else "writes.allowed",
                subject_kind="setting",
                subject_id=WRITES_STOPPED,
                reason=text,
                before=before,
                after=value,
            )
        )


def thresholds(connection: sa.Connection) -> Thresholds:
    """Return from where on a second person approves: the setting, or the defaults for what it leaves out.

    Raises:
        SettingError: the setting cannot be read.
    """
    value = _value(connection, THRESHOLDS) or {}
    start = Thresholds()
    try:
        per_currency = {str(c).lower(): int(m) for c, m in dict(value.get("change_minor", {})).items()}
        return Thresholds(
            change_minor={**start.change_minor, **per_currency},
            units_share=Fraction(int(value["units_percent"]), 100) if "units_percent" in value else start.units_share,
            units_count=int(value.get("units_count", start.units_count)),
            tenants_count=int(value.get("tenants_count", start.tenants_count)),
        )
    except (TypeError, ValueError) as error:
        raise SettingError(
            f"The setting {THRESHOLDS} cannot be read ({error}). It holds change_minor (minor units per currency),"
            " units_percent, units_count and tenants_count, all whole numbers."
        ) from error


def _value(connection: sa.Connection, key: str) -> Mapping[str, Any] | None:
    value = connection.scalar(sa.select(settings.c.value).where(settings.c.key == key))
    return value if isinstance(value, Mapping) else None
