"""Discounts: a coupon redeemed by a customer, a subscription, an item, an invoice or an invoice item.

`attach` makes them; which of them take what off an amount is for `billing.discounting` to say. A discount keeps a copy
of its coupon in `_coupon`, so that it goes on when the coupon is deleted, and its owner's id in `_owner`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from billing_core.periods import add_interval, epoch, utc
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault, invalid, missing
from billing_core.sandbox.money.changes import updating
from billing_core.sandbox.render import deleted as mark_of
from billing_core.sandbox.resources.coupons import is_code_redeemable, is_redeemable
from billing_core.sandbox.routes import route
from billing_core.sandbox.state import Obj

# Which of a discount's fields names the owner, by the owner's kind.
FIELDS = {
    "customer": None,
    "subscription": "subscription",
    "subscription_item": "subscription_item",
    "invoice": "invoice",
    "invoiceitem": "invoice_item",
    "line_item": "invoice_item",
}
MAX = 20


def attach(
    ctx: Context, owner_kind: str, owner_id: str, specs: Sequence[Obj] | str, *, param: str = "discounts"
) -> list[str]:
    """Redeem coupons for an owner.

    Args:
        ctx: the account.
        owner_kind: one of `FIELDS`.
        owner_id: an object that is in the state.
        specs: each with one of `coupon`, `promotion_code` or `discount` (one that exists, used on as it is).
        param: what to name in an error.

    Returns:
        Ids of the owner's discounts in order. Storing them on the owner is the caller's part.

    Raises:
        StripeFault: no such coupon or code, or one that can no longer be redeemed by this customer.
    """
    if len(specs) > MAX:
        raise invalid(f"You can specify at most {MAX} discounts.", param)
    found = []
    for index, spec in enumerate(specs or []):
        where = f"{param}[{index}]"
        if not isinstance(spec, dict) or sum(k in spec for k in ("coupon", "discount", "promotion_code")) != 1:
            raise invalid("You must specify exactly one of coupon, discount or promotion_code.", where)
        if spec.get("discount"):
            ctx.need("discount", spec["discount"], f"{where}[discount]")
            found.append(spec["discount"])
        else:
            found.append(_redeem(ctx, owner_kind, owner_id, spec, where)["id"])
    return found


def _redeem(ctx: Context, owner_kind: str, owner_id: str, spec: Obj, where: str) -> Obj:
    owner = ctx.need(owner_kind, owner_id, where)
    customer_id = _customer_of(ctx, owner)
    code = None
    if spec.get("promotion_code"):
        code = ctx.need("promotion_code", spec["promotion_code"], f"{where}[promotion_code]")
        _check_code(ctx, code, customer_id, f"{where}[promotion_code]")
    coupon_id = code["promotion"]["coupon"] if code else spec["coupon"]
    coupon = ctx.need("coupon", coupon_id, f"{where}[coupon]")
    if not is_redeemable(ctx, coupon):
        raise StripeFault(
            f"Coupon expired: {coupon_id}"
            if coupon["redeem_by"]
            else f"Coupon {coupon_id} is used up and cannot be applied.",
            code="coupon_expired",
            param=f"{where}[coupon]",
        )
    start = ctx.now(owner)
    end = None
    if coupon["duration"] == "repeating":
        end = epoch(add_interval(utc(start), "month", coupon["duration_in_months"], 1))
    discount: Obj = {
        "id": ctx.state.new_id("di"),
        "object": "discount",
        "checkout_session": None,
        "customer": customer_id,
        "customer_account": None,
        "end": end,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": code["id"] if code else None,
        "source": {"coupon": coupon_id, "type": "coupon"},
        "start": start,
        "subscription": None,
        "subscription_item": None,
        "_owner": owner_id,
        "_coupon": {k: v for k, v in coupon.items() if k != "_seq"},
    }
    field = FIELDS[owner_kind]
    if field:
        discount[field] = owner_id
    discount = ctx.state.insert(discount)
    ctx.state.edit("coupon", coupon_id)["times_redeemed"] += 1
    if code:
        ctx.state.edit("promotion_code", code["id"])["times_redeemed"] += 1
    if owner_kind in ("customer", "subscription"):
        ctx.emit("customer.discount.created", discount)
    return discount


def _customer_of(ctx: Context, owner: Obj) -> str | None:
    if owner["object"] == "customer":
        return str(owner["id"])
    if owner.get("customer"):
        return str(owner["customer"])
    for field, kind in (("subscription", "subscription"), ("invoice", "invoice")):
        parent = ctx.state.get(kind, owner.get(field))
        if parent:
            return str(parent["customer"])
    return None


def _check_code(ctx: Context, code: Obj, customer_id: str | None, where: str) -> None:
    if not is_code_redeemable(ctx, code):
        raise invalid("This promotion code has expired or can no longer be redeemed.", where, "coupon_expired")
    if code["customer"] and code["customer"] != customer_id:
        raise invalid("This promotion code cannot be redeemed by this customer.", where)
    if code["restrictions"]["first_time_transaction"] and customer_id:
        paid = [i for i in ctx.state.where("invoice", "customer", customer_id) if i["status"] == "paid" and i["total"]]
        if paid:
            raise invalid(
                "This promotion code cannot be redeemed because the associated customer has prior transactions.", where
            )


def active(ctx: Context, obj: Obj, at: int) -> list[Obj]:
    """Return the discounts of an owner that are in force at an instant (start <= at < end), in order.

    A customer has at most one, under `discount`; others hold a list of ids under `discounts`.
    """
    ids = obj.get("discounts") if "discounts" in obj else [obj["discount"]] if obj.get("discount") else []
    found = []
    for entry in ids or []:
        discount = ctx.state.get("discount", entry if isinstance(entry, str) else entry["id"])
        if discount and not discount.get("_is_used") and (discount["end"] is None or at < discount["end"]):
            found.append(discount)
    return found


def remove(ctx: Context, discount_id: str) -> Obj:
    """Delete a discount with its event; taking it off its owner is the caller's part."""
    discount = ctx.need("discount", discount_id, "discount")
    if discount["invoice"] is None and discount["invoice_item"] is None and discount["subscription_item"] is None:
        ctx.emit("customer.discount.deleted", discount)
    ctx.state.delete("discount", discount_id)
    return discount


@route("DELETE", "/v1/customers/{customer}/discount")
def delete_of_customer(ctx: Context, params: Obj, customer: str) -> Obj:
    """Take a customer's discount away."""
    found = ctx.need("customer", customer)
    discount = found["discount"]
    discount_id = discount["id"] if isinstance(discount, dict) else discount
    if not discount_id:
        raise _none(customer)
    with updating(ctx, "customer", customer) as changed:
        changed["discount"] = None
    return mark_of(remove(ctx, discount_id)) | _described(discount, customer)


@route("DELETE", "/v1/subscriptions/{subscription}/discount")
def delete_of_subscription(ctx: Context, params: Obj, subscription: str) -> Obj:
    """Take a subscription's discounts away."""
    found = ctx.need("subscription", subscription)
    ids = list(found["discounts"])
    if not ids:
        raise _none(subscription)
    with updating(ctx, "subscription", subscription, "customer.subscription.updated") as changed:
        changed["discounts"] = []
    removed = [remove(ctx, i) for i in ids][-1]
    return mark_of(removed) | _described(removed, found["customer"])


def _none(owner_id: str) -> StripeFault:
    fault = missing("discount", owner_id)
    fault.message = f"No active discount for: {owner_id}"
    return fault


def _described(discount: Any, customer: str) -> Obj:
    names = ("checkout_session", "customer_account", "invoice", "invoice_item", "promotion_code", "source", "start")
    shown = {name: discount[name] for name in names} if isinstance(discount, dict) else {}
    return shown | {"customer": customer}
