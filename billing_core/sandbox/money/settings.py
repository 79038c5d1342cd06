"""The account's settings that money movement obeys, kept in the account's meta under `settings`.

Values: `retry_days`, days between one attempt to collect an invoice and the next; `payout_failure`, the failure code
that the next payout to arrive ends with (used once) or None; `is_payout_automatic`.
"""

from __future__ import annotations

from typing import Any

from billing_core.sandbox.context import Context

DEFAULTS: dict[str, Any] = {
    "retry_days": [3, 5, 7],
    "is_payout_automatic": True,
    "payout_failure": None,
}


def setting(ctx: Context, name: str) -> Any:
    """Return a setting's value, or its default."""
    return (ctx.state.meta.get("settings") or {}).get(name, DEFAULTS[name])


def put_setting(ctx: Context, name: str, value: Any) -> None:
    """Change a setting."""
    ctx.state.set_meta(settings={**(ctx.state.meta.get("settings") or {}), name: value})
