"""Responses by video, and the log of assignments."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COLUMNS = ("short_given", "short_hits", "long_given", "long_hits")


def upgrade() -> None:
    """Add columns and the table; studies of before assign by annotation counts alone and have no log."""
    for name in _COLUMNS:
        op.add_column("videos", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "assignments",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("participant_id", sa.Integer, sa.ForeignKey("participants.id", ondelete="SET NULL")),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("seed", sa.String(32)),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.create_index("ix_assignments_participant_id", "assignments", ["participant_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("assignments")
    for name in reversed(_COLUMNS):
        op.drop_column("videos", name)
