"""Objects as answered have the shape that the SDK's classes promise, and change as Stripe's do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import stripe

Gaps = Callable[[Any], list[str]]


def test_a_customer_is_complete(client: stripe.StripeClient, gaps: Gaps) -> None:
    """Every field that the SDK's class requires is there, for created, retrieved, listed and deleted ones."""
    customer = client.v1.customers.create(
        {
            "name": "Æblehaven ApS",
            "email": "kontor@example.dk",
            "address": {"country": "DK", "city": "Odense C"},
            "tax_id_data": [{"type": "eu_vat", "value": "DK12345678"}],
            "expand": ["tax_ids", "subscriptions", "sources", "tax", "invoice_credit_balance"],
        }
    )
    assert gaps(customer) == []
    assert customer.tax_ids is not None
    assert [(t.type, t.value, t.country) for t in customer.tax_ids.data] == [("eu_vat", "DK12345678", "DK")]
    assert gaps(client.v1.customers.retrieve(customer.id)) == []
    assert [c.id for c in client.v1.customers.list().data] == [customer.id]
    assert client.v1.customers.delete(customer.id).deleted is True
    assert client.v1.customers.retrieve(customer.id).deleted is True
    assert client.v1.customers.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.customers.update(customer.id, {"name": "B"})


def test_a_customers_update_says_what_was(client: stripe.StripeClient) -> None:
    """The event holds the attributes that changed, as they were, and the request that changed them."""
    customer = client.v1.customers.create({"name": "A", "metadata": {"tenant_id": "t_1"}})
    changed = client.v1.customers.update(customer.id, {"name": "B", "address": {"city": "Aarhus"}})
    assert changed.last_response is not None
    event = client.v1.events.list({"type": "customer.updated"}).data[0]
    assert event.data.previous_attributes is not None
    assert event.data.previous_attributes.to_dict() == {"name": "A", "address": None}
    assert event.data.object.name == "B"
    assert event.request is not None
    assert event.request.id == changed.last_response.request_id
    client.v1.customers.update(customer.id, {"name": "B"})
    assert len(client.v1.events.list({"type": "customer.updated"}).data) == 1


@pytest.mark.parametrize("email", ["kontor", "a@b", "a b@example.com", "x@example.com\r\nBcc: y@example.com"])
def test_an_email_must_look_like_one(client: stripe.StripeClient, email: str) -> None:
    """Stripe's code for it."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.create({"email": email})
    assert caught.value.code == "email_invalid"


def prices(client: stripe.StripeClient) -> dict[str, stripe.Price]:
    """One price of each kind, all of one product."""
    product = client.v1.products.create({"name": "Units", "unit_label": "unit"}).id
    meter = client.v1.billing.meters.create(
        {"display_name": "Units", "event_name": "active_units", "default_aggregation": {"formula": "last"}}
    )
    month = {"interval": "month"}
    tiers = [{"up_to": 10, "unit_amount": 500, "flat_amount": 1000}, {"up_to": "inf", "unit_amount_decimal": "450.25"}]
    given: dict[str, dict[str, Any]] = {
        "flat": {"unit_amount": 9900, "recurring": month, "lookup_key": "flat"},
        "annual": {"unit_amount": 49000, "recurring": {"interval": "year"}, "tax_behavior": "exclusive"},
        "metered": {"unit_amount": 1900, "recurring": {**month, "usage_type": "metered", "meter": meter.id}},
        "decimal": {"unit_amount_decimal": "12.345", "recurring": month},
        "graduated": {"billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": tiers, "recurring": month},
        "volume": {"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": tiers, "recurring": month},
        "package": {"unit_amount": 100, "transform_quantity": {"divide_by": 10, "round": "up"}, "recurring": month},
        "once": {"unit_amount": 5000},
        "options": {"unit_amount": 100, "currency_options": {"eur": {"unit_amount": 14}}, "recurring": month},
    }
    return {
        name: client.v1.prices.create({"currency": "dkk", "product": product, **params})  # type: ignore[typeddict-item]
        for name, params in given.items()
    }


def test_prices_of_all_kinds_are_complete(client: stripe.StripeClient, gaps: Gaps) -> None:
    """Amounts are kept as whole minor units and as decimal text; a fraction has only the text."""
    made = prices(client)
    for name, price in made.items():
        assert gaps(price) == [], name
        full = client.v1.prices.retrieve(price.id, {"expand": ["tiers", "currency_options", "product"]})
        assert gaps(full) == [], name
    assert (made["flat"].unit_amount, str(made["flat"].unit_amount_decimal)) == (9900, "9900")
    assert (made["decimal"].unit_amount, str(made["decimal"].unit_amount_decimal)) == (None, "12.345")
    assert made["once"].type == "one_time"
    assert made["once"].recurring is None
    assert made["graduated"].unit_amount is None
    assert [p.id for p in client.v1.prices.list({"lookup_keys": ["flat"]}).data] == [made["flat"].id]
    metered = client.v1.prices.list({"recurring": {"usage_type": "metered"}}).data
    assert [p.id for p in metered] == [made["metered"].id]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"unit_amount": 1, "unit_amount_decimal": "1"}, "unit_amount"),
        ({"unit_amount": -1}, "unit_amount"),
        ({}, "unit_amount"),
        ({"unit_amount_decimal": "0.1234567890123"}, "unit_amount_decimal"),
        ({"unit_amount": 1, "currency": "kr"}, "currency"),
        ({"unit_amount": 1, "recurring": {"interval": "month", "interval_count": 37}}, "recurring[interval_count]"),
        ({"unit_amount": 1, "recurring": {"interval": "month", "usage_type": "metered"}}, "recurring[meter]"),
        ({"billing_scheme": "tiered", "tiers_mode": "volume"}, "tiers"),
        ({"billing_scheme": "tiered", "tiers": [{"up_to": "inf", "unit_amount": 1}]}, "tiers_mode"),
        (
            {"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": [{"up_to": 5, "unit_amount": 1}]},
            "tiers[0][up_to]",
        ),
        ({"unit_amount": 1, "product": "prod_none"}, "product"),
    ],
)
def test_prices_that_make_no_sense_are_refused(client: stripe.StripeClient, params: dict[str, Any], param: str) -> None:
    """Each names its parameter."""
    given: dict[str, Any] = {"currency": "dkk", "product_data": {"name": "A"}, **params}
    if "product" in params:
        del given["product_data"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.prices.create(given)  # type: ignore[arg-type]
    assert caught.value.param == param


def test_what_a_price_charges_never_changes(client: stripe.StripeClient) -> None:
    """Amounts cannot be sent at all, a tax behavior once, a lookup key moves only when told to."""
    made = prices(client)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.prices.update(made["flat"].id, {"unit_amount": 1})  # type: ignore[typeddict-unknown-key]
    assert caught.value.code == "parameter_unknown"
    with pytest.raises(stripe.InvalidRequestError, match="tax_behavior"):
        client.v1.prices.update(made["annual"].id, {"tax_behavior": "inclusive"})
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        client.v1.prices.update(made["once"].id, {"lookup_key": "flat"})
    client.v1.prices.update(made["once"].id, {"lookup_key": "flat", "transfer_lookup_key": True})
    assert client.v1.prices.retrieve(made["flat"].id).lookup_key is None
    with pytest.raises(stripe.InvalidRequestError, match="has one or more"):
        client.v1.products.delete(str(made["flat"].product))


def test_coupons_codes_rates_and_the_rest_are_complete(client: stripe.StripeClient, gaps: Gaps) -> None:
    """One of each, as the SDK's classes have them."""
    coupon = client.v1.coupons.create(
        {"percent_off": 12.5, "duration": "repeating", "duration_in_months": 3, "id": "X"}
    )
    amount = client.v1.coupons.create({"amount_off": 500, "currency": "dkk", "duration": "forever"})
    code = client.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "HEJ"})
    rate = client.v1.tax_rates.create({"display_name": "Moms", "percentage": 25, "inclusive": False, "country": "DK"})
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1767225600})
    customer = client.v1.customers.create({})
    session = client.v1.billing_portal.sessions.create({"customer": customer.id})
    account = client.v1.accounts.retrieve_current()
    configuration = client.v1.billing_portal.configurations.list().data[0]
    endpoint = client.v1.webhook_endpoints.create({"url": "https://example.com/h", "enabled_events": ["*"]})
    tax_id = client.v1.customers.tax_ids.create(customer.id, {"type": "eu_vat", "value": "DK12345678"})
    event = client.v1.events.list().data[0]
    for obj in (coupon, amount, code, rate, clock, session, account, configuration, endpoint, tax_id, event):
        assert gaps(obj) == [], type(obj).__name__
    assert (coupon.percent_off, coupon.valid, rate.percentage) == (12.5, True, 25.0)
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        client.v1.coupons.create({"percent_off": 10, "id": "X"})


def test_events_are_listed_newest_first_and_by_type(client: stripe.StripeClient) -> None:
    """A cursor goes on from where one was, both ways; wildcards match."""
    for name in "ABC":
        client.v1.customers.create({"name": name})
    client.v1.products.create({"name": "P"})
    events = client.v1.events.list().data
    assert [e.type for e in events] == ["product.created"] + ["customer.created"] * 3
    newer = client.v1.events.list({"ending_before": events[3].id, "limit": 2})
    assert [e.id for e in newer.data] == [e.id for e in events[1:3]]
    assert newer.has_more is True
    assert [e.id for e in client.v1.events.list({"starting_after": events[1].id}).data] == [e.id for e in events[2:]]
    assert len(client.v1.events.list({"types": ["customer.created", "price.created"]}).data) == 3
    assert len(client.v1.events.list({"type": "customer.*"}).data) == 3
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        client.v1.events.list({"starting_after": "evt_none"})
