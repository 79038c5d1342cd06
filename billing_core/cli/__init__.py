"""The `billing` command: one file per topic, and one place where an error becomes a sentence and an exit code.

Commands import the rooms they need inside their functions, so that `billing --help` answers at once. Exit codes: 0
done, 1 a check failed or something in the world is wrong, 2 the command line or the input is, 3–9 as
`billing_core.errors` says, 70 a bug, 130 Ctrl-C.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from billing_core.cli import doctor, imports, init, mirror, report, roles, sandbox, serve, units, up, worker
from billing_core.errors import BillingError

BUG = 70

app = typer.Typer(
    name="billing",
    help="Billing Desk: what happens in the field, what Stripe bills, what is paid.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"Billing Desk {version('billing-desk')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    pass


for topic in (up, init, doctor, mirror, imports, report, units, roles, serve, worker, sandbox):
    topic.register(app)


def main() -> None:
    """Run the command line; never shows a traceback unless `BILLING_DEBUG` is set."""
    try:
        app(prog_name="billing")
    except BillingError as error:
        typer.echo(f"billing: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # a bug of ours: the user gets a reference, the details go to a file
        if os.environ.get("BILLING_DEBUG"):
            raise
        reference = secrets.token_hex(4)
        log = _note_bug(reference)
        typer.echo(
            f"billing: something went wrong that should not have ({type(error).__name__}, reference {reference}). "
            f"Details are in {log}; BILLING_DEBUG=1 shows them here.",
            err=True,
        )
        sys.exit(BUG)


def _note_bug(reference: str) -> Path:
    note = f"{datetime.now(UTC).isoformat(timespec='seconds')} {reference}\n{traceback.format_exc()}\n"
    # The settings may be what is broken, so the home is read as plainly as possible here.
    path = Path(os.environ.get("BILLING_HOME") or ".billing").expanduser() / "logs" / "errors.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write(note)
    except OSError:
        with tempfile.NamedTemporaryFile("w", prefix="billing-error-", suffix=".log", delete=False) as elsewhere:
            elsewhere.write(note)
        return Path(elsewhere.name)
    return path
