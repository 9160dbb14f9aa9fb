"""What an API key may do, the requests of a minute, and the previous secret of a webhook."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("scopes", sa.String(length=200), nullable=True),
        sa.Column("networks", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("rate", sa.Integer(), nullable=True),
        sa.Column("created_by", sa.String(length=40), nullable=True),
        sa.Column("is_test", sa.Boolean(), nullable=True),
    ):
        op.add_column("api_keys", column)
    op.create_table(
        "api_rates",
        sa.Column("bucket", sa.String(length=48), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket"),
    )
    op.add_column("webhooks", sa.Column("previous_secret", sa.LargeBinary(), nullable=True))
    op.add_column("webhooks", sa.Column("previous_until", sa.BigInteger(), nullable=True))
