"""The tables of the history; the migration makes them."""

import sqlalchemy as sa

__all__ = ("BLOCKS", "LEADERS", "REPEATS", "ROUTES", "SERIES", "WRITER")

_METADATA = sa.MetaData()

SERIES = sa.Table(
    "history_series",
    _METADATA,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
    *(
        sa.Column(name, sa.Text, nullable=False)
        for name in (
            "route",
            "method",
            "status",
            "tier",
            "tenant",
            "upstream",
            "cache",
            "verdict",
        )
    ),
)
"""What each number of a series means."""


BLOCKS = sa.Table(
    "history_blocks",
    _METADATA,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start_s", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
"""All series over one second, minute, five minutes, hour or day; see `packing.pack_block`."""

ROUTES = sa.Table(
    "history_by_route",
    _METADATA,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("route_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start_s", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("errors", sa.BigInteger, nullable=False),
    sa.Column("limited", sa.BigInteger, nullable=False),
    sa.Column("hits", sa.BigInteger, nullable=False),
    sa.Column("misses", sa.BigInteger, nullable=False),
    sa.Column("bytes_out", sa.BigInteger, nullable=False),
    sa.Column("latency", sa.LargeBinary, nullable=False),
)
"""All series of one route together, and of everything (route 0), from minutes on.

The rows of a route lie together, in the order of time.
"""

WRITER = sa.Table(
    "history_writer",
    _METADATA,
    sa.Column("only", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("writer", sa.String(32), nullable=False),
)
"""Who wrote last, in one row, which whoever writes locks first."""

LEADERS = sa.Table(
    "history_leaders",
    _METADATA,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start_s", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
"""The busiest consumers and user agents, and all consumers, of a minute, an hour or a day."""

REPEATS = sa.Table(
    "history_repeats",
    _METADATA,
    sa.Column("start_s", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("route", sa.String(500), primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("fetches_60", sa.BigInteger, nullable=False),
    sa.Column("fetches_300", sa.BigInteger, nullable=False),
    sa.Column("fetches_3600", sa.BigInteger, nullable=False),
)
"""Requests of an hour that a lifetime would have let the cache answer, and what they would cost."""
