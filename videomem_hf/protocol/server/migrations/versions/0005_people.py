"""Languages, last pages and withdrawals of participants, practice, and counts of people who did not join."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("language", sa.String(35)),
    ("page", sa.String(24)),
    ("withdrawn", sa.String(8)),
    ("withdrawn_ms", sa.BigInteger()),
)


def upgrade() -> None:
    """Add columns and tables; they are empty for participants of before."""
    for name, kind in _COLUMNS:
        op.add_column("participants", sa.Column(name, kind))
    op.create_table(
        "practice",
        sa.Column("participant_id", sa.Integer, sa.ForeignKey("participants.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True),
        sa.Column("round", sa.Integer, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("clip", sa.Integer, nullable=False),
        sa.Column("repeat", sa.Boolean, nullable=False),
        sa.Column("rt_ms", sa.Float),
        sa.Column("note", sa.String(16)),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "counts", sa.Column("name", sa.String(40), primary_key=True), sa.Column("total", sa.Integer, nullable=False)
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("counts")
    op.drop_table("practice")
    for name, _ in reversed(_COLUMNS):
        op.drop_column("participants", name)
