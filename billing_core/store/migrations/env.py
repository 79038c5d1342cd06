"""What Alembic runs for a revision, on the connection and in the transaction that `migrate` hands over."""

from __future__ import annotations

from alembic import context

from billing_core.store.tables import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    version_table="alembic_version",
)
context.run_migrations()
