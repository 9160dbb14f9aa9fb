"""Indexes of the merchants' lists, and the domains that merchants may link to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

HAS_MERCHANT = sa.text("merchant_id IS NOT NULL")
IS_PENDING = sa.text("status = 'pending'")


def upgrade() -> None:
    op.create_index(
        "consent_requests_by_merchant", "consent_requests", ["merchant_id", "created_at", "id"]
    )
    op.create_index(
        "consent_requests_pending",
        "consent_requests",
        ["expires_at"],
        postgresql_where=IS_PENDING,
        sqlite_where=IS_PENDING,
    )
    op.create_index(
        "messages_by_merchant",
        "messages",
        ["merchant_id", "accepted_at", "id"],
        postgresql_where=HAS_MERCHANT,
        sqlite_where=HAS_MERCHANT,
    )
    op.create_table(
        "link_domains",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("domain", sa.String(length=253), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "domain"),
    )


def downgrade() -> None:
    op.drop_table("link_domains")
    op.drop_index("messages_by_merchant", "messages")
    op.drop_index("consent_requests_pending", "consent_requests")
    op.drop_index("consent_requests_by_merchant", "consent_requests")
