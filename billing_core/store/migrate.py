"""Bringing a database to the newest schema: Alembic's revisions, then the two views over the source tables.

One transaction under an advisory lock: of two migrations at once the second waits and finds nothing to do; one that
fails leaves nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from billing_core.errors import StoreError
from billing_core.store.database import Database
from billing_core.store.scripts import run_script, script_beside
from billing_core.store.tables import SCHEMA

OLDEST_POSTGRES = 14
# Any number that nobody else locks; the letters of "billing" as a big-endian integer.
LOCK_KEY = int.from_bytes(b"billing", "big")

SOURCE_VIEWS = {
    "source_tenants": {
        "tenant_id": "text", "name": "text", "email": "text", "country": "text", "currency": "text",
        "created_at": "timestamp with time zone", "deleted_at": "timestamp with time zone", "chg": "xid8",
    },
    "source_occupancies": {
        "occupancy_id": "text", "tenant_id": "text", "unit_id": "text", "starts_on": "date", "ends_on": "date",
        "deleted_at": "timestamp with time zone", "chg": "xid8",
    },
}  # fmt: skip


def migrate(database: Database, *, source_sql: Path | None = None) -> list[str]:
    """Apply what is missing, and the source views when their file changed.

    Args:
        database: any Postgres 14 or newer; the schema `billing` is made in it.
        source_sql: the adopter's file with the two views; None: ours.

    Returns:
        The revisions applied, oldest first; empty when the database was up to date.

    Raises:
        StoreError: the database is newer than this program, a script fails, or the source views lack a column;
        nothing was changed.
    """
    script = _source_script(source_sql)
    try:
        with database.begin() as connection:
            _check_version(connection)
            connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
            missing = _missing(connection)
            if missing:
                # Alembic makes its own table before the first revision runs, and that lives in the schema too.
                connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            _apply_source_views(connection, script, source_sql)
            return missing
    except (sa.exc.DBAPIError, psycopg.Error) as error:
        reason = str(error.orig if isinstance(error, sa.exc.DBAPIError) else error).splitlines()[0]
        raise StoreError(f"The database could not be migrated: {reason}. Nothing was changed.") from error


def pending(database: Database) -> list[str]:
    """Return the revisions that the database lacks, oldest first.

    Raises:
        StoreError: it has one that this program does not know, so it belongs to a newer version.
    """
    with database.connect() as connection:
        return _missing(connection)


def _check_version(connection: sa.Connection) -> None:
    version = connection.scalar(sa.text("select current_setting('server_version_num')::int"))
    if version < OLDEST_POSTGRES * 10_000:
        raise StoreError(f"This is Postgres {version // 10_000}; Billing Desk needs {OLDEST_POSTGRES} or newer.")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _missing(connection: sa.Connection) -> list[str]:
    directory = ScriptDirectory.from_config(_config())
    known = [script.revision for script in directory.walk_revisions()][::-1]
    has_table = connection.scalar(sa.text(f"select to_regclass('{SCHEMA}.alembic_version') is not null"))
    if not has_table:
        return known
    current = connection.scalar(sa.text(f"select version_num from {SCHEMA}.alembic_version"))
    if current is None:
        return known
    if current not in known:
        raise StoreError(
            f"The database is at revision {current}, which this version of Billing Desk does not know. "
            "Install the newer version."
        )
    return known[known.index(current) + 1 :]


def _source_script(source_sql: Path | None) -> str:
    if source_sql is None:
        return script_beside(__file__, "sql/source_views.sql")
    try:
        return source_sql.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"BILLING_SOURCE_SQL names {source_sql}, which cannot be read: {error}.") from error


def _apply_source_views(connection: sa.Connection, script: str, source_sql: Path | None) -> None:
    """Replace the views when the file is another one than last time, and check what they offer."""
    digest = hashlib.sha256(script.encode()).hexdigest()
    applied = connection.scalar(
        sa.text("select obj_description(to_regclass(:view), 'pg_class')"), {"view": f"{SCHEMA}.source_occupancies"}
    )
    if applied == digest:
        return
    for view in SOURCE_VIEWS:
        connection.execute(sa.text(f"drop view if exists {SCHEMA}.{view}"))
    name = source_sql or "our source views"
    try:
        run_script(connection, script)
    except psycopg.Error as error:
        raise StoreError(f"{name}: {str(error).splitlines()[0]}. Correct the SQL; nothing was changed.") from error
    for view, wanted in SOURCE_VIEWS.items():
        found = {
            row.column_name: row.data_type
            for row in connection.execute(
                sa.text(
                    "select column_name, data_type from information_schema.columns "
                    "where table_schema = :s and table_name = :v"
                ),
                {"s": SCHEMA, "v": view},
            )
        }
        wrong = [f"{column} {kind}" for column, kind in wanted.items() if found.get(column) != kind]
        if wrong:
            raise StoreError(
                f"{name}: view {SCHEMA}.{view} must offer {', '.join(wrong)}. Correct the SQL; nothing was changed."
            )
    connection.execute(sa.text(f"comment on view {SCHEMA}.source_occupancies is '{digest}'"))
