"""What caching would do for routes whose answers state no lifetime."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies it."""
    op.create_table(
        "history_repeats",
        sa.Column("start_s", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("route", sa.String(500), primary_key=True),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("fetches_60", sa.BigInteger, nullable=False),
        sa.Column("fetches_300", sa.BigInteger, nullable=False),
        sa.Column("fetches_3600", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Undoes it."""
    op.drop_table("history_repeats")
