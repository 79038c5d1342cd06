"""What a price asks for a quantity, and how lines say so.

Amounts are exact `Fraction`s of minor units; they are rounded once, with `money.round_minor`. On an invoice a tiered
price makes a line per tier that is reached, and one more for a tier's flat amount; together they come to the whole
amount rounded once. Where a share of a period is billed, or a one-off sum, it is one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from billing_core.money import round_minor, to_major
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.state import Obj

PRECISION = 12
PERCENT = Fraction(1, 100)
_SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "cad": "CA$", "aud": "A$", "jpy": "¥"}


@dataclass(frozen=True)
class Part:
    """What one line of a price bills: units at an amount each, or the flat amount of a tier (`unit` is None)."""

    amount: Fraction
    quantity: Fraction
    unit: Fraction | None
    tier: int | None = None


def decimal_text(value: Fraction) -> str:
    """Return an exact number as the decimal string Stripe sends, with at most 12 decimals and no trailing zeros."""
    scaled = round(value * 10**PRECISION)
    text = f"{Decimal(scaled).scaleb(-PRECISION):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def share_of(percentage: float | str) -> Fraction:
    """Return a percentage as Stripe sends it (12.5) as an exact share (1/8)."""
    return Fraction(str(percentage)) * PERCENT


def price_of(ctx: Context, item: Obj) -> Obj:
    """Return the price of a subscription item (which holds its id)."""
    return ctx.need("price", item["price"], "price")


def tiers_of(price: Obj) -> list[Obj]:
    """Return the tiers of a price; they are shown only when expanded and may be stored under our own name."""
    return price.get("tiers") or price.get("_tiers") or []


def is_metered(price: Obj) -> bool:
    """Tell whether a price bills reported usage."""
    return bool(price["recurring"]) and price["recurring"]["usage_type"] == "metered"


def unit_amount(price: Obj) -> Fraction:
    """Return the exact amount of one unit of a per-unit price."""
    return Fraction(price.get("unit_amount_decimal") or price.get("unit_amount") or 0)


def amount_for(price: Obj, quantity: Fraction | int) -> Fraction:
    """Return the exact amount of a quantity for one whole period."""
    return sum((part.amount for part in parts_of(price, Fraction(quantity))), Fraction(0))


def parts_of(price: Obj, quantity: Fraction) -> list[Part]:
    """Return what the lines of a quantity bill for one whole period, exactly; at least one.

    Graduated tiers charge each unit at the price of the tier it falls in, and the flat amount of every tier that is
    reached, the first one even at quantity 0. Volume tiers charge all units at the price of the tier that the total
    falls in. A tier without a flat amount has no line for it; one of 0 has.
    """
    if price.get("billing_scheme") != "tiered":
        unit = unit_amount(price)
        return [Part(unit * transformed(price, quantity), quantity, unit)]
    tiers = tiers_of(price)
    if price["tiers_mode"] == "volume":
        index = next((i for i, t in enumerate(tiers) if t["up_to"] is None or quantity <= t["up_to"]), len(tiers) - 1)
        return list(_of_tier(tiers[index], index + 1, quantity))
    parts, below = list[Part](), Fraction(0)
    for index, tier in enumerate(tiers):
        if index and quantity <= below:
            break
        top = quantity if tier["up_to"] is None else min(quantity, Fraction(tier["up_to"]))
        parts += _of_tier(tier, index + 1, top - below)
        below = top if tier["up_to"] is None else Fraction(tier["up_to"])
    return parts


def _of_tier(tier: Obj, number: int, quantity: Fraction) -> Iterator[Part]:
    unit, flat = _tier_amount(tier, "unit_amount") or Fraction(0), _tier_amount(tier, "flat_amount")
    yield Part(unit * quantity, quantity, unit, number)
    if flat is not None:
        yield Part(flat, Fraction(0), None, number)


def _tier_amount(tier: Obj, name: str) -> Fraction | None:
    given = tier.get(f"{name}_decimal")
    given = tier.get(name) if given is None else given
    return None if given is None else Fraction(given)


def line_fields(ctx: Context, price: Obj, quantity: Fraction | int) -> list[Obj]:
    """Return amount, quantity, description and pricing of each line of a quantity for one whole period.

    The amounts are rounded so that they come to the whole amount rounded once: each is what the sum grows by.
    """
    found: list[Obj] = []
    exact, billed = Fraction(0), 0
    for part in parts_of(price, Fraction(quantity)):
        exact += part.amount
        amount = round_minor(exact) - billed
        billed += amount
        text = description(ctx, price, part.quantity)
        if part.tier is not None:
            each = part.amount if part.unit is None else part.unit
            head = product_name(ctx, price) if part.unit is None else text
            at = f"{shown_amount(each, price['currency'])}{per(price['recurring'])}"
            text = f"{head} (Tier {part.tier} at {at})"
        found.append(
            {
                "amount": amount,
                "quantity": part.quantity,
                "description": text,
                "pricing": pricing_of(price, unit=part.unit),
            }
        )
    return found


def transformed(price: Obj, quantity: Fraction) -> Fraction:
    """Return the quantity after `transform_quantity` (packages of so many, rounded up or down)."""
    transform = price.get("transform_quantity")
    if not transform:
        return quantity
    packages = quantity / transform["divide_by"]
    whole = packages.numerator // packages.denominator
    return Fraction(whole + (1 if transform["round"] == "up" and whole != packages else 0))


def shown_amount(amount: Fraction, currency: str) -> str:
    """Return an amount as line descriptions write it: `$19.00`, `DKK 19.00`, and more decimals where there are."""
    major = to_major(1, currency)
    value = Decimal(decimal_text(amount)) * major
    exponent = value.as_tuple().exponent
    places = max(-major.as_tuple().exponent, -exponent) if isinstance(exponent, int) else 2  # type: ignore[operator]
    return f"{_SIGNS.get(currency, currency.upper() + ' ')}{value:,.{places}f}"


def product_name(ctx: Context, price: Obj) -> str:
    """Return the name of what a price sells."""
    product = ctx.state.get("product", price["product"])
    return str(product["name"]) if product else str(price["product"])


def per(recurring: Obj | None) -> str:
    """Return ` / month`, ` every 3 months`, or nothing."""
    if not recurring:
        return ""
    if recurring["interval_count"] == 1:
        return f" / {recurring['interval']}"
    return f" every {recurring['interval_count']} {recurring['interval']}s"


def description(ctx: Context, price: Obj, quantity: Fraction | int) -> str:
    """Return a line's text: `3 × Gold (at $19.00 / month)`; a tiered price names no amount."""
    product = ctx.state.get("product", price["product"]) or {}
    label = f" {product['unit_label']}" if product.get("unit_label") else ""
    head = f"{decimal_text(Fraction(quantity))}{label} × {product_name(ctx, price)}"
    if price.get("billing_scheme") == "tiered" or not price.get("recurring"):
        return head if price.get("recurring") else product_name(ctx, price)
    return f"{head} (at {shown_amount(unit_amount(price), price['currency'])}{per(price['recurring'])})"


def pricing_of(price: Obj, *, unit: Fraction | None = None) -> Obj:
    """Return the `pricing` hash of a line or an invoice item; a tiered price has no single unit amount."""
    shown = unit if unit is not None else None if price.get("billing_scheme") == "tiered" else unit_amount(price)
    return {
        "type": "price_details",
        "price_details": {"price": price["id"], "product": price["product"]},
        "unit_amount_decimal": None if shown is None else decimal_text(shown),
    }


def resolve_price(ctx: Context, params: Obj, path: str, *, is_recurring: bool | None) -> Obj | None:
    """Return the price that parameters name by `price`, `pricing.price` or describe by `price_data`.

    Args:
        ctx: the account.
        params: the hash that holds them.
        path: its name, for errors (`items[0]`); empty at the top.
        is_recurring: whether the price must be recurring (True) or one-time (False); None takes either.

    Raises:
        StripeFault: no such price, an inactive one, or the wrong type.
    """
    param = f"{path}[price]" if path else "price"
    given = params.get("price") or params.get("plan") or (params.get("pricing") or {}).get("price")
    if given:
        price = ctx.need("price", given, param)
    elif params.get("price_data"):
        return _inline(ctx, params["price_data"])
    else:
        return None
    if not price["active"]:
        raise invalid("The price specified is inactive. This field only accepts active prices.", param)
    if is_recurring is True and price["type"] != "recurring":
        raise invalid(
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.",
            param,
        )
    if is_recurring is False and price["type"] != "one_time":
        raise invalid(
            "The price specified is set to `type=recurring` but this field only accepts prices with `type=one_time`.",
            param,
        )
    return price


def _inline(ctx: Context, data: Obj) -> Obj:
    from billing_core.sandbox.inprocess import call

    # Stripe makes an inactive price of inline data; here too, so that it does not show among those on sale.
    made = call(ctx, "POST", "/v1/prices", {**data, "active": False})
    return ctx.need("price", made["id"])
