"""`billing sandbox`: the Stripe sandbox alone, as a tool of its own or as a child of `billing up`."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from billing_core import processes
from billing_core.children import ATTACHED, end_with_parent, exit_on_signals
from billing_core.cli.context import sandbox_file
from billing_core.errors import ConflictError
from billing_core.settings import load_settings

HOST = "127.0.0.1"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sandbox")(sandbox)


def sandbox(
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to listen on (else BILLING_SANDBOX_PORT, else a free one)."),
    ] = None,
    empty: Annotated[
        bool,
        typer.Option("--empty", help="Serve an account of its own, without the demo's objects, kept per port."),
    ] = False,
    attached: Annotated[bool, typer.Option(ATTACHED, hidden=True)] = False,
) -> None:
    """Run the Stripe sandbox alone: a local server that the Stripe SDK talks to.

    Without options it serves the account in BILLING_HOME; where there is none yet, the demo company's history is made
    first. With --empty it serves an account that begins without objects and is kept in
    BILLING_HOME/sandbox-PORT.sqlite, so that a restart on the same port goes on with it; delete that file to begin
    anew. Point an SDK at the printed address and use any sk_test_ key.
    """
    settings = load_settings()
    exit_on_signals()
    if attached:
        end_with_parent()
    port = port if port is not None else settings.sandbox_port
    port = port or processes.free_port(HOST)
    if trouble := processes.why_not_listen(HOST, port):
        raise trouble
    of_this_port = settings.home / f"sandbox-{port}.sqlite"
    path = of_this_port if empty or (of_this_port.exists() and not attached) else sandbox_file(settings.home)
    if path == sandbox_file(settings.home) and not path.exists():
        from billing_core.cli.init import make_history

        with processes.hold(settings.home):
            make_history(settings)
    serve_file(path, port, is_quiet=attached)


def serve_file(path: Path, port: int, *, is_quiet: bool) -> None:
    """Serve one state file until the process is told to stop.

    Raises:
        ConflictError: another process serves this file.
    """
    from billing_core.sandbox.server import serve

    url = f"http://{HOST}:{port}"

    def announce() -> None:
        while processes.http_get(f"{url}/health") is None:
            time.sleep(0.05)
        typer.echo(f"The Stripe sandbox serves {path} at {url}")
        typer.echo(
            f'Use any sk_test_ key: STRIPE_API_BASE={url}, or StripeClient(key, base_addresses={{"api": "{url}"}})'
        )

    if not is_quiet:
        threading.Thread(target=announce, daemon=True).start()
    with _only_server_of(path, url):
        serve(path, port, is_empty=True, host=HOST)


@contextmanager
def _only_server_of(path: Path, url: str) -> Iterator[None]:
    record = path.with_suffix(".json")
    with processes.lock_file(path.with_suffix(".lock")) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            value = processes.read_json(record) or {}
            raise ConflictError(
                f"Another process serves {path} already, at {value.get('url', 'an unknown address')}."
            ) from None
        this = processes.this_process("sandbox", url)
        processes.write_json(record, {"name": this.name, "pid": this.pid, "created": this.created, "url": this.url})
        try:
            yield
        finally:
            record.unlink(missing_ok=True)
