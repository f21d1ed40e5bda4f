"""Ids of recruiting platforms that can be read again, and the platform's study and session of each step."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; they are empty for participants of before."""
    op.add_column("participants", sa.Column("platform_sealed", sa.String(1200)))
    op.add_column("steps", sa.Column("study_id", sa.String(255)))
    op.add_column("steps", sa.Column("session_id", sa.String(255)))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("participants", "platform_sealed")
    op.drop_column("steps", "study_id")
    op.drop_column("steps", "session_id")
