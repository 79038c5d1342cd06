"""Alembic revisions of schema `billing`; run by `billing_core.store.migrate`, never by Alembic's own command."""
