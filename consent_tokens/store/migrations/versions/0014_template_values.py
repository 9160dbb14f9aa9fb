"""Count the values of templates: what is not counted yet, and what a reviewer accepted."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

HAS_VALUES = sa.text("value_hashes IS NOT NULL")


def upgrade() -> None:
    op.add_column("template_value_counts", sa.Column("accepted_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "messages_to_count",
        "messages",
        ["accepted_at"],
        postgresql_where=HAS_VALUES,
        sqlite_where=HAS_VALUES,
    )


def downgrade() -> None:
    op.drop_index("messages_to_count", "messages")
    op.drop_column("template_value_counts", "accepted_at")
