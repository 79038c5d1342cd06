"""What staff write down about a tenant: notes with author and time, only ever added to."""

from __future__ import annotations

from alembic import op

from billing_core.store.scripts import run_script, script_beside

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table of notes."""
    run_script(op.get_bind(), script_beside(__file__, "0004_tenant_notes.sql"))


def downgrade() -> None:
    """Refuse: the notes would be lost."""
    raise NotImplementedError("restore a backup to go back before the notes")
