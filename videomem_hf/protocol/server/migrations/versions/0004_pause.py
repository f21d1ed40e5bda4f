"""The message of a paused study."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; a study of before is not paused."""
    op.add_column("studies", sa.Column("pause_message", sa.String(1000)))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("studies", "pause_message")
