"""The first revision: tables, change capture, audit log and the job queue's own tables."""

from __future__ import annotations

from alembic import op
from procrastinate.schema import SchemaManager

from billing_core.store.database import JOBS_SCHEMA
from billing_core.store.scripts import run_script, script_beside

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything in an empty database."""
    connection = op.get_bind()
    run_script(connection, script_beside(__file__, "0001_tables.sql"))
    run_script(connection, script_beside(__file__, "0001_change_capture.sql"))
    # Its script names nothing with a schema. Who raises procrastinate's version adds a revision with the steps of its
    # sql/migrations.
    run_script(connection, f"create schema {JOBS_SCHEMA}; set local search_path to {JOBS_SCHEMA}")
    run_script(connection, SchemaManager.get_schema())
    run_script(connection, "set local search_path to default")


def downgrade() -> None:
    """Refuse: going back would drop the company's data."""
    raise NotImplementedError("restore a backup to go back before the first revision")
