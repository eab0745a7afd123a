"""The tables of alerting; the migrations make the same ones."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

__all__ = ("ALERTS", "EVENTS", "GROUPS", "MESSAGES", "SILENCES")

_METADATA = MetaData()

ALERTS = Table(
    "alerts",
    _METADATA,
    Column("id", String(128), primary_key=True),
    Column("rule", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("fired_ns", BigInteger, nullable=False),
    Column("resolved_ns", BigInteger, nullable=False),
    Column("in_book", Boolean, nullable=False),
    Column("alert", JSON, nullable=False),
    Index("ix_alerts_book", "in_book"),
    Index("ix_alerts_fired", "fired_ns"),
)
"""One row an alert. Those in the book are still worked on; the others are history."""

EVENTS = Table(
    "alert_events",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("alert_id", String(128), nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("author", String(128), nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_alert_events_alert", "alert_id"),
)
"""What happened to alerts, and what people did and wrote."""

GROUPS = Table(
    "alert_groups",
    _METADATA,
    Column("key", Text, primary_key=True),
    Column("group", JSON, nullable=False),
)
"""What people know of each group."""

SILENCES = Table(
    "alert_silences",
    _METADATA,
    Column("id", String(32), primary_key=True),
    Column("ends_ns", BigInteger, nullable=False),
    Column("silence", JSON, nullable=False),
)
"""Silences, also those that are over."""

MESSAGES = Table(
    "alert_messages",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("dedup_key", Text, nullable=False, unique=True),
    Column("channel", String(64), nullable=False),
    Column("group_key", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_ns", BigInteger, nullable=False),
    Column("made_ns", BigInteger, nullable=False),
    Column("done_ns", BigInteger, nullable=False),
    Column("failure", Text, nullable=False),
    Column("notification", JSON, nullable=False),
    Index("ix_alert_messages_state", "state", "next_ns"),
)
"""The outbox: messages that wait, were sent, or were given up (dead)."""
