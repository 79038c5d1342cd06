"""`billing init`: what a home starts with, the demo company or nothing.

`BILLING_HOME/home.json` says which it is and which steps are done. The demo's history is made beside its final place
and moved there whole; every later step writes rows by id, so that a first start that was cut goes on where it stopped,
from the one history it has.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from billing_core import processes
from billing_core.cli.context import attached_postgres, attached_sandbox, sandbox_file, serving_sandbox
from billing_core.errors import ConflictError, InvalidInputError
from billing_core.settings import Mode, Settings, load_settings

if TYPE_CHECKING:
    from billing_core.store.database import Database

DEMO = "demo"
EMPTY = "empty"
IMPORTED_BY = "demo"


@dataclass(frozen=True, slots=True)
class HomeState:
    """What a home was made as, and how far: `kind` is demo or empty, `is_complete` tells whether all steps are done."""

    kind: str
    is_complete: bool
    made_on: str


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    demo: Annotated[
        bool, typer.Option("--demo", help="The demo company, with its history up to today (the default).")
    ] = False,
    empty: Annotated[
        bool, typer.Option("--empty", help="A migrated Postgres, a sandbox without objects, no tenants.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Delete the demo that is there and make it anew; never anything else.")
    ] = False,
) -> None:
    """Prepare BILLING_HOME; refuses to touch what is already there."""
    if demo and empty:
        raise InvalidInputError("Choose one of --demo and --empty.")
    settings = load_settings()
    kind = EMPTY if empty else DEMO
    with processes.hold(settings.home):
        processes.end_leftovers(settings.home)
        if force:
            delete_demo(settings)
        refuse_what_is_there(settings, kind)
        if kind == DEMO:
            make_demo(settings)
        else:
            make_empty(settings)
    typer.echo(f"{settings.home} is ready. `billing up` opens it.")


# --- what is there ----------------------------------------------------------------------------------------------------


def home_state(home: Path) -> HomeState | None:
    """Return what a home was made as; None when it was never made."""
    value = processes.read_json(home / "home.json")
    if not value or value.get("kind") not in (DEMO, EMPTY):
        return None
    return HomeState(value["kind"], bool(value.get("is_complete")), str(value.get("made_on", "")))


def note(settings: Settings, kind: str, *, is_complete: bool) -> None:
    value: dict[str, Any] = {"kind": kind, "is_complete": is_complete, "made_on": _today(settings).isoformat()}
    if kind == DEMO:
        value |= {"seed": settings.demo_seed, "months": settings.demo_months, "tenants": settings.demo_tenants}
    processes.write_json(settings.home / "home.json", value)


def _today(settings: Settings) -> date:
    return datetime.now(settings.zone).date()


def refuse_what_is_there(settings: Settings, kind: str) -> None:
    """Refuse a home or a database that holds something already, and the demo where a Stripe key or DATABASE_URL says
    otherwise.

    Raises:
        ConflictError: says what is there and what to do.
    """
    state, home = home_state(settings.home), settings.home
    if state and state.is_complete:
        advice = (
            "`billing init --demo --force` makes it anew"
            if state.kind == DEMO
            else "its data is yours, so it is never deleted here"
        )
        raise ConflictError(
            f"{home} already holds {_article(state.kind)} since {state.made_on}: {advice}; or set BILLING_HOME to "
            "another directory."
        )
    if state and state.kind != kind:
        raise ConflictError(
            f"{home} was begun as {_article(state.kind)}. Go on with `billing init --{state.kind}`, or set "
            "BILLING_HOME to another directory."
        )
    if kind == DEMO and settings.mode is not Mode.DEMO:
        raise ConflictError(
            "The demo runs on the sandbox only, and STRIPE_API_KEY or BILLING_OFFLINE is set. Unset it, or use --empty."
        )
    if kind == DEMO and settings.stripe_api_base:
        raise ConflictError(
            "The demo runs on its own sandbox, and STRIPE_API_BASE names another server. Unset it, or use --empty."
        )


def _article(kind: str) -> str:
    return "the demo company" if kind == DEMO else "an empty desk"


def delete_demo(settings: Settings) -> None:
    """Delete the demo of a home; refuses anything that may be somebody's work.

    Raises:
        ConflictError: the home is not a demo, or its Postgres is not the embedded one.
    """
    state = home_state(settings.home)
    if state is None or state.kind != DEMO:
        raise ConflictError(f"--force deletes a demo only, and {settings.home} does not hold one.")
    if settings.database_url:
        raise ConflictError(
            "--force deletes a demo in the embedded Postgres only; empty the database that DATABASE_URL names yourself."
        )
    if serving_sandbox(settings.home):
        raise ConflictError("The sandbox of this home is being served. Stop it first.")
    from billing_core.store import embedded

    embedded.stop(settings.home)
    (settings.home / "home.json").unlink(missing_ok=True)
    for name in ("postgres", "warehouse", "demo", "demo.new"):
        shutil.rmtree(settings.home / name, ignore_errors=True)
    for path in settings.home.glob("sandbox.*"):
        path.unlink()


# --- making -----------------------------------------------------------------------------------------------------------


Reach = Callable[[Settings], AbstractContextManager[Settings]]


@contextmanager
def step(label: str) -> Iterator[None]:
    """Print a step and how long it took."""
    typer.echo(f"  {label} … ", nl=False)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        typer.echo("")
        raise
    typer.echo(f"{time.monotonic() - started:.1f} s")


def make_empty(settings: Settings) -> None:
    """Make a home with a migrated Postgres, a sandbox without objects and no tenants."""
    note(settings, EMPTY, is_complete=False)
    with attached_postgres(settings, may_create=True):
        with step("Postgres"):
            database = migrated(settings)
        if settings.mode is Mode.DEMO:
            from billing_core.services.access import seed_demo_staff

            seed_demo_staff(database)
        if settings.mode is Mode.DEMO and not settings.stripe_api_base:
            with step("Sandbox without objects"):
                sandbox_file(settings.home).touch()
                with attached_sandbox(settings):
                    pass
        with step("Warehouse"):
            refreshed(settings)
        database.close()
    note(settings, EMPTY, is_complete=True)


def make_demo(settings: Settings, *, reach: Reach = attached_sandbox) -> None:
    """Make the demo company, or go on making one that was cut.

    Args:
        settings: the demo's seed, months and tenants are settings.
        reach: has the sandbox reachable inside a block; called when the history is there.

    Raises:
        ConflictError: the database that DATABASE_URL names holds tenants that are not the demo's.
    """
    resumes = home_state(settings.home) is not None
    note(settings, DEMO, is_complete=False)
    with attached_postgres(settings, may_create=True):
        with step("Postgres"):
            database = migrated(settings)
        if not resumes and has_tenants(database):
            (settings.home / "home.json").unlink()
            raise ConflictError(
                "The Postgres of this home holds tenants already, so the demo would mix with them. Use another "
                "database or BILLING_HOME."
            )
        make_history(settings)
        with step("Tenants, occupancies and usage"):
            _import_demo(settings, database)
        with reach(settings) as reachable, step("Mirror of Stripe"):
            _mirror(reachable)
        with step("Warehouse"):
            refreshed(settings)
        database.close()
    note(settings, DEMO, is_complete=True)


def make_history(settings: Settings) -> None:
    """Make the demo company's history in the sandbox, unless it is there; half of one is never left in place."""
    home = settings.home
    if sandbox_file(home).exists() and (home / "demo").exists():
        return
    from billing_core.sandbox.demo import build

    fresh = home / "demo.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    with step(f"{settings.demo_months} months of {settings.demo_tenants} tenants in the Stripe sandbox"):
        build(
            fresh,
            seed=settings.demo_seed,
            today=_today(settings),
            months=settings.demo_months,
            tenants=settings.demo_tenants,
            progress=_silent,
        )
    shutil.rmtree(home / "demo", ignore_errors=True)
    (fresh / "demo").rename(home / "demo")
    # SQLite's side files first: the state counts as there when its own name is.
    for part in sorted(fresh.glob("sandbox.sqlite*"), reverse=True):
        part.rename(home / part.name)
    shutil.rmtree(fresh)


def _silent(_label: str, _ratio: float) -> None:
    pass


def migrated(settings: Settings) -> Database:
    from billing_core.store.database import open_database
    from billing_core.store.migrate import migrate

    database = open_database(settings)
    migrate(database, source_sql=settings.source_sql)
    return database


def has_tenants(database: Database) -> bool:
    """Whether a database holds any tenant, the demo's or somebody's."""
    import sqlalchemy as sa

    from billing_core.store import tables

    with database.connect() as connection:
        return bool(connection.scalar(sa.select(sa.exists(sa.select(tables.tenants.c.tenant_id)))))


def _import_demo(settings: Settings, database: Database) -> None:
    from billing_core.services.access import seed_demo_staff
    from billing_core.services.imports import import_csv
    from billing_core.store import tables
    from billing_core.store.writes import upsert

    seed_demo_staff(database)
    folder = settings.home / "demo"
    for kind in ("tenants", "occupancies", "usage"):
        import_csv(database, kind, folder / f"{kind}.csv", actor=IMPORTED_BY, zone=settings.zone, now=datetime.now(UTC))
    details = [
        {
            "tenant_id": row["tenant_id"],
            "cvr_number": row["cvr"],
            "ean_number": row["ean"],
            "order_reference": row["order_reference"],
            "language": "da" if row["country"] == "DK" else "en",
        }
        for row in json.loads((folder / "details.json").read_text(encoding="utf-8"))
    ]
    with database.begin() as connection:
        upsert(connection, tables.tenant_details, details)


def _mirror(settings: Settings) -> None:
    from billing_core.gateway import open_gateway
    from billing_core.services.desk import open_desk
    from billing_core.services.mirror import mirror

    mirror(open_desk(settings), open_gateway(settings), zone=settings.zone, full=False, now=datetime.now(UTC))


def refreshed(settings: Settings) -> None:
    from billing_core.services.desk import open_desk
    from billing_core.services.refresh import refresh

    refresh(open_desk(settings), full=False, now=datetime.now(UTC))
