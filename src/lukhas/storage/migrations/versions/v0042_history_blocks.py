"""The history in blocks: all series of a stretch in one row, and routes that lie together."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa
import zstandard
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_COUNTS = ("requests", "errors", "limited", "hits", "misses", "bytes_out")
_AT_ONCE = 50
_STRETCH = (sa.column("level", sa.Integer), sa.column("start_s", sa.BigInteger))
_POINTS = sa.table(
    "history_points",
    *(sa.column(each.name, each.type) for each in _STRETCH),
    *map(sa.column, ("series_id", "requests", "bytes_out", "latency")),
)
_BLOCKS = sa.table(
    "history_blocks",
    *(sa.column(each.name, each.type) for each in _STRETCH),
    sa.column("content", sa.LargeBinary),
)


def upgrade() -> None:
    """Applies it."""
    op.create_table(
        "history_blocks",
        *_key("level", "start_s"),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    _write_blocks(op.get_bind())
    op.drop_table("history_points")
    _make_routes("history_by_route", ("level", "route_id", "start_s"))
    columns = ", ".join(("level", "route_id", "start_s", *_COUNTS, "latency"))
    op.execute(
        f"INSERT INTO history_by_route ({columns}) SELECT {columns} FROM history_routes"  # noqa: S608 - only names from above
    )
    op.drop_table("history_routes")
    op.create_table(
        "history_writer",
        sa.Column("only", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("writer", sa.String(32), nullable=False),
    )
    op.execute("INSERT INTO history_writer VALUES (1, '')")


def downgrade() -> None:
    """Undoes it. The history begins anew: an older version cannot read what is in the rows."""
    for name in ("history_writer", "history_by_route", "history_blocks"):
        op.drop_table(name)
    for name in ("history_leaders", "history_series"):
        op.execute(f"DELETE FROM {name}")  # noqa: S608 - only names from above
    op.create_table(
        "history_points",
        *_key("level", "start_s", "series_id"),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("bytes_out", sa.BigInteger, nullable=False),
        sa.Column("latency", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    _make_routes("history_routes", ("level", "start_s", "route_id"))


def _key(*names: str) -> list[sa.Column[Any]]:
    return [
        sa.Column(
            name,
            sa.BigInteger if name == "start_s" else sa.Integer,
            primary_key=True,
            autoincrement=False,
        )
        for name in names
    ]


def _make_routes(name: str, key: Sequence[str]) -> None:
    op.create_table(
        name,
        *_key(*key),
        *(sa.Column(count, sa.BigInteger, nullable=False) for count in _COUNTS),
        sa.Column("latency", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )


def _write_blocks(bind: sa.Connection) -> None:
    """Makes one row of all points of each stretch; packed durations stay as they are."""
    for level, starts_s in _stretches(bind):
        within = (_POINTS.c.level == level) & _POINTS.c.start_s.between(starts_s[0], starts_s[-1])
        points = bind.execute(
            sa.select(_POINTS).where(within).order_by(_POINTS.c.start_s, _POINTS.c.series_id)
        )
        rows = [
            {"level": level, "start_s": start_s, "content": _block(list(stretch))}
            for start_s, stretch in groupby(points, itemgetter(1))
        ]
        bind.execute(sa.insert(_BLOCKS), rows)


def _stretches(bind: sa.Connection) -> Iterator[tuple[int, list[int]]]:
    """Some starts of one level at a time: all points at once may not fit into memory."""
    for level in bind.execute(sa.select(_POINTS.c.level).distinct()).scalars().all():
        starts = sa.select(_POINTS.c.start_s).distinct().where(_POINTS.c.level == level)
        starts_s = list(bind.execute(starts.order_by(_POINTS.c.start_s)).scalars())
        for first in range(0, len(starts_s), _AT_ONCE):
            yield level, starts_s[first : first + _AT_ONCE]


def _block(points: Sequence[Any]) -> bytes:
    numbers = [point[2] for point in points]
    gaps = [number - before for before, number in zip([0, *numbers], numbers, strict=False)]
    columns = ([point[index] for point in points] for index in (3, 4, 5))
    return zstandard.ZstdCompressor().compress(msgspec.msgpack.encode((gaps, *columns)))
