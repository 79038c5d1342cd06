"""Discounts on amounts: which apply to a line, in which order, and what each takes off.

Order: the discounts of the line itself first, each on what the one before left, then those of the invoice in their
order. A percentage is rounded per line. An amount is spread over the lines it applies to in proportion to what is left
of them, without losing a minor unit, and takes off no more than is there. Lines that are not discountable, prorations
above all, are left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from billing_core.money import allocate, round_minor
from billing_core.sandbox.billing.pricing import share_of
from billing_core.sandbox.context import Context
from billing_core.sandbox.state import Obj


def coupon_of(ctx: Context, discount: Obj) -> Obj:
    """Return the coupon behind a discount; a deleted coupon goes on for those who have it."""
    coupon = ctx.state.get("coupon", (discount.get("source") or {}).get("coupon"))
    return coupon or discount["_coupon"]


def live(ctx: Context, ids: Sequence[str], at: int) -> list[str]:
    """Return those discounts that are in force at an instant (start <= at < end)."""
    found = []
    for discount_id in ids:
        discount = ctx.state.get("discount", discount_id)
        if discount and not discount.get("_is_used") and (discount["end"] is None or at < discount["end"]):
            found.append(discount_id)
    return found


def applies_to_product(ctx: Context, discount: Obj, product: str | None) -> bool:
    """Tell whether a coupon covers a product; one without restriction covers all."""
    coupon = coupon_of(ctx, discount)
    only = (coupon.get("applies_to") or coupon.get("_applies_to") or {}).get("products")
    return not only or product in only


def amount_off(coupon: Obj, currency: str) -> int | None:
    """Return what a coupon takes off in a currency, or None when it is a percentage or knows another currency only."""
    if coupon.get("percent_off") is not None:
        return None
    if coupon.get("currency") == currency:
        return int(coupon["amount_off"])
    options = coupon.get("currency_options") or coupon.get("_currency_options") or {}
    return int(options[currency]["amount_off"]) if currency in options else 0


def take_off(ctx: Context, lines: Sequence[Obj], invoice_discounts: Sequence[str], currency: str) -> list[list[Obj]]:
    """Calculate the discounts of an invoice.

    Args:
        ctx: the account.
        lines: the line items, with `amount`, `discountable`, `discounts` and `_product`.
        invoice_discounts: ids in order.
        currency: of the invoice.

    Returns:
        For each line its `discount_amounts`, in the order of application.
    """
    taken: list[list[Obj]] = []
    left: list[int] = []
    for line in lines:
        own: list[Obj] = list(line.get("_fixed_discounts") or [])
        rest = line["amount"] - sum(d["amount"] for d in own)
        if line["discountable"]:
            for discount_id in line["discounts"]:
                part = _spread(ctx, discount_id, [line], [rest], currency)[0]
                own.append({"amount": part, "discount": discount_id})
                rest -= part
        elif not own:
            own = [{"amount": 0, "discount": d} for d in line["discounts"] if not _is_of_item(ctx, d)]
        taken.append(own)
        left.append(rest)
    for discount_id in invoice_discounts:
        parts = _spread(ctx, discount_id, lines, left, currency)
        for index, part in enumerate(parts):
            if part:
                taken[index].append({"amount": part, "discount": discount_id})
                left[index] -= part
    return taken


def _is_of_item(ctx: Context, discount_id: str) -> bool:
    """Tell whether a discount is on one item: a proration that holds it names only those of the whole subscription."""
    return bool((ctx.state.get("discount", discount_id) or {}).get("subscription_item"))


def _spread(ctx: Context, discount_id: str, lines: Sequence[Obj], left: Sequence[int], currency: str) -> list[int]:
    discount = ctx.need("discount", discount_id, "discounts")
    coupon = coupon_of(ctx, discount)
    bases = [
        rest if line["discountable"] and rest > 0 and applies_to_product(ctx, discount, line.get("_product")) else 0
        for line, rest in zip(lines, left, strict=True)
    ]
    fixed = amount_off(coupon, currency)
    if fixed is None:
        share = share_of(coupon["percent_off"])
        return [round_minor(base * share) for base in bases]
    whole = sum(bases)
    return allocate(min(fixed, whole), bases) if whole else [0] * len(bases)


def full_period_net(
    ctx: Context, gross: Sequence[tuple[Fraction, str, Sequence[str]]], index: int, shared: Sequence[str], currency: str
) -> tuple[Fraction, list[tuple[str, Fraction]]]:
    """Return what one item costs for a whole period after discounts, exactly, and what each discount takes.

    Used for prorations, whose amounts already hold the discounts. An amount off is shared by all licensed items in
    proportion to what is left of them.

    Args:
        ctx: the account.
        gross: per licensed item its amount, product and own discounts.
        index: the item asked for.
        shared: discounts of the subscription (or of the customer) in order.
        currency: of the subscription.
    """
    left = [amount for amount, _, _ in gross]
    takes: list[tuple[str, Fraction]] = []
    for position, (_, product, own) in enumerate(gross):
        for discount_id in own:
            part = _exact(ctx, discount_id, [left[position]], [product], currency)[0]
            left[position] -= part
            if position == index:
                takes.append((discount_id, part))
    products = [product for _, product, _ in gross]
    for discount_id in shared:
        parts = _exact(ctx, discount_id, left, products, currency)
        left = [rest - part for rest, part in zip(left, parts, strict=True)]
        takes.append((discount_id, parts[index]))
    return left[index], [(d, part) for d, part in takes if part]


def _exact(
    ctx: Context, discount_id: str, left: Sequence[Fraction], products: Sequence[str], currency: str
) -> list[Fraction]:
    discount = ctx.need("discount", discount_id, "discounts")
    coupon = coupon_of(ctx, discount)
    bases = [
        rest if applies_to_product(ctx, discount, product) else Fraction(0)
        for rest, product in zip(left, products, strict=True)
    ]
    fixed = amount_off(coupon, currency)
    if fixed is None:
        share = share_of(coupon["percent_off"])
        return [base * share for base in bases]
    whole = sum(bases, Fraction(0))
    part = min(Fraction(fixed), whole)
    return [part * base / whole if whole else Fraction(0) for base in bases]
