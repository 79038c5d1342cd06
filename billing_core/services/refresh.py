"""Bringing the warehouse up to date, for whoever asks: the worker, a command, a page's button."""

from __future__ import annotations

from datetime import datetime

from billing_core import warehouse
from billing_core.services.desk import Desk
from billing_core.warehouse import PATIENCE_SECONDS, Snapshot


def refresh(desk: Desk, *, full: bool = False, now: datetime, patience_seconds: float = PATIENCE_SECONDS) -> Snapshot:
    """Publish what Postgres holds now.

    Args:
        desk: where from and where to.
        full: read everything again instead of what changed.
        now: the present instant; becomes the as-of time.
        patience_seconds: how long to wait for another refresh to end.

    Raises:
        StoreError: Postgres cannot be read.
        ConflictError: another refresh does not end.
        SettingError: BILLING_HOME cannot be written to.
    """
    directory = desk.warehouse.directory
    return warehouse.refresh(
        desk.database.url,
        directory,
        zone=desk.settings.zone,
        now=now,
        full=full,
        patience_seconds=patience_seconds,
    )
