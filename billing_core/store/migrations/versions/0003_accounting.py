"""What accounting reads: to whom an invoice was sold for tax, each line's tax rate, and settings that are followed."""

from __future__ import annotations

from alembic import op

from billing_core.store.scripts import run_script, script_beside

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns, fill them from the objects that are mirrored, and follow the settings."""
    run_script(op.get_bind(), script_beside(__file__, "0003_accounting.sql"))


def downgrade() -> None:
    """Refuse: what settings were before would be lost."""
    raise NotImplementedError("restore a backup to go back before the accounting columns")
