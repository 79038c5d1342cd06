"""The migrations make what the models say, once, whoever runs them."""

from __future__ import annotations

import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg.conninfo import make_conninfo
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from billing_core.errors import StoreError
from billing_core.store import migrations
from billing_core.store.database import Database, database_at
from billing_core.store.migrate import migrate, pending
from billing_core.store.tables import SCHEMA, TRACKED, metadata

# Every revision is a file, named by its number; nobody has to list them twice.
REVISIONS = sorted(file.name[:4] for file in (Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))


def test_models_and_migrations_agree(database: Database) -> None:
    """Alembic finds no difference between tables.py and a migrated database."""
    options = {
        "include_schemas": True,
        "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
        "include_object": lambda _, name, kind, *__: not (kind == "table" and name == "alembic_version"),
        "compare_server_default": True,
    }
    with database.connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy does not know xid8 when it reflects
        difference = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    assert difference == []


def test_checks_of_the_models_are_in_the_database(database: Database) -> None:
    """Alembic does not compare CHECKs, so their names are compared here; the NaN ones among them."""
    dialect = postgresql.dialect()
    definitions = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.tables.values()]
    wanted = {name for definition in definitions for name in re.findall(r"CONSTRAINT (ck_\w+) CHECK", definition)}
    with database.connect() as connection:
        rows = connection.execute(
            sa.text(
                "select k.conname from pg_constraint k join pg_namespace n on n.oid = k.connamespace "
                "where k.contype = 'c' and n.nspname = 'billing'"
            )
        )
        found = {row.conname for row in rows}
    assert found == wanted
    assert "ck_usage_events_quantity_is_a_number" in found


def test_migrating_twice_changes_nothing(empty_database: Database) -> None:
    """The second run finds nothing to do."""
    assert pending(empty_database) == REVISIONS
    assert migrate(empty_database) == REVISIONS
    assert migrate(empty_database) == []
    assert pending(empty_database) == []


def test_two_migrations_at_once_apply_each_revision_once(empty_database: Database) -> None:
    """One of them waits for the lock and then has nothing to do."""
    other = database_at(empty_database.url)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(migrate, (empty_database, other)))
    other.close()
    assert sorted(results) == [[], REVISIONS]


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    """An old program does not touch what it does not know."""
    with database.begin() as connection:
        connection.execute(sa.text("update billing.alembic_version set version_num = '9999'"))
    with pytest.raises(StoreError, match=r"revision 9999.*Install the newer version"):
        migrate(database)


def test_every_tracked_table_has_its_triggers(database: Database) -> None:
    """Change capture hangs on triggers; a table without them would never refresh."""
    with database.connect() as connection:
        rows = connection.execute(
            sa.text(
                "select c.relname, array_agg(t.tgname::text order by t.tgname) as names from pg_trigger t "
                "join pg_class c on c.oid = t.tgrelid where t.tgname = 'touch' or t.tgname like 'bury%' group by 1"
            )
        )
        assert {row.relname: row.names for row in rows} == {
            name: ["bury_all", "bury_deleted", "bury_old_key", "touch"] for name in TRACKED
        }


def test_the_job_queue_has_a_schema_of_its_own(database: Database) -> None:
    """Procrastinate's tables are found through `jobs_url` and through the engine, and are not in public."""
    with psycopg.connect(database.jobs_url) as connection:
        assert connection.execute(
            "select 'procrastinate_jobs'::regclass::oid = 'procrastinate.procrastinate_jobs'::regclass"
        ).fetchone()
    with database.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from procrastinate_jobs")) == 0
        assert connection.scalar(sa.text("select count(*) from pg_tables where schemaname = 'public'")) == 0


def test_an_adopters_views_replace_ours_and_can_be_taken_back(database: Database, tmp_path: Path) -> None:
    """The views point at the adopter's tables after a migration with his file."""
    with database.begin() as connection:
        connection.execute(sa.text("create table public.firms (id int, title text)"))
        connection.execute(sa.text("insert into public.firms values (7, 'Sol ApS')"))
    file = tmp_path / "views.sql"
    file.write_text(
        """
        create view billing.source_tenants as select id::text as tenant_id, title as name, null::text as email,
        'DK'::text as country, 'dkk'::text as currency,
            now() as created_at, null::timestamptz as deleted_at, '18446744073709551615'::xid8 as chg from public.firms;
        create view billing.source_occupancies as
        select occupancy_id, tenant_id, unit_id, starts_on, ends_on, deleted_at, chg from billing.occupancies;
        """,
        encoding="utf-8",
    )
    migrate(database, source_sql=file)
    with database.connect() as connection:
        assert connection.execute(sa.text("select tenant_id, name from billing.source_tenants")).all() == [
            ("7", "Sol ApS")
        ]
    migrate(database)
    with database.connect() as connection:
        assert connection.execute(sa.text("select tenant_id, name from billing.source_tenants")).all() == []


def test_views_that_lack_a_column_are_refused_and_the_old_ones_stay(database: Database, tmp_path: Path) -> None:
    """The message names the view and the column; nothing changed."""
    file = tmp_path / "views.sql"
    file.write_text("create view billing.source_tenants as select tenant_id from billing.tenants;", encoding="utf-8")
    with pytest.raises(StoreError, match="source_tenants must offer name text"):
        migrate(database, source_sql=file)
    with database.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from billing.source_occupancies")) == 0


def test_a_user_without_rights_gets_a_sentence(empty_database: Database) -> None:
    """Postgres' reason is in it; nothing was changed."""
    with empty_database.begin() as connection:
        name = f"reader_{connection.scalar(sa.text('select current_database()'))}"
        connection.execute(sa.text(f"create role {name} login"))
    reader = database_at(make_conninfo(empty_database.url, user=name))
    with pytest.raises(StoreError, match=r"permission denied .* Nothing was written. Name a user in DATABASE_URL"):
        migrate(reader)
    reader.close()
    with empty_database.begin() as connection:
        connection.execute(sa.text(f"drop role {name}"))
