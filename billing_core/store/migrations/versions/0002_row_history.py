"""Superseded rows are kept with the time over which they held, and there are exchange rates."""

from __future__ import annotations

from alembic import op

from billing_core.store.scripts import run_script, script_beside

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the history of rows and the table of rates."""
    run_script(op.get_bind(), script_beside(__file__, "0002_row_history.sql"))


def downgrade() -> None:
    """Refuse: what rows were before would be lost."""
    raise NotImplementedError("restore a backup to go back before the history of rows")
