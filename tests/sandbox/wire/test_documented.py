"""Everything that can be asked of the sandbox beside Stripe's API is in docs/sandbox.md."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import httpx
import pytest

from billing_core.sandbox.admin import DEFAULTS
from billing_core.sandbox.faults import KINDS, Rule
from tests.sandbox.conftest import Server

TEXT = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def test_every_setting_and_fault_is_described() -> None:
    """By its name, in code style."""
    own = [f.name for f in fields(Rule) if f.name[0] != "_" and f.name != "struck"]
    for name in (*DEFAULTS, *KINDS, *own):
        assert f"`{name}`" in TEXT, name


def test_every_admin_route_is_described(sandbox: Server) -> None:
    """The server names its routes when asked for one that is not there."""
    answer = httpx.get(f"{sandbox.url}/_sandbox/nothing", trust_env=False)
    assert answer.status_code == 404
    named = answer.json()["error"]["message"].split("There are: ")[1].rstrip(".").split(", ")
    assert len(named) > 8
    for route in named:
        assert route.split()[1] in TEXT, route


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/settings", {"no_such_setting": 1}),
        ("/faults", {"kind": "earthquake"}),
        ("/faults", {"kind": "reset", "when": "now"}),
        ("/clock", {"to": 0}),
        ("/clock", {}),
        ("/webhooks/resend", {"endpoint": "we_none", "events": []}),
    ],
)
def test_admin_routes_refuse_what_does_not_fit(sandbox: Server, path: str, body: dict[str, object]) -> None:
    """With a sentence, and without an effect."""
    answer = httpx.post(f"{sandbox.url}/_sandbox{path}", json=body, trust_env=False)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["message"]


def test_web_pages_of_other_sites_cannot_use_the_admin_routes(sandbox: Server) -> None:
    """A browser says where a request comes from."""
    answer = httpx.post(
        f"{sandbox.url}/_sandbox/clock",
        json={"advance_seconds": 86400},
        headers={"Origin": "https://example.com"},
        trust_env=False,
    )
    assert answer.status_code == 403
