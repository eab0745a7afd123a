"""Alerts, what people know of them, silences, and messages on their way."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies it."""
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("fired_ns", sa.BigInteger, nullable=False),
        sa.Column("resolved_ns", sa.BigInteger, nullable=False),
        sa.Column("in_book", sa.Boolean, nullable=False),
        sa.Column("alert", sa.JSON, nullable=False),
    )
    op.create_index("ix_alerts_book", "alerts", ["in_book"])
    op.create_index("ix_alerts_fired", "alerts", ["fired_ns"])
    op.create_table(
        "alert_events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("alert_id", sa.String(128), nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("author", sa.String(128), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("ix_alert_events_alert", "alert_events", ["alert_id"])
    op.create_table(
        "alert_groups",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("group", sa.JSON, nullable=False),
    )
    op.create_table(
        "alert_silences",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("ends_ns", sa.BigInteger, nullable=False),
        sa.Column("silence", sa.JSON, nullable=False),
    )
    op.create_table(
        "alert_messages",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("dedup_key", sa.Text, nullable=False, unique=True),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("group_key", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_ns", sa.BigInteger, nullable=False),
        sa.Column("made_ns", sa.BigInteger, nullable=False),
        sa.Column("done_ns", sa.BigInteger, nullable=False),
        sa.Column("failure", sa.Text, nullable=False),
        sa.Column("notification", sa.JSON, nullable=False),
    )
    op.create_index("ix_alert_messages_state", "alert_messages", ["state", "next_ns"])


def downgrade() -> None:
    """Undoes it."""
    for name in ("alert_messages", "alert_silences", "alert_groups", "alert_events", "alerts"):
        op.drop_table(name)
