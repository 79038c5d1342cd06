"""`billing serve` and `billing postgres`: one process of `billing up` alone, in the foreground."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from billing_core import processes
from billing_core.children import ATTACHED, end_with_parent, exit_on_signals, settings_environment
from billing_core.cli.context import attached_postgres
from billing_core.errors import ConflictError, NotFoundError
from billing_core.settings import load_settings

GRACE_SECONDS = 3
WATCH_SECONDS = 0.5


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("serve")(serve)
    app.command("postgres")(postgres)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (else BILLING_HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on (else BILLING_PORT).")] = None,
    attached: Annotated[bool, typer.Option(ATTACHED, hidden=True)] = False,
) -> None:
    """Run the web app alone; `billing up` runs everything."""
    settings = load_settings()
    exit_on_signals()
    if attached:
        end_with_parent()
    host, port = host or settings.host, settings.port if port is None else port
    if trouble := processes.why_not_listen(host, port):
        raise trouble
    port = port or processes.free_port(host)
    with attached_postgres(settings, may_create=True):
        # Streamlit reads its configuration from the working directory, and settings may name paths relative to ours.
        os.environ.update(settings_environment(settings))
        os.chdir(project_root())
        sys.path.insert(0, str(project_root()))

        import uvicorn

        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
        if not attached:
            typer.echo(f"Billing Desk listens on {address(host, port)}")
        try:
            uvicorn.run(
                "app:app",
                host=host,
                port=port,
                log_level="warning",
                timeout_graceful_shutdown=GRACE_SECONDS,
                proxy_headers=False,
                server_header=False,
            )
        finally:
            # The app froze its objects out of the garbage collector's sight; they must go before the interpreter does.
            gc.unfreeze()


def postgres(attached: Annotated[bool, typer.Option(ATTACHED, hidden=True)] = False) -> None:
    """Keep the embedded Postgres running in the foreground and print its address, for psql and other tools."""
    settings = load_settings()
    if settings.database_url:
        raise ConflictError("DATABASE_URL names another Postgres, so there is no embedded one to run.")
    if attached:
        end_with_parent()
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    from billing_core.store import embedded

    with attached_postgres(settings, may_create=True, takes_over=True):
        typer.echo(f"Postgres: {embedded.start(settings.home)}")
        while not stop.wait(WATCH_SECONDS):
            if not embedded.status(settings.home).is_running:
                typer.echo("Postgres ended and is started again.")
                embedded.start(settings.home)


def address(host: str, port: int) -> str:
    """Return the URL a browser on this machine uses."""
    name = "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def project_root() -> Path:
    """Return the directory of app.py, pages and queries.

    Raises:
        NotFoundError: the package was installed without them.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "app.py").exists():
        raise NotFoundError(
            f"There is no app.py in {root}. Run Billing Desk from its checkout (`make setup` installs it so)."
        )
    return root
