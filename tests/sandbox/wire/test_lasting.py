"""What a client was told is there after a restart and after `kill -9`, at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import stripe

from tests.sandbox.conftest import Server, free_port

SERVE = "import sys; from pathlib import Path; from billing_core.sandbox.server import serve;"
SERVE += "serve(Path(sys.argv[1]), int(sys.argv[2]), is_empty=True)"


class Process:
    """A sandbox in a process of its own, which can be killed."""

    def __init__(self, path: Path) -> None:
        self.path, self.port = path, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start and wait until it is healthy."""
        root = Path(__file__).parents[3]
        self.process = subprocess.Popen([sys.executable, "-c", SERVE, str(self.path), str(self.port)], cwd=root)
        for _ in range(600):
            try:
                if httpx.get(f"{self.url}/health", trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
        raise AssertionError("the sandbox did not start")

    def kill(self) -> None:
        """End it as nothing can prevent."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def client(self) -> stripe.StripeClient:
        """The SDK, pointed at it, without retries."""
        bases = {"api": self.url, "meter_events": self.url}
        return stripe.StripeClient("sk_test_x", base_addresses=bases, max_network_retries=0)  # type: ignore[arg-type]


def test_everything_is_there_after_kill_9_in_the_middle_of_writing(tmp_path: Path) -> None:
    """Each customer whose creation was answered can be read; its event is there too; the file is sound."""
    server = Process(tmp_path / "sandbox.sqlite")
    told: list[str] = []

    def write() -> None:
        client = server.client()
        try:
            while True:
                told.append(client.v1.customers.create({"name": str(len(told))}).id)
        except stripe.APIConnectionError:
            return

    for target in (15, 40):
        writer = threading.Thread(target=write)
        writer.start()
        while len(told) < target:
            time.sleep(0.002)
        server.kill()
        writer.join()
        server.start()
    client = server.client()
    there = [c.id for c in client.v1.customers.list({"limit": 100}).auto_paging_iter()]
    assert set(told) <= set(there)
    # At most the one that was being answered at each kill is there without having been told.
    assert len(there) <= len(told) + 2
    events = [
        e.data.object.id for e in client.v1.events.list({"type": "customer.created", "limit": 100}).auto_paging_iter()
    ]
    assert sorted(events) == sorted(there)
    server.kill()


def test_a_test_clock_goes_on_after_a_restart_on_its_way(
    sandbox: Server,
    client: stripe.StripeClient,
    clock_customer: Callable[..., tuple[str, str]],
) -> None:
    """A restart cuts two weekly renewals; the clock arrives all the same, and no renewal is missing or double."""
    customer, clock = clock_customer(1767225600)
    price = client.v1.prices.create(
        {
            "currency": "dkk",
            "unit_amount": 100,
            "product_data": {"name": "Day"},
            "recurring": {"interval": "week"},
        }
    )
    client.v1.subscriptions.create({"customer": customer, "items": [{"price": price.id}]})
    clocks = client.v1.test_helpers.test_clocks
    clocks.advance(clock, {"frozen_time": 1767225600 + 14 * 86400})
    sandbox.restart()
    for _ in range(2000):
        if clocks.retrieve(clock).status == "ready":
            break
        time.sleep(0.01)
    invoices = list(client.v1.invoices.list({"customer": customer, "limit": 100}).auto_paging_iter())
    starts = sorted(i.lines.data[0].period.start for i in invoices)
    assert starts == [1767225600 + n * 7 * 86400 for n in range(3)]


def test_the_accounts_clock_catches_up_after_being_off(sandbox: Server, client: stripe.StripeClient) -> None:
    """Moved 40 days ahead: what fell due happened in order of time, each at its own moment."""
    now = sandbox.admin("GET")["now"]
    customer = client.v1.customers.create(
        {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
    )
    price = client.v1.prices.create(
        {
            "currency": "dkk",
            "unit_amount": 9900,
            "product_data": {"name": "Week"},
            "recurring": {"interval": "week"},
        }
    )
    client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": price.id}]})
    sandbox.admin("POST", "/clock", advance_seconds=40 * 86400)
    invoices = client.v1.invoices.list({"customer": customer.id, "limit": 100}).data
    assert len(invoices) == 6
    created = [i.created for i in invoices]
    assert created == sorted(created, reverse=True)
    assert {b - a for a, b in zip(created[1:], created, strict=False)} == {7 * 86400}
    assert sandbox.admin("GET")["now"] >= now + 40 * 86400
    assert httpx.get(f"{sandbox.url}/health", trust_env=False).json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("ahead", "words"), [(-1, "later than"), (0, "later than"), (15 * 86400, "at most two intervals")]
)
def test_a_test_clock_moves_forward_and_not_too_far(
    client: stripe.StripeClient, clock_customer: Callable[..., tuple[str, str]], ahead: int, words: str
) -> None:
    """Not back, and at most two intervals of the shortest subscription."""
    customer, clock = clock_customer(1767225600)
    price = client.v1.prices.create(
        {
            "currency": "dkk",
            "unit_amount": 100,
            "product_data": {"name": "Week"},
            "recurring": {"interval": "week"},
        }
    )
    client.v1.subscriptions.create({"customer": customer, "items": [{"price": price.id}]})
    with pytest.raises(stripe.InvalidRequestError, match=words):
        client.v1.test_helpers.test_clocks.advance(clock, {"frozen_time": 1767225600 + ahead})


def test_deleting_a_clock_deletes_what_lives_on_it(
    client: stripe.StripeClient, clock_customer: Callable[..., tuple[str, str]]
) -> None:
    """Its customers are marks, their subscriptions are canceled, and the list of customers does not show them."""
    customer, clock = clock_customer(1767225600)
    assert client.v1.customers.list().data == []
    assert [c.id for c in client.v1.customers.list({"test_clock": clock}).data] == [customer]
    assert client.v1.test_helpers.test_clocks.delete(clock).deleted is True
    assert client.v1.customers.retrieve(customer).deleted is True
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.test_helpers.test_clocks.retrieve(clock)
