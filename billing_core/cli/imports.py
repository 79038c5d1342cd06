"""`billing import`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from billing_core.cli.context import ActingAs, open_context


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_file)


def import_file(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="tenants, occupancies, usage, subscriptions, invoices or fx_rates.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="UTF-8, with a header, separated by commas.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and count everything, write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    acting_as: ActingAs = None,
) -> None:
    """Import a CSV file: all of it, or nothing when a row is bad."""
    with open_context(acting_as=acting_as) as context:
        from billing_core.services.access import authorize
        from billing_core.services.imports import import_csv

        authorize(context.desk, context.actor, "data.import")
        result = import_csv(
            context.desk.database,
            kind,
            file,
            actor=context.actor.email,
            zone=context.settings.zone,
            now=context.now,
            dry_run=dry_run,
        )
    if as_json:
        typer.echo(json.dumps({**asdict(result), "dry_run": dry_run}))
        return
    would = "would be " if dry_run else ""
    typer.echo(
        f"{result.kind}: {result.rows} rows, {result.inserted} {would}new, {result.updated} {would}changed, "
        f"{result.unchanged} as before"
    )
