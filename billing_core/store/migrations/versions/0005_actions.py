"""The write path: plans, approvals, intents, and what was counted, reported to Stripe and read back."""

from __future__ import annotations

from alembic import op

from billing_core.store.scripts import run_script, script_beside

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the tables of the actions."""
    run_script(op.get_bind(), script_beside(__file__, "0005_actions.sql"))


def downgrade() -> None:
    """Refuse: what was done in Stripe and why would be forgotten."""
    raise NotImplementedError("restore a backup to go back before the actions")
