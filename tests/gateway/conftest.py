"""Two Stripes to talk to: the sandbox, and a server that answers what a test has written down.

`canned` is for what the sandbox never says: older shapes, other versions, answers that make no sense.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from billing_core.gateway import Gateway, open_gateway
from billing_core.settings import load_settings
from tests.sandbox.conftest import Server, sandbox

__all__ = ["sandbox"]


@dataclass
class Canned:
    """A server with written answers: per path a list of (status, headers, JSON), the last of which repeats."""

    url: str
    answers: dict[str, list[tuple[int, dict[str, str], Any]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def say(self, path: str, body: Any, status: int = 200, **headers: str) -> None:
        """Add an answer for a path (without its query)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.setdefault(path, []).append((status, named, body))

    def gateway(self, **options: Any) -> Gateway:
        """Return a gateway to this server."""
        return open_gateway(load_settings(), sandbox_url=self.url, **options)


@pytest.fixture
def canned() -> Iterator[Canned]:
    """A server on a free port that answers what the test says."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            book.asked.append(f"{self.command} {self.path}")
            said = book.answers.get(self.path.partition("?")[0], [(404, {}, {"error": {"message": "No such thing"}})])
            status, headers, body = said.pop(0) if len(said) > 1 else said[0]
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Request-Id": "req_canned", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    book = Canned(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield book
    server.shutdown()
    server.server_close()


@pytest.fixture
def gateway_to() -> Callable[..., Gateway]:
    """Open a gateway to a sandbox."""

    def make(server: Server, **options: Any) -> Gateway:
        return open_gateway(load_settings(), sandbox_url=server.url, **options)

    return make
