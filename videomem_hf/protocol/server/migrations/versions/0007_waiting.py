"""Participants who may return, by the videos that were their fillers."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, with the participants of before whose assignments are logged."""
    op.add_column("videos", sa.Column("long_waiting", sa.Integer(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE videos SET long_waiting = (SELECT count(*) FROM showings s JOIN steps p"
        " ON p.participant_id = s.participant_id AND p.step = 1 AND (p.passed OR p.state = 'playing')"
        " WHERE s.video_id = videos.id AND s.step = 1 AND s.role = 'filler'"
        " AND EXISTS (SELECT 1 FROM assignments a WHERE a.participant_id = s.participant_id)"
        " AND NOT EXISTS (SELECT 1 FROM steps later WHERE later.participant_id = s.participant_id AND later.step = 2))"
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_column("videos", "long_waiting")
