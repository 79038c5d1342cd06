"""The same key gives the same answer, another request under it is refused, and none of that is lost in a restart."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from tests.sandbox.conftest import Server


def test_a_repeated_request_has_one_effect(client: stripe.StripeClient) -> None:
    """The stored answer comes back, marked as replayed."""
    one = client.v1.customers.create({"name": "A"}, {"idempotency_key": "k1"})
    two = client.v1.customers.create({"name": "A"}, {"idempotency_key": "k1"})
    assert one.id == two.id
    assert len(client.v1.customers.list().data) == 1
    assert two.last_response is not None
    assert two.last_response.headers["Idempotent-Replayed"] == "true"
    assert two.last_response.headers["Idempotency-Key"] == "k1"


def test_another_body_or_path_under_a_key_is_refused(client: stripe.StripeClient) -> None:
    """With the SDK's own exception."""
    client.v1.customers.create({"name": "A"}, {"idempotency_key": "k1"})
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        client.v1.customers.create({"name": "B"}, {"idempotency_key": "k1"})
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.v1.products.create({"name": "A"}, {"idempotency_key": "k1"})


def test_validation_errors_are_not_kept_but_errors_of_a_request_that_began_are(client: stripe.StripeClient) -> None:
    """A corrected request may use its key again; one that failed on the state may not be asked anew."""
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.products.create({}, {"idempotency_key": "k1"})  # type: ignore[typeddict-item]
    assert client.v1.products.create({"name": "A"}, {"idempotency_key": "k1"}).name == "A"
    wanted = {"currency": "dkk", "unit_amount": 1, "product": "prod_later"}
    with pytest.raises(stripe.InvalidRequestError, match="No such product"):
        client.v1.prices.create(wanted, {"idempotency_key": "k2"})  # type: ignore[arg-type]
    client.v1.products.create({"name": "A", "id": "prod_later"})
    with pytest.raises(stripe.InvalidRequestError, match="No such product"):
        client.v1.prices.create(wanted, {"idempotency_key": "k2"})  # type: ignore[arg-type]


def test_a_key_in_use_is_409_and_the_sdk_gets_there_by_retrying(sandbox: Server) -> None:
    """Ten at once under one key: one customer, nobody fails."""
    client = sandbox.client(max_network_retries=8)
    sandbox.admin("POST", "/faults", kind="latency", seconds=0.3, times=1)
    start = threading.Barrier(10)

    def create(_: int) -> str:
        start.wait()
        return client.v1.customers.create({"name": "A"}, {"idempotency_key": "k1"}).id

    with ThreadPoolExecutor(10) as pool:
        ids = set(pool.map(create, range(10)))
    assert len(ids) == 1
    assert len(client.v1.customers.list().data) == 1


def test_a_key_in_use_is_a_conflict_to_a_client_that_does_not_retry(sandbox: Server) -> None:
    """409 with Stripe's code."""
    client = sandbox.client(max_network_retries=0)
    sandbox.admin("POST", "/faults", kind="latency", seconds=0.5, times=None)
    start = threading.Barrier(2)

    def create(_: int) -> tuple[int | None, str | None]:
        start.wait()
        try:
            return 200, client.v1.customers.create({"name": "A"}, {"idempotency_key": "k1"}).name
        except stripe.StripeError as error:
            return error.http_status, error.error.code if error.error else None

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(create, range(2))) == [(200, "A"), (409, "idempotency_key_in_use")]


def test_keys_are_forgotten_after_24_hours_on_the_accounts_clock(sandbox: Server, client: stripe.StripeClient) -> None:
    """Before that they hold across a restart."""
    one = client.v1.customers.create({"name": "A"}, {"idempotency_key": "k1"})
    sandbox.restart()
    sandbox.admin("POST", "/clock", advance_seconds=24 * 3600 - 60)
    assert client.v1.customers.create({"name": "A"}, {"idempotency_key": "k1"}).id == one.id
    sandbox.admin("POST", "/clock", advance_seconds=120)
    assert client.v1.customers.create({"name": "B"}, {"idempotency_key": "k1"}).id != one.id


def test_a_key_has_at_most_255_characters(client: stripe.StripeClient) -> None:
    """Longer ones are refused."""
    with pytest.raises(stripe.InvalidRequestError, match="255"):
        client.v1.customers.create({}, {"idempotency_key": "k" * 256})
