"""How each clip played, and technical failures of a step."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PLAYBACK = ("hidden_ms", "stalled_ms", "frames", "frames_dropped", "window_width", "window_height")


def upgrade() -> None:
    """Add the columns; they are empty for showings of before."""
    for name in _PLAYBACK:
        op.add_column("showings", sa.Column(name, sa.Integer()))
    op.add_column("steps", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop the columns."""
    for name in _PLAYBACK:
        op.drop_column("showings", name)
    op.drop_column("steps", "failures")
