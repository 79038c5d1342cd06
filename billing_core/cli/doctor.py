"""`billing doctor`: every setting explained, everything checked, and what to do about it."""

from __future__ import annotations

import json
import runpy
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from billing_core import processes
from billing_core.cli.context import attached_postgres, serving_sandbox
from billing_core.cli.init import home_state
from billing_core.errors import BillingError, SettingError
from billing_core.settings import Settings, load_settings

if TYPE_CHECKING:
    from billing_core.services.doctor import Check, SettingFact


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)
    app.command("settings-page", hidden=True)(print_settings_page)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print settings and checks as JSON.")] = False) -> None:
    """Explain every setting and check everything; ends with 1 when something fails."""
    from billing_core.services.doctor import Check, Status, examine, setting_facts

    now = datetime.now(UTC)
    try:
        settings = load_settings()
    except SettingError as error:
        facts: list[SettingFact] = []
        checks = [Check("Settings", Status.FAIL, str(error), "Nothing else can be checked before this is right.")]
    else:
        facts = setting_facts(settings)
        with ExitStack() as stack:
            try:
                if settings.database_url or (settings.home / "postgres").exists():
                    stack.enter_context(attached_postgres(settings))
            except BillingError:
                pass  # The Postgres check meets the same trouble and reports it.
            checks = [*examine(settings, sandbox_url=serving_sandbox(settings.home), now=now), *_our_own(settings)]
    if as_json:
        typer.echo(
            json.dumps({"settings": [asdict(f) for f in facts], "checks": [asdict(c) for c in checks]}, indent=2)
        )
    else:
        _print(facts, checks)
    if any(check.status is Status.FAIL for check in checks):
        raise typer.Exit(1)


def print_settings_page() -> None:
    """Print docs/settings.md."""
    from billing_core.services.doctor import settings_page

    typer.echo(settings_page(), nl=False)


def _our_own(settings: Settings) -> list[Check]:
    """Check what only the command line knows: run file, port, demo, browser for the tests."""
    return [_check_processes(settings), _check_port(settings), _check_home(settings), *_check_browser()]


def _check_processes(settings: Settings) -> Check:
    from billing_core.services.doctor import Check, Status, ok

    run, recorded = processes.read_run(settings.home), processes.recorded_run(settings.home)
    if run:
        names = ", ".join(f"{child.name} {child.pid}" for child in run.children if child.is_alive)
        return ok("Processes", f"running at {run.parent.url} (up {run.parent.pid}, {names})")
    if recorded:
        return Check(
            "Processes",
            Status.WARN,
            "an earlier run was killed and left its run file",
            "`billing up` cleans up and starts again.",
        )
    return ok("Processes", "nothing runs")


def _check_port(settings: Settings) -> Check:
    from billing_core.services.doctor import Check, Status, ok

    run = processes.read_run(settings.home)
    if run:
        return ok("Port", f"served by us at {run.parent.url}")
    trouble = processes.why_not_listen(settings.host, settings.port)
    if trouble is None:
        return ok("Port", f"{settings.port} on {settings.host} is free")
    return Check("Port", Status.FAIL, str(trouble), "Set BILLING_PORT and BILLING_HOST, or use `billing up --port`.")


def _check_home(settings: Settings) -> Check:
    from billing_core.services.doctor import Check, Status, ok

    state = home_state(settings.home)
    if state is None:
        return ok("Home", f"{settings.home.absolute()} is new; `billing up` makes the demo company there")
    if not state.is_complete:
        return Check(
            "Home",
            Status.WARN,
            f"{settings.home.absolute()} ({state.kind}) is half made",
            "`billing up` goes on where it stopped.",
        )
    return ok("Home", f"{settings.home.absolute()} ({state.kind}) since {state.made_on}")


def _check_browser() -> list[Check]:
    from billing_core.services.doctor import Check, Status, ok

    finder = Path(__file__).resolve().parents[2] / "tests" / "browser" / "chromium.py"
    if not finder.exists():
        return []
    found = runpy.run_path(str(finder))["find"]()
    if found:
        return [ok("Browser for tests", str(found))]
    return [
        Check(
            "Browser for tests",
            Status.WARN,
            "no Chromium found",
            "To work on Billing Desk: sudo apt-get install chromium, or set CHROMIUM.",
        )
    ]


def _print(facts: list[SettingFact], checks: list[Check]) -> None:
    if facts:
        typer.echo("Settings")
        width = max(len(fact.variable) for fact in facts)
        for fact in facts:
            typer.echo(
                f"  {fact.variable:<{width}}  {fact.value}  ({fact.source})\n  {'':<{width}}  {fact.description}"
            )
        typer.echo("")
    typer.echo("Checks")
    width = max(len(check.name) for check in checks)
    for check in checks:
        typer.echo(f"  {check.status.value:<4}  {check.name:<{width}}  {check.detail}")
        if check.advice:
            typer.echo(f"  {'':<4}  {'':<{width}}  → {check.advice}")
