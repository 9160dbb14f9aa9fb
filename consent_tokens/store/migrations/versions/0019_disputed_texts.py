"""Add to complaints what a disputed text is as marketing, and the text as its consumer shows it."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("complaints", sa.Column("as_marketing", sa.String(length=100), nullable=True))
    op.add_column("complaints", sa.Column("has_ordered", sa.SmallInteger(), nullable=True))
    op.add_column("complaints", sa.Column("shown_text", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("complaints", "shown_text")
    op.drop_column("complaints", "has_ordered")
    op.drop_column("complaints", "as_marketing")
