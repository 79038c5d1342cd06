"""Tax of a line: several rates, inclusive and exclusive, rounded per rate and line.

Stripe rounds tax per line item unless the account says otherwise; so do we. The base is what is left after discounts.
Inclusive rates are taken out of the base together; exclusive ones are added on what is left after that.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from billing_core.money import round_minor
from billing_core.sandbox.billing.pricing import share_of
from billing_core.sandbox.context import Context
from billing_core.sandbox.state import Obj

_EXEMPT_REASON = {"exempt": "customer_exempt", "reverse": "reverse_charge"}


def line_taxes(ctx: Context, base: int, rate_ids: Sequence[str], tax_exempt: str | None) -> list[Obj]:
    """Return the `taxes` of a line.

    Args:
        ctx: the account.
        base: the line's amount after discounts, in minor units; may be negative.
        rate_ids: the tax rates that apply.
        tax_exempt: the customer's `tax_exempt`; `exempt` and `reverse` make every amount 0 and say why.
    """
    rates = [ctx.need("tax_rate", r, "tax_rates") for r in rate_ids]
    included = sum((_share(r) for r in rates if r["inclusive"]), Fraction(0))
    net = Fraction(base) / (1 + included)
    reason = _EXEMPT_REASON.get(tax_exempt or "none")
    taxes = []
    for rate in rates:
        taxes.append(
            {
                "amount": 0 if reason else round_minor(net * _share(rate)),
                "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
                "tax_rate_details": {"tax_rate": rate["id"]},
                # What Stripe says of rates that were made by hand.
                "taxability_reason": reason or "not_available",
                "taxable_amount": round_minor(net),
                "type": "tax_rate_details",
            }
        )
    return taxes


def summed(lines_taxes: Sequence[Sequence[Obj]]) -> list[Obj]:
    """Return `total_taxes`: the taxes of all lines, added up per rate and reason."""
    totals: dict[tuple[str, str, str], Obj] = {}
    for taxes in lines_taxes:
        for tax in taxes:
            key = (tax["tax_rate_details"]["tax_rate"], tax["tax_behavior"], tax["taxability_reason"])
            if key in totals:
                totals[key]["amount"] += tax["amount"]
                totals[key]["taxable_amount"] += tax["taxable_amount"]
            else:
                totals[key] = {**tax, "tax_rate_details": dict(tax["tax_rate_details"])}
    return list(totals.values())


def _share(rate: Obj) -> Fraction:
    return share_of(rate["percentage"])
