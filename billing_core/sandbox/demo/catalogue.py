"""What the demo company sells, set up in Stripe: products, prices, the meter, moms and coupons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.inprocess import call

EVENT_NAME = "active_units"


@dataclass(frozen=True)
class Catalogue:
    """Ids by role: `prices["licensed", "dkk"]`."""

    prices: dict[tuple[str, str], str]
    amounts: dict[tuple[str, str], int]
    meter: str
    moms: str
    coupons: dict[str, str]


# Minor units per month (per year for annual) by role and currency.
AMOUNTS = {
    ("flat", "dkk"): 9900,
    ("flat", "eur"): 1300,
    ("unit", "dkk"): 1900,
    ("unit", "eur"): 250,
    ("licensed", "dkk"): 4900,
    ("licensed", "eur"): 650,
    ("plus", "dkk"): 6900,
    ("plus", "eur"): 925,
    ("annual", "dkk"): 52900,
    ("annual", "eur"): 7100,
}
TIERS = {
    "dkk": [
        {"up_to": 25, "unit_amount": 4500},
        {"up_to": 50, "unit_amount": 3900},
        {"up_to": "inf", "unit_amount": 2900},
    ],
    "eur": [{"up_to": 25, "unit_amount": 600}, {"up_to": 50, "unit_amount": 520}, {"up_to": "inf", "unit_amount": 390}],
}


def set_up(ctx: Context) -> Catalogue:
    """Make the catalogue."""

    def post(path: str, **params: Any) -> str:
        return str(call(ctx, "POST", f"/v1/{path}", params)["id"])

    meter = post(
        "billing/meters",
        display_name="Active units",
        event_name=EVENT_NAME,
        default_aggregation={"formula": "last"},
        customer_mapping={"type": "by_id", "event_payload_key": "stripe_customer_id"},
        value_settings={"event_payload_key": "value"},
    )
    products = {
        "metered": post("products", name="Metered", unit_label="unit", description="A base fee and the peak of units"),
        "licensed": post("products", name="Licensed", unit_label="unit", description="Every unit, in advance"),
        "plus": post("products", name="Licensed Plus", unit_label="unit", description="With heat and access control"),
        "portfolio": post("products", name="Portfolio", unit_label="unit", description="Large stocks, graduated"),
    }
    of_role = {"flat": "metered", "unit": "metered", "licensed": "licensed", "plus": "plus", "annual": "licensed"}
    prices: dict[tuple[str, str], str] = {}
    for (role, currency), amount in AMOUNTS.items():
        recurring: dict[str, Any] = {"interval": "year" if role == "annual" else "month"}
        if role == "unit":
            recurring |= {"usage_type": "metered", "meter": meter}
        prices[role, currency] = post(
            "prices",
            product=products[of_role[role]],
            currency=currency,
            unit_amount=amount,
            recurring=recurring,
            tax_behavior="exclusive",
            lookup_key=f"{role}_{currency}",
            nickname=f"{role} {currency}",
            metadata={"role": role},
        )
    for currency, tiers in TIERS.items():
        prices["tiered", currency] = post(
            "prices",
            product=products["portfolio"],
            currency=currency,
            billing_scheme="tiered",
            tiers_mode="graduated",
            tiers=tiers,
            recurring={"interval": "month"},
            tax_behavior="exclusive",
            lookup_key=f"tiered_{currency}",
            nickname=f"tiered {currency}",
            metadata={"role": "tiered"},
        )
    moms = post(
        "tax_rates",
        display_name="Moms",
        percentage=25,
        inclusive=False,
        country="DK",
        jurisdiction="DK",
        tax_type="vat",
        description="Danish VAT",
    )
    coupons = {
        "forever": post("coupons", id="PARTNER15", name="Partner 15 %", percent_off=15, duration="forever"),
        "repeating": post(
            "coupons", id="WELCOME50", name="Welcome", percent_off=50, duration="repeating", duration_in_months=3
        ),
        "once": post("coupons", id="START500", name="Start", amount_off=50000, currency="dkk", duration="once"),
    }
    return Catalogue(prices, dict(AMOUNTS), meter, moms, coupons)
