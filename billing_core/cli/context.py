"""What a command works with: settings, a desk, who acts, and now; and whatever must run for that, started for as long
as it is needed.

A command attaches to the Postgres and the sandbox that `billing up` runs. Where nothing runs it starts them itself and,
as the last one to use them, stops them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from billing_core import processes
from billing_core.children import ATTACHED, Child, ChildSpec, Supervisor, billing_command, settings_environment
from billing_core.errors import ConflictError, GatewayError, NotFoundError, PendingMigrationError
from billing_core.settings import Mode, Settings, load_settings

if TYPE_CHECKING:
    from billing_core.services.access import Actor
    from billing_core.services.desk import Desk

ActingAs = Annotated[
    str | None,
    typer.Option("--as", metavar="EMAIL", help="Who acts (else BILLING_ACTOR; in the demo its admin)."),
]
SANDBOX_READY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Context:
    """What a command holds while it runs."""

    settings: Settings
    desk: Desk
    actor: Actor
    now: datetime


@contextmanager
def open_context(
    *, acting_as: str | None = None, needs_stripe: bool = False, settings: Settings | None = None
) -> Iterator[Context]:
    """Open what a command needs, and close it afterwards.

    Args:
        acting_as: e-mail of the one who acts; None: `BILLING_ACTOR`, else the demo's admin, else nobody.
        needs_stripe: see to it that Stripe's API, in demo mode the sandbox, can be reached at
            `settings.stripe_api_base`.
        settings: already loaded settings.

    Raises:
        SettingError: a setting is broken.
        NotFoundError: the home holds no data yet.
        StoreError: Postgres cannot be reached.
        PendingMigrationError: it can, but holds the data model of another version.
        ForbiddenError: nobody acts, or somebody unknown.
    """
    settings = settings or load_settings()
    now = datetime.now(UTC)
    with attached_postgres(settings), _open_desk(settings) as desk:
        actor = _actor(desk, acting_as)
        if not needs_stripe:
            yield Context(settings, desk, actor, now)
            return
        with attached_sandbox(settings) as reachable:
            yield Context(reachable, replace(desk, settings=reachable), actor, now)


@contextmanager
def _open_desk(settings: Settings) -> Iterator[Desk]:
    from billing_core.services.desk import open_desk
    from billing_core.store.migrate import pending

    desk = open_desk(settings)
    try:
        if waiting := pending(desk.database):
            raise PendingMigrationError(
                f"Postgres lacks {len(waiting)} migration(s) of this version. Run `billing migrate`."
            )
        yield desk
    finally:
        desk.database.close()


def without_postgres(settings: Settings, acting_as: str | None) -> Context | None:
    """Return a context that can show what is published while Postgres is away, or None where nobody may be shown it.

    Who somebody is and what he may see is read from Postgres. Without it only the demo, where everybody may be anybody,
    goes on, and only for a caller who did not name himself.
    """
    if settings.mode is not Mode.DEMO or acting_as or settings.actor:
        return None
    from billing_core.services.access import SYSTEM
    from billing_core.services.desk import Desk
    from billing_core.store.database import database_at
    from billing_core.warehouse import Warehouse

    nowhere = database_at(settings.database_url or "postgresql://")
    return Context(settings, Desk(settings, nowhere, Warehouse(settings.home / "warehouse")), SYSTEM, datetime.now(UTC))


def _actor(desk: Desk, acting_as: str | None) -> Actor:
    from billing_core.services.access import command_line_actor

    return command_line_actor(desk, acting_as)


# --- Postgres ---------------------------------------------------------------------------------------------------------


@contextmanager
def attached_postgres(settings: Settings, *, may_create: bool = False, takes_over: bool = False) -> Iterator[None]:
    """Have the embedded Postgres running inside the block; nothing to do with `DATABASE_URL`.

    The last process to leave stops the server, unless it was running before any of ours came (somebody serves `app:app`
    directly).

    Args:
        settings: whose `home` it is.
        may_create: whether a home without a Postgres gets one.
        takes_over: stop it at the end even when it was running before.

    Raises:
        NotFoundError: there is none, and `may_create` is false.
        StoreError: it cannot be started.
        SettingError: the home cannot be written to.
    """
    if settings.database_url:
        yield
        return
    from billing_core.store import embedded

    home = settings.home
    if not may_create and not (home / "postgres").exists():
        raise NotFoundError(
            f"There is no data in {home} yet. `billing up` makes the demo company there, `billing init --empty` an "
            "empty desk."
        )
    started_by_us = home / "postgres.started"

    def enter() -> None:
        if takes_over or not embedded.status(home).is_running:
            started_by_us.touch()
        embedded.start(home)

    def leave_last() -> None:
        if started_by_us.exists():
            embedded.stop(home)
            started_by_us.unlink(missing_ok=True)

    with processes.shared(home / "postgres.users", on_enter=enter, on_last=leave_last):
        yield


# --- the sandbox ------------------------------------------------------------------------------------------------------


def sandbox_file(home: Path) -> Path:
    """Return where the state of a home's sandbox lives."""
    return home / "sandbox.sqlite"


def uses_sandbox(settings: Settings) -> bool:
    """Whether Stripe is our own sandbox, which we start ourselves."""
    return settings.mode is Mode.DEMO and settings.stripe_api_base is None


def serving_sandbox(home: Path) -> str | None:
    """Return the URL of the process that serves a home's sandbox, if one does and answers."""
    value = processes.read_json(home / "sandbox.json")
    if value is None:
        return None
    process = processes.Process(**value)
    if not process.is_alive or process.url is None or processes.http_get(f"{process.url}/health") is None:
        return None
    return process.url


@contextmanager
def attached_sandbox(settings: Settings) -> Iterator[Settings]:
    """Have Stripe's API reachable inside the block; yields settings that say where.

    In demo mode that is the sandbox that `billing up` or `billing sandbox` serves, else one started for this block.

    Raises:
        NotFoundError: the home has no sandbox yet.
        GatewayError: the sandbox did not start; names its log.
    """
    if not uses_sandbox(settings):
        yield settings
        return
    if not sandbox_file(settings.home).exists():
        raise NotFoundError(
            f"There is no sandbox in {settings.home} yet. `billing init --demo` or `--empty` makes one."
        )
    url = serving_sandbox(settings.home)
    if url:
        yield settings.model_copy(update={"stripe_api_base": url})
        return
    supervisor = Supervisor(settings.home, say=lambda line: typer.echo(line, err=True), on_change=_ignore)
    try:
        url = await_sandbox(supervisor, supervisor.start(sandbox_spec(settings)), settings)
        yield settings.model_copy(update={"stripe_api_base": url})
    finally:
        supervisor.stop()


def _ignore(_: list[processes.Process]) -> None:
    pass


def sandbox_spec(settings: Settings) -> ChildSpec:
    """Describe the sandbox of a home as a child process on a port that is free now."""
    port = settings.sandbox_port or processes.free_port()
    return ChildSpec(
        "sandbox",
        billing_command("sandbox", "--port", str(port), ATTACHED),
        environment=settings_environment(settings),
        url=f"http://127.0.0.1:{port}",
        ready_path="/health",
    )


def await_sandbox(supervisor: Supervisor, child: Child, settings: Settings, *, may_be_catching_up: bool = False) -> str:
    """Wait until a sandbox that was started as a child answers; returns its URL.

    Args:
        supervisor: who started it and keeps it running.
        child: the sandbox.
        settings: whose `home` it serves.
        may_be_catching_up: do not wait until its clock has gone through the time that it was off.

    Raises:
        GatewayError: it did not start.
        ConflictError: another process has just begun to serve this home's sandbox.
    """
    is_ready, answer = supervisor.wait_ready(
        child, patience_seconds=SANDBOX_READY_SECONDS, is_any_answer_enough=may_be_catching_up
    )
    if is_ready:
        return str(child.spec.url)
    if serving_sandbox(settings.home) not in (None, child.spec.url):
        raise ConflictError("Another process has just begun to serve this sandbox. Run the command again.")
    raise GatewayError(f"The sandbox is not ready ({answer}). Its log is {child.log}.")
