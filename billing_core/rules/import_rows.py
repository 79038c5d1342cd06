"""What a row of an imported file becomes in our tables; pure, one function per kind.

Rows from files carry `source` `import` and keep the ids of the file; Stripe's rows carry `stripe`, and an id is never
both.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from billing_core.money import round_minor
from billing_core.periods import local_date, start_of_day
from billing_core.rules.usage import UsageEvent

SOURCE = "import"


def tenant(row: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Return the row of `tenants`."""
    return {**row, "created_on": local_date(row["created_at"], zone)}


def usage_event(row: dict[str, Any]) -> UsageEvent:
    """Return the event of a row of a usage file."""
    return UsageEvent(**row)


def subscription(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return the row of `subscriptions`; its status is what it is at `now`.

    An end in the past is `ended_at`, an end to come is `cancel_at`.
    """
    ended_at = row["ended_at"]
    is_over = ended_at is not None and ended_at <= now
    running = "trialing" if row["is_trial"] else "active"
    return {
        "subscription_id": row["subscription_id"],
        "tenant_id": row["tenant_id"],
        "status": "canceled" if is_over else running,
        "currency": row["currency"],
        "started_at": row["started_at"],
        "created_at": row["started_at"],
        "trial_start_at": row["started_at"] if row["is_trial"] else None,
        "trial_end_at": ended_at if row["is_trial"] else None,
        "cancel_at": None if is_over else ended_at,
        "ended_at": ended_at if is_over else None,
        "canceled_at": ended_at if is_over else None,
        "source": SOURCE,
    }


def subscription_item(row: dict[str, Any]) -> dict[str, Any]:
    """Return the one item of an imported subscription, which bears the subscription's id."""
    return {
        "subscription_item_id": row["subscription_id"],
        "subscription_id": row["subscription_id"],
        "tenant_id": row["tenant_id"],
        "quantity": row["quantity"],
        "created_at": row["started_at"],
    }


def subscription_item_version(row: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Return the one version of that item: what held from the start to the end (exclusive).

    `period_amount_minor` is quantity × unit amount for one interval of `interval_count`, not brought to a month.
    """
    ended_at = row["ended_at"]
    return {
        "version_id": row["subscription_id"],
        "tenant_id": row["tenant_id"],
        "subscription_id": row["subscription_id"],
        "subscription_item_id": row["subscription_id"],
        "product": row["product"],
        "status": "trialing" if row["is_trial"] else "active",
        "usage_type": "licensed",
        "is_trial": row["is_trial"],
        "quantity": row["quantity"],
        "unit_amount_decimal": row["unit_amount_minor"],
        "period_amount_minor": row["quantity"] * row["unit_amount_minor"],
        "currency": row["currency"],
        "interval": row["interval"],
        "interval_count": row["interval_count"],
        "valid_from": row["started_at"],
        "valid_to": ended_at,
        "valid_from_on": local_date(row["started_at"], zone),
        "valid_to_on": None if ended_at is None else local_date(ended_at, zone),
        "source": SOURCE,
    }


def invoice(row: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Return the row of `invoices`.

    What subtotal and tax exceed the total by is the discount. Nothing remains of a paid invoice, however it was
    settled; of another one remains what was not paid. A file tells neither when an invoice was voided nor when it was
    given up, so these dates are the finalization's.
    """
    paid_minor = row["paid_minor"] or 0
    due_minor = max(row["total_minor"], 0)
    finalized_at, due_on, status = row["finalized_at"], row["due_on"], row["status"]
    finalized_on = _date(finalized_at, zone)
    is_void, is_uncollectible = status == "void", status == "uncollectible"
    return {
        "invoice_id": row["invoice_id"],
        "tenant_id": row["tenant_id"],
        "number": row["number"],
        "status": status,
        "currency": row["currency"],
        "subtotal_minor": row["subtotal_minor"],
        "discount_minor": row["subtotal_minor"] + row["tax_minor"] - row["total_minor"],
        "tax_minor": row["tax_minor"],
        "total_excluding_tax_minor": row["total_minor"] - row["tax_minor"],
        "total_minor": row["total_minor"],
        "amount_due_minor": due_minor,
        "amount_paid_minor": paid_minor,
        "amount_remaining_minor": 0 if status == "paid" else due_minor - paid_minor,
        "created_at": finalized_at,
        "finalized_at": finalized_at,
        "finalized_on": finalized_on,
        "due_at": None if due_on is None else start_of_day(due_on, zone),
        "due_on": due_on,
        "paid_at": row["paid_at"],
        "paid_on": _date(row["paid_at"], zone),
        "voided_at": finalized_at if is_void else None,
        "voided_on": finalized_on if is_void else None,
        "marked_uncollectible_at": finalized_at if is_uncollectible else None,
        "marked_uncollectible_on": finalized_on if is_uncollectible else None,
        "source": SOURCE,
    }


def payment(row: dict[str, Any], zone: ZoneInfo) -> dict[str, Any] | None:
    """Return the row of `payments` for what was paid on an imported invoice; it bears the invoice's id; None without.

    Its tax is the invoice's tax in the proportion paid, rounded once.
    """
    paid_minor = row["paid_minor"] or 0
    if paid_minor == 0:
        return None
    return {
        "payment_id": row["invoice_id"],
        "invoice_id": row["invoice_id"],
        "tenant_id": row["tenant_id"],
        "currency": row["currency"],
        "amount_minor": paid_minor,
        "tax_minor": round_minor(Fraction(paid_minor * row["tax_minor"], row["total_minor"])),
        "status": "paid",
        "is_outside_stripe": True,
        "paid_at": row["paid_at"],
        "paid_on": _date(row["paid_at"], zone),
        "created_at": row["paid_at"],
        "source": SOURCE,
    }


def fx_rate(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row of `fx_rates`: one unit of the base currency is `rate` units of the quote currency."""
    return {
        "rate_on": row["rate_on"],
        "base_currency": row["base"],
        "quote_currency": row["quote"],
        "rate": row["rate"],
        "source": SOURCE,
    }


def _date(instant: datetime | None, zone: ZoneInfo) -> Any:
    return None if instant is None else local_date(instant, zone)
