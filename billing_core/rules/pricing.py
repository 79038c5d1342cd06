"""What a price makes of a quantity: minor units, before discounts and tax, rounded once at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from billing_core.money import round_minor


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of a tiered price: applies up to and including `up_to` units (None: without end); minor units."""

    up_to: int | None
    unit_amount: Decimal
    flat_amount: Decimal


def period_amount(
    quantity: Decimal, unit_amount: Decimal | None, tiers: Sequence[Tier] = (), mode: str | None = None
) -> int:
    """Return what one period of a price costs, rounded to whole minor units; see `exact_amount`."""
    return round_minor(exact_amount(quantity, unit_amount, tiers, mode))


def exact_amount(
    quantity: Decimal, unit_amount: Decimal | None, tiers: Sequence[Tier] = (), mode: str | None = None
) -> Fraction:
    """Return what one period of a price costs, before rounding.

    Args:
        quantity: units, not negative.
        unit_amount: per unit in minor units, for a price without tiers.
        tiers: in rising order.
        mode: `graduated` (each unit at its own tier's price, each reached tier's flat amount) or `volume` (all units
            at the price of the tier that the quantity falls into).

    Returns:
        Minor units, exact.

    Raises:
        ValueError: tiers with another mode.
    """
    if not tiers:
        return Fraction(quantity) * Fraction(unit_amount or 0)
    if mode == "volume":
        tier = next((t for t in tiers if t.up_to is None or quantity <= t.up_to), tiers[-1])
        return Fraction(quantity) * Fraction(tier.unit_amount) + Fraction(tier.flat_amount)
    if mode != "graduated":
        raise ValueError(f"no such tiers mode: {mode!r}")
    total, floor = Fraction(0), Fraction(0)
    for index, tier in enumerate(tiers):
        # The first tier's flat amount is due for a quantity of nothing too, as Stripe bills it.
        if index > 0 and quantity <= floor:
            break
        ceiling = Fraction(quantity) if tier.up_to is None else min(Fraction(quantity), Fraction(tier.up_to))
        total += (ceiling - floor) * Fraction(tier.unit_amount) + Fraction(tier.flat_amount)
        floor = ceiling if tier.up_to is None else Fraction(tier.up_to)
    return total
