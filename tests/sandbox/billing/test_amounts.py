"""Amounts: tiers, packages, decimals, discounts and tax."""

from __future__ import annotations

from typing import Any

import pytest

TIERS = [
    {"up_to": 5, "unit_amount": 700},
    {"up_to": 10, "unit_amount": 650, "flat_amount": 1000},
    {"up_to": "inf", "unit_amount": 600},
]


def first_invoice(shop: Any, *items: dict[str, Any], customer: str | None = None, **more: Any) -> Any:
    """Subscribe a new customer on 1 April 2026 and return the first invoice."""
    customer = customer or shop.make_customer(shop.at(2026, 4, 1))[0]
    made = shop.subscribe(customer, *items, **more)
    return shop.client.v1.invoices.retrieve(made.latest_invoice)


def rate(shop: Any, percentage: float, *, inclusive: bool = False) -> str:
    """Make a tax rate."""
    given = {"display_name": "moms", "percentage": percentage, "inclusive": inclusive}
    return str(shop.client.v1.tax_rates.create(given).id)


def coupon(shop: Any, **params: Any) -> str:
    """Make a coupon."""
    return str(shop.client.v1.coupons.create({"duration": "forever", **params}).id)


@pytest.mark.parametrize(
    ("mode", "quantity", "total"),
    [
        ("graduated", 1, 700),
        ("graduated", 5, 3500),
        ("graduated", 6, 3500 + 1000 + 650),
        ("graduated", 12, 3500 + 1000 + 3250 + 1200),
        ("volume", 5, 3500),
        ("volume", 6, 1000 + 3900),
        ("volume", 12, 7200),
    ],
)
def test_tiers_are_graduated_or_by_volume(shop: Any, mode: str, quantity: int, total: int) -> None:
    """7.00 to 5, 6.50 and 10.00 flat to 10, then 6.00."""
    price = shop.price(billing_scheme="tiered", tiers_mode=mode, tiers=TIERS)
    assert first_invoice(shop, {"price": price, "quantity": quantity}).total == total


def test_a_price_in_tiers_has_a_line_per_tier_and_flat_amount(shop: Any) -> None:
    """7 units: five in the first tier, two in the second with its flat amount; by volume all are in the second."""
    shop.products["Gold"] = shop.client.v1.products.create({"name": "Gold", "unit_label": "door"}).id
    graduated = shop.price(billing_scheme="tiered", tiers_mode="graduated", tiers=TIERS)
    made = first_invoice(shop, {"price": graduated, "quantity": 7})
    assert [(line.description, line.quantity, line.amount) for line in made.lines.data] == [
        ("5 door × Gold (Tier 1 at DKK 7.00 / month)", 5, 3500),
        ("2 door × Gold (Tier 2 at DKK 6.50 / month)", 2, 1300),
        ("Gold (Tier 2 at DKK 10.00 / month)", 0, 1000),
    ]
    assert [line.pricing.unit_amount_decimal for line in made.lines.data] == [700, 650, None]
    volume = shop.price(billing_scheme="tiered", tiers_mode="volume", tiers=TIERS)
    made = first_invoice(shop, {"price": volume, "quantity": 7})
    assert shop.lines(made) == [
        ("7 door × Gold (Tier 2 at DKK 6.50 / month)", 4550),
        ("Gold (Tier 2 at DKK 10.00 / month)", 1000),
    ]


def test_the_lines_of_a_price_in_tiers_come_to_the_whole_rounded_once(shop: Any) -> None:
    """1.5 + 1.5 + 0.5 øre are 3.5 and so 4: the lines are 2, 1 and 1."""
    tiers = [
        {"up_to": 3, "unit_amount_decimal": "0.5"},
        {"up_to": 6, "unit_amount_decimal": "0.5"},
        {"up_to": "inf", "unit_amount_decimal": "0.5"},
    ]
    price = shop.price(billing_scheme="tiered", tiers_mode="graduated", tiers=tiers)
    made = first_invoice(shop, {"price": price, "quantity": 7})
    assert [line.amount for line in made.lines.data] == [2, 1, 1]
    assert made.total == 4


def test_packages_round_up_or_down(shop: Any) -> None:
    """150 minutes in hours of 10.00: 30.00 rounded up, 20.00 rounded down."""
    for way, total in (("up", 3000), ("down", 2000)):
        price = shop.price(1000, transform_quantity={"divide_by": 60, "round": way})
        assert first_invoice(shop, {"price": price, "quantity": 150}).total == total


def test_fractions_of_an_oere_are_rounded_once_per_line(shop: Any) -> None:
    """0.333333333333 × 1000 = 333.33 → 333; 0.5 × 3 = 1.5 → 2."""
    fine = shop.price(unit_amount_decimal="0.333333333333")
    half = shop.price(unit_amount_decimal="0.5", name="Half")
    made = first_invoice(shop, {"price": fine, "quantity": 1000}, {"price": half, "quantity": 3})
    assert [line.amount for line in made.lines.data] == [333, 2]
    assert str(made.lines.data[0].pricing.unit_amount_decimal) == "0.333333333333"


def test_exclusive_tax_is_added_per_line(shop: Any) -> None:
    """25 % of 3.33 and of 3.35 is 0.83 and 0.84: rounded on each line."""
    moms = rate(shop, 25)
    prices = [shop.price(333), shop.price(335, name="Silver")]
    made = first_invoice(shop, *({"price": p} for p in prices), default_tax_rates=[moms])
    assert [[t.amount for t in line.taxes] for line in made.lines.data] == [[83], [84]]
    assert (made.subtotal, made.total_excluding_tax, made.total) == (668, 668, 835)
    tax = made.total_taxes[0]
    assert (tax.amount, tax.taxable_amount, tax.tax_behavior) == (167, 668, "exclusive")
    assert tax.tax_rate_details.tax_rate == moms


def test_inclusive_tax_is_inside_the_amount(shop: Any) -> None:
    """12.50 holds 2.50 at 25 %; with 25 % on top of it that base of 10.00 gives another 2.50."""
    inside, on_top = rate(shop, 25, inclusive=True), rate(shop, 25)
    alone = first_invoice(shop, {"price": shop.price(1250)}, default_tax_rates=[inside])
    assert (alone.total, alone.total_excluding_tax, alone.total_taxes[0].amount) == (1250, 1000, 250)
    both = first_invoice(shop, {"price": shop.price(1250)}, default_tax_rates=[inside, on_top])
    assert [t.amount for t in both.total_taxes] == [250, 250]
    assert (both.total, both.total_excluding_tax) == (1500, 1000)


def test_a_line_has_the_rates_of_its_item_instead_of_the_defaults(shop: Any) -> None:
    """10 % on one item, the default 25 % on the other."""
    made = first_invoice(
        shop,
        {"price": shop.price(1000), "tax_rates": [rate(shop, 10)]},
        {"price": shop.price(1000, name="Silver")},
        default_tax_rates=[rate(shop, 25)],
    )
    assert [t.amount for line in made.lines.data for t in line.taxes] == [100, 250]


@pytest.mark.parametrize(("status", "reason"), [("reverse", "reverse_charge"), ("exempt", "customer_exempt")])
def test_exempt_customers_pay_no_tax_and_the_invoice_says_why(shop: Any, status: str, reason: str) -> None:
    """Reverse charge and exemption."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1), tax_exempt=status)
    made = first_invoice(shop, {"price": shop.price(1000)}, customer=customer, default_tax_rates=[rate(shop, 25)])
    assert (made.total, made.customer_tax_exempt) == (1000, status)
    assert [(t.amount, t.taxability_reason) for t in made.total_taxes] == [(0, reason)]


def test_discounts_come_before_tax_and_one_after_the_other(shop: Any) -> None:
    """1000 − 10 % − 100 = 800, taxed 25 %."""
    made = first_invoice(
        shop,
        {"price": shop.price(1000)},
        discounts=[
            {"coupon": coupon(shop, percent_off=10)},
            {"coupon": coupon(shop, amount_off=100, currency="dkk")},
        ],
        default_tax_rates=[rate(shop, 25)],
    )
    assert [d.amount for d in made.total_discount_amounts] == [100, 100]
    assert (made.subtotal, made.total_excluding_tax, made.total) == (1000, 800, 1000)


def test_an_amount_off_is_spread_over_the_lines_without_losing_an_oere(shop: Any) -> None:
    """100 off 333 + 667: 33 + 67; no more than there is."""
    off = coupon(shop, amount_off=100, currency="dkk")
    prices = [shop.price(333), shop.price(667, name="Silver")]
    made = first_invoice(shop, *({"price": p} for p in prices), discounts=[{"coupon": off}])
    assert [d.amount for line in made.lines.data for d in line.discount_amounts] == [33, 67]
    assert made.total == 900
    huge = coupon(shop, amount_off=5000, currency="dkk")
    assert first_invoice(shop, {"price": prices[0]}, discounts=[{"coupon": huge}]).total == 0


def test_a_coupon_for_a_product_leaves_the_others_alone(shop: Any) -> None:
    """Half off Silver only."""
    silver = shop.price(1000, name="Silver")
    only = coupon(shop, percent_off=50, applies_to={"products": [shop.product("Silver")]})
    made = first_invoice(shop, {"price": shop.price(1000)}, {"price": silver}, discounts=[{"coupon": only}])
    assert [sum(d.amount for d in line.discount_amounts) for line in made.lines.data] == [0, 500]


def test_an_items_own_discount_is_inside_the_subtotal(shop: Any) -> None:
    """10 % of one item first, then 50 % of the invoice."""
    made = first_invoice(
        shop,
        {"price": shop.price(1000), "discounts": [{"coupon": coupon(shop, percent_off=10)}]},
        discounts=[{"coupon": coupon(shop, percent_off=50)}],
    )
    assert [d.amount for d in made.lines.data[0].discount_amounts] == [100, 450]
    assert (made.subtotal, made.total) == (900, 450)


@pytest.mark.parametrize(
    ("params", "totals"),
    [
        ({"duration": "once"}, [500, 1000, 1000, 1000]),
        ({"duration": "repeating", "duration_in_months": 2}, [500, 500, 1000, 1000]),
        ({"duration": "forever"}, [500, 500, 500, 500]),
    ],
)
def test_coupons_last_once_some_months_or_forever(shop: Any, params: dict[str, Any], totals: list[int]) -> None:
    """50 % off 10.00 from 1 April."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    off = coupon(shop, percent_off=50, **params)
    made = shop.subscribe(customer, {"price": shop.price(1000)}, discounts=[{"coupon": off}])
    for month in (5, 6, 7):
        shop.move(clock, shop.at(2026, month, 1, 1))
    assert [i.total for i in shop.invoices(subscription=made.id)] == totals
    assert bool(shop.get(made.id).discounts) is (params["duration"] == "forever")


def test_a_trial_does_not_use_a_coupon_up(shop: Any) -> None:
    """The first charge after the trial has it."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    off = coupon(shop, percent_off=50, duration="once")
    made = shop.subscribe(customer, {"price": shop.price(1000)}, discounts=[{"coupon": off}], trial_period_days=10)
    shop.move(clock, shop.at(2026, 5, 11, 1))
    assert [i.total for i in shop.invoices(subscription=made.id)] == [0, 500, 1000]
