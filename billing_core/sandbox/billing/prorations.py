"""Prorations to the second: credits for time that was billed and will not be used, debits for time that was not billed.

Every proration is an invoice item of its own, rounded once. In flexible mode a credit is the share of what was really
billed (after its discounts, with its tax rates): amount × seconds left ÷ seconds of the billed span, one credit per
debit. In classic mode it is the share of what the item costs now. A debit is the share of what the item costs now after
the discounts in force: cost × seconds left ÷ seconds of the full period. Discounts are inside the amount (`included`)
or beside it (`itemized`).
"""

from __future__ import annotations

from fractions import Fraction

from billing_core.money import round_minor
from billing_core.periods import utc
from billing_core.sandbox.billing.calendar import period_around
from billing_core.sandbox.billing.discounting import full_period_net, live
from billing_core.sandbox.billing.invoiceitems import insert_invoiceitem
from billing_core.sandbox.billing.invoices import live_discounts
from billing_core.sandbox.billing.pricing import (
    amount_for,
    decimal_text,
    description,
    is_metered,
    price_of,
    pricing_of,
    product_name,
)
from billing_core.sandbox.billing.subscription_objects import items_of
from billing_core.sandbox.billing.usage import used
from billing_core.sandbox.context import Context
from billing_core.sandbox.state import Obj


def credit_unused(ctx: Context, item: Obj, at: int, end: int | None = None) -> list[Obj]:
    """Credit what was billed for an item from an instant on; nothing is outstanding for that time afterwards.

    Args:
        ctx: the account.
        item: the subscription item as it still is.
        at: Unix seconds, inside the item's current period.
        end: of the time to credit, by default the current period's.

    Returns:
        The invoice items made, none for a metered item or one that was never billed.
    """
    subscription = ctx.need("subscription", item["subscription"])
    price = price_of(ctx, item)
    end = item["current_period_end"] if end is None else end
    if is_metered(price) or at >= end:
        return []
    if subscription["billing_mode"]["type"] == "classic":
        made = [_classic_credit(ctx, subscription, item, price, at, end)] if item["_debits"] else []
    else:
        debits = [d for ref in item["_debits"] if (d := _resolve(ctx, ref))]
        made = [_credit(ctx, subscription, item, debit, at, end) for debit in debits if at < debit["end"]]
    ctx.state.edit("subscription_item", item["id"])["_debits"] = []
    return made


def debit_remaining(ctx: Context, item: Obj, at: int) -> list[Obj]:
    """Charge an item for the rest of its current period, from an instant on.

    Returns:
        The invoice item made, or nothing for a metered item.
    """
    subscription = ctx.need("subscription", item["subscription"])
    price = price_of(ctx, item)
    end = item["current_period_end"]
    if is_metered(price) or at >= end:
        return []
    share = share_of_period(subscription["billing_cycle_anchor"], price, at, end)
    net, takes = _net_for_period(ctx, subscription, item)
    made = _proration(
        ctx,
        subscription,
        item,
        price,
        quantity=item["quantity"],
        gross=amount_for(price, item["quantity"]) * share,
        net=net * share,
        takes=[(d, part * share) for d, part in takes],
        period=(at, end),
        text="Remaining time on",
        tax_rates=item["tax_rates"] or None,
    )
    ctx.state.edit("subscription_item", item["id"])["_debits"] = [{"invoiceitem": made["id"]}]
    return [made]


def bill_usage(ctx: Context, item: Obj, until: int) -> list[Obj]:
    """Bill the usage that a metered item saw before an instant: what flexible mode does when its price goes away."""
    subscription = ctx.need("subscription", item["subscription"])
    price = price_of(ctx, item)
    start = max(item["current_period_start"], item["_usage_from"])
    if not is_metered(price) or until <= start:
        return []
    quantity = used(ctx, price, subscription["customer"], start, until)
    customer = ctx.need("customer", subscription["customer"])
    return [
        insert_invoiceitem(
            ctx,
            customer,
            currency=price["currency"],
            amount=round_minor(amount_for(price, quantity)),
            quantity=quantity,
            period=(start, until),
            description=description(ctx, price, quantity),
            pricing=pricing_of(price),
            subscription=subscription["id"],
            subscription_item=item["id"],
            discounts=live(ctx, item["discounts"], ctx.now(subscription)),
            _tax_rates=item["tax_rates"] or None,
        )
    ]


def share_of_period(anchor: int, price: Obj, start: int, end: int) -> Fraction:
    """Return seconds of [start, end) ÷ seconds of the full period that starts or ends there by the anchor."""
    full_start, full_end = period_around(anchor, price["recurring"], max(start, end - 1))
    return Fraction(end - start, full_end - full_start)


# --- inside ----------------------------------------------------------------------------------------------------------


def _net_for_period(ctx: Context, subscription: Obj, item: Obj) -> tuple[Fraction, list[tuple[str, Fraction]]]:
    now = ctx.now(subscription)
    gross: list[tuple[Fraction, str, list[str]]] = []
    index = 0
    for other in items_of(ctx, subscription["id"]):
        price = price_of(ctx, other)
        if is_metered(price):
            continue
        if other["id"] == item["id"]:
            index = len(gross)
        gross.append((amount_for(price, other["quantity"]), price["product"], live(ctx, other["discounts"], now)))
    customer = ctx.need("customer", subscription["customer"])
    shared = live_discounts(ctx, subscription, customer, now)
    return full_period_net(ctx, gross, index, shared, subscription["currency"])


def _classic_credit(ctx: Context, subscription: Obj, item: Obj, price: Obj, at: int, end: int) -> Obj:
    share = -share_of_period(subscription["billing_cycle_anchor"], price, at, end)
    net, takes = _net_for_period(ctx, subscription, item)
    return _proration(
        ctx,
        subscription,
        item,
        price,
        quantity=item["quantity"],
        gross=amount_for(price, item["quantity"]) * share,
        net=net * share,
        takes=[(d, part * share) for d, part in takes],
        period=(at, end),
        text="Unused time on",
        tax_rates=item["tax_rates"] or None,
    )


def _resolve(ctx: Context, ref: Obj) -> Obj | None:
    """Return what a debit is now: it may be on an invoice by now, voided with it, or deleted.

    The lines of a tiered price are one debit.
    """
    waiting = ctx.state.get("invoiceitem", ref.get("invoiceitem"))
    if waiting is not None and not waiting["_line"]:
        takes = [(d["discount"], d["amount"]) for d in waiting["_fixed_discounts"] or []]
        return {**_billed([waiting], takes), "tax_rates": waiting["_tax_rates"], "invoiceitem": waiting["id"]}
    ids = [waiting["_line"]] if waiting else ref.get("lines") or [ref.get("line")]
    lines = [line for i in ids if (line := ctx.state.get("line_item", i))]
    if not lines:
        return None
    invoice = ctx.need("invoice", lines[0]["invoice"])
    if invoice["status"] == "void":
        return None
    sums: dict[str, int] = {}
    for part in (d for line in lines for d in line["discount_amounts"] if d["amount"]):
        sums[part["discount"]] = sums.get(part["discount"], 0) + part["amount"]
    own_rates = lines[0]["_tax_rates"]
    return {
        **_billed(lines, list(sums.items())),
        "tax_rates": invoice["_tax_rates"] if own_rates is None else own_rates,
        "credited": {"invoice": invoice["id"], "invoice_line_items": [line["id"] for line in lines]},
    }


def _billed(sources: list[Obj], takes: list[tuple[str, int]]) -> Obj:
    gross = sum(source["amount"] for source in sources)
    first = sources[0]
    return {
        "gross": gross,
        "net": gross - sum(amount for _, amount in takes),
        "takes": takes,
        "start": first["period"]["start"],
        "end": first["period"]["end"],
        "quantity": sum(Fraction(source["quantity_decimal"] or 1) for source in sources),
        "price": (first["pricing"] or {}).get("price_details", {}).get("price"),
        "embedded": list(dict.fromkeys(d for source in sources for d in source.get("_embedded") or [])),
        "credited": None,
        "invoiceitem": None,
    }


def _credit(ctx: Context, subscription: Obj, item: Obj, debit: Obj, at: int, end: int) -> Obj:
    start = max(at, debit["start"])
    until = min(end, debit["end"])
    share = -Fraction(until - start, debit["end"] - debit["start"])
    price = ctx.state.get("price", debit["price"]) or price_of(ctx, item)
    return _proration(
        ctx,
        subscription,
        item,
        price,
        quantity=debit["quantity"],
        gross=debit["gross"] * share,
        net=debit["net"] * share,
        takes=[(d, amount * share) for d, amount in debit["takes"]],
        period=(start, until),
        text="Unused time on",
        tax_rates=debit["tax_rates"],
        credited=debit["credited"],
        credited_item=debit["invoiceitem"],
        embedded=debit["embedded"],
    )


def _proration(
    ctx: Context,
    subscription: Obj,
    item: Obj,
    price: Obj,
    *,
    quantity: Fraction | int,
    gross: Fraction,
    net: Fraction,
    takes: list[tuple[str, Fraction]],
    period: tuple[int, int],
    text: str,
    tax_rates: list[str] | None,
    credited: Obj | None = None,
    credited_item: str | None = None,
    embedded: list[str] | None = None,
) -> Obj:
    mode = subscription["billing_mode"]
    is_itemized = (mode.get("flexible") or {}).get("proration_discounts") == "itemized"
    names = [d for d, _ in takes] or list(embedded or [])
    rounded: list[Obj] = [{"amount": round_minor(part), "discount": d} for d, part in takes]
    if not is_itemized:
        rounded = [{"amount": 0, "discount": d} for d in names]
    amount = round_minor(gross) if is_itemized else round_minor(net)
    day = utc(period[0])
    count = "" if quantity == 1 else f"{decimal_text(Fraction(quantity))} × "
    links: Obj | None = None
    if credited:
        links = {"type": "invoice_line_items", "invoice_item": None, "invoice_line_item_details": credited}
    elif credited_item:
        links = {"type": "invoice_item", "invoice_item": credited_item, "invoice_line_item_details": None}
    return insert_invoiceitem(
        ctx,
        ctx.need("customer", subscription["customer"]),
        currency=subscription["currency"],
        amount=amount,
        quantity=quantity,
        period=period,
        description=f"{text} {count}{product_name(ctx, price)} after {day.day:02d} {day:%b %Y}",
        pricing=pricing_of(price, unit=Fraction(amount) / quantity if quantity else Fraction(amount)),
        subscription=subscription["id"],
        subscription_item=item["id"],
        discountable=False,
        discounts=names,
        proration=True,
        proration_details={"credited_items": links, "discount_amounts": rounded},
        net_amount=amount - sum(d["amount"] for d in rounded) if is_itemized else amount,
        _tax_rates=tax_rates,
        _embedded=[] if is_itemized else names,
        _fixed_discounts=rounded if is_itemized and rounded else None,
        _credited=credited,
    )
