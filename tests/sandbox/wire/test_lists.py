"""Lists page, cursors hold, ids expand: as the SDK's users know it."""

from __future__ import annotations

import pytest
import stripe

from tests.sandbox.conftest import Server


def customers(client: stripe.StripeClient, count: int) -> list[str]:
    """Make customers and return their ids, newest first."""
    return [client.v1.customers.create({"name": f"Nr. {n}"}).id for n in range(count)][::-1]


def test_pages_have_ten_by_default_and_say_whether_there_is_more(client: stripe.StripeClient) -> None:
    """Newest first, limits from 1 to 100."""
    ids = customers(client, 12)
    page = client.v1.customers.list()
    assert ([c.id for c in page.data], page.has_more, page.url) == (ids[:10], True, "/v1/customers")
    assert [c.id for c in client.v1.customers.list({"limit": 12}).data] == ids
    assert client.v1.customers.list({"limit": 12}).has_more is False
    assert "total_count" not in page
    for limit in (0, 101):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.customers.list({"limit": limit})
        assert caught.value.param == "limit"


def test_cursors_go_both_ways(client: stripe.StripeClient) -> None:
    """After is older; before is newer, the page next to the cursor, in the same order."""
    ids = customers(client, 7)
    after = client.v1.customers.list({"limit": 2, "starting_after": ids[2]})
    assert ([c.id for c in after.data], after.has_more) == (ids[3:5], True)
    before = client.v1.customers.list({"limit": 2, "ending_before": ids[5]})
    assert ([c.id for c in before.data], before.has_more) == (ids[3:5], True)
    assert client.v1.customers.list({"ending_before": ids[0]}).data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such customer: 'cus_none'"):
        client.v1.customers.list({"starting_after": "cus_none"})
    with pytest.raises(stripe.InvalidRequestError, match="only pass one"):
        client.v1.customers.list({"starting_after": ids[0], "ending_before": ids[1]})


def test_auto_paging_sees_everything_once(client: stripe.StripeClient) -> None:
    """In both directions, with objects that are added on the way."""
    ids = customers(client, 23)
    seen = []
    for customer in client.v1.customers.list({"limit": 5}).auto_paging_iter():
        seen.append(customer.id)
        if len(seen) == 7:
            client.v1.customers.create({})
    assert seen == ids
    newer = [c.id for c in client.v1.customers.list({"limit": 5, "ending_before": ids[-1]}).auto_paging_iter()]
    assert newer[-22:] == ids[:-1][::-1] or newer[:22] == ids[:-1][::-1]


def test_created_filters(client: stripe.StripeClient, sandbox: Server) -> None:
    """By a time, and by bounds with and without their ends."""
    first = client.v1.customers.create({})
    sandbox.admin("POST", "/clock", advance_seconds=100)
    second = client.v1.customers.create({})
    assert [c.id for c in client.v1.customers.list({"created": {"gt": first.created}}).data] == [second.id]
    assert [c.id for c in client.v1.customers.list({"created": {"lt": second.created}}).data] == [first.id]
    assert len(client.v1.customers.list({"created": {"gte": first.created, "lte": second.created}}).data) == 2
    assert [c.id for c in client.v1.customers.list({"created": first.created}).data] == [first.id]


def test_expanding_an_id(client: stripe.StripeClient) -> None:
    """One level, in lists, and what is only shown on request."""
    product = client.v1.products.create({"name": "Unit"})
    tiers = [{"up_to": 10, "unit_amount": 100}, {"up_to": "inf", "unit_amount_decimal": "90.5"}]
    price = client.v1.prices.create(
        {
            "currency": "dkk",
            "product": product.id,
            "recurring": {"interval": "month"},
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": tiers,
            "expand": ["product", "tiers"],
        }  # type: ignore[arg-type, typeddict-item]
    )
    assert isinstance(price.product, stripe.Product)
    assert price.product.name == "Unit"
    assert price.tiers is not None
    assert [(t.up_to, t.unit_amount, str(t.unit_amount_decimal)) for t in price.tiers] == [
        (10, 100, "100"),
        (None, None, "90.5"),
    ]
    assert "tiers" not in client.v1.prices.retrieve(price.id)
    listed = client.v1.prices.list({"expand": ["data.product"]})
    assert isinstance(listed.data[0].product, stripe.Product)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nothing", r"This property cannot be expanded \(nothing\)"),
        ("currency", r"This property cannot be expanded \(currency\)"),
        ("product.nothing", r"This property cannot be expanded \(product.nothing\)"),
        ("a.b.c.d.e", "more than 4 levels"),
        ("product.default_price.product.default_price.product", "more than 4 levels"),
    ],
)
def test_what_cannot_be_expanded_is_said(client: stripe.StripeClient, path: str, words: str) -> None:
    """Unknown names, plain values, too many levels."""
    product = client.v1.products.create({"name": "A", "default_price_data": {"currency": "dkk", "unit_amount": 1}})
    assert isinstance(product.default_price, str)
    with pytest.raises(stripe.InvalidRequestError, match=words):
        client.v1.prices.retrieve(product.default_price, {"expand": [path]})


def test_expanding_in_a_list_needs_data(client: stripe.StripeClient) -> None:
    """The error says how to write it."""
    with pytest.raises(stripe.InvalidRequestError, match=r"You may want to try expanding 'data\.product'"):
        client.v1.prices.list({"expand": ["product"]})


def test_search_finds_by_field_and_metadata(client: stripe.StripeClient) -> None:
    """Exact, substring, metadata, negation, and errors for what cannot be searched."""
    ids = [client.v1.customers.create({"name": n, "metadata": {"t": n[0]}}).id for n in ("Alfa ApS", "Beta ApS")]

    def found(query: str) -> list[str]:
        return [c.id for c in client.v1.customers.search({"query": query}).data]

    assert found("name:'alfa aps'") == [ids[0]]
    assert found("name~'ApS'") == ids[::-1]
    assert found("metadata['t']:'B'") == [ids[1]]
    assert found("name~'ApS' AND -metadata['t']:'B'") == [ids[0]]
    assert found("metadata['t']:'A' OR metadata['t']:'B'") == ids[::-1]
    assert found("email:null") == ids[::-1]
    for query in ("balance:1", "name", "name:'a' AND email:'b' OR phone:'c'"):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            found(query)
        assert caught.value.param == "query"
    page = client.v1.customers.search({"query": "name~'ApS'", "limit": 1})
    assert [c.id for c in page.auto_paging_iter()] == ids[::-1]
