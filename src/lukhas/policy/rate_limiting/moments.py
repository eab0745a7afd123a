"""Moments: the stretches of time in which no bucket of any window ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from lukhas.units import SECOND_NS

__all__ = ("Moment", "Moments")

_US_NS = 1000
_MOST_KEPT = 64


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of time in which no bucket ends.

    Attributes:
        began_ns: its begin.
        next_us: its end, in microseconds.
        ends_ns: its end.
        newest: the number of the newest bucket of each window.
        leaves_ns: when that leaves the window; one that lies `lag` back leaves `lag` widths before.
        leaves_s: the same in whole seconds, rounded down.
    """

    began_ns: int
    next_us: int
    ends_ns: int
    newest: tuple[int, ...]
    leaves_ns: tuple[int, ...]
    leaves_s: tuple[int, ...]


class Moments:
    """The moments of some windows.

    Buckets begin at the same moments for every key, so what follows from the moment alone is worked
    out once for all of them: a memo, no state.

    Args:
        widths_ns: how long a bucket of each window is; whole microseconds.
        cells: how many buckets a window can touch.

    Attributes:
        latest: the moment that was asked for last.
    """

    __slots__ = ("_cells", "_kept", "_widths_ns", "latest")

    def __init__(self, widths_ns: Sequence[int], cells: int) -> None:
        self._widths_ns = tuple(widths_ns)
        self._cells = cells
        self._kept: dict[int, Moment] = {}
        self.latest = Moment(0, 0, 0, (), (), ())

    def at(self, now_ns: int) -> Moment:
        """The moment that a time lies in."""
        moment = self.latest
        if not moment.began_ns <= now_ns < moment.ends_ns:
            ends_ns = min([(now_ns // width + 1) * width for width in self._widths_ns])
            moment = self.latest = self.before(ends_ns // _US_NS)
        return moment

    def before(self, next_us: int) -> Moment:
        """The moment that ends at a time."""
        moment = self._kept.get(next_us)
        if moment is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            widths_ns = self._widths_ns
            last_ns = next_us * _US_NS - 1
            newest = [last_ns // width_ns for width_ns in widths_ns]
            leaves_ns = tuple(map(mul, [number + self._cells for number in newest], widths_ns))
            moment = self._kept[next_us] = Moment(
                began_ns=max(map(mul, newest, widths_ns)),
                next_us=next_us,
                ends_ns=next_us * _US_NS,
                newest=tuple(newest),
                leaves_ns=leaves_ns,
                leaves_s=tuple([at_ns // SECOND_NS for at_ns in leaves_ns]),
            )
        return moment
