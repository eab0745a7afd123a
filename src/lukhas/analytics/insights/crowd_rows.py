"""Who called, stretch by stretch: the busiest of each window, and the peaks of each consumer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from lukhas.analytics.crowds import unpacked_crowd
from lukhas.analytics.history import LEADER_MINUTES_S, History
from lukhas.analytics.levels import DAY_S, HOUR_S, MINUTE_S, Piece, ceiled, cover, floored
from lukhas.analytics.tables import LEADERS
from lukhas.policy.insights.consumers import ConsumerUse
from lukhas.policy.insights.tier_limits import ConsumerPeak
from lukhas.telemetry.leaders import Leaders, Tally
from lukhas.units import SECOND_NS

__all__ = ("Callers", "CrowdRow", "callers_of", "crowd_rows", "windows_before")

_MOST_CONSUMERS = 1000
_MOST_WINDOWS = 7
_LONGEST_S = 35 * DAY_S
_WIDTHS_S = (MINUTE_S, HOUR_S, DAY_S)


@dataclass(frozen=True, slots=True)
class CrowdRow:
    """One stretch, as it is stored.

    Attributes:
        level: its length in seconds.
        start_s: its first second.
        content: the packed crowd.
        is_again: whether an hour among the rows holds it as well: it is only there for the peaks.
    """

    level: int
    start_s: int
    content: bytes
    is_again: bool = False


@dataclass(slots=True)
class Callers:
    """What consumers did.

    Attributes:
        uses: in the window, and in those before it.
        peaks: the most that each asked for in a minute, an hour and a day of the window; a stretch
            is missing where nothing is known of its length.
        everybody: what all of them together did in the window.
    """

    uses: list[ConsumerUse] = field(default_factory=list)
    peaks: list[ConsumerPeak] = field(default_factory=list)
    everybody: Tally = field(default_factory=Tally)


def windows_before(window_s: int) -> int:
    """With how many windows of the same length before it one is compared."""
    if window_s < 6 * HOUR_S:
        # Minutes are only kept so long.
        return min(_MOST_WINDOWS, LEADER_MINUTES_S // window_s - 1)
    return max(0, min(_MOST_WINDOWS, _LONGEST_S // window_s - 1))


async def crowd_rows(history: History, *, to_s: int, window_s: int) -> list[CrowdRow]:
    """The rows of a window and of those before it.

    Raises:
        StoreError: the database does not answer.
    """
    now_s = history.clock.now_ns() // SECOND_NS
    done_s = dict(history.done_s)
    grain = _grain(window_s)
    end_s = ceiled(to_s, grain)
    from_s = end_s - (windows_before(window_s) + 1) * window_s
    levels = (HOUR_S, MINUTE_S) if grain == HOUR_S else (MINUTE_S,)
    pieces = [
        (piece, False)
        for piece in cover(floored(from_s, grain), to_s, done_s=done_s, levels=levels)
    ]
    if grain == HOUR_S:
        minutes_s = max(end_s - window_s, now_s - LEADER_MINUTES_S)
        minutes_to_s = min(to_s, floored(done_s[HOUR_S], HOUR_S))
        if minutes_s < minutes_to_s:
            again = Piece(MINUTE_S, ceiled(minutes_s, MINUTE_S), minutes_to_s)
            pieces.append((again, True))
    rows: list[CrowdRow] = []
    async with history.database.reading() as connection:
        for piece, is_again in pieces:
            within = (
                (LEADERS.c.level == piece.level)
                & (LEADERS.c.start_s >= piece.from_s)
                & (LEADERS.c.start_s < piece.to_s)
            )
            found = await connection.execute(
                sa.select(LEADERS.c.start_s, LEADERS.c.content).where(within)
            )
            rows += [
                CrowdRow(piece.level, start_s, content, is_again) for start_s, content in found
            ]
    return rows


def callers_of(rows: Iterable[CrowdRow], *, to_s: int, window_s: int) -> Callers:
    """What the rows say.

    Args:
        rows: see `crowd_rows`.
        to_s: the end of the window.
        window_s: its length.
    """
    grain = _grain(window_s)
    end_s = ceiled(to_s, grain)
    windows = [Leaders() for _ in range(windows_before(window_s) + 1)]
    peaks = _Peaks()
    for row in sorted(rows, key=lambda row: row.start_s):
        leaders = unpacked_crowd(row.content).consumers
        index = (end_s - 1 - row.start_s) // window_s
        if not row.is_again and 0 <= index < len(windows):
            windows[index].merge(leaders)
        if index == 0:
            peaks.take(row, leaders)
    while len(windows) > 1 and not windows[-1].total().requests:
        windows.pop()
    return Callers(_uses(windows), peaks.found(windows[0]), windows[0].total())


def _grain(window_s: int) -> int:
    return MINUTE_S if window_s < 6 * HOUR_S else HOUR_S


def _uses(windows: Sequence[Leaders]) -> list[ConsumerUse]:
    now, before = windows[0], list(reversed(windows[1:]))
    keys = dict.fromkeys(_busiest(now))
    for window in before:
        keys.update(dict.fromkeys(_busiest(window)))
    missed = max(window.missed for window in windows)
    nothing = Tally()
    uses = []
    for key in keys:
        tally = now.tallies.get(key, nothing)
        earlier = [window.tallies.get(key, nothing) for window in before]
        uses.append(
            ConsumerUse(
                consumer=key,
                requests=tally.requests,
                errors=tally.errors,
                limited=tally.limited,
                before=tuple(each.requests for each in earlier),
                errors_before=sum(each.errors for each in earlier),
                missed=missed,
            )
        )
    return uses


def _busiest(leaders: Leaders) -> list[str]:
    ranked = sorted(leaders.tallies.items(), key=lambda item: (-item[1].requests, item[0]))
    return [key for key, _ in ranked[:_MOST_CONSUMERS]]


@dataclass(slots=True)
class _Stretch:
    """The stretch of one width that is being added up, and the most of those before it."""

    start_s: int = -1
    sums: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)

    def begin(self, start_s: int) -> None:
        for key, requests in self.sums.items():
            self.most[key] = max(requests, self.most.get(key, 0))
        self.start_s, self.sums = start_s, {}


class _Peaks:
    """The most of each consumer in a stretch of each width; rows come in the order of time."""

    def __init__(self) -> None:
        self._stretches = {width: _Stretch() for width in _WIDTHS_S}

    def take(self, row: CrowdRow, leaders: Leaders) -> None:
        for width, stretch in self._stretches.items():
            # A minute that is in its hour already says nothing more of hours and days.
            if width < row.level or (row.is_again and width > MINUTE_S):
                continue
            start_s = floored(row.start_s, width)
            if start_s != stretch.start_s:
                stretch.begin(start_s)
            sums = stretch.sums
            for key, tally in leaders.tallies.items():
                sums[key] = sums.get(key, 0) + tally.requests

    def found(self, leaders: Leaders) -> list[ConsumerPeak]:
        for stretch in self._stretches.values():
            stretch.begin(-1)
        return [
            ConsumerPeak(
                consumer=key,
                limited=leaders.tallies[key].limited,
                peaks=tuple(
                    (width, stretch.most[key])
                    for width, stretch in self._stretches.items()
                    if key in stretch.most
                ),
            )
            for key in _busiest(leaders)
        ]
