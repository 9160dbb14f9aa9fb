"""Add the workers that run, and what dispatchers do not send for now."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("process_id", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.String(60), nullable=True),
        sa.Column("error_at", sa.BigInteger(), nullable=True),
        sa.Column("gateway", sa.String(16), nullable=True),
        sa.Column("sessions", sa.SmallInteger(), nullable=True),
        sa.Column("max_sessions", sa.SmallInteger(), nullable=True),
        sa.Column("gateway_fault", sa.String(60), nullable=True),
        sa.Column("segments_per_minute", sa.Integer(), nullable=True),
        sa.Column("in_flight", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "dispatch_pauses",
        sa.Column("subject_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("merchant_id", sa.String(40), nullable=True),
        sa.Column("reason", sa.String(400), nullable=False),
        sa.Column("paused_by", sa.String(40), nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id"),
    )


def downgrade() -> None:
    op.drop_table("dispatch_pauses")
    op.drop_table("workers")
