"""Webhooks arrive signed, again when not taken, and on demand twice or out of order; no request waits for them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stripe

from tests.sandbox.conftest import Server


class Receiver:
    """An endpoint that keeps what it gets, and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, str]] = []
        self.statuses: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((body, self.headers["Stripe-Signature"]))
                self.send_response(outer.statuses.pop(0) if outer.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count: int) -> list[tuple[bytes, str]]:
        """Wait until so many deliveries came."""
        for _ in range(500):
            if len(self.got) >= count:
                return self.got
            time.sleep(0.02)
        raise AssertionError(f"{len(self.got)} of {count} deliveries came")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A local endpoint."""
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_delivery_is_signed_with_the_secret_told_once(client: stripe.StripeClient, receiver: Receiver) -> None:
    """The SDK verifies it; later answers do not hold the secret; the event counts who still waits."""
    endpoint = client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["customer.created"]})
    assert endpoint.secret is not None
    assert "secret" not in client.v1.webhook_endpoints.retrieve(endpoint.id)
    customer = client.v1.customers.create({"name": "Æ"})
    client.v1.products.create({"name": "not listened to"})
    body, signature = receiver.wait(1)[0]
    event = client.construct_event(body, signature, endpoint.secret)
    assert event.type == "customer.created"
    assert event.data.object.id == customer.id
    for _ in range(200):
        if client.v1.events.retrieve(event.id).pending_webhooks == 0:
            break
        time.sleep(0.02)
    assert client.v1.events.retrieve(event.id).pending_webhooks == 0
    assert len(receiver.got) == 1


def test_what_is_not_taken_comes_again(client: stripe.StripeClient, receiver: Receiver) -> None:
    """After a pause, with the same event."""
    receiver.statuses = [500]
    client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    client.v1.customers.create({})
    first, second = (json.loads(body)["id"] for body, _ in receiver.wait(2)[:2])
    assert first == second


def test_events_wait_while_the_server_is_down(sandbox: Server, client: stripe.StripeClient, receiver: Receiver) -> None:
    """Held back, restarted, let go: they arrive."""
    client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    sandbox.admin("POST", "/webhooks", is_dropping=True)
    client.v1.customers.create({})
    sandbox.restart()
    assert len(receiver.wait(1)) >= 1


def test_events_can_be_sent_again_twice_and_out_of_order(
    sandbox: Server, client: stripe.StripeClient, receiver: Receiver
) -> None:
    """In the order asked for, as often as asked for."""
    endpoint = client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["plan.created"]})
    for name in ("A", "B"):
        client.v1.customers.create({"name": name})
    new, old = (e.id for e in client.v1.events.list({"type": "customer.created"}).data)
    sent = sandbox.admin(
        "POST", "/webhooks/resend", endpoint=endpoint.id, events=[new, old], times=2, pause_seconds=0.3
    )
    assert sent == {"scheduled": 4}
    assert [new if new.encode() in body else old for body, _ in receiver.wait(4)] == [new, old, new, old]


@pytest.mark.parametrize("url", ["http://example.com/hook", "ftp://example.com", "no url", "https://"])
def test_addresses_must_be_https_or_this_machine(client: stripe.StripeClient, url: str) -> None:
    """Stripe's error for the parameter."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})
    assert caught.value.param == "url"


def test_unknown_events_cannot_be_listened_to(client: stripe.StripeClient, receiver: Receiver) -> None:
    """The set of types is closed."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["customer.exploded"]})
    assert caught.value.param == "enabled_events[0]"
