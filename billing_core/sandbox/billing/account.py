"""The settings of the account that Stripe keeps in its dashboard, with Stripe's defaults.

They live in `state.meta["settings"]`, a plain dict; what is absent there has the default below.
"""

from __future__ import annotations

from typing import Any

from billing_core.sandbox.context import Context

DEFAULTS: dict[str, Any] = {
    # Hours between an automatic draft and its finalization.
    "draft_hours": 1,
    # Whether lines of a draft follow usage that arrives after the draft was made, before it finalizes.
    "drafts_show_late_usage": False,
    # Days before a renewal at which `invoice.upcoming` is sent; 0 sends none.
    "upcoming_days": 7,
    # Days before the due date at which `invoice.will_be_due` is sent; 0 sends none.
    "will_be_due_days": 3,
    # "customer" (a prefix per customer) or "account" (one sequence for all).
    "invoice_numbering": "customer",
    "invoice_prefix": "BD",
    # What happens to a subscription after the last retry: "cancel", "unpaid" or "past_due".
    "after_last_retry": "cancel",
    # Seconds until a reported meter event counts.
    "meter_lag_seconds": 0,
    # Of invoices made by hand for a customer who has no currency yet.
    "default_currency": "dkk",
    "country": "DK",
    "name": "Sandbox",
}

HOUR = 3600
DAY = 86400


def setting(ctx: Context, name: str) -> Any:
    """Return a setting of the account."""
    return ctx.state.meta.get("settings", {}).get(name, DEFAULTS[name])
