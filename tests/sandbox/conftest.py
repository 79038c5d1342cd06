"""A Stripe sandbox of one's own, reached by the real SDK over HTTP.

`sandbox` is a fresh, empty server (in a thread of this process, its account in a file of the test's directory) with
admin calls; `client` is the SDK pointed at it; `clock_customer` makes a customer on a test clock of its own; `advance`
moves a test clock and waits until it is ready; `gaps` compares an answered object with the SDK's class.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe
import uvicorn

from billing_core.sandbox.server import serving
from billing_core.sandbox.shapes import gaps as shape_gaps

KEY = "sk_test_of_the_tests"


@dataclass
class Server:
    """A running sandbox."""

    url: str
    path: Path | None
    port: int
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve the account; returns when requests are answered."""
        ready = threading.Event()
        self._server = serving(self.path, self.port, ready=ready.set)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        if not ready.wait(30):
            raise RuntimeError("the sandbox did not start")
        while not self._server.started:
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop serving; the account stays in its file."""
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join(10)

    def restart(self) -> None:
        """Stop and serve the same account again at the same address."""
        self.stop()
        self.start()

    def admin(self, method: str, path: str = "", /, **body: Any) -> Any:
        """Call an admin route (`/_sandbox…`) and return its JSON."""
        answer = httpx.request(method, f"{self.url}/_sandbox{path}", json=body or None, timeout=60, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def client(self, **options: Any) -> stripe.StripeClient:
        """Return the SDK, pointed at this server."""
        bases = {"api": self.url, "meter_events": self.url}
        return stripe.StripeClient(options.pop("api_key", KEY), base_addresses=bases, **options)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Server]:
    """A fresh empty sandbox."""
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}", tmp_path / "sandbox.sqlite", port)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(sandbox: Server) -> stripe.StripeClient:
    """The real SDK, talking to the sandbox."""
    return sandbox.client()


@pytest.fixture
def advance(client: stripe.StripeClient) -> Callable[[str, int | datetime], None]:
    """Move a test clock and wait until it is ready; to a Unix time or an aware instant, in as many steps as allowed."""

    def move(clock_id: str, to: int | datetime) -> None:
        target = int(to.timestamp()) if isinstance(to, datetime) else to
        clocks = client.v1.test_helpers.test_clocks
        clocks.advance(clock_id, {"frozen_time": target})
        for _ in range(4000):
            clock = clocks.retrieve(clock_id)
            if clock.status == "ready":
                return
            assert clock.status == "advancing", clock.status
            time.sleep(0.01)
        raise AssertionError("the clock never got ready")

    return move


@pytest.fixture
def clock_customer(client: stripe.StripeClient) -> Callable[..., tuple[str, str]]:
    """Make a customer on a test clock of its own, with a card that works: `(customer id, clock id)`."""

    def make(at: int | datetime, payment_method: str | None = "pm_card_visa", **params: Any) -> tuple[str, str]:
        frozen = int(at.timestamp()) if isinstance(at, datetime) else at
        clock = client.v1.test_helpers.test_clocks.create({"frozen_time": frozen})
        given: dict[str, Any] = {"test_clock": clock.id, "name": "Test", **params}
        if payment_method:
            given["payment_method"] = payment_method
            given["invoice_settings"] = {"default_payment_method": payment_method, **given.get("invoice_settings", {})}
        return client.v1.customers.create(given).id, clock.id  # type: ignore[arg-type]

    return make


@pytest.fixture
def gaps() -> Callable[[Any], list[str]]:
    """Tell what an SDK object lacks or has too much of, compared with its class; empty when it fits."""

    def compare(obj: Any) -> list[str]:
        return shape_gaps(json.loads(str(obj)))

    return compare
