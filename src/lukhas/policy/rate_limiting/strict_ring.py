"""The strict ring: several windows in one state, never above the advertised number in any window.

Each window of length W is cut into `BUCKETS` buckets of W/BUCKETS. The buckets that a window ending
now can touch are the last BUCKETS + 1, the oldest of them only in part; it is counted whole. So in
*any* window of length W no more than the quota is ever admitted, at the price of admitting a few
per cent less than an exact log would (4 % at 2x overload with 20 buckets), in constant memory.

All windows stand in one flat array of small integers, and are checked before any is charged: a
refused request consumes nothing.
"""

from array import array
from collections.abc import Sequence

from lukhas.policy.rate_limiting.limits import Limit
from lukhas.units import SECOND_NS

__all__ = ("BUCKETS", "RingState", "StrictRing")

BUCKETS = 20
_CELLS = BUCKETS + 1
# Cells of one window: its total, how many buckets back the oldest non-empty one lies, then the
# buckets themselves. The newest stands at (its number) % _CELLS.
_TOTAL, _LAG, _RING = 0, 1, 2
_STRIDE = _RING + _CELLS


class RingState:
    """What one key has used up, over all windows of one `StrictRing`. A plain value.

    Attributes:
        next_ns: the first moment at which a bucket of any window ends; up to it nothing moves.
        cells: the counters; see the module's layout.
    """

    __slots__ = ("cells", "next_ns")

    def __init__(self, next_ns: int, cells: "array[int]") -> None:
        self.next_ns = next_ns
        self.cells = cells

    def copy(self) -> "RingState":
        """An independent copy."""
        return RingState(self.next_ns, self.cells[:])

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, RingState)
            and self.next_ns == other.next_ns
            and self.cells == other.cells
        )

    __hash__ = None  # type: ignore[assignment]  # changes in place: not a key


class StrictRing:
    """The settings of a ring: the limits, compiled.

    The methods are pure in what they depend on, (settings, state, now, cost), and change the state
    given to them in place; to keep the old state, `copy` it. Time may stand still or go backwards
    between calls: then the last seen bucket stays the newest.

    Args:
        limits: at least one; each has a window that is a whole number of seconds.
    """

    __slots__ = ("_empty", "_moment", "_moment_ns", "_windows", "limits", "longest_ns")

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)
        self.longest_ns = max(limit.window_ns for limit in self.limits)
        largest = max(limit.quota for limit in self.limits)
        self._empty = array("H" if largest < 2**16 else "I", [0]) * (len(self.limits) * _STRIDE)
        self._windows = tuple(
            (index * _STRIDE, limit.window_ns // BUCKETS, limit.quota)
            for index, limit in enumerate(self.limits)
        )
        # Buckets begin at the same moments for every key, so what follows from the moment alone is
        # worked out once for all of them; a memo, no state.
        self._moment_ns = -1
        self._moment: tuple[tuple[int, int, int, int, int], ...] = ()

    def new_state(self, now_ns: int) -> RingState:
        """The state of a key that has used nothing."""
        return RingState(self._next_ns(now_ns), self._empty[:])

    def fits(self, state: RingState, now_ns: int, cost: int) -> bool:
        """Whether `cost` more may pass in every window; moves the state on, charges nothing."""
        if now_ns >= state.next_ns:
            self._move_on(state, now_ns)
        cells = state.cells
        for base, _width_ns, quota in self._windows:  # noqa: SIM110 - all() costs twice as much
            if cells[base] + cost > quota:
                return False
        return True

    def charge(self, state: RingState, cost: int) -> None:
        """Books `cost` in every window. Only after `fits` said yes, at the same moment."""
        cells = state.cells
        for base, newest_at, _quota, _width_ns, _leaves_ns in self._at(state.next_ns):
            if not cells[base]:
                cells[base + _LAG] = 0
            cells[base] += cost
            cells[newest_at] += cost

    def take(self, state: RingState, now_ns: int, cost: int) -> tuple[int, ...] | None:
        """Charges `cost` if every window has room for it: `fits`, `charge` and `figures` at once.

        It runs for every request, and one pass costs half of three.

        Returns:
            The figures after charging, or None, and then nothing was charged.
        """
        next_ns = state.next_ns
        if now_ns >= next_ns:
            self._move_on(state, now_ns)
            next_ns = state.next_ns
        cells = state.cells
        moment = self._moment if next_ns == self._moment_ns else self._at(next_ns)
        for base, _newest_at, quota, _width_ns, _leaves_ns in moment:
            if cells[base] + cost > quota:
                return None
        figures: list[int] = []
        for base, newest_at, quota, width_ns, leaves_ns in moment:
            total = cells[base] + cost
            if total == cost:
                cells[base + 1] = 0
            else:
                leaves_ns -= cells[base + 1] * width_ns  # noqa: PLW2901 - see _at
            cells[base] = total
            cells[newest_at] += cost
            figures += (quota - total, -((now_ns - leaves_ns) // 1_000_000_000))
        return tuple(figures)

    def figures(self, state: RingState, now_ns: int) -> tuple[int, ...]:
        """What is left and in how many seconds something is given back: `(r, t, r, t, ...)`.

        One pair for each limit, in the order of `limits`; `t` is rounded up, and 0 for a window
        that is empty.
        """
        cells = state.cells
        figures: list[int] = []
        for base, _newest_at, quota, width_ns, leaves_ns in self._at(state.next_ns):
            total = cells[base]
            oldest_leaves_ns = leaves_ns - cells[base + _LAG] * width_ns
            wait_s = -((now_ns - oldest_leaves_ns) // SECOND_NS) if total else 0
            figures += (quota - total, wait_s)
        return tuple(figures)

    def used(self, state: RingState) -> tuple[int, ...]:
        """What is counted in each window, in the order of `limits`."""
        cells = state.cells
        return tuple([cells[base] for base, _width_ns, _quota in self._windows])

    def violated(self, state: RingState, cost: int) -> tuple[int, ...]:
        """The indexes of the limits that `cost` more would break."""
        cells = state.cells
        return tuple(
            [
                index
                for index, (base, _width_ns, quota) in enumerate(self._windows)
                if cells[base] + cost > quota
            ]
        )

    def fits_at_ns(self, state: RingState, index: int, cost: int) -> int | None:
        """When `cost` will fit into the window at `index` if nothing else comes; None for never."""
        base, width_ns, quota = self._windows[index]
        if cost > quota:
            return None
        cells = state.cells
        excess = cells[base] + cost - quota
        newest = (state.next_ns - 1) // width_ns
        lag = cells[base + _LAG]
        while excess > 0:
            excess -= cells[base + _RING + (newest - lag) % _CELLS]
            lag -= 1
        return (newest - (lag + 1) + _CELLS) * width_ns

    def is_idle(self, state: RingState, now_ns: int) -> bool:
        """Whether nothing is counted any more, so that forgetting the state changes nothing."""
        # Up to `next_ns` the last charge may be as late as now; its bucket leaves a window and a
        # bucket later.
        return now_ns >= state.next_ns + self.longest_ns + self.longest_ns // BUCKETS

    def _at(self, next_ns: int) -> tuple[tuple[int, int, int, int, int], ...]:
        """What the moment before `next_ns` says about each window.

        Its base, the cell of its newest bucket, its quota, the width of a bucket, and when the
        newest bucket leaves the window; one that lies `lag` buckets back leaves `lag` widths
        before.
        """
        if next_ns != self._moment_ns:
            self._moment = tuple(
                [
                    (base, base + _RING + newest % _CELLS, quota, width_ns, leaves_ns)
                    for base, width_ns, quota in self._windows
                    for newest in ((next_ns - 1) // width_ns,)
                    for leaves_ns in ((newest + _CELLS) * width_ns,)
                ]
            )
            self._moment_ns = next_ns
        return self._moment

    def _next_ns(self, now_ns: int) -> int:
        return min([(now_ns // width_ns + 1) * width_ns for _b, width_ns, _q in self._windows])

    def _move_on(self, state: RingState, now_ns: int) -> None:
        cells = state.cells
        before_ns = state.next_ns - 1
        for base, width_ns, _quota in self._windows:
            if cells[base]:
                newest = now_ns // width_ns
                passed = newest - before_ns // width_ns
                if passed > BUCKETS:
                    cells[base : base + _STRIDE] = self._empty[:_STRIDE]
                elif passed:
                    _turn(cells, base, newest, passed)
        state.next_ns = self._next_ns(now_ns)


def _turn(cells: "array[int]", base: int, newest: int, passed: int) -> None:
    """Empties what has left one window, now that `passed` buckets more have begun."""
    ring = base + _RING
    for number in range(newest - passed + 1, newest + 1):
        leaving = ring + number % _CELLS
        cells[base] -= cells[leaving]
        cells[leaving] = 0
    lag = min(cells[base + _LAG] + passed, BUCKETS)
    while lag and not cells[ring + (newest - lag) % _CELLS]:
        lag -= 1
    cells[base + _LAG] = lag
