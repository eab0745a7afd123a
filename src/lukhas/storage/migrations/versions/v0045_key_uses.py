"""When API keys were used last."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies it."""
    op.add_column("api_keys", sa.Column("last_used_ns", sa.BigInteger))


def downgrade() -> None:
    """Undoes it."""
    op.drop_column("api_keys", "last_used_ns")
