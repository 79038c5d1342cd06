"""Money: integers in minor units of a stated currency, or Decimal; never floats.

Conventions: currencies are lower-case ISO 4217 codes as Stripe writes them. Rounding is half away from zero (half up
for charges, half down for credits of the same size), the rule Stripe documents for amounts; it happens once, in
`round_minor`. Splitting keeps the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from billing_core.errors import InvalidInputError

# Stripe's list of currencies whose minor unit is the unit itself; ISK and UGX are *sent* with two decimals.
ZERO_DECIMAL = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])


def exponent(currency: str) -> int:
    """Return how many decimals Stripe's API uses for a currency (0, 2 or 3).

    Raises:
        InvalidInputError: the code is not three ASCII letters.
    """
    code = currency.lower()
    if len(code) != 3 or not code.isascii() or not code.isalpha():
        raise InvalidInputError(f"'{currency}' is not a currency: use a three-letter ISO 4217 code such as dkk.")
    return 0 if code in ZERO_DECIMAL else 3 if code in THREE_DECIMAL else 2


def to_major(amount_minor: int, currency: str) -> Decimal:
    """Return an amount in major units, exact (12345, 'dkk' → Decimal('123.45')); for display and export only."""
    return Decimal(amount_minor).scaleb(-exponent(currency))


def to_minor(amount: Decimal, currency: str) -> int:
    """Return an amount in minor units.

    Raises:
        InvalidInputError: the amount has more decimals than the currency, or is not finite.
    """
    if not amount.is_finite():
        raise InvalidInputError(f"{amount} is not an amount of money.")
    scaled = amount.scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise InvalidInputError(f"{amount} has more decimals than {currency.upper()} allows ({exponent(currency)}).")
    return int(scaled)


def round_minor(value: Decimal | Fraction) -> int:
    """Return the nearest whole minor unit, halves away from zero: the one place where money is rounded."""
    if isinstance(value, Fraction):
        doubled = abs(value.numerator) * 2 + value.denominator
        magnitude = doubled // (2 * value.denominator)
        return magnitude if value >= 0 else -magnitude
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def allocate(total_minor: int, weights: Sequence[int | Decimal | Fraction]) -> list[int]:
    """Split an amount in proportion to weights so that the parts sum to it exactly.

    The largest remainders get the odd units, ties to the earlier part; with no weight at all the first part gets
    everything.

    Args:
        total_minor: the amount; may be negative.
        weights: non-negative, one per part, at least one.

    Returns:
        Minor units per weight, in order.

    Raises:
        ValueError: no weights, or a negative one.
    """
    exact = [Fraction(w) for w in weights]
    if not exact or any(w < 0 for w in exact):
        raise ValueError("allocate needs at least one weight and none below zero")
    whole = sum(exact)
    if whole == 0:
        return [total_minor] + [0] * (len(exact) - 1)
    sign, size = (-1 if total_minor < 0 else 1), abs(total_minor)
    shares = [size * w / whole for w in exact]
    parts = [int(s) for s in shares]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - shares[i], i))
    for i in by_remainder[: size - sum(parts)]:
        parts[i] += 1
    return [sign * p for p in parts]


def total(amounts: Iterable[tuple[int, str]]) -> dict[str, int]:
    """Sum (amount_minor, currency) pairs per currency; there is no sum across currencies."""
    sums: dict[str, int] = {}
    for amount_minor, currency in amounts:
        sums[currency] = sums.get(currency, 0) + amount_minor
    return sums
