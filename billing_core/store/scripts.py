"""Running whole SQL scripts: several statements, no parameters, `%` is just a character."""

from __future__ import annotations

from pathlib import Path

import psycopg
import sqlalchemy as sa


def script_beside(module_file: str, name: str) -> str:
    """Return the text of a script that lies beside a module."""
    return (Path(module_file).parent / name).read_text(encoding="utf-8")


def run_script(connection: sa.Connection, script: str) -> None:
    """Run a script in the connection's transaction.

    Raises:
        psycopg.Error: a statement failed; the transaction is then of no more use.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("scripts need psycopg")
    # Without parameters libpq takes the whole script at once.
    driver.cursor().execute(script.encode())
