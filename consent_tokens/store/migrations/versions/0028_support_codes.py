"""Add to consumers' sessions the code that they read out to whoever helps them."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("consumer_sessions", sa.Column("support_hash", sa.LargeBinary(32), nullable=True))
    op.add_column("consumer_sessions", sa.Column("support_until", sa.BigInteger(), nullable=True))
    op.create_index("consumer_sessions_by_support", "consumer_sessions", ["support_hash"])


def downgrade() -> None:
    op.drop_index("consumer_sessions_by_support", "consumer_sessions")
    op.drop_column("consumer_sessions", "support_until")
    op.drop_column("consumer_sessions", "support_hash")
