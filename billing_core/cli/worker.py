"""`billing worker`: the jobs' process alone, in the foreground."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from billing_core.children import ATTACHED, end_with_parent, exit_on_signals
from billing_core.cli.context import attached_postgres, attached_sandbox
from billing_core.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("worker")(worker)


def worker(attached: Annotated[bool, typer.Option(ATTACHED, hidden=True)] = False) -> None:
    """Run jobs and schedules (mirror, refresh, housekeeping) until told to stop."""
    settings = load_settings()
    exit_on_signals()
    if attached:
        end_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # One line per job, tick and call would be most of the log; what goes wrong is still said.
    for name in ("procrastinate", "stripe"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with attached_postgres(settings), attached_sandbox(settings) as reachable:
        from billing_core.worker import run_worker

        run_worker(reachable)
