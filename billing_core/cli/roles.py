"""`billing roles`: who is staff, and what they may do."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from billing_core.cli.context import ActingAs, attached_postgres, open_context
from billing_core.settings import Mode, load_settings

Email = Annotated[str, typer.Argument(help="Whose roles.")]
Role = Annotated[str, typer.Argument(help="finance, support, manager or admin.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    roles = typer.Typer(no_args_is_help=True, help="Who may do what: see, grant and revoke roles.")
    roles.command("list")(show)
    roles.command("grant")(grant)
    roles.command("revoke")(revoke)
    app.add_typer(roles, name="roles")


def show(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    acting_as: ActingAs = None,
) -> None:
    """List the staff and their roles."""
    from billing_core.services.access import list_staff

    with open_context(acting_as=acting_as) as context:
        people = list_staff(context.desk)
    if as_json:
        typer.echo(json.dumps([asdict(p) for p in people], ensure_ascii=False))
        return
    for person in people:
        typer.echo(f"{person.email}  {person.name}  {', '.join(person.roles)}")


def grant(
    email: Email,
    role: Role,
    name: Annotated[str | None, typer.Option("--name", help="How the person is shown.")] = None,
    acting_as: ActingAs = None,
) -> None:
    """Give somebody a role. The first grant of a new installation must be admin and needs nobody to act."""
    from billing_core.services import access
    from billing_core.services.desk import open_desk

    settings = load_settings()
    if settings.mode is Mode.DEMO or acting_as or settings.actor:
        with open_context(acting_as=acting_as, settings=settings) as context:
            person = access.grant(context.desk, context.actor, email, role, name=name)
    else:
        with attached_postgres(settings):
            desk = open_desk(settings)
            person = access.grant(desk, None, email, role, name=name)
            desk.database.close()
    typer.echo(f"{person.email} now has: {', '.join(person.roles)}.")


def revoke(email: Email, role: Role, acting_as: ActingAs = None) -> None:
    """Take a role from somebody; without any left the person is not staff any more."""
    from billing_core.services import access

    with open_context(acting_as=acting_as) as context:
        person = access.revoke(context.desk, context.actor, email, role)
    left = ", ".join(person.roles) or "no role, and is not staff any more"
    typer.echo(f"{person.email} now has: {left}.")
