"""Locks that one process at a time holds, named by a text; Postgres ends them with the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from billing_core.errors import ConflictError, StoreError
from billing_core.store.database import Database

PATIENCE_MS = 1000


@contextmanager
def alone(database: Database, name: str) -> Iterator[None]:
    """Hold a lock on a connection of its own, inside the block.

    Raises:
        ConflictError: another process holds it.
        StoreError: Postgres cannot be reached.
    """
    try:
        connection = psycopg.connect(database.url, autocommit=True, application_name=f"billing-desk {name}"[:63])
    except psycopg.OperationalError as error:
        raise StoreError(f"Postgres cannot be reached for the lock {name}. See billing doctor.") from error
    with connection:
        # A moment of patience, because the lock of a process that was just killed ends when the server notices.
        connection.execute(f"set lock_timeout = {PATIENCE_MS}")
        try:
            connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (name,))
        except psycopg.errors.LockNotAvailable:
            raise ConflictError(f"Another process is at work ({name}). Wait until it has ended.") from None
        try:
            yield
        finally:
            # A connection that was lost has no lock any more; what lost it is told by the work itself.
            with suppress(psycopg.Error):
                connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (name,))
