"""Drop the unique constraint on a recipient's partition: it cannot be kept over several shards."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _copy_table()
    else:
        op.drop_constraint("recipients_partition_key", "recipients", type_="unique")
    op.create_index(op.f("ix_recipients_partition"), "recipients", ["partition"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_recipients_partition"), "recipients")
    if op.get_bind().dialect.name == "sqlite":
        _copy_table(sa.UniqueConstraint("partition"))
    else:
        op.create_unique_constraint("recipients_partition_key", "recipients", ["partition"])


def _copy_table(*constraints: sa.UniqueConstraint) -> None:
    """Make the table anew: SQLite drops and adds no constraint."""
    op.rename_table("recipients", "former_recipients")
    op.create_table(
        "recipients",
        sa.Column("blind_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("blind_index"),
        *constraints,
    )
    op.execute("INSERT INTO recipients SELECT blind_index, partition FROM former_recipients")
    op.drop_table("former_recipients")
