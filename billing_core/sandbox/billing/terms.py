"""What a request says about a subscription: its items and its plain fields, checked and put into stored form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from billing_core.sandbox.billing.pricing import is_metered, resolve_price
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money.changes import merged_metadata
from billing_core.sandbox.state import Obj

MOST_ITEMS = 20


@dataclass(frozen=True)
class NewItem:
    """An item that is asked for."""

    price: Obj
    quantity: int | None
    metadata: dict[str, str] = field(default_factory=dict)
    tax_rates: list[str] = field(default_factory=list)
    discounts: list[Obj] = field(default_factory=list)


def new_item(ctx: Context, params: Obj, path: str) -> NewItem:
    """Read one item of a request.

    Raises:
        StripeFault: no price, a one-time or inactive one, a quantity on a metered one, an unknown tax rate.
    """
    price = resolve_price(ctx, params, path, is_recurring=True)
    if price is None:
        param = f"{path}[price]" if path else "price"
        raise invalid(f"Missing required param: {param}.", param, "parameter_missing")
    return NewItem(
        price,
        quantity_for(price, params.get("quantity"), path),
        merged_metadata(None, params.get("metadata")),
        tax_rate_ids(ctx, params.get("tax_rates"), f"{path}[tax_rates]" if path else "tax_rates"),
        list(params.get("discounts") or []),
    )


def quantity_for(price: Obj, quantity: int | None, path: str) -> int | None:
    """Return the stored quantity: 1 when left out, None for a metered price, which takes none."""
    if is_metered(price):
        if quantity is not None:
            raise invalid("You cannot set the quantity for metered plans.", f"{path}[quantity]" if path else "quantity")
        return None
    if quantity is not None and quantity < 0:
        raise invalid("Invalid non-negative integer", f"{path}[quantity]" if path else "quantity")
    return 1 if quantity is None else quantity


def tax_rate_ids(ctx: Context, given: Any, param: str) -> list[str]:
    """Return the ids of tax rates after checking that they exist."""
    return [ctx.need("tax_rate", rate, param)["id"] for rate in given or []]


def refuse_price(price: Obj, holder: str | None) -> NoReturn:
    """Refuse a price that another item of the subscription has.

    Args:
        price: of an item that is new or changes its price.
        holder: the other item's id; None when it is new in the same request.

    Raises:
        StripeFault: always.
    """
    if holder is None:
        raise invalid(f"Cannot add multiple subscription items with the same plan: {price['id']}", "plan")
    raise invalid(
        f"A new item with Price {price['id']} can't be added to this Subscription because an existing Subscription Item"
        f" {holder} is already using that Price. If you want to update the existing item (e.g., to adjust the"
        " quantity), pass the existing Subscription Item's `id` in your update request:"
        " https://stripe.com/docs/api/subscriptions/update#update_subscription-items-id",
        "plan",
    )


def check_together(prices: Sequence[Obj], billing_mode: str, currency: str | None) -> str:
    """Check that prices can be on one subscription; returns its currency.

    Raises:
        StripeFault: several currencies, more than twenty items, or several intervals in classic mode.
    """
    if len(prices) > MOST_ITEMS:
        raise invalid(f"A subscription can have at most {MOST_ITEMS} items.", "items")
    currencies = {p["currency"] for p in prices}
    if currency is not None and currencies - {currency}:
        raise invalid(
            f"The price specified only supports `{', '.join(sorted(currencies - {currency}))}`. This doesn't match the"
            f" expected currency: `{currency}`.",
            "items",
        )
    if len(currencies) > 1:
        raise invalid(
            "All prices on a subscription must have the same currency."
            f" Currencies found: {', '.join(sorted(currencies))}.",
            "items",
        )
    intervals = {(p["recurring"]["interval"], p["recurring"]["interval_count"]) for p in prices}
    if billing_mode == "classic" and len(intervals) > 1:
        raise invalid(
            "Currently, all prices on a subscription must have the same `recurring.interval` and"
            " `recurring.interval_count`. If you meant to update an existing subscription item instead of creating a"
            " new one, make sure to include the subscription item ID in the request.",
            "items",
        )
    return str(next(iter(currencies)))


def plain_fields(ctx: Context, customer: Obj, params: Obj, current: Obj) -> Obj:
    """Return the fields of a subscription that a request sets and that change nothing else, in stored form.

    Args:
        ctx: the account.
        customer: whose subscription.
        params: checked parameters.
        current: the subscription as it is, or its defaults.
    """
    found: Obj = {}
    if "metadata" in params:
        found["metadata"] = merged_metadata(current["metadata"], params["metadata"])
    for name in ("description", "days_until_due", "collection_method", "on_behalf_of", "application_fee_percent"):
        if name in params:
            found[name] = params[name] if params[name] != "" else None
    if "default_tax_rates" in params:
        found["default_tax_rates"] = tax_rate_ids(ctx, params["default_tax_rates"], "default_tax_rates")
    if "default_payment_method" in params:
        found["default_payment_method"] = _payment_method(ctx, customer, params["default_payment_method"])
    if "default_source" in params:
        found["default_source"] = params["default_source"] or None
    if "automatic_tax" in params:
        found["automatic_tax"] = {**current["automatic_tax"], "enabled": params["automatic_tax"]["enabled"]}
    for name in ("payment_settings", "invoice_settings"):
        if name in params:
            found[name] = {**current[name], **{k: v if v != "" else None for k, v in params[name].items()}}
    if "trial_settings" in params:
        found["trial_settings"] = {"end_behavior": dict(params["trial_settings"]["end_behavior"])}
        found["trial_settings"]["end_behavior"].setdefault("missing_payment_method", "create_invoice")
    if "pending_invoice_item_interval" in params:
        raise invalid("The sandbox does not simulate pending_invoice_item_interval.", "pending_invoice_item_interval")
    if params.get("billing_thresholds"):
        raise invalid("The sandbox does not simulate billing thresholds.", "billing_thresholds")
    collection = found.get("collection_method", current["collection_method"])
    days = found.get("days_until_due", current["days_until_due"])
    if collection == "send_invoice" and days is None:
        raise invalid(
            "You must set `days_until_due` when `collection_method` is set to `send_invoice`.", "days_until_due"
        )
    if collection == "charge_automatically":
        if params.get("days_until_due") is not None:
            raise invalid(
                "`days_until_due` can only be set when `collection_method` is `send_invoice`.", "days_until_due"
            )
        found["days_until_due"] = None
    return found


def _payment_method(ctx: Context, customer: Obj, given: str) -> str | None:
    if not given:
        return None
    from billing_core.sandbox.money.payment_methods import usable

    return str(usable(ctx, given, customer["id"], param="default_payment_method")["id"])


def set_discounts(ctx: Context, kind: str, owner_id: str, specs: Any) -> None:
    """Put discounts on a subscription or an item in place of those it has; `''` takes them off."""
    from billing_core.sandbox.resources import discounts

    ids = discounts.attach(ctx, kind, owner_id, specs or [])
    ctx.state.edit(kind, owner_id)["discounts"] = list(ids)
