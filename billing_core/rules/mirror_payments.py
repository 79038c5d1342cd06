"""Tax inside payments: an invoice's tax is spread over what is paid on it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from billing_core.money import round_minor


def tax_shares(total_minor: int, tax_minor: int, paid_minor: Sequence[int]) -> list[int]:
    """Return the tax that is part of each payment of one invoice.

    Tax is proportional to what is paid. Rounding runs along the payments in the order given: after each, the shares
    so far sum to the rounded share of everything paid so far. So the shares of a fully paid invoice sum to its tax,
    and an earlier payment's share does not change when a later one comes.

    Args:
        total_minor: the invoice's total with tax.
        tax_minor: the tax in it.
        paid_minor: the payments, oldest first.

    Returns:
        Minor units, one per payment; zeros for an invoice without a total.
    """
    shares: list[int] = []
    paid = taxed = 0
    for amount in paid_minor:
        paid += amount
        # What is paid beyond the total becomes credit of the customer, in which there is no tax.
        reached = round_minor(Fraction(tax_minor * min(paid, total_minor), total_minor)) if total_minor > 0 else 0
        shares.append(reached - taxed)
        taxed = reached
    return shares
