"""Faults on demand do to the real SDK what a bad network and a busy API do."""

from __future__ import annotations

import pytest
import stripe

from tests.sandbox.conftest import Server


@pytest.fixture
def hasty(sandbox: Server) -> stripe.StripeClient:
    """An SDK that does not retry by itself and gives up after a second."""
    return sandbox.client(max_network_retries=0, http_client=stripe.RequestsClient(timeout=1))


def count(client: stripe.StripeClient) -> int:
    """How many customers there are."""
    return len(client.v1.customers.list({"limit": 100}).data)


ERRORS = {
    "server_error": stripe.APIError,
    "reset": stripe.APIConnectionError,
    "hang": stripe.APIConnectionError,
    "cut": stripe.APIConnectionError,
    "rate_limit": stripe.RateLimitError,
    "conflict": stripe.APIError,
}


# An answer can only be cut when there is one: after the effect.
@pytest.mark.parametrize(
    ("kind", "effect", "customers"),
    [(k, "before", 0) for k in ERRORS if k != "cut"] + [(k, "after", 1) for k in ERRORS],
)
def test_each_fault_before_and_after_the_effect(
    sandbox: Server,
    hasty: stripe.StripeClient,
    kind: str,
    effect: str,
    customers: int,
) -> None:
    """The SDK raises its own type; the effect is there or not, as asked for."""
    sandbox.admin("POST", "/faults", kind=kind, effect=effect, path="/v1/customers", method="POST", seconds=1.5)
    with pytest.raises(ERRORS[kind]):
        hasty.v1.customers.create({"name": "A"})
    assert count(sandbox.client()) == customers
    assert sandbox.admin("GET", "/faults")["rules"][0]["struck"] == 1


def test_a_saved_500_comes_back_under_its_key_and_the_effect_is_there(sandbox: Server) -> None:
    """The answer says that retrying is of no use, the SDK does not; only reading back tells what happened."""
    client = sandbox.client(max_network_retries=2)
    sandbox.admin("POST", "/faults", kind="server_error", effect="after", path="/v1/customers")
    for replayed in (None, "true"):
        with pytest.raises(stripe.APIError) as caught:
            client.v1.customers.create({"name": "A"}, {"idempotency_key": "k1"})
        headers = caught.value.headers or {}
        assert (headers["Stripe-Should-Retry"], headers.get("Idempotent-Replayed")) == ("false", replayed)
    assert count(client) == 1


def test_an_unsaved_500_is_got_over_by_a_retry(sandbox: Server) -> None:
    """Then there is one customer, and nobody noticed."""
    client = sandbox.client(max_network_retries=2)
    sandbox.admin("POST", "/faults", kind="server_error", effect="before", is_saved=False, method="POST", times=2)
    assert client.v1.customers.create({"name": "A"}).name == "A"
    assert count(client) == 1


def test_a_reset_after_the_effect_is_got_over_by_the_key(sandbox: Server) -> None:
    """The SDK sends the same key again and gets the stored answer."""
    client = sandbox.client(max_network_retries=2)
    sandbox.admin("POST", "/faults", kind="reset", effect="after", method="POST")
    assert client.v1.customers.create({"name": "A"}).name == "A"
    assert count(client) == 1


def test_429_is_retried_only_when_the_answer_says_so(sandbox: Server) -> None:
    """With Retry-After and without; `Stripe-Should-Retry` decides."""
    client = sandbox.client(max_network_retries=2)
    sandbox.admin("POST", "/faults", kind="rate_limit", retry_after=1, method="POST")
    with pytest.raises(stripe.RateLimitError) as caught:
        client.v1.customers.create({"name": "A"})
    assert caught.value.headers["Retry-After"] == "1"
    sandbox.admin("POST", "/faults", kind="rate_limit", should_retry=True, method="POST")
    assert client.v1.customers.create({"name": "A"}).name == "A"


def test_the_rate_limit_can_be_enforced(sandbox: Server, hasty: stripe.StripeClient) -> None:
    """25 calls in a second pass, more do not, and the counters tell."""
    sandbox.admin("POST", "/rate_limit", per_second=25)
    refused = 0
    for _ in range(60):
        try:
            hasty.v1.customers.retrieve("cus_none")
        except stripe.RateLimitError:
            refused += 1
        except stripe.InvalidRequestError:
            pass
    state = sandbox.admin("GET")
    assert state["rate_limited"] == refused
    assert refused > 0
    assert sandbox.admin("DELETE", "/faults") == {"rules": []}


def test_rules_choose_what_they_strike(sandbox: Server, hasty: stripe.StripeClient) -> None:
    """By body, after some requests, by a drawn share with a seed."""
    sandbox.admin("POST", "/faults", kind="server_error", contains="Beta", skip=1, method="POST")
    names = [hasty.v1.customers.create({"name": n}).name for n in ("Alfa", "Beta", "Alfa")]
    assert names == ["Alfa", "Beta", "Alfa"]
    with pytest.raises(stripe.APIError):
        hasty.v1.customers.create({"name": "Beta"})
    struck = []
    for _ in range(2):
        sandbox.admin("DELETE", "/faults")
        sandbox.admin("POST", "/faults", kind="conflict", probability=0.5, seed=7, times=None, method="GET")
        outcome = []
        for _ in range(12):
            try:
                hasty.v1.customers.list()
                outcome.append(True)
            except stripe.StripeError:
                outcome.append(False)
        struck.append(outcome)
    assert struck[0] == struck[1]
    assert len(set(struck[0])) == 2
