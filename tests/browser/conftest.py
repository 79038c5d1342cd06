"""A real browser against a real server: uvicorn in a process of its own, on a real database, seen with Chromium."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser import chromium
from tests.world import World, small_company, world

ROOT = Path(__file__).resolve().parents[2]
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# What Streamlit itself says on a healthy page: its health is asked for below a deep link first, and Vega draws a
# sparkline before it has its data.
HARMLESS = ("/_stcore/", "Infinite extent for field")
START_SECONDS = 60


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser; without one it is skipped, in CI it fails."""
    missing = chromium.find() is None and not chromium.is_ci()
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)
            if missing:
                item.add_marker(pytest.mark.skip(reason=chromium.ADVICE))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(environment: World) -> Iterator[str]:
    """Run the app in a process of its own and yield its address; it answers `/health`, ready or not."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BILLING_", "STRIPE_", "DATABASE_"))}
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(command, cwd=ROOT, env={**kept, **environment})
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                httpx.get(f"{url}/health", timeout=20)
                break
            except httpx.TransportError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def company_world(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Twelve tenants, fourteen months, two currencies."""
    with world(server_url, tmp_path_factory.mktemp("company"), small_company) as made:
        yield made


@pytest.fixture(scope="session")
def company_url(company_world: World) -> Iterator[str]:
    """The app looking at the company."""
    with serving(company_world) as url:
        yield url


@pytest.fixture(scope="session")
def empty_url(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app where there is nothing yet."""
    with world(server_url, tmp_path_factory.mktemp("empty")) as made, serving(made) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium per file; it is closed before tests with an event loop of their own run."""
    found = chromium.find()
    if found is None:
        pytest.fail(chromium.ADVICE)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(found), args=ARGS)
        yield launched
        launched.close()


@dataclass
class Watched:
    """A page and what went wrong on it: console errors, failed scripts, requests to another host."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Start to listen."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("request", self._request)

    def _console(self, message: Any) -> None:
        place = (message.location or {}).get("url", "")
        if message.type in {"error", "warning"} and not any(h in message.text or h in place for h in HARMLESS):
            self.complaints.append(f"console: {message.text} ({place})")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.complaints.append(f"another host: {request.url}")

    def go(self, path: str) -> None:
        """Open a path and wait until it is drawn."""
        self.page.goto(self.url + path)
        self.settle()

    def settle(self) -> None:
        """Wait until the script has run and nothing is being loaded."""
        self.page.wait_for_selector("[data-testid=stApp][data-test-connection-state=CONNECTED]", timeout=60_000)
        self.page.wait_for_selector("[data-testid=stHeading]", timeout=60_000)
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=60_000)
        self.until("!document.querySelector('[data-testid=stSkeleton]')")

    def until(self, condition: str) -> None:
        """Wait for a condition on the page; asked from outside, because the page's own policy forbids evaluation."""
        for _ in range(600):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"after a minute there is still not: {condition}")

    def charts(self) -> None:
        """Wait until every chart has drawn its marks."""
        self.until(
            "[...document.querySelectorAll('.stPlotlyChart')].every(c => c.querySelector('.point, .hm, .js-line'))"
        )

    def text(self) -> str:
        """What a reader sees, without tables and charts, which are drawn as pictures."""
        return self.page.locator("[data-testid=stMain]").inner_text()


Look = Callable[..., Watched]


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Iterator[dict[tuple[str, int], BrowserContext]]:
    """One context per appearance and width, so that files are fetched once."""
    made: dict[tuple[str, int], BrowserContext] = {}
    yield made
    for context in made.values():
        context.close()


@pytest.fixture
def look(browser: Browser, contexts: dict[tuple[str, int], BrowserContext]) -> Iterator[Look]:
    """Open the app in a tab of a given appearance and width."""
    opened: list[Page] = []

    def open_tab(url: str, scheme: Any = "light", width: int = 1280) -> Watched:
        key = (scheme, width)
        if key not in contexts:
            size = {"width": width, "height": 1000}
            contexts[key] = browser.new_context(color_scheme=scheme, viewport=size, locale="en-GB")  # type: ignore[arg-type]
        watched = Watched(contexts[key].new_page(), url)
        opened.append(watched.page)
        watched.listen()
        return watched

    yield open_tab
    for page in opened:
        page.close()
