"""Coupons and the promotion codes that hand them out.

`_applies_to` and `_currency_options` are shown only when expanded, as at Stripe. `valid` is worked out when shown.
"""

from __future__ import annotations

import re
from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money.changes import merged_metadata, updating
from billing_core.sandbox.render import bare, includable, presenter
from billing_core.sandbox.render import deleted as mark_of
from billing_core.sandbox.resources.prices import check_currency
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

CODE = re.compile(r"[A-Za-z0-9_-]{1,500}")


def is_redeemable(ctx: Context, coupon: Obj) -> bool:
    """Tell whether a coupon can still be redeemed, on the account's clock."""
    full = coupon["max_redemptions"] is not None and coupon["times_redeemed"] >= coupon["max_redemptions"]
    late = coupon["redeem_by"] is not None and ctx.now() > coupon["redeem_by"]
    return not (full or late)


@presenter("coupon")
def present(ctx: Context, coupon: Obj) -> Obj:
    """Show a coupon."""
    return bare(coupon) | {"valid": is_redeemable(ctx, coupon)}


@includable("coupon", "applies_to")
def _applies_to(ctx: Context, coupon: Obj) -> Any:
    return coupon["_applies_to"]


@includable("coupon", "currency_options")
def _currency_options(ctx: Context, coupon: Obj) -> Any:
    return {coupon["currency"]: {"amount_off": coupon["amount_off"]}, **coupon["_currency_options"]}


@route("POST", "/v1/coupons")
def create(ctx: Context, params: Obj) -> Obj:
    """Create a coupon: a percentage or an amount off, once, for some months or for ever."""
    percent, amount = params.get("percent_off"), params.get("amount_off")
    if percent is None and amount is None:
        raise invalid("Must provide percent_off or amount_off. Please add one of these to your request.", "percent_off")
    if percent is not None and amount is not None:
        raise invalid(
            "You may only specify one of these parameters: amount_off, percent_off.",
            "amount_off",
            "parameters_exclusive",
        )
    if percent is not None and not 0 < percent <= 100:
        raise invalid("Invalid percent_off: must be greater than 0 and at most 100.", "percent_off")
    if amount is not None and amount <= 0:
        raise invalid("Invalid positive integer", "amount_off", "parameter_invalid_integer")
    if amount is not None and "currency" not in params:
        raise invalid("You must pass currency when passing amount_off.", "currency", "parameter_missing")
    duration, months = params.get("duration") or "once", params.get("duration_in_months")
    if (duration == "repeating") != (months is not None):
        raise invalid(
            "You must pass duration_in_months when passing duration=repeating, and only then.",
            "duration_in_months",
            "parameter_missing" if months is None else None,
        )
    if months is not None and months < 1:
        raise invalid("Invalid positive integer", "duration_in_months", "parameter_invalid_integer")
    if params.get("redeem_by") is not None and params["redeem_by"] <= ctx.now():
        raise invalid("redeem_by must be in the future.", "redeem_by")
    if params.get("max_redemptions", 1) < 1:
        raise invalid("Invalid positive integer", "max_redemptions", "parameter_invalid_integer")
    products = (params.get("applies_to") or {}).get("products")
    for product in products or []:
        ctx.need("product", product, "applies_to[products]")
    coupon_id = params.get("id") or ctx.state.new_id("co").removeprefix("co_1")[:8]
    if not CODE.fullmatch(coupon_id):
        raise invalid("Coupon ids may only contain letters, digits, - and _.", "id")
    if ctx.state.get("coupon", coupon_id) is not None:
        raise invalid(f"Coupon already exists: {coupon_id}", "id", "resource_already_exists")
    options = params.get("currency_options") or {}
    coupon = ctx.state.insert(
        {
            "id": coupon_id,
            "object": "coupon",
            "amount_off": amount,
            "created": ctx.now(),
            "currency": check_currency(params["currency"]) if amount is not None else None,
            "duration": duration,
            "duration_in_months": months,
            "livemode": False,
            "max_redemptions": params.get("max_redemptions"),
            "metadata": merged_metadata({}, params.get("metadata")),
            "name": params.get("name") or None,
            "percent_off": float(percent) if percent is not None else None,
            "redeem_by": params.get("redeem_by"),
            "times_redeemed": 0,
            "valid": True,
            "_applies_to": {"products": products} if products else None,
            "_currency_options": {check_currency(c): {"amount_off": o["amount_off"]} for c, o in options.items()},
        }
    )
    ctx.emit("coupon.created", coupon)
    return coupon


@route("GET", "/v1/coupons/{coupon}")
def retrieve(ctx: Context, params: Obj, coupon: str) -> Obj:
    """Return a coupon."""
    return ctx.need("coupon", coupon)


@route("POST", "/v1/coupons/{coupon}")
def update(ctx: Context, params: Obj, coupon: str) -> Obj:
    """Change a coupon's name, metadata or further currencies; what it takes off stays."""
    ctx.need("coupon", coupon)
    with updating(ctx, "coupon", coupon) as changed:
        if "name" in params:
            changed["name"] = params["name"] or None
        if "metadata" in params:
            changed["metadata"] = merged_metadata(changed["metadata"], params["metadata"])
        for currency, option in (params.get("currency_options") or {}).items():
            if currency == changed["currency"] or changed["amount_off"] is None:
                raise invalid("Only further currencies of an amount can be set.", "currency_options")
            more = {check_currency(currency): {"amount_off": option["amount_off"]}}
            changed["_currency_options"] = {**changed["_currency_options"], **more}
    return changed


@route("DELETE", "/v1/coupons/{coupon}")
def delete(ctx: Context, params: Obj, coupon: str) -> Obj:
    """Delete a coupon; discounts that were made from it go on."""
    found = ctx.need("coupon", coupon)
    ctx.emit("coupon.deleted", found)
    ctx.state.delete("coupon", coupon)
    return mark_of(found)


@route("GET", "/v1/coupons")
def list_all(ctx: Context, params: Obj) -> Page:
    """List coupons."""
    return Page(ctx.state.all("coupon"), "/v1/coupons")


# --- promotion codes --------------------------------------------------------------------------------------------------


def is_code_redeemable(ctx: Context, code: Obj) -> bool:
    """Tell whether a promotion code can still be redeemed."""
    coupon = ctx.state.get("coupon", code["promotion"]["coupon"])
    full = code["max_redemptions"] is not None and code["times_redeemed"] >= code["max_redemptions"]
    late = code["expires_at"] is not None and ctx.now() >= code["expires_at"]
    return bool(code["active"] and coupon and is_redeemable(ctx, coupon) and not full and not late)


@presenter("promotion_code")
def present_code(ctx: Context, code: Obj) -> Obj:
    """Show a promotion code; it is active only while it can be redeemed."""
    return bare(code) | {"active": is_code_redeemable(ctx, code)}


@route("POST", "/v1/promotion_codes")
def create_code(ctx: Context, params: Obj) -> Obj:
    """Create a code that customers can enter."""
    coupon = ctx.need("coupon", (params["promotion"].get("coupon") or ""), "promotion[coupon]")
    if not is_redeemable(ctx, coupon):
        raise invalid("This coupon can no longer be redeemed.", "promotion[coupon]")
    if params.get("customer"):
        ctx.need("customer", params["customer"], "customer")
    code = params.get("code") or ctx.state.new_id("code").removeprefix("code_1")[:8].upper()
    if not CODE.fullmatch(code):
        raise invalid("Promotion codes may only contain letters, digits, - and _.", "code")
    for other in ctx.state.all("promotion_code"):
        if other["code"].lower() == code.lower() and is_code_redeemable(ctx, other):
            raise invalid("An active promotion code with `code: " + code + "` already exists.", "code")
    given = params.get("restrictions") or {}
    made = ctx.state.insert(
        {
            "id": ctx.state.new_id("promo"),
            "object": "promotion_code",
            "active": params.get("active", True),
            "code": code,
            "created": ctx.now(),
            "customer": params.get("customer"),
            "customer_account": None,
            "expires_at": params.get("expires_at"),
            "livemode": False,
            "max_redemptions": params.get("max_redemptions"),
            "metadata": merged_metadata({}, params.get("metadata")),
            "promotion": {"coupon": coupon["id"], "type": "coupon"},
            "restrictions": {
                "first_time_transaction": given.get("first_time_transaction", False),
                "minimum_amount": given.get("minimum_amount"),
                "minimum_amount_currency": given.get("minimum_amount_currency"),
            },
            "times_redeemed": 0,
        }
    )
    ctx.emit("promotion_code.created", made)
    return made


@route("GET", "/v1/promotion_codes/{promotion_code}")
def retrieve_code(ctx: Context, params: Obj, promotion_code: str) -> Obj:
    """Return a promotion code."""
    return ctx.need("promotion_code", promotion_code)


@route("POST", "/v1/promotion_codes/{promotion_code}")
def update_code(ctx: Context, params: Obj, promotion_code: str) -> Obj:
    """Switch a promotion code off or on, or change its metadata."""
    found = ctx.need("promotion_code", promotion_code)
    if params.get("active") and not is_code_redeemable(ctx, {**found, "active": True}):
        raise invalid("This promotion code can no longer be redeemed and cannot be made active.", "active")
    with updating(ctx, "promotion_code", promotion_code) as changed:
        if "active" in params:
            changed["active"] = params["active"]
        if "metadata" in params:
            changed["metadata"] = merged_metadata(changed["metadata"], params["metadata"])
    return changed


@route("GET", "/v1/promotion_codes")
def list_codes(ctx: Context, params: Obj) -> Page:
    """List promotion codes."""

    def matches(code: Obj) -> bool:
        return (
            params.get("active") in (None, is_code_redeemable(ctx, code))
            and str(params.get("code") or code["code"]).lower() == code["code"].lower()
            and params.get("coupon") in (None, code["promotion"]["coupon"])
            and params.get("customer") in (None, code["customer"])
        )

    return Page([c for c in ctx.state.all("promotion_code") if matches(c)], "/v1/promotion_codes")
