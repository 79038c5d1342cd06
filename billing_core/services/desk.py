"""The desk: what every page, command and job holds; settings, Postgres and the warehouse, opened once per process."""

from __future__ import annotations

from dataclasses import dataclass, replace

from billing_core.settings import Settings
from billing_core.store.database import Database, open_database
from billing_core.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Desk:
    """The open rooms of one process; safe to share between threads."""

    settings: Settings
    database: Database
    warehouse: Warehouse

    def pinned(self) -> Desk:
        """Return a desk whose figures all come from the version of the warehouse that is in force now.

        Raises:
            QueryError: nothing has been published yet.
        """
        return replace(self, warehouse=self.warehouse.pinned())


def open_desk(settings: Settings) -> Desk:
    """Open Postgres and the warehouse; the embedded server is started when it does not run.

    A warehouse that has published nothing yet is no error here; the first report says so.

    Raises:
        StoreError: Postgres cannot be reached or started.
    """
    return Desk(settings, open_database(settings), Warehouse(settings.home / "warehouse"))
