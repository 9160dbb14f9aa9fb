"""What consumers wish, what became of their grants, receipts, invitations, and complaints.

Only adds: the version before works on beside it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ADDRESS = ("home", "number")
NAMED = sa.text("reference IS NOT NULL")


def address() -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in ADDRESS]


def upgrade() -> None:
    op.create_table(
        "wishes",
        sa.Column("home", sa.BigInteger(), nullable=False),
        sa.Column("calm_from", sa.BigInteger()),
        sa.Column("calm_until", sa.BigInteger()),
        sa.Column("day_limit", sa.SmallInteger()),
        sa.Column("week_limit", sa.SmallInteger()),
        sa.Column("rest_from", sa.SmallInteger()),
        sa.Column("rest_until", sa.SmallInteger()),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("no_invitations", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("home"),
    )
    op.create_table(
        "pauses",
        *address(),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*ADDRESS),
    )
    op.create_index("ix_pauses_until", "pauses", ["until"])
    op.create_table(
        "grant_changes",
        *address(),
        sa.Column("grant_number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("purposes", sa.String(400), nullable=False),
        sa.Column("cap_most", sa.Integer(), nullable=False),
        sa.Column("cap_days", sa.Integer(), nullable=False),
        sa.Column("opens", sa.SmallInteger(), nullable=False),
        sa.Column("closes", sa.SmallInteger(), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint(*ADDRESS),
    )
    op.create_table(
        "invitations",
        *address(),
        sa.Column("merchant_id", sa.String(40), nullable=False),
        sa.Column("request_home", sa.BigInteger(), nullable=False),
        sa.Column("request_number", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("again_at", sa.BigInteger(), nullable=False),
        sa.Column("is_open", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*ADDRESS),
    )
    op.create_index("ix_invitations_again_at", "invitations", ["again_at"])
    op.create_index("invitations_by_request", "invitations", ["request_home", "request_number"])
    op.create_table(
        "receipts",
        *address(),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("grant_number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("jws", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(*ADDRESS),
    )
    op.create_table(
        "fingerprints",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        *address(),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", *ADDRESS),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_fingerprints_at", "fingerprints", ["at"])
    op.create_table(
        "complaints",
        *address(),
        sa.Column("follow", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("merchant_id", sa.String(40)),
        sa.Column("grant_number", sa.BigInteger()),
        sa.Column("message_number", sa.BigInteger()),
        sa.Column("purpose", sa.String(64)),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("said", sa.LargeBinary()),
        sa.Column("picture", sa.LargeBinary()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*ADDRESS),
    )
    op.create_index("complaints_by_merchant", "complaints", ["merchant_id", "at", "number"])
    op.create_index(
        "consent_requests_by_reference",
        "consent_requests",
        ["merchant_id", "reference"],
        postgresql_where=NAMED,
        sqlite_where=NAMED,
    )


def downgrade() -> None:
    op.drop_index("consent_requests_by_reference", "consent_requests")
    for table in (
        "complaints", "fingerprints", "receipts", "invitations", "grant_changes", "pauses",
        "wishes",
    ):  # fmt: skip
        op.drop_table(table)
