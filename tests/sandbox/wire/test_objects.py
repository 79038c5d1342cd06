"""Objects as answered have the shape that the SDK's classes promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import stripe


def test_a_customer_is_complete(client: stripe.StripeClient, gaps: Callable[[Any], list[str]]) -> None:
    """Every field that the SDK's class requires is there, for created, retrieved, listed and deleted ones."""
    customer = client.v1.customers.create({"name": "Æblehaven ApS", "email": "kontor@example.dk"})
    assert gaps(customer) == []
    assert customer.name == "Æblehaven ApS"
    assert gaps(client.v1.customers.retrieve(customer.id)) == []
    assert [c.id for c in client.v1.customers.list().data] == [customer.id]
    assert client.v1.customers.delete(customer.id).deleted is True
    assert client.v1.customers.retrieve(customer.id).deleted is True
    assert client.v1.customers.list().data == []


def test_an_unknown_parameter_is_named(client: stripe.StripeClient) -> None:
    """The SDK raises its own exception with the parameter and the code."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.create({"nam": "x"})  # type: ignore[typeddict-unknown-key]
    assert caught.value.param == "nam"
    assert caught.value.code == "parameter_unknown"
