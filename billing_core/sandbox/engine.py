"""The whole API in one import: every module below that registers routes, presenters and timers."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

from billing_core.sandbox import render
from billing_core.sandbox.context import Context, Request
from billing_core.sandbox.state import State

ROOMS = ("resources", "billing", "money")


def load() -> None:
    """Import all route modules; repeated calls cost nothing."""
    here = Path(__file__).parent
    for room in ROOMS:
        for module in sorted(pkgutil.iter_modules([str(here / room)]), key=lambda m: m.name):
            import_module(f"billing_core.sandbox.{room}.{module.name}")


def open_context(path: Path | None = None, *, seed: str = "sandbox") -> Context:
    """Return the account kept in a file (made when missing), or in memory, with the whole API loaded."""
    load()
    return Context(State(path, seed=seed), Request(), render=render.render)
