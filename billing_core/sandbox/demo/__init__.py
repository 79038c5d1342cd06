"""The demo company: about sixty landlords with two years of history, made by the sandbox's own engine and clock."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

from billing_core.errors import ConflictError


def build(
    home: Path,
    *,
    seed: int,
    today: date | datetime,
    months: int = 24,
    tenants: int = 60,
    progress: Callable[[str, float], None],
) -> None:
    """Make the demo company: `sandbox.sqlite` and the folder `demo` in a home.

    The same seed, day, months and tenants give the same objects. Both parts are made aside and moved into place at the
    end, the state last: a home with a `sandbox.sqlite` has all of the demo.

    Args:
        home: where; made when missing.
        seed: decides every draw.
        today: the day the history ends on (as it begins, Copenhagen time), or the instant.
        months: calendar months of history, the running one included.
        tenants: how many.
        progress: called with what is being done and the share of it that is done, 0 to 1.

    Raises:
        ConflictError: the home has a sandbox or a demo already.
    """
    from billing_core.sandbox.demo.export import write
    from billing_core.sandbox.demo.history import play
    from billing_core.sandbox.engine import open_context

    state_file, folder = home / "sandbox.sqlite", home / "demo"
    for part in (state_file, folder):
        if part.exists():
            raise ConflictError(f"{part} exists already. Remove it, or choose another BILLING_HOME.")
    aside = home / f"demo.making.{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "demo").mkdir(parents=True)
    try:
        ctx = open_context(None, seed=f"demo:{seed}")
        platform = play(
            ctx,
            seed=seed,
            today=today,
            months=months,
            tenants=tenants,
            progress=lambda share: progress("history", share),
        )
        progress("files", 0.0)
        write(aside / "demo", platform, seed)
        ctx.state.save(aside / "sandbox.sqlite")
        (aside / "demo").rename(folder)
        (aside / "sandbox.sqlite").rename(state_file)
        progress("files", 1.0)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
