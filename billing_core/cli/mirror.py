"""`billing mirror` and `billing migrate`."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Annotated

import typer

from billing_core.cli.context import ActingAs, attached_postgres, open_context
from billing_core.settings import Mode, load_settings


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("mirror")(mirror)
    app.command("migrate")(migrate)


def mirror(
    full: Annotated[
        bool, typer.Option("--full", help="Page through everything instead of the events since last time.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    acting_as: ActingAs = None,
) -> None:
    """Copy what Stripe holds into Postgres."""
    settings = load_settings()
    if settings.mode is Mode.OFFLINE:
        from billing_core.errors import ConflictError

        raise ConflictError("BILLING_OFFLINE is set, so there is no Stripe to mirror. Unset it, or import CSV files.")
    with open_context(acting_as=acting_as, needs_stripe=True, settings=settings) as context:
        from billing_core.gateway import open_gateway
        from billing_core.services.access import authorize
        from billing_core.services.mirror import mirror as run

        authorize(context.desk, context.actor, "data.refresh")
        result = run(
            context.desk, open_gateway(context.settings), zone=context.settings.zone, full=full, now=context.now
        )
        if as_json:
            typer.echo(json.dumps(asdict(result), default=str))
        else:
            typer.echo(str(result))


def migrate() -> None:
    """Bring Postgres to the data model of this version."""
    settings = load_settings()
    with attached_postgres(settings, may_create=True):
        from billing_core.store.database import open_database
        from billing_core.store.migrate import migrate as run

        database = open_database(settings)
        started = time.monotonic()
        applied = run(database, source_sql=settings.source_sql)
        database.close()
    if applied:
        typer.echo(f"Applied {len(applied)} migration(s) in {time.monotonic() - started:.1f} s: {', '.join(applied)}")
    else:
        typer.echo("Postgres is up to date.")
