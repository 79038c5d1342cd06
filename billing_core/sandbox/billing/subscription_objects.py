"""Subscriptions and their items as objects: how they begin, how they are shown, and what hangs on them.

Our own keys on a subscription: `_pending_update` (parameters that wait for payment), `_cancel_prorates`. On an item:
`_debits` (what was billed for the running period: references to a line or a pending invoice item, from which flexible
mode credits), `_usage_from` (metered usage before that instant belongs to an earlier price). `default_tax_rates`,
`tax_rates` and `price` hold ids and are shown as objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from billing_core.sandbox.billing.discounting import coupon_of
from billing_core.sandbox.billing.invoice_objects import tax_rate_objects
from billing_core.sandbox.context import Context
from billing_core.sandbox.render import bare, list_object, presenter, render
from billing_core.sandbox.state import Obj, clone

ENDED = ("canceled", "incomplete_expired")


def items_of(ctx: Context, subscription_id: str) -> list[Obj]:
    """Return the items of a subscription in order."""
    return ctx.state.where("subscription_item", "subscription", subscription_id)


def insert_subscription(ctx: Context, customer: Obj, **fields: Any) -> Obj:
    """Insert a subscription with Stripe's defaults, overridden by fields."""
    now = ctx.now(customer)
    subscription: Obj = {
        "id": ctx.state.new_id("sub"),
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"type": "flexible", "flexible": {"proration_discounts": "included"}, "updated_at": now},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "feedback_option": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": None,
        "customer": customer["id"],
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "latest_invoice": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "status": "active",
        "status_details": None,
        "test_clock": customer.get("test_clock"),
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None,
        "_pending_update": None,
        "_cancel_prorates": False,
    }
    subscription.update(fields)
    return ctx.state.insert(subscription)


def insert_item(
    ctx: Context, subscription: Obj, price: Obj, *, quantity: int | None, period: tuple[int, int], **fields: Any
) -> Obj:
    """Insert an item.

    Args:
        ctx: the account.
        subscription: whose it is.
        price: recurring, in the subscription's currency.
        quantity: None for a metered price.
        period: the current period, half-open.
        **fields: metadata, tax_rates (ids) and our own keys.
    """
    item: Obj = {
        "id": ctx.state.new_id("si"),
        "object": "subscription_item",
        "billed_until": period[1],
        "billing_thresholds": None,
        "created": ctx.now(subscription),
        "current_period_start": period[0],
        "current_period_end": period[1],
        "discounts": [],
        "metadata": {},
        "price": price["id"],
        "quantity": quantity,
        "subscription": subscription["id"],
        "tax_rates": [],
        "_debits": [],
        "_usage_from": period[0],
    }
    item.update(fields)
    return ctx.state.insert(item)


@presenter("subscription_item")
def present_item(ctx: Context, item: Obj) -> Obj:
    """Show an item with its price; a metered one has no quantity."""
    shown = bare(item)
    price = ctx.state.get("price", item["price"])
    if price:
        shown["price"] = render(ctx, price)
        shown["plan"] = plan_of(price)
    shown["tax_rates"] = tax_rate_objects(ctx, item["tax_rates"])
    if shown["quantity"] is None:
        del shown["quantity"]
    return shown


@presenter("subscription")
def present_subscription(ctx: Context, subscription: Obj) -> Obj:
    """Show a subscription with its first ten items."""
    shown = bare(subscription)
    items = items_of(ctx, subscription["id"])
    shown["items"] = list_object(
        [present_item(ctx, i) for i in items[:10]],
        f"/v1/subscription_items?subscription={subscription['id']}",
        len(items),
    )
    shown["default_tax_rates"] = tax_rate_objects(ctx, subscription["default_tax_rates"])
    return shown


def plan_of(price: Obj) -> Obj:
    """Return the old `plan` form of a recurring price, which items still carry."""
    recurring = price["recurring"] or {}
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price.get("unit_amount"),
        "amount_decimal": price.get("unit_amount_decimal"),
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring.get("interval"),
        "interval_count": recurring.get("interval_count"),
        "livemode": False,
        "metadata": price["metadata"],
        "meter": recurring.get("meter"),
        "nickname": price.get("nickname"),
        "product": price["product"],
        "tiers_mode": price.get("tiers_mode"),
        "transform_usage": price.get("transform_quantity"),
        "trial_period_days": recurring.get("trial_period_days"),
        "usage_type": recurring.get("usage_type"),
    }


def snapshot(ctx: Context, subscription_id: str) -> Obj:
    """Return a subscription as shown, to compare with later; nothing in it is shared with the state."""

    shown: Obj = clone(render(ctx, ctx.need("subscription", subscription_id)))
    return shown


def emit_updated(ctx: Context, before: Obj) -> None:
    """Emit `customer.subscription.updated` with what differs from an earlier snapshot, if anything does."""
    from billing_core.sandbox.money.changes import previous_attributes

    stored = ctx.state.get("subscription", before["id"])
    if stored is None:
        return
    previous = previous_attributes(before, render(ctx, stored))
    if previous:
        ctx.emit("customer.subscription.updated", stored, previous)


def drop_used_discounts(ctx: Context, invoice: Obj, used: Iterable[str]) -> None:
    """Take `once` discounts that an invoice used off their owners, so that no other invoice has them again.

    Args:
        ctx: the account.
        invoice: the invoice that used them.
        used: ids of discounts that took something off.
    """
    for discount_id in used:
        discount = ctx.state.get("discount", discount_id)
        if not discount or discount.get("_is_used") or coupon_of(ctx, discount)["duration"] != "once":
            continue
        ctx.state.edit("discount", discount_id)["_is_used"] = True
        item = ctx.state.get("subscription_item", discount.get("subscription_item"))
        owner = ctx.state.get("subscription", discount.get("subscription") or (item or {}).get("subscription"))
        before = snapshot(ctx, owner["id"]) if owner else None
        _take_off(ctx, "subscription", discount.get("subscription"), discount_id)
        _take_off(ctx, "subscription_item", discount.get("subscription_item"), discount_id)
        if discount.get("subscription") and owner:
            ctx.emit("customer.discount.deleted", discount)
        if before:
            emit_updated(ctx, before)
        customer = ctx.state.get("customer", invoice["customer"])
        held = (customer or {}).get("discount")
        if customer and discount_id in (held, held.get("id") if isinstance(held, dict) else None):
            ctx.state.edit("customer", customer["id"])["discount"] = None


def drop_ended_discounts(ctx: Context, subscription: Obj, now: int) -> None:
    """Take discounts whose time is over off a subscription and its items."""
    owners = [subscription, *items_of(ctx, subscription["id"])]
    for owner in owners:
        for discount_id in list(owner["discounts"]):
            discount = ctx.state.get("discount", discount_id)
            if discount and discount["end"] is not None and discount["end"] <= now:
                _take_off(ctx, owner["object"], owner["id"], discount_id)


def _take_off(ctx: Context, kind: str, owner_id: str | None, discount_id: str) -> None:
    owner = ctx.state.get(kind, owner_id)
    if owner and discount_id in owner["discounts"]:
        edited = ctx.state.edit(kind, owner["id"])
        edited["discounts"] = [d for d in edited["discounts"] if d != discount_id]
