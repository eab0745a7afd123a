"""The strict ring: several windows in one state, never above the advertised number in any window.

Each window of length W is cut into `BUCKETS` buckets of W/BUCKETS. The buckets that a window ending
now can touch are the last BUCKETS + 1, the oldest of them only in part; it is counted whole. So in
*any* window of length W no more than the quota is ever admitted, at the price of admitting a few
per cent less than an exact log would (4 % at 2x overload with 20 buckets), in constant memory.

All windows stand in one flat array of small integers, and are charged together or not at all: a
refused request consumes nothing. Between two moments at which a bucket of any window ends, every
charge goes into the newest bucket of every window. So it is enough to count the charges of the
moment once, against the least room that any window had at its beginning; they are booked into the
windows when the moment ends. A check costs the same however many windows there are.
"""

from array import array
from collections.abc import Sequence

from lukhas.policy.rate_limiting.limits import Limit
from lukhas.units import SECOND_NS

__all__ = ("BUCKETS", "RingState", "StrictRing")

BUCKETS = 20
_CELLS = BUCKETS + 1
# Cells of one window: its total, how many buckets back the oldest non-empty one lies (0 if all are
# empty), then the buckets themselves. The newest stands at (its number) % _CELLS.
_TOTAL, _LAG, _RING = 0, 1, 2
_STRIDE = _RING + _CELLS


class RingState:
    """What one key has used up, over all windows of one `StrictRing`. A plain value.

    Attributes:
        next_ns: the first moment at which a bucket of any window ends; up to it nothing moves.
        pending: what was charged since the last such moment; not in `cells` yet.
        room: how much `pending` may be.
        cells: the counters; see the module's layout.
    """

    __slots__ = ("cells", "next_ns", "pending", "room")

    def __init__(self, next_ns: int, pending: int, room: int, cells: "array[int]") -> None:
        self.next_ns = next_ns
        self.pending = pending
        self.room = room
        self.cells = cells

    def copy(self) -> "RingState":
        """An independent copy."""
        return RingState(self.next_ns, self.pending, self.room, self.cells[:])

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, RingState)
            and self.next_ns == other.next_ns
            and self.pending == other.pending
            and self.room == other.room
            and self.cells == other.cells
        )

    __hash__ = None  # type: ignore[assignment]  # changes in place: not a key


class StrictRing:
    """The settings of a ring: the limits, compiled.

    The methods are pure in what they depend on, (settings, state, now, cost), and change the state
    given to them in place; to keep the old state, `copy` it. Time may stand still or go backwards
    between calls: then the last seen bucket stays the newest. Not to be shared between threads.

    Args:
        limits: at least one; each has a window that is a whole number of seconds.
    """

    __slots__ = (
        "_empty",
        "_least",
        "_moment",
        "_moment_ns",
        "_windows",
        "limits",
        "longest_ns",
    )

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)
        self.longest_ns = max(limit.window_ns for limit in self.limits)
        largest = max(limit.quota for limit in self.limits)
        self._empty = array("H" if largest < 2**16 else "I", [0]) * (len(self.limits) * _STRIDE)
        self._windows = tuple(
            (index * _STRIDE, limit.window_ns // BUCKETS, limit.quota)
            for index, limit in enumerate(self.limits)
        )
        self._least = min(limit.quota for limit in self.limits)
        # Buckets begin at the same moments for every key, so what follows from the moment alone is
        # worked out once for all of them; a memo, no state.
        self._moment_ns = -1
        self._moment: tuple[tuple[int, int, int, int], ...] = ()

    def new_state(self, now_ns: int) -> RingState:
        """The state of a key that has used nothing."""
        return RingState(self._next_ns(now_ns), 0, self._least, self._empty[:])

    def fits(self, state: RingState, now_ns: int, cost: int) -> bool:
        """Whether `cost` more may pass in every window; moves the state on, charges nothing."""
        if now_ns >= state.next_ns:
            self._move_on(state, now_ns)
        return state.pending + cost <= state.room

    def charge(self, state: RingState, cost: int) -> None:
        """Books `cost` in every window. Only after `fits` said yes, at the same moment."""
        state.pending += cost

    def figures(self, state: RingState, now_ns: int) -> tuple[int, ...]:
        """What is left and in how many seconds something is given back: `(r, t, r, t, ...)`.

        One pair for each limit, in the order of `limits`; `t` is rounded up, and 0 for a window
        that is empty.
        """
        cells = state.cells
        pending = state.pending
        next_ns = state.next_ns
        moment = self._moment if next_ns == self._moment_ns else self._at(next_ns)
        figures: list[int] = []
        for base, quota, width_ns, leaves_ns in moment:
            booked = cells[base]
            if booked:
                oldest_ns = leaves_ns - cells[base + 1] * width_ns
                figures += (quota - booked - pending, -((now_ns - oldest_ns) // SECOND_NS))
            elif pending:
                figures += (quota - pending, -((now_ns - leaves_ns) // SECOND_NS))
            else:
                figures += (quota, 0)
        return tuple(figures)

    def used(self, state: RingState) -> tuple[int, ...]:
        """What is counted in each window, in the order of `limits`."""
        cells = state.cells
        pending = state.pending
        return tuple([cells[base] + pending for base, _width_ns, _quota in self._windows])

    def violated(self, state: RingState, cost: int) -> tuple[int, ...]:
        """The indexes of the limits that `cost` more would break."""
        cells = state.cells
        more = state.pending + cost
        return tuple(
            [
                index
                for index, (base, _width_ns, quota) in enumerate(self._windows)
                if cells[base] + more > quota
            ]
        )

    def fits_at_ns(self, state: RingState, index: int, cost: int) -> int | None:
        """When `cost` will fit into the window at `index` if nothing else comes; None for never."""
        base, width_ns, quota = self._windows[index]
        if cost > quota:
            return None
        cells = state.cells
        excess = cells[base] + state.pending + cost - quota
        newest = (state.next_ns - 1) // width_ns
        lag = cells[base + _LAG]
        while excess > 0:
            excess -= cells[base + _RING + (newest - lag) % _CELLS]
            if not lag:
                break  # What is left of the excess is in the newest bucket, with what is pending.
            lag -= 1
        else:
            lag += 1
        return (newest - lag + _CELLS) * width_ns

    def is_idle(self, state: RingState, now_ns: int) -> bool:
        """Whether nothing is counted any more, so that forgetting the state changes nothing."""
        # Up to `next_ns` the last charge may be as late as now; its bucket leaves a window and a
        # bucket later.
        return now_ns >= state.next_ns + self.longest_ns + self.longest_ns // BUCKETS

    def _at(self, next_ns: int) -> tuple[tuple[int, int, int, int], ...]:
        """What the moment before `next_ns` says about each window.

        Its base, its quota, the width of a bucket, and when the newest bucket leaves the window;
        one that lies `lag` buckets back leaves `lag` widths before.
        """
        self._moment = tuple(
            [
                (base, quota, width_ns, ((next_ns - 1) // width_ns + _CELLS) * width_ns)
                for base, width_ns, quota in self._windows
            ]
        )
        self._moment_ns = next_ns
        return self._moment

    def _next_ns(self, now_ns: int) -> int:
        return min([(now_ns // width_ns + 1) * width_ns for _b, width_ns, _q in self._windows])

    def _move_on(self, state: RingState, now_ns: int) -> None:
        """Books what is pending, and empties the buckets that have left their windows by now."""
        cells = state.cells
        before_ns = state.next_ns - 1
        pending = state.pending
        room = self._least
        for base, width_ns, quota in self._windows:
            if pending or cells[base]:
                before = before_ns // width_ns
                if pending:
                    _book(cells, base, before, pending)
                newest = now_ns // width_ns
                if newest - before > BUCKETS:
                    cells[base : base + _STRIDE] = self._empty[:_STRIDE]
                elif newest != before:
                    _turn(cells, base, newest, newest - before)
                room = min(room, quota - cells[base])
        state.pending = 0
        state.room = room
        state.next_ns = self._next_ns(now_ns)


def _book(cells: "array[int]", base: int, newest: int, pending: int) -> None:
    """Puts what was pending into the newest bucket of one window."""
    cells[base] += pending
    cells[base + _RING + newest % _CELLS] += pending


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
