"""`billing up`: Postgres, sandbox, worker and web as children of one process, from nothing to the first page."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Annotated, NoReturn

import typer

from billing_core import processes
from billing_core.children import ATTACHED, ChildSpec, Supervisor, billing_command, settings_environment
from billing_core.cli import init
from billing_core.cli.context import attached_postgres, await_sandbox, sandbox_file, sandbox_spec, uses_sandbox
from billing_core.cli.serve import address, project_root
from billing_core.errors import BillingError, ConflictError, InvalidInputError
from billing_core.processes import Process, Run
from billing_core.settings import Mode, Settings, load_settings

WEB_READY_SECONDS = 120.0
ESSENTIAL = ("postgres", "web")
TICK_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("up")(up)


def up(
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the web app (else BILLING_PORT, 8501); 0 picks a free one."),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open a browser (also BILLING_BROWSER=0).")
    ] = False,
    until_parent_ends: Annotated[bool, typer.Option("--until-parent-ends", hidden=True)] = False,
    live: Annotated[bool, typer.Option("--live", help="Confirm that STRIPE_API_KEY is a live key on purpose.")] = False,
) -> None:
    """Start everything and say where; Ctrl-C stops everything."""
    started = time.monotonic()
    settings = load_settings()
    if port is not None:
        settings = settings.model_copy(update={"port": port})
    project_root()
    check_mode(settings, is_live_meant=live)
    signal.signal(signal.SIGTERM, _interrupt)
    # A shell starts background jobs with SIGINT ignored, which Python would leave so.
    signal.signal(signal.SIGINT, _interrupt)
    if until_parent_ends:
        threading.Thread(target=_interrupt_with_parent, daemon=True).start()
    with processes.hold(settings.home):
        for name in processes.end_leftovers(settings.home):
            typer.echo(f"The {name} process of an earlier run was still there and has ended.")
        settings = _with_port(settings)
        url = address(settings.host, settings.port)
        try:
            _run(settings, url, started, opens_browser=settings.browser and not no_browser)
        finally:
            (settings.home / "run.json").unlink(missing_ok=True)


def check_mode(settings: Settings, *, is_live_meant: bool) -> None:
    """Refuse a live key that nobody confirmed, and any key on a demo.

    Raises:
        InvalidInputError: a live key without `--live`, or `--live` without one.
        ConflictError: the home holds the demo and a Stripe key is set.
    """
    if settings.mode is Mode.LIVE and not is_live_meant:
        raise InvalidInputError(
            "STRIPE_API_KEY is a live key. Start with `billing up --live` if that is meant, or unset it for the demo."
        )
    if is_live_meant and settings.mode is not Mode.LIVE:
        raise InvalidInputError("--live needs a live key in STRIPE_API_KEY, and there is none.")
    state = init.home_state(settings.home)
    if state and state.kind == init.DEMO and settings.mode in (Mode.TEST, Mode.LIVE):
        raise ConflictError(
            f"{settings.home} holds the demo company and STRIPE_API_KEY names a real account, which would mix. "
            "Set BILLING_HOME to another directory, or unset STRIPE_API_KEY."
        )


def _with_port(settings: Settings) -> Settings:
    if trouble := processes.why_not_listen(settings.host, settings.port):
        raise trouble
    port = settings.port or processes.free_port(settings.host)
    return settings.model_copy(update={"port": port})


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # Once is enough: what is being stopped must not be interrupted by a second signal.
    _ignore_signals()
    raise KeyboardInterrupt


def _interrupt_with_parent() -> None:
    """Stop when `make run` is gone: make passes on what it is told politely, but not its own sudden death."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(TICK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _run(settings: Settings, url: str, started: float, *, opens_browser: bool) -> None:
    parent = processes.this_process("up", url)

    def record(children: list[Process], *, is_stopping: bool = False) -> None:
        processes.write_run(settings.home, Run(parent, settings.mode.value, tuple(children), is_stopping))

    def stop() -> None:
        _ignore_signals()
        record([child.process for child in supervisor.children], is_stopping=True)
        typer.echo("\nStopping …")
        supervisor.stop()

    record([])
    typer.echo(f"Billing Desk ({settings.mode.value}), data in {settings.home.absolute()}")
    supervisor = Supervisor(settings.home, say=typer.echo, on_change=record)
    try:
        with attached_postgres(settings, may_create=True, takes_over=True), ExitStack() as at_the_end:
            at_the_end.callback(stop)
            settings = _start_children(settings, supervisor)
            typer.echo(f"\nReady after {time.monotonic() - started:.1f} s: {url}\nCtrl-C stops everything.")
            if opens_browser:
                _open_browser(url)
            _watch(supervisor)
    except KeyboardInterrupt:
        typer.echo("Stopped.")
        raise


def _start_children(settings: Settings, supervisor: Supervisor) -> Settings:
    """Make or bring up to date the data and start what the mode needs; returns settings that say where Stripe is."""
    environment = settings_environment
    if not settings.database_url:
        supervisor.start(ChildSpec("postgres", billing_command("postgres", ATTACHED), environment(settings)))

    def start_web() -> None:
        spec = ChildSpec(
            "web",
            billing_command("serve", ATTACHED),
            environment(settings),
            url=address(settings.host, settings.port),
            ready_path="/health",
        )
        supervisor.start(spec)

    @contextmanager
    def reach(_: Settings) -> Iterator[Settings]:
        # The web app warms up on the second core while the mirror runs.
        start_web()
        sandbox = supervisor.start(sandbox_spec(settings))
        yield settings.model_copy(update={"stripe_api_base": await_sandbox(supervisor, sandbox, settings)})

    _prepare(settings, reach)
    children = {child.spec.name: child for child in supervisor.children}
    if "web" not in children:
        start_web()
    if uses_sandbox(settings):
        sandbox = children.get("sandbox") or supervisor.start(sandbox_spec(settings))
    _wait_for_web(settings, supervisor)
    if uses_sandbox(settings):
        url = await_sandbox(supervisor, sandbox, settings, may_be_catching_up=True)
        settings = settings.model_copy(update={"stripe_api_base": url})
    supervisor.start(ChildSpec("worker", billing_command("worker", ATTACHED), environment(settings)))
    return settings


def _prepare(settings: Settings, reach: init.Reach) -> None:
    state = init.home_state(settings.home)
    if settings.mode is Mode.DEMO and not settings.stripe_api_base and not (state and state.is_complete):
        if state is None and _holds_data(settings):
            # Tenants came by import before anything else: this home is its owner's, not the demo's.
            init.note(settings, init.EMPTY, is_complete=True)
        elif state and state.kind == init.EMPTY:
            init.make_empty(settings)
        else:
            typer.echo(
                "First start: making the demo company." if state is None else "The demo company is half made: going on."
            )
            init.make_demo(settings, reach=reach)
            return
    with init.step("Postgres"):
        init.migrated(settings).close()
    if uses_sandbox(settings):
        sandbox_file(settings.home).touch()
    if not (settings.home / "warehouse" / "CURRENT").exists():
        with init.step("Warehouse"):
            init.refreshed(settings)


def _holds_data(settings: Settings) -> bool:
    with init.step("Postgres"):
        database = init.migrated(settings)
    try:
        return init.has_tenants(database)
    finally:
        database.close()


def _wait_for_web(settings: Settings, supervisor: Supervisor) -> None:
    web = next(child for child in supervisor.children if child.spec.name == "web")
    with init.step("Web app"):
        is_ready, answer = supervisor.wait_ready(web, patience_seconds=WEB_READY_SECONDS)
    if not web.is_running:
        raise BillingError(f"The web app does not start: {answer.rstrip('.')}. Its log is {web.log}.")
    if not is_ready:
        # It serves, and says why it cannot show figures: the reader is better served by the page than by nothing.
        typer.echo(f"The web app answers but is not ready yet: {answer}")


def _open_browser(url: str) -> None:
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    webbrowser.open(url)


def _watch(supervisor: Supervisor) -> NoReturn:
    while True:
        supervisor.check()
        lost = [name for name in ESSENTIAL if name in supervisor.given_up]
        if lost:
            raise BillingError(
                f"Billing Desk cannot go on without {' and '.join(lost)}. `billing doctor` says what is wrong."
            )
        time.sleep(TICK_SECONDS)
