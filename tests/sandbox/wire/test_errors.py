"""What is wrong with a request comes back as the SDK's own exception types, with Stripe's fields."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.conftest import Server


def refused(call: Any, *args: Any) -> stripe.InvalidRequestError:
    """Return the SDK's exception of a call that must be refused."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        call(*args)
    return caught.value


def test_unknown_parameters_are_named_with_their_path(client: stripe.StripeClient) -> None:
    """Top-level and nested ones, with the nearest name that exists."""
    error = refused(client.v1.customers.create, {"emial": "a@example.com"})
    assert (error.param, error.code, error.http_status) == ("emial", "parameter_unknown", 400)
    assert error.user_message == "Received unknown parameter: emial. Did you mean email?"
    error = refused(client.v1.prices.create, {"currency": "dkk", "recurring": {"interval": "month", "usage": "x"}})
    assert error.param == "recurring[usage]"
    assert error.user_message is not None
    assert error.user_message.startswith("Received unknown parameter: recurring[usage]")


def test_legacy_parameters_of_the_old_api_are_unknown(client: stripe.StripeClient) -> None:
    """What went with usage records and plans is refused as any unknown name."""
    error = refused(
        client.v1.prices.create,
        {"currency": "dkk", "recurring": {"interval": "month", "usage_type": "metered", "aggregate_usage": "max"}},
    )
    assert error.param == "recurring[aggregate_usage]"


def test_missing_parameters_are_named(client: stripe.StripeClient) -> None:
    """At the top and inside lists of hashes."""
    error = refused(client.v1.products.create, {})
    assert (error.param, error.code) == ("name", "parameter_missing")
    assert error.user_message == "Missing required param: name."
    error = refused(client.v1.prices.create, {"currency": "dkk", "recurring": {}, "tiers": [{"unit_amount": 1}]})
    assert error.param == "tiers[0][up_to]"


@pytest.mark.parametrize(
    ("params", "param", "message"),
    [
        ({"name": "A", "active": "maybe"}, "active", "Invalid boolean: maybe"),
        ({"name": "A", "type": "thing"}, "type", "Invalid type: must be one of good or service"),
        ({"name": {"a": "b"}}, "name", 'Invalid string: {"a"=>"b"}'),
        ({"name": "A", "images": "x"}, "images", "Invalid array"),
        ({"name": "A", "package_dimensions": "x"}, "package_dimensions", "Invalid object"),
        ({"name": "x" * 5001}, "name", "Invalid string: xxxxx...xxxxx; must be at most 5000 characters"),
    ],
)
def test_values_of_a_wrong_kind_are_refused(
    client: stripe.StripeClient, params: dict[str, Any], param: str, message: str
) -> None:
    """Booleans, words of a closed set, hashes, arrays, lengths."""
    error = refused(client.v1.products.create, params)
    assert (error.param, error.user_message) == (param, message)


@pytest.mark.parametrize("value", ["abc", "1.5", "1e3", "1_000", "", "９", "9" * 30])
def test_numbers_must_be_whole_and_written_plainly(client: stripe.StripeClient, value: str) -> None:
    """No words, fractions, exponents, separators, foreign digits, nor numbers beyond 64 bits."""
    error = refused(client.v1.customers.list, {"limit": value})
    assert error.param == "limit"
    assert error.code == ("parameter_invalid_integer" if value else "parameter_invalid_empty")


def test_an_empty_value_cannot_unset_what_must_be_there(client: stripe.StripeClient) -> None:
    """The name of a product cannot be emptied, its description can."""
    product = client.v1.products.create({"name": "A", "description": "B"})
    error = refused(client.v1.products.update, product.id, {"active": ""})
    assert error.code == "parameter_invalid_empty"
    assert client.v1.products.update(product.id, {"description": ""}).description is None


def test_metadata_has_limits_and_merges(client: stripe.StripeClient) -> None:
    """50 keys, 40 and 500 characters; an empty value removes a key, an empty hash all of them."""
    customer = client.v1.customers.create({"metadata": {"a": "1", "b": "2"}})
    changed = client.v1.customers.update(customer.id, {"metadata": {"a": "", "c": "3"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
    assert client.v1.customers.update(customer.id, {"metadata": ""}).metadata.to_dict() == {}  # type: ignore[union-attr]
    assert refused(client.v1.customers.create, {"metadata": {"k" * 41: "1"}}).param == f"metadata[{'k' * 41}]"
    assert refused(client.v1.customers.create, {"metadata": {"k": "v" * 501}}).param == "metadata[k]"
    assert refused(client.v1.customers.create, {"metadata": {f"k{i}": "1" for i in range(51)}}).param == "metadata"


def test_missing_objects_are_404_where_asked_for_and_400_where_named(client: stripe.StripeClient) -> None:
    """The code is the same, the status tells which."""
    error = refused(client.v1.customers.retrieve, "cus_none")
    assert (error.http_status, error.code, error.param) == (404, "resource_missing", "id")
    assert error.user_message == "No such customer: 'cus_none'"
    error = refused(client.v1.prices.create, {"currency": "dkk", "product": "prod_none", "unit_amount": 1})
    assert (error.http_status, error.code, error.param) == (400, "resource_missing", "product")


def test_keys_are_checked(sandbox: Server) -> None:
    """None and nonsense are 401, live keys are refused with a sentence, any test key is let in."""
    for key, words in (("sk_live_123456789", "refuses live keys"), ("nonsense", "Invalid API Key")):
        with pytest.raises(stripe.AuthenticationError, match=words) as caught:
            sandbox.client(api_key=key).v1.customers.list()
        assert caught.value.http_status == 401
    assert "nonsense" not in str(caught.value)
    answer = httpx.get(f"{sandbox.url}/v1/customers", trust_env=False)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith("You did not provide an API key.")
    assert sandbox.client(api_key="rk_test_any").v1.customers.list().data == []
    with pytest.raises(stripe.PermissionError):
        sandbox.client(api_key="pk_test_any").v1.customers.list()


def test_a_version_that_is_not_spoken_is_refused(sandbox: Server) -> None:
    """Another version would answer in another shape."""
    error = refused(sandbox.client(stripe_version="2020-08-27").v1.customers.list)
    assert error.user_message is not None
    assert error.user_message.startswith("Invalid Stripe API version: 2020-08-27.")


def test_routes_that_never_were_and_routes_not_simulated_differ(sandbox: Server, client: stripe.StripeClient) -> None:
    """Legacy and unknown routes are 404; what Stripe has and the sandbox has not says so, and is not retried."""
    with pytest.raises(stripe.InvalidRequestError) as legacy:
        client.raw_request("post", "/v1/subscription_items/si_1/usage_records", quantity=1)
    assert legacy.value.http_status == 404
    assert "Unrecognized request URL (POST: /v1/subscription_items/si_1/usage_records)" in str(legacy.value)
    with pytest.raises(stripe.APIError) as absent:
        client.v1.terminal.readers.list()
    assert absent.value.http_status == 501
    assert "does not simulate" in str(absent.value)
    assert sandbox.admin("GET")["requests"] == 2


def test_bodies_that_cannot_be_read_are_refused(sandbox: Server) -> None:
    """Not UTF-8, nested without end, too large, not JSON: each an error in Stripe's shape."""
    headers = {"Authorization": "Bearer sk_test_x", "Content-Type": "application/x-www-form-urlencoded"}

    def post(body: bytes, path: str = "/v1/customers") -> httpx.Response:
        return httpx.post(sandbox.url + path, content=body, headers=headers, trust_env=False)

    deep = b"a" + b"[b]" * 5000 + b"=1"
    for body, status in (
        (b"name=%ff", 400),
        (deep, 400),
        (b"name=" + b"x" * 2_100_000, 413),
        (b"name=1&name[a]=2", 400),
    ):
        answer = post(body)
        assert answer.status_code == status
        assert answer.json()["error"]["type"] == "invalid_request_error"
    headers["Content-Type"] = "application/json"
    for body in (b"[" * 100_000, b"[]", b"{", b"\xff"):
        answer = post(body, "/v2/billing/meter_events")
        assert answer.status_code == 400
        assert "message" in answer.json()["error"]


def test_unicode_goes_through_unharmed(client: stripe.StripeClient) -> None:
    """Names come back as they were sent."""
    name = "Ærø & Åse = 100 % [ok] 中文 🏠 + ?#"
    assert client.v1.customers.create({"name": name}).name == name


TEXT = st.text(st.characters(exclude_characters="[]\x00", exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(metadata=st.dictionaries(TEXT, TEXT, max_size=5))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_back_as_it_was_sent(client: stripe.StripeClient, metadata: dict[str, str]) -> None:
    """Ampersands, percent signs, line breaks, letters of all scripts, as keys and as values."""
    customer = client.v1.customers.create({"metadata": metadata})
    assert customer.metadata is not None
    assert customer.metadata.to_dict() == metadata


def test_answers_carry_a_request_id(client: stripe.StripeClient) -> None:
    """The SDK shows it on answers and on errors."""
    customer = client.v1.customers.create({})
    assert customer.last_response is not None
    assert customer.last_response.request_id.startswith("req_")
    assert refused(client.v1.customers.retrieve, "cus_none").request_id is not None


def test_a_currency_that_nobody_pays_in_is_refused(client: Any) -> None:
    """Three letters do not make a currency."""
    product = client.v1.products.create({"name": "Units"})
    error = refused(client.v1.prices.create, {"product": product.id, "currency": "zzz", "unit_amount": 100})
    assert (error.param, "Invalid currency: zzz" in str(error)) == ("currency", True)
