"""One demo company per test process, small enough to be quick and long enough for every story."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import stripe

from billing_core.sandbox.demo import build
from tests.sandbox.conftest import Server, free_port

TODAY = date(2026, 11, 22)
MONTHS = 9
TENANTS = 50


@dataclass
class Demo:
    """A built demo, served."""

    home: Path
    server: Server
    client: stripe.StripeClient

    def rows(self, name: str) -> list[dict[str, str]]:
        """Return the rows of one of the demo's CSV files."""
        with (self.home / "demo" / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def listed(self, name: str) -> list[dict[str, Any]]:
        """Return the content of one of the demo's JSON files."""
        found: list[dict[str, Any]] = json.loads((self.home / "demo" / name).read_text(encoding="utf-8"))
        return found


def make(home: Path, *, seed: int = 1, months: int = MONTHS, tenants: int = TENANTS) -> Path:
    """Build a demo and return its home."""
    build(home, seed=seed, today=TODAY, months=months, tenants=tenants, progress=lambda label, share: None)
    return home


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo company behind the sandbox's server; tests read it only."""
    home = make(tmp_path_factory.mktemp("demo"))
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}", home / "sandbox.sqlite", port)
    server.start()
    yield Demo(home, server, server.client())
    server.stop()
