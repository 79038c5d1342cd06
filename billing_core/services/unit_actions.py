"""What the actions of a unit sync are in Stripe: a quantity of a subscription item, or a meter event.

A meter event's identifier is `units:{subscription_item}:{period_start}:{revision}`: a new attempt at the same revision
is the same event to Stripe, whatever its key. Its timestamp is inside the billing period, later than that of the event
before, and clear of the period's last minute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from billing_core.errors import ConflictError
from billing_core.gateway import Gateway, Written
from billing_core.periods import Period, epoch, utc
from billing_core.rules.unit_sync import UnitAction, period_window, stamp_for
from billing_core.services.desk import Desk
from billing_core.services.intents import Intent, Request
from billing_core.services.read_back import Known, Reader
from billing_core.services.stored_plans import Plan, PlannedAction
from billing_core.store.tables import meter_reports, meter_summaries
from billing_core.store.writes import upsert

METER, QUANTITY = "meter_event", "quantity"


def planned_action(action: UnitAction) -> PlannedAction:
    """Return an action as it is stored with its plan."""
    found, price = action.unit_item, action.unit_item.price
    start, end = epoch(found.item.period.start), epoch(found.item.period.end)
    details: dict[str, Any] = {
        "kind": METER if price.is_metered else QUANTITY,
        "customer_id": found.subscription.customer_id,
        "subscription_id": found.subscription.subscription_id,
        "subscription_item_id": found.item.item_id,
        "price_id": price.price_id,
        "period_start": start,
        "period_end": end,
        "reference_count": action.reference_count,
        "reference_minor": action.reference_minor,
    }
    if price.is_metered:
        details |= {"meter_id": price.meter_id, "meter_event": price.meter_event}
    return PlannedAction(
        key=action.key,
        tenant_id=action.tenant_id,
        target=f"{found.item.item_id}@{start}",
        before_count=action.before_count,
        after_count=action.after_count,
        effect_minor=action.effect_minor,
        currency=action.currency,
        note=action.note,
        is_flagged=action.is_flagged,
        details=details,
    )


@dataclass
class UnitExecutor:
    """Carries out the actions of a unit sync; `find_stale` is asked before a plan begins."""

    desk: Desk
    gateway: Gateway
    clock: Callable[[], datetime]
    find_stale: Callable[[Plan], str | None]

    def __post_init__(self) -> None:
        self._reader = Reader(self.gateway, Known({}, {}, {}, {}))

    @property
    def calls_count(self) -> int:
        """Calls so far."""
        return self._reader.calls_count

    def stale(self, plan: Plan) -> str | None:
        """Return why a plan does not hold any more."""
        return self.find_stale(plan)

    def held(self, action: PlannedAction) -> int | None:
        """Return the item's quantity, or the meter's last value of the period."""
        about = action.details
        if about["kind"] == METER:
            return self._reader.meter_value(about["meter_id"], about["customer_id"], period_window(_period(about)))
        return self._reader.quantity(about["subscription_id"], about["subscription_item_id"])

    def request(self, action: PlannedAction, revision: int) -> Request:
        """Return the call.

        Raises:
            ConflictError: the period is over, or has no room left for a report.
        """
        about, now = action.details, self.clock()
        period = _period(about)
        if about["kind"] == QUANTITY:
            if now >= period.end:
                raise ConflictError(f"The billing period ended at {period.end:%Y-%m-%d %H:%M} UTC. Make a new plan.")
            params = {"quantity": action.after_count, "proration_behavior": "create_prorations"}
            return Request(f"/v1/subscription_items/{about['subscription_item_id']}", params)
        stamp = stamp_for(period, now, self._last_stamp(about))
        if stamp is None:
            raise ConflictError(
                f"The billing period ends at {period.end:%Y-%m-%d %H:%M} UTC and has no room for another report; the"
                " recount of the closed period is next."
            )
        return Request(
            "/v1/billing/meter_events",
            {
                "event_name": about["meter_event"],
                "identifier": f"units:{about['subscription_item_id']}:{about['period_start']}:{revision}",
                "payload": {"stripe_customer_id": about["customer_id"], "value": str(action.after_count)},
                "timestamp": epoch(stamp),
            },
        )

    def write(self, request: Request, idempotency_key: str) -> Written:
        """Make a call."""
        self._reader.count()
        return self.gateway.write(request.path, request.params, idempotency_key=idempotency_key)

    def taken(self, connection: sa.Connection, plan: Plan, action: PlannedAction, intent: Intent, by: str) -> None:
        """Keep a row of each meter event that Stripe took."""
        about = action.details
        if about["kind"] != METER:
            return
        period = _period(about)
        row = {
            "identifier": intent.request.params["identifier"],
            "tenant_id": action.tenant_id,
            "customer_id": about["customer_id"],
            "subscription_item_id": about["subscription_item_id"],
            "meter_id": about["meter_id"],
            "period_start_at": period.start,
            "period_end_at": period.end,
            "revision": intent.revision,
            "units_count": int(intent.request.params["payload"]["value"]),
            "stamped_at": utc(int(intent.request.params["timestamp"])),
            "sent_at": intent.made_at,
            "sent_by": by,
            "plan_id": plan.plan_id,
        }
        upsert(connection, meter_reports, [row])

    def confirmed(self, connection: sa.Connection, actions: Sequence[PlannedAction]) -> None:
        """Keep what the meters said when it was read back."""
        rows = [
            {
                "subscription_item_id": a.details["subscription_item_id"],
                "period_start_at": utc(a.details["period_start"]),
                "tenant_id": a.tenant_id,
                "customer_id": a.details["customer_id"],
                "meter_id": a.details["meter_id"],
                "period_end_at": utc(a.details["period_end"]),
                "units_count": a.after_count,
            }
            for a in actions
            if a.details["kind"] == METER
        ]
        upsert(connection, meter_summaries, rows)

    def lags(self, action: PlannedAction) -> bool:
        """Meters show what they took some time later; quantities at once."""
        return bool(action.details["kind"] == METER)

    def _last_stamp(self, about: Mapping[str, Any]) -> datetime | None:
        r = meter_reports.c
        query = sa.select(sa.func.max(r.stamped_at)).where(
            r.subscription_item_id == about["subscription_item_id"], r.period_start_at == utc(about["period_start"])
        )
        with self.desk.database.connect() as connection:
            found: datetime | None = connection.scalar(query)
        return found


def _period(about: Mapping[str, Any]) -> Period:
    return Period(utc(int(about["period_start"])), utc(int(about["period_end"])))
