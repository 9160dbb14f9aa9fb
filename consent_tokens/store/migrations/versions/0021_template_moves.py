"""Add moves of templates to another purpose: announced, in effect, appealed against."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "template_moves",
        sa.Column("template_id", sa.String(length=40), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("previous_purpose", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("takes_effect_at", sa.BigInteger(), nullable=False),
        sa.Column("appeal", sa.String(length=400), nullable=True),
        sa.Column("appealed_at", sa.BigInteger(), nullable=True),
        sa.Column("appeal_status", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("template_id", "place"),
    )
    op.create_index("template_moves_by_status", "template_moves", ["status", "takes_effect_at"])
    op.create_index("template_moves_by_appeal", "template_moves", ["appeal_status", "appealed_at"])


def downgrade() -> None:
    op.drop_table("template_moves")
