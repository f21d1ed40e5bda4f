"""The first tables: study, videos, participants, steps, showings."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "studies", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("design", sa.JSON(), nullable=False)
    )
    op.create_table(
        "videos",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("short_count", sa.Integer(), nullable=False),
        sa.Column("long_count", sa.Integer(), nullable=False),
    )
    op.create_table(
        "participants",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(16), nullable=False, unique=True),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("return_hash", sa.String(64), unique=True),
        sa.Column("platform", sa.String(16)),
        sa.Column("platform_id", sa.String(128), unique=True),
        sa.Column("joined_ms", sa.BigInteger(), nullable=False),
        sa.Column("demographics", sa.JSON(), nullable=False),
        sa.Column("browser", sa.JSON(), nullable=False),
    )
    participant = sa.ForeignKey("participants.id", ondelete="CASCADE")
    op.create_table(
        "steps",
        sa.Column("participant_id", sa.Integer(), participant, primary_key=True),
        sa.Column("step", sa.Integer(), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("passed", sa.Boolean()),
        sa.Column("seed", sa.String(32), nullable=False),
        sa.Column("page_hash", sa.String(64), nullable=False),
        sa.Column("next_position", sa.Integer(), nullable=False),
        sa.Column("interruptions", sa.Integer(), nullable=False),
        sa.Column("begun_ms", sa.BigInteger(), nullable=False),
        sa.Column("active_ms", sa.BigInteger(), nullable=False),
        sa.Column("free_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger()),
    )
    op.create_index("steps_by_activity", "steps", ["state", "active_ms"])
    participant = sa.ForeignKey("participants.id", ondelete="CASCADE")
    op.create_table(
        "showings",
        sa.Column("participant_id", sa.Integer(), participant, primary_key=True),
        sa.Column("step", sa.Integer(), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("video_id", sa.Integer(), sa.ForeignKey("videos.id"), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("repeat", sa.Boolean(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Boolean()),
        sa.Column("rt_ms", sa.Float()),
        sa.Column("shown_ms", sa.BigInteger()),
        sa.Column("received_ms", sa.BigInteger()),
        sa.Column("note", sa.String(16)),
    )


def downgrade() -> None:
    """Drop the tables, and with them all responses."""
    for table in ("showings", "steps", "participants", "videos", "studies"):
        op.drop_table(table)
