"""Homes of their own and the real command line for the house's tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from billing_core.store import embedded

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ("BILLING_", "STRIPE_", "DATABASE_URL", "PGHOST", "PGPORT")

Billing = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home() -> Iterator[Path]:
    """A BILLING_HOME that holds nothing yet; whatever a failed test left running in it ends.

    Not under pytest's own directory: another pytest that starts as root closes that one to the user Postgres runs as.
    """
    directory = Path(tempfile.mkdtemp(prefix="billing-house-"))
    path = directory / "home"
    yield path
    for process in psutil.process_iter(["environ", "cmdline"]):
        environment = process.info["environ"] or {}
        if environment.get("BILLING_HOME") == str(path) and "billing_core.cli" in (process.info["cmdline"] or []):
            process.kill()
    embedded.stop(path)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    """The environment of a command: this one without settings, and with the test's home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "BILLING_HOME": str(home), "BILLING_BROWSER": "0", "PYTHONPATH": str(ROOT)}


@pytest.fixture
def billing(environment: dict[str, str], tmp_path: Path) -> Billing:
    """Run `billing …` in a process of its own, in a directory without `.env`."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "billing_core.cli", *arguments],
            env={**environment, **settings},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
