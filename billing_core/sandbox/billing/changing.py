"""Changing a subscription: items, billing date, trial, cancellation, and the prorations and invoices that follow.

The order: the request is checked; old items are credited as they were; the change is made; new items are debited, or
a new period begins at once and is billed whole (a new interval, `billing_cycle_anchor=now`, from free to paid, a trial
that begins or ends); then what `proration_behavior` and `payment_behavior` ask for. Previews run exactly this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from billing_core.sandbox.billing.assemble import Closing, closing_windows, subscription_invoice
from billing_core.sandbox.billing.calendar import period_around
from billing_core.sandbox.billing.collecting import first_payment
from billing_core.sandbox.billing.extras import add_invoice_items, set_cancellation, set_pause
from billing_core.sandbox.billing.invoiceitems import pending
from billing_core.sandbox.billing.lifecycle import leave_as_draft, trial_warning_at
from billing_core.sandbox.billing.pricing import amount_for, is_metered, price_of, resolve_price
from billing_core.sandbox.billing.prorations import bill_usage, credit_unused, debit_remaining
from billing_core.sandbox.billing.subscription_objects import ENDED, emit_updated, insert_item, items_of, snapshot
from billing_core.sandbox.billing.terms import (
    check_together,
    new_item,
    plain_fields,
    quantity_for,
    refuse_price,
    set_discounts,
    tax_rate_ids,
)
from billing_core.sandbox.billing.timers import TRIAL_WILL_END, set_cancel, set_renewal
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid, missing
from billing_core.sandbox.money.changes import merged_metadata
from billing_core.sandbox.state import Obj


@dataclass(frozen=True)
class ItemChange:
    """What a request does to one item: `item` is None for a new one, `price` is None for one that goes."""

    item: Obj | None
    price: Obj | None
    quantity: int | None
    params: Obj

    @property
    def is_deletion(self) -> bool:
        """Whether the item goes."""
        return self.price is None

    @property
    def is_billable(self) -> bool:
        """Whether price or quantity differ, so that there is something to prorate."""
        if self.item is None or self.price is None:
            return True
        return bool(self.item["price"] != self.price["id"] or self.item["quantity"] != self.quantity)


def update(ctx: Context, subscription_id: str, params: Obj) -> Obj:
    """Change a subscription as Stripe's update call does.

    Raises:
        StripeFault: whatever Stripe refuses; then nothing has changed.
    """
    subscription = ctx.need("subscription", subscription_id)
    _check_status(subscription, params)
    before = snapshot(ctx, subscription_id)
    if params.get("payment_behavior") == "pending_if_incomplete":
        from billing_core.sandbox.billing import pending_updates

        return pending_updates.attempt(ctx, subscription_id, params)
    invoice = apply(ctx, subscription_id, params)
    if invoice is None:
        emit_updated(ctx, before)
    else:
        announce_and_settle(ctx, subscription_id, invoice, params, before)
    return ctx.need("subscription", subscription_id)


def announce_and_settle(ctx: Context, subscription_id: str, invoice: Obj, params: Obj, before: Obj) -> None:
    """Announce the invoice that an update made and collect it, or leave it a draft when it is sent or paused."""
    subscription = ctx.need("subscription", subscription_id)
    waits = subscription["pause_collection"] or subscription["collection_method"] == "send_invoice"
    if waits:
        leave_as_draft(ctx, subscription, invoice)
    ctx.emit("invoice.created", invoice)
    emit_updated(ctx, before)
    if not waits:
        behavior = params.get("payment_behavior") or "allow_incomplete"
        first_payment(ctx, invoice["id"], behavior, is_off_session=bool(params.get("off_session", True)))
        changed = ctx.need("invoice", invoice["id"])
        if behavior == "default_incomplete" and changed["status"] == "open":
            from billing_core.sandbox.billing.lifecycle import invoice_payment_failed

            invoice_payment_failed(ctx, invoice["id"])


def apply(ctx: Context, subscription_id: str, params: Obj) -> Obj | None:
    """Make the change; returns the draft of an invoice that must be settled at once, or None."""
    subscription = ctx.state.edit("subscription", subscription_id)
    customer = ctx.need("customer", subscription["customer"])
    now = ctx.now(subscription)
    behavior = params.get("proration_behavior") or "create_prorations"
    changes = read_changes(ctx, subscription, params.get("items") or [])
    prices = [c.price for c in changes if c.price] + _untouched_prices(ctx, subscription, changes)
    if not prices:
        raise invalid("A subscription must have at least one active plan.", "items")
    check_together(prices, subscription["billing_mode"]["type"], subscription["currency"])
    _check_unshared(ctx, subscription, changes)
    _check_proration_date(ctx, subscription, params, behavior, now)
    at = params.get("proration_date") or now
    subscription.update(plain_fields(ctx, customer, params, subscription))
    if "discounts" in params:
        set_discounts(ctx, "subscription", subscription_id, params["discounts"])
    set_cancellation(ctx, subscription, params, behavior, now)
    set_pause(ctx, subscription, params)
    trial = _trial_change(subscription, params, now)
    is_reset = trial is not None or _is_reset(ctx, subscription, changes, params)
    was_trialing = subscription["status"] == "trialing"
    if subscription["status"] in ("paused",) and (changes or is_reset):
        is_reset, behavior = False, "none"
    made: list[Obj] = []
    closing: list[Closing] = []
    if trial == "extended":
        _extend_trial(ctx, subscription, int(params["trial_end"]))
        is_reset = False
    if not was_trialing:
        made, closing = _credits(ctx, subscription, changes, behavior, at, is_reset=is_reset)
    _change_items(ctx, subscription, changes, at)
    if is_reset:
        return _restart(ctx, subscription, params, closing, now, behavior)
    if not was_trialing and behavior != "none":
        for item in _touched(ctx, subscription, changes):
            made += debit_remaining(ctx, item, at)
    extra = add_invoice_items(ctx, subscription, params.get("add_invoice_items") or [])
    set_renewal(ctx, subscription_id)
    set_cancel(ctx, subscription_id)
    waits = pending(ctx, customer["id"], subscription["currency"], subscription_id)
    if behavior == "always_invoice" and (made or extra) and waits:
        return subscription_invoice(ctx, subscription, "subscription_update")
    return None


# --- reading the request ---------------------------------------------------------------------------------------------


def _check_status(subscription: Obj, params: Obj) -> None:
    status = subscription["status"]
    if status in ENDED and set(params) - {"metadata", "cancellation_details"}:
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    if status == "incomplete" and set(params) - {
        "metadata",
        "default_source",
        "default_payment_method",
        "cancellation_details",
        "payment_settings",
        "discounts",
        "description",
    }:
        raise invalid(
            "You cannot update a subscription in `incomplete` status in a way that results in a new invoice. Only"
            " metadata, default_source and default_payment_method can be updated until the first invoice is paid."
        )
    if subscription["pending_update"] and params.get("items"):
        raise invalid("This subscription has a pending update. Pay or void its latest invoice first.", "items")


def read_changes(ctx: Context, subscription: Obj, wanted: Sequence[Obj]) -> list[ItemChange]:
    """Return what the items of a request mean.

    Raises:
        StripeFault: an item of another subscription, the same item twice, or what `new_item` refuses.
    """
    found: list[ItemChange] = []
    current = {i["id"]: i for i in items_of(ctx, subscription["id"])}
    for index, params in enumerate(wanted):
        path = f"items[{index}]"
        item_id = params.get("id")
        if item_id is None:
            if params.get("deleted"):
                raise invalid("Missing required param: items[0][id].".replace("0", str(index)), f"{path}[id]")
            new = new_item(ctx, params, path)
            found.append(ItemChange(None, new.price, new.quantity, params))
            continue
        if item_id not in current:
            raise missing("subscription_item", item_id, f"{path}[id]")
        if any(c.item and c.item["id"] == item_id for c in found):
            raise invalid(f"You cannot update the subscription item {item_id} twice in one request.", f"{path}[id]")
        item = dict(current[item_id])
        if params.get("deleted"):
            found.append(ItemChange(item, None, None, params))
            continue
        price = resolve_price(ctx, params, path, is_recurring=True) or price_of(ctx, item)
        was_metered = is_metered(price_of(ctx, item))
        asked = params.get("quantity", None if is_metered(price) or was_metered else item["quantity"])
        found.append(ItemChange(item, price, quantity_for(price, asked, path), params))
    return found


def _untouched_prices(ctx: Context, subscription: Obj, changes: Sequence[ItemChange]) -> list[Obj]:
    touched = {c.item["id"] for c in changes if c.item}
    return [price_of(ctx, i) for i in items_of(ctx, subscription["id"]) if i["id"] not in touched]


def _check_unshared(ctx: Context, subscription: Obj, changes: Sequence[ItemChange]) -> None:
    """Refuse that two items come to have the same price."""
    after = {c.item["id"]: c.price for c in changes if c.item}
    held: dict[str, str | None] = {}
    for item in items_of(ctx, subscription["id"]):
        price = after[item["id"]] if item["id"] in after else price_of(ctx, item)
        if price is None:
            continue
        if price["id"] in held and price["id"] != item["price"]:
            refuse_price(price, held[price["id"]])
        held.setdefault(price["id"], item["id"])
    for change in changes:
        if change.item is None and change.price is not None:
            if change.price["id"] in held:
                refuse_price(change.price, held[change.price["id"]])
            held[change.price["id"]] = None


def _check_proration_date(ctx: Context, subscription: Obj, params: Obj, behavior: str, now: int) -> None:
    at = params.get("proration_date")
    if at is None:
        return
    if behavior == "none":
        raise invalid("You cannot pass `proration_date` when `proration_behavior` is `none`.", "proration_date")
    if (params.get("billing_cycle_anchor") or {}).get("type") == "now":
        raise invalid("You cannot pass `proration_date` with `billing_cycle_anchor[type]=now`.", "proration_date")
    items = items_of(ctx, subscription["id"])
    start = max(i["current_period_start"] for i in items)
    end = min(i["current_period_end"] for i in items)
    if not start <= at <= end:
        raise invalid("Cannot specify proration date outside of current subscription period.", "proration_date")


def _trial_change(subscription: Obj, params: Obj, now: int) -> str | None:
    if "trial_end" not in params or (params["trial_end"] == "now" and subscription["status"] != "trialing"):
        return None
    if params["trial_end"] == "now":
        return "ended"
    if int(params["trial_end"]) <= now:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end")
    return "extended" if subscription["status"] == "trialing" else "begun"


def _is_reset(ctx: Context, subscription: Obj, changes: Sequence[ItemChange], params: Obj) -> bool:
    if (params.get("billing_cycle_anchor") or {}).get("type") == "now":
        return True
    if subscription["status"] == "trialing":
        return False
    for change in changes:
        if change.item and change.price:
            old, new = price_of(ctx, change.item)["recurring"], change.price["recurring"]
            if (old["interval"], old["interval_count"]) != (new["interval"], new["interval_count"]):
                return True
    before = [(price_of(ctx, i), i["quantity"]) for i in items_of(ctx, subscription["id"])]
    after = [(c.price, c.quantity) for c in changes if c.price and c.is_billable]
    was_free = all(not is_metered(p) and amount_for(p, q or 0) == 0 for p, q in before)
    return was_free and any(not is_metered(p) and amount_for(p, q or 0) > 0 for p, q in after)


# --- making the change -----------------------------------------------------------------------------------------------


def _credits(
    ctx: Context, subscription: Obj, changes: Sequence[ItemChange], behavior: str, at: int, *, is_reset: bool
) -> tuple[list[Obj], list[Closing]]:
    """Credit what the change takes away and bill the usage that would be lost; returns items and metered windows."""
    made: list[Obj] = []
    is_flexible = subscription["billing_mode"]["type"] == "flexible"
    if is_reset:
        if behavior != "none":
            for item in items_of(ctx, subscription["id"]):
                made += credit_unused(ctx, item, at)
        # Usage of a price that goes away is billed in flexible mode only, and never when prorations are off.
        dropped = {c.item["id"] for c in changes if c.item and c.is_billable}
        keeps_dropped = is_flexible and behavior != "none"
        windows = closing_windows(ctx, subscription, at)
        return made, [w for w in windows if keeps_dropped or w.item not in dropped]
    for change in changes:
        if change.item is None or not change.is_billable or behavior == "none":
            continue
        item = ctx.need("subscription_item", change.item["id"])
        if not is_metered(price_of(ctx, item)):
            made += credit_unused(ctx, item, at)
        elif is_flexible and not change.params.get("clear_usage"):
            made += bill_usage(ctx, item, at)
    return made, []


def _change_items(ctx: Context, subscription: Obj, changes: Sequence[ItemChange], at: int) -> None:
    for change in changes:
        if change.item is None and change.price is not None:
            _add_item(ctx, subscription, change, at)
        elif change.item is not None and change.price is None:
            ctx.state.delete("subscription_item", change.item["id"])
        elif change.item is not None and change.price is not None:
            item = ctx.state.edit("subscription_item", change.item["id"])
            if item["price"] != change.price["id"]:
                item["price"], item["_usage_from"] = change.price["id"], at
            item["quantity"] = change.quantity
            if "metadata" in change.params:
                item["metadata"] = merged_metadata(item["metadata"], change.params["metadata"])
            if "tax_rates" in change.params:
                item["tax_rates"] = tax_rate_ids(ctx, change.params["tax_rates"], "items[tax_rates]")
            if "discounts" in change.params:
                set_discounts(ctx, "subscription_item", item["id"], change.params["discounts"])


def _add_item(ctx: Context, subscription: Obj, change: ItemChange, at: int) -> None:
    assert change.price is not None
    if subscription["status"] == "trialing":
        period = (subscription["trial_start"], subscription["trial_end"])
    else:
        period = period_around(subscription["billing_cycle_anchor"], change.price["recurring"], at)
    item = insert_item(
        ctx,
        subscription,
        change.price,
        quantity=change.quantity,
        period=period,
        metadata=merged_metadata(None, change.params.get("metadata")),
        tax_rates=tax_rate_ids(ctx, change.params.get("tax_rates"), "items[tax_rates]"),
        _usage_from=at,
    )
    if change.params.get("discounts"):
        set_discounts(ctx, "subscription_item", item["id"], change.params["discounts"])


def _touched(ctx: Context, subscription: Obj, changes: Sequence[ItemChange]) -> list[Obj]:
    """Return the items to debit: those that were changed and those that are new, in the order of the request."""
    before = {c.item["id"] for c in changes if c.item}
    fresh = [i for i in items_of(ctx, subscription["id"]) if i["id"] not in before]
    new_count = sum(1 for c in changes if c.item is None)
    added = iter(fresh[len(fresh) - new_count :])
    found = []
    for change in changes:
        if change.item is None:
            found.append(next(added))
        elif not change.is_deletion and change.is_billable:
            found.append(ctx.need("subscription_item", change.item["id"]))
    return found


def _restart(
    ctx: Context, subscription: Obj, params: Obj, closing: Sequence[Closing], now: int, behavior: str
) -> Obj | None:
    """Begin a new period now for all items and put it on an invoice with the credits for the old one."""
    if "trial_end" in params and params["trial_end"] != "now":
        end = int(params["trial_end"])
        subscription.update(status="trialing", trial_start=now, trial_end=end)
        if _moves_anchor(subscription):
            subscription["billing_cycle_anchor"] = end
        ctx.cancel_timers(subscription["id"], TRIAL_WILL_END)
        ctx.schedule(trial_warning_at(end, now), TRIAL_WILL_END, subscription["id"], owner=subscription)
    else:
        if subscription["status"] == "trialing":
            subscription.update(status="active", trial_end=now)
            ctx.cancel_timers(subscription["id"], TRIAL_WILL_END)
        subscription["billing_cycle_anchor"] = now
    for item in items_of(ctx, subscription["id"]):
        edited = ctx.state.edit("subscription_item", item["id"])
        finish = (
            subscription["trial_end"]
            if subscription["status"] == "trialing"
            else period_around(now, price_of(ctx, item)["recurring"], now)[1]
        )
        edited["current_period_start"], edited["current_period_end"] = now, finish
        edited["billed_until"], edited["_usage_from"] = finish, now
    add_invoice_items(ctx, subscription, params.get("add_invoice_items") or [])
    set_renewal(ctx, subscription["id"])
    set_cancel(ctx, subscription["id"])
    return subscription_invoice(
        ctx,
        subscription,
        "subscription_update",
        starting=[i["id"] for i in items_of(ctx, subscription["id"])],
        closing=closing,
    )


def _extend_trial(ctx: Context, subscription: Obj, end: int) -> None:
    subscription["trial_end"] = end
    if _moves_anchor(subscription):
        subscription["billing_cycle_anchor"] = end
    for item in items_of(ctx, subscription["id"]):
        edited = ctx.state.edit("subscription_item", item["id"])
        edited["current_period_end"] = edited["billed_until"] = end
    ctx.cancel_timers(subscription["id"], TRIAL_WILL_END)
    at = trial_warning_at(end, ctx.now(subscription))
    ctx.schedule(at, TRIAL_WILL_END, subscription["id"], owner=subscription)


def _moves_anchor(subscription: Obj) -> bool:
    """Tell whether a trial's end becomes the billing date, as it does unless the trial settings say otherwise."""
    settings = (subscription["trial_settings"] or {}).get("end_behavior") or {}
    return settings.get("billing_cycle_anchor") != "unchanged"
