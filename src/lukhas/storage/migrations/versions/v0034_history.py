"""The history of the figures."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0001"
branch_labels = None
depends_on = None

_LABELS = ("route", "method", "status", "tier", "tenant", "upstream", "cache", "verdict")
_COUNTS = ("errors", "limited", "hits", "misses")


def upgrade() -> None:
    """Applies it."""
    op.create_table(
        "history_series",
        sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _LABELS),
    )
    op.create_table(
        "history_points",
        *_key("series_id"),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("bytes_out", sa.BigInteger, nullable=False),
        sa.Column("latency", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "history_routes",
        *_key("route_id"),
        sa.Column("requests", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _COUNTS),
        sa.Column("bytes_out", sa.BigInteger, nullable=False),
        sa.Column("latency", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "history_leaders",
        sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start_s", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Undoes it."""
    for name in ("history_leaders", "history_routes", "history_points", "history_series"):
        op.drop_table(name)


def _key(last: str) -> list[sa.Column[int]]:
    return [
        sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start_s", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column(last, sa.Integer, primary_key=True, autoincrement=False),
    ]
