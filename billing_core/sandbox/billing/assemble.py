"""A subscription's invoice put together: what waits, the usage of the period that closes, the period that begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from billing_core.money import round_minor
from billing_core.sandbox.billing.discounting import live
from billing_core.sandbox.billing.invoice_objects import add_line, new_invoice
from billing_core.sandbox.billing.invoiceitems import pending, put_on_invoice
from billing_core.sandbox.billing.invoices import live_discounts, recalculate
from billing_core.sandbox.billing.pricing import (
    amount_for,
    decimal_text,
    description,
    is_metered,
    line_fields,
    price_of,
    pricing_of,
    product_name,
)
from billing_core.sandbox.billing.prorations import share_of_period
from billing_core.sandbox.billing.subscription_objects import items_of
from billing_core.sandbox.billing.usage import used
from billing_core.sandbox.context import Context
from billing_core.sandbox.state import Obj


@dataclass(frozen=True)
class Closing:
    """A metered item's window to bill, with the price it had then."""

    item: str
    price: Obj
    discounts: list[str]
    tax_rates: list[str] | None
    start: int
    end: int


def closing_windows(ctx: Context, subscription: Obj, until: int, *, only_due: bool = False) -> list[Closing]:
    """Return what the metered items saw since their period began (or their price changed), up to an instant.

    Args:
        ctx: the account.
        subscription: whose items.
        until: Unix seconds; an item's own period end when that is earlier.
        only_due: leave out items whose period has not ended.
    """
    found = []
    for item in items_of(ctx, subscription["id"]):
        price = price_of(ctx, item)
        if not is_metered(price) or (only_due and item["current_period_end"] > until):
            continue
        start = max(item["current_period_start"], item["_usage_from"])
        end = min(until, item["current_period_end"])
        if end > start:
            now = ctx.now(subscription)
            rates = item["tax_rates"] or None
            found.append(Closing(item["id"], price, live(ctx, item["discounts"], now), rates, start, end))
    return found


def subscription_invoice(
    ctx: Context,
    subscription: Obj,
    billing_reason: str,
    *,
    starting: Sequence[str] = (),
    closing: Sequence[Closing] = (),
    spans: Sequence[tuple[str, int, int]] = (),
    takes_pending: bool = True,
    period: tuple[int, int] | None = None,
    prorates_partial: bool = True,
) -> Obj | None:
    """Make a draft for a subscription, with its sums worked out.

    Args:
        ctx: the account.
        subscription: as it is from now on; `starting` items are billed for their current period.
        billing_reason: Stripe's word.
        starting: ids of the items whose current period is billed now, in advance.
        closing: metered windows to bill, in arrears.
        spans: further (item, start, end) spans to bill, for a start in the past.
        takes_pending: whether pending invoice items come along.
        period: the invoice's own period_start and period_end.
        prorates_partial: whether a period shorter than a full one is charged in part; otherwise it is free.

    Returns:
        The draft, or None when there is nothing to put on it.
    """
    customer = ctx.need("customer", subscription["customer"])
    waiting = pending(ctx, customer["id"], subscription["currency"], subscription["id"]) if takes_pending else []
    items = {item["id"]: item for item in items_of(ctx, subscription["id"])}
    to_bill = [(i, items[i]["current_period_start"], items[i]["current_period_end"]) for i in starting]
    # Classic mode shows a line of 0 for usage that is yet to come, on the first invoice.
    shows_usage = subscription["billing_mode"]["type"] == "classic" and billing_reason == "subscription_create"
    licensed = [b for b in (*spans, *to_bill) if shows_usage or not is_metered(price_of(ctx, items[b[0]]))]
    if not (waiting or closing or licensed):
        return None
    now = ctx.now(subscription)
    invoice = new_invoice(
        ctx,
        customer,
        currency=subscription["currency"],
        billing_reason=billing_reason,
        subscription=subscription,
        period=period,
        discounts=live_discounts(ctx, subscription, customer, now),
    )
    put_on_invoice(ctx, invoice, waiting)
    closed = list(closing)
    for item_id in dict.fromkeys([*(c.item for c in closed if c.item not in items), *items]):
        for window in [c for c in closed if c.item == item_id]:
            _usage_line(ctx, subscription, invoice, window)
        for _, start, end in [b for b in licensed if b[0] == item_id]:
            _period_line(ctx, subscription, invoice, items[item_id], start, end, prorates_partial)
    ctx.state.edit("subscription", subscription["id"])["latest_invoice"] = invoice["id"]
    return recalculate(ctx, invoice["id"])


def _usage_line(ctx: Context, subscription: Obj, invoice: Obj, window: Closing) -> None:
    price = window.price
    quantity = used(ctx, price, subscription["customer"], window.start, window.end)
    for fields in line_fields(ctx, price, quantity):
        add_line(
            ctx,
            invoice,
            **fields,
            period=(window.start, window.end),
            parent=_parent(subscription, window.item),
            discounts=window.discounts,
            tax_rates=window.tax_rates,
            subscription=subscription["id"],
            _usage={
                "item": window.item,
                "price": price["id"],
                "customer": subscription["customer"],
                "start": window.start,
                "end": window.end,
            },
        )


def _period_line(
    ctx: Context, subscription: Obj, invoice: Obj, item: Obj, start: int, end: int, prorates_partial: bool
) -> None:
    price = price_of(ctx, item)
    now = ctx.now(subscription)
    quantity: int | Fraction = item["quantity"] or 0
    is_trial = subscription["trial_end"] is not None and subscription["trial_end"] >= end
    share = Fraction(1)
    text = description(ctx, price, quantity)
    if is_trial or is_metered(price):
        share = Fraction(0)
        if is_trial:
            is_classic = subscription["billing_mode"]["type"] == "classic"
            name = product_name(ctx, price)
            text = (
                f"Free trial for {decimal_text(Fraction(quantity))} × {name}"
                if is_classic
                else f"Trial period for {name}"
            )
    else:
        part = share_of_period(subscription["billing_cycle_anchor"], price, start, end)
        if part != 1:
            share = part if prorates_partial else Fraction(0)
            count = "" if quantity == 1 else f"{decimal_text(Fraction(quantity))} × "
            text = f"Remaining time on {count}{product_name(ctx, price)}"
    if share == 1:
        billed = line_fields(ctx, price, quantity)
    else:
        amount = round_minor(amount_for(price, quantity) * share)
        billed = [{"amount": amount, "quantity": quantity, "description": text, "pricing": pricing_of(price)}]
    lines = [
        add_line(
            ctx,
            invoice,
            **fields,
            period=(start, end),
            parent=_parent(subscription, item["id"], is_proration=0 < share < 1),
            discounts=live(ctx, item["discounts"], now),
            tax_rates=item["tax_rates"] or None,
            metadata=dict(subscription["metadata"]),
            subscription=subscription["id"],
        )
        for fields in billed
    ]
    if not is_metered(price):
        edited = ctx.state.edit("subscription_item", item["id"])
        is_running = end == item["current_period_end"] and share
        edited["_debits"] = [{"lines": [line["id"] for line in lines]}] if is_running else []


def _parent(subscription: Obj, item_id: str, *, is_proration: bool = False) -> Obj:
    return {
        "type": "subscription_item_details",
        "subscription_item_details": {
            "invoice_item": None,
            "proration": is_proration,
            "proration_details": None,
            "subscription": subscription["id"],
            "subscription_item": item_id,
        },
        "invoice_item_details": None,
    }
