"""The account itself."""

from __future__ import annotations

from typing import Any

from billing_core.sandbox.billing.account import setting
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault
from billing_core.sandbox.routes import route
from billing_core.sandbox.state import Obj

ACCOUNT_ID = "acct_1sandboxOfBilling"


def account(ctx: Context) -> Obj:
    """Return the one account there is, in Denmark with Danish kroner."""
    name: Any = setting(ctx, "name")
    return {
        "id": ACCOUNT_ID,
        "object": "account",
        "business_profile": {"name": name, "support_email": None, "support_phone": None, "url": None},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": setting(ctx, "country"),
        "created": int(ctx.state.meta.get("created", 0)),
        "default_currency": "dkk",
        "details_submitted": True,
        "email": "sandbox@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "card_payments": {"statement_descriptor_prefix": None},
            "dashboard": {"display_name": name, "timezone": "Etc/UTC"},
            "payouts": {
                "debit_negative_balances": True,
                "schedule": {"delay_days": 2, "interval": "daily"},
                "statement_descriptor": None,
            },
            "payments": {"statement_descriptor": None},
        },
        "type": "standard",
    }


@route("GET", "/v1/account")
def retrieve_own(ctx: Context, params: Obj) -> Obj:
    """Return the account of the key."""
    return account(ctx)


@route("GET", "/v1/accounts/{account_id}")
def retrieve(ctx: Context, params: Obj, account_id: str) -> Obj:
    """Return the account by its id; there is no other."""
    if account_id != ACCOUNT_ID:
        raise StripeFault(
            f"The provided key does not have access to account '{account_id}' (or that account does not exist).",
            status=403,
            code="account_invalid",
        )
    return account(ctx)
