"""The strict ring: several windows in one state, never above the advertised number in any window.

Each window of length W is cut into `BUCKETS` buckets of W/BUCKETS. The buckets that a window ending
now can touch are the last BUCKETS + 1, the oldest of them only in part; it is counted whole. So in
*any* window of length W no more than the quota is ever admitted, at the price of admitting a few
per cent less than an exact log would (4 % at 2x overload with 20 buckets), in constant memory.

All windows stand in one state and are charged together or not at all: a refused request consumes
nothing. Between two moments at which a bucket of any window ends, every charge goes into the newest
bucket of every window. So it is enough to count the charges of the moment once, against the least
room that any window had at its beginning; they are booked into the windows when the moment ends. A
check costs the same however many windows there are.

The bytes of a state are told in `ring_layout`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import sub
from struct import Struct
from struct import error as struct_error

from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.moments import Moment, Moments
from lukhas.policy.rate_limiting.ring_layout import (
    BUCKETS,
    CELL_MOST,
    CELLS,
    NEXT,
    PENDING,
    ROOM,
    STRIDE,
    RingLayout,
)
from lukhas.units import MICROSECOND_NS, SECOND_NS

__all__ = ("BUCKETS", "Standing", "StrictRing")

_STANDING = Struct("<QII")
_PENDING_AND_ROOM = Struct("<II")
_NEXT_ALONE = Struct("<Q")
_PENDING_ALONE = Struct("<I")
_PENDING_OFFSET = 8


@dataclass(frozen=True, slots=True)
class Standing:
    """What the figures of a state are made of as long as no bucket ends.

    Attributes:
        next_us: when one ends.
        pending: what was charged since the last one has ended.
        free: for each limit what is left but for what is pending.
        ends_s: for each when something is given back (Unix time), if that is at a whole second.
        calm: with more than so much pending, a limit is near its end.
    """

    next_us: int
    pending: int
    free: tuple[int, ...]
    ends_s: tuple[int, ...]
    calm: int

    @property
    def ends_ns(self) -> int:
        """When one ends, in nanoseconds."""
        return self.next_us * MICROSECOND_NS


class StrictRing:
    """Limits that are counted in one ring, compiled; see `Counting`.

    The methods depend on nothing but settings, state, time and cost, and change the state given to
    them in place; to keep the old one, copy it. Time may stand still or go backwards between calls:
    then the last seen bucket stays the newest. Not to be shared between threads.

    Args:
        limits: at least one; each has a window that is a whole number of seconds.
    """

    __slots__ = (
        "_bytes",
        "_fresh",
        "_fresh_at",
        "_head",
        "_head_at",
        "_kept_ns",
        "_least",
        "_moments",
        "_three",
        "_told",
        "_windows",
        "limits",
        "longest_ns",
    )

    kind = Kind.STRICT

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)
        self.longest_ns = max(limit.window_ns for limit in self.limits)
        self._kept_ns = self.longest_ns + self.longest_ns // BUCKETS
        self._bytes = layout = RingLayout(self.limits)
        # Of their own, because every check uses them.
        self._head, self._head_at, self._windows = layout.head, layout.head_at, layout.windows
        self._told = Struct(f"{layout.cells_at}s")
        self._least = min(limit.quota for limit in self.limits)
        self._moments = Moments([width_ns for _i, width_ns, _q, _c in self._windows], CELLS)
        self._three = _three_of(self.limits)
        # The state of a key that has used nothing, and the moment it is good for; a memo, no state.
        self._fresh_at: Moment | None = None
        self._fresh = layout.empty

    @property
    def signature(self) -> bytes:
        """What a state of these very limits begins with."""
        return self._bytes.signature

    @property
    def layout(self) -> dict[str, int | list[int]]:
        """What a reader of states in another language needs to know; times in microseconds."""
        return self._bytes.told()

    def new_state(self, now_ns: int) -> bytearray:
        """The state of a key that has used nothing."""
        moment = self._moments.at(now_ns)
        if moment is not self._fresh_at:
            state = bytearray(self._bytes.empty)
            _STANDING.pack_into(state, self._head_at, moment.next_us, 0, self._least)
            self._fresh_at, self._fresh = moment, bytes(state)
        return bytearray(self._fresh)

    def take(self, state: bytearray, now_ns: int, cost: int) -> bytes | None:
        """`fits` and `charge` in one; gives what `figures` needs, or None if it does not fit."""
        at = self._head_at
        next_us, pending, room = _STANDING.unpack_from(state, at)
        if now_ns >= next_us * MICROSECOND_NS:
            head = self._move_on(state, self._head.unpack_from(state, at), now_ns)
            pending, room = 0, head[ROOM]
        pending += cost
        if pending > room:
            return None
        _PENDING_ALONE.pack_into(state, at + _PENDING_OFFSET, pending)
        # Not a slice: that would be copied twice.
        told: bytes = self._told.unpack_from(state)[0]
        return told

    def fits(self, state: bytearray, now_ns: int, cost: int) -> bool:
        """Whether `cost` more may pass in every window; moves the state on, charges nothing."""
        head = self._head.unpack_from(state, self._head_at)
        if now_ns >= head[NEXT] * MICROSECOND_NS:
            head = self._move_on(state, head, now_ns)
        fits: bool = head[PENDING] + cost <= head[ROOM]
        return fits

    def charge(self, state: bytearray, _now_ns: int, cost: int) -> None:
        """Books `cost` in every window. Only after `fits` said yes, at the same moment."""
        at = self._head_at + _PENDING_OFFSET
        pending, room = _PENDING_AND_ROOM.unpack_from(state, at)
        _PENDING_AND_ROOM.pack_into(state, at, pending + cost, room)

    def settle(self, state: bytearray, *, at_ns: int, now_ns: int, change: int) -> None:
        """Corrects what was charged at `at_ns`, once it is known what it really cost.

        More is counted now, even where it does not fit; what was too much is taken out of the
        bucket it went into, as far as it is still there.
        """
        head = list(self._head.unpack_from(state, self._head_at))
        if now_ns >= head[NEXT] * MICROSECOND_NS:
            head = list(self._move_on(state, tuple(head), now_ns))
        if change > 0:
            most = max([head[index] for index, *_rest in self._windows])
            left = CELL_MOST[self._bytes.cell_bytes] - most - head[PENDING]
            head[PENDING] += max(0, min(change, left))
        elif at_ns >= self._moments.before(head[NEXT]).began_ns:
            head[PENDING] -= min(-change, head[PENDING])
        else:
            self._give_back(state, head, at_ns, -change)
        self._head.pack_into(state, self._head_at, *head)

    def figures(self, state: bytes | bytearray, now_ns: int) -> tuple[int, ...]:
        """What is left and in how many seconds something is given back: `(r, t, r, t, ...)`.

        One pair for each limit, in the order of `limits`; `t` is rounded up, and 0 for a window
        that is empty.
        """
        head = self._head.unpack_from(state, self._head_at)
        moment = self._moments.before(head[NEXT])
        if self._three is not None:
            # The usual case at half the price: three windows, and all of them count something.
            # What counts nothing but what is pending has a lag of 0.
            _next, pending, _room, a, _, lag_a, b, _, lag_b, c, _, lag_c = head
            quota_a, width_a, quota_b, width_b, quota_c, width_c = self._three
            left_a, left_b, left_c = (
                quota_a - a - pending,
                quota_b - b - pending,
                quota_c - c - pending,
            )
            if (pending or (a and b and c)) and left_a >= 0 <= left_b and left_c >= 0:
                ends_a, ends_b, ends_c = moment.leaves_s
                now_s = now_ns // SECOND_NS
                return (
                    left_a,
                    ends_a - lag_a * width_a - now_s,
                    left_b,
                    ends_b - lag_b * width_b - now_s,
                    left_c,
                    ends_c - lag_c * width_c - now_s,
                )
        pending = head[PENDING]
        figures: list[int] = []
        for (index, width_ns, quota, _cells), leaves_ns in zip(
            self._windows, moment.leaves_ns, strict=True
        ):
            booked = head[index]
            left = quota - booked - pending
            left = left if left > 0 else 0  # noqa: FURB136 - a call costs three times as much
            if booked:
                oldest_ns = leaves_ns - head[index + 2] * width_ns
                figures += (left, -((now_ns - oldest_ns) // SECOND_NS))
            elif pending:
                figures += (left, -((now_ns - leaves_ns) // SECOND_NS))
            else:
                figures += (left, 0)
        return tuple(figures)

    def used(self, state: bytearray, _now_ns: int) -> tuple[int, ...]:
        """What is counted in each window, in the order of `limits`."""
        head = self._head.unpack_from(state, self._head_at)
        return tuple([head[index] + head[PENDING] for index, *_rest in self._windows])

    def violated(self, state: bytearray, _now_ns: int, cost: int) -> tuple[int, ...]:
        """The indexes of the limits that `cost` more would break."""
        head = self._head.unpack_from(state, self._head_at)
        more = head[PENDING] + cost
        return tuple(
            [
                number
                for number, (index, _width_ns, quota, _cells) in enumerate(self._windows)
                if head[index] + more > quota
            ]
        )

    def fits_at_ns(self, state: bytearray, _now_ns: int, index: int, cost: int) -> int | None:
        """When `cost` will fit into the window at `index` if nothing else comes; None for never."""
        total_at, width_ns, quota, cells = self._windows[index]
        if cost > quota:
            return None
        head = self._head.unpack_from(state, self._head_at)
        excess = head[total_at] + head[PENDING] + cost - quota
        newest = (head[NEXT] * MICROSECOND_NS - 1) // width_ns
        lag = head[total_at + 2]
        while excess > 0 and lag:
            excess -= self._bytes.cell(state, cells, newest - lag)
            lag -= 1
        if excess <= 0:
            lag += 1  # The bucket that was counted last gives enough; else the newest has to end.
        return int(newest - lag + CELLS) * width_ns

    @property
    def is_three(self) -> bool:
        """Whether it has three windows, and every bucket ends at a whole second."""
        return self._three is not None

    @property
    def standing_at(self) -> tuple[int, int]:
        """Where in a state the end of its moment stands, and where what is pending."""
        return self._head_at, self._head_at + _PENDING_OFFSET

    def standing(self, state: bytes) -> Standing:
        """What the figures of a state are made of until its moment ends; after a charge."""
        head = self._head.unpack_from(state, self._head_at)
        moment = self._moments.before(head[NEXT])
        free: list[int] = []
        ends_s: list[int] = []
        for (index, width_ns, quota, _cells), leaves_ns in zip(
            self._windows, moment.leaves_ns, strict=True
        ):
            free.append(quota - head[index])
            # What counts nothing but what is pending has a lag of 0.
            ends_s.append((leaves_ns - head[index + 2] * width_ns) // SECOND_NS)
        calm = min(map(sub, free, [limit.near for limit in self.limits]))
        return Standing(head[NEXT], head[PENDING], tuple(free), tuple(ends_s), calm)

    def with_pending(self, state: bytes, pending: int) -> bytes:
        """A state, or its head, with so much pending."""
        at = self._head_at + _PENDING_OFFSET
        return state[:at] + _PENDING_ALONE.pack(pending) + state[at + _PENDING_ALONE.size :]

    def without(self, state: bytes, cost: int) -> bytes:
        """A state, or its head, as if so much of what is pending had not been charged."""
        at = self._head_at + _PENDING_OFFSET
        pending, room = _PENDING_AND_ROOM.unpack_from(state, at)
        less = _PENDING_AND_ROOM.pack(max(0, pending - cost), room)
        return state[:at] + less + state[at + len(less) :]

    def moment_ends_ns(self, state: bytes) -> int:
        """Until when what is charged now goes into the same bucket of every window."""
        next_us: int = self._head.unpack_from(state, self._head_at)[NEXT]
        return next_us * MICROSECOND_NS

    def is_idle(self, state: bytearray, now_ns: int) -> bool:
        """Whether nothing is counted any more, so that forgetting the state changes nothing."""
        # As `expires_ns`, without the call: it is asked of two states for each new one.
        next_us: int = _NEXT_ALONE.unpack_from(state, self._head_at)[0]
        return now_ns >= next_us * MICROSECOND_NS + self._kept_ns

    def expires_ns(self, state: bytearray) -> int:
        """From when on nothing is counted any more if nothing else comes."""
        # Up to `next` the last charge may be as late as now; its bucket leaves a window and a
        # bucket later.
        next_us: int = _NEXT_ALONE.unpack_from(state, self._head_at)[0]
        return next_us * MICROSECOND_NS + self._kept_ns

    def owns(self, state: bytes | bytearray) -> bool:
        """Whether the state is one of these very limits."""
        return self._bytes.owns(state)

    def adopt(self, state: bytes | bytearray, now_ns: int) -> bytearray:
        """A state of these limits with what a state of other limits has counted.

        A window that both have keeps its buckets. A new one begins with what the buckets of the
        next longer old window say it may hold, or, where none was longer, with the count of the
        longest: a change of settings hands nobody a fresh quota.
        """
        limits = RingLayout.limits_of(state)
        ring = StrictRing(limits) if limits else None
        if ring is None or not ring.owns(state):
            return self.new_state(now_ns)
        try:
            return self._adopt(ring, state, now_ns)
        except struct_error:  # Figures that no ring ever wrote.
            return self.new_state(now_ns)

    def _adopt(self, ring: "StrictRing", state: bytes | bytearray, now_ns: int) -> bytearray:
        moved = bytearray(state)
        head = ring._booked(moved, now_ns)
        windows = {
            limit.window_ns: window
            for limit, window in zip(ring.limits, ring._windows, strict=True)
        }
        most = CELL_MOST[self._bytes.cell_bytes]
        adopted = self.new_state(now_ns)
        # The last moment that the old state knew, so that both mean the same by the newest bucket.
        mine = [self._moments.at(head[NEXT] * MICROSECOND_NS - 1).next_us, 0, self._least]
        for limit, (_index, _width_ns, quota, cells) in zip(
            self.limits, self._windows, strict=True
        ):
            same = windows.get(limit.window_ns)
            total, lag = 0, 0
            if same is not None:
                index, _width, _quota, from_cells = same
                _total, newest, lag = head[index : index + STRIDE]
                for number in range(CELLS):
                    cell = min(most, ring._bytes.cell(moved, from_cells, number))
                    self._bytes.put_cell(adopted, cells, number, cell)
                    total += cell
            else:
                newest = ring._bytes.counted_within(moved, head, limit.window_ns)
            newest = min(newest, most, CELL_MOST[4] - total)
            mine += [total + newest, newest, lag]
            mine[ROOM] = min(mine[ROOM], max(0, quota - total - newest))
        self._head.pack_into(adopted, self._head_at, *mine)
        return adopted

    def _booked(self, state: bytearray, now_ns: int) -> tuple[int, ...]:
        """The head with nothing pending; the state is moved on if it is time."""
        head = self._head.unpack_from(state, self._head_at)
        if now_ns >= head[NEXT] * MICROSECOND_NS:
            return self._move_on(state, head, now_ns)
        booked = list(head)
        for index, *_rest in self._windows:
            booked[index] += head[PENDING]
            booked[index + 1] += head[PENDING]
        booked[PENDING] = 0
        return tuple(booked)

    def _move_on(self, state: bytearray, head: tuple[int, ...], now_ns: int) -> tuple[int, ...]:
        """Books what is pending, and empties the buckets that have left their windows by now."""
        pending = head[PENDING]
        room = self._least
        moved = list(head)
        after = self._moments.at(now_ns)
        befores = self._moments.before(head[NEXT]).newest
        for (index, _width_ns, quota, cells), before, newest in zip(
            self._windows, befores, after.newest, strict=True
        ):
            total = moved[index] + pending
            if total:
                moved[index] = total
                moved[index + 1] += pending
                if newest != before:
                    self._turn(state, moved, (index, cells), (before, newest))
                    total = moved[index]
                room = min(room, quota - total)
        moved[NEXT], moved[PENDING], moved[ROOM] = after.next_us, 0, max(0, room)
        self._head.pack_into(state, self._head_at, *moved)
        return tuple(moved)

    def _turn(
        self,
        state: bytearray,
        head: list[int],
        window: tuple[int, int],
        numbers: tuple[int, int],
    ) -> None:
        """Empties what has left one window, now that its newest bucket is another one."""
        (index, cells), (before, newest) = window, numbers
        layout = self._bytes
        if newest - before > BUCKETS:
            layout.clear(state, cells)
            head[index : index + STRIDE] = (0, 0, 0)
            return
        if head[index + 1]:
            layout.put_cell(state, cells, before, head[index + 1])
            head[index + 1] = 0
        total = head[index]
        lag = head[index + 2] + newest - before
        # Between the oldest bucket that counts something and the newest one there may be gaps.
        while lag > BUCKETS or (lag and not layout.cell(state, cells, newest - lag)):
            total -= layout.cell(state, cells, newest - lag)
            layout.put_cell(state, cells, newest - lag, 0)
            lag -= 1
        head[index], head[index + 2] = total, lag

    def _give_back(self, state: bytearray, head: list[int], at_ns: int, cost: int) -> None:
        room = self._least
        newests = self._moments.before(head[NEXT]).newest
        for (index, width_ns, quota, cells), newest in zip(self._windows, newests, strict=True):
            number = at_ns // width_ns
            if number >= newest:
                returned = min(cost, head[index + 1])
                head[index + 1] -= returned
            elif newest - number > BUCKETS:
                returned = 0
            else:
                counted = self._bytes.cell(state, cells, number)
                returned = min(cost, counted)
                self._bytes.put_cell(state, cells, number, counted - returned)
            head[index] -= returned
            while head[index + 2] and not self._bytes.cell(state, cells, newest - head[index + 2]):
                head[index + 2] -= 1
            room = min(room, quota - head[index])
        head[ROOM] = max(0, room)


def _three_of(limits: Sequence[Limit]) -> tuple[int, int, int, int, int, int] | None:
    """Quotas and bucket widths (s) of three limits; None if they are not three, or not whole."""
    pairs = [(limit.quota, limit.window_ns // BUCKETS) for limit in limits]
    if len(pairs) != 3 or any(width_ns % SECOND_NS for _quota, width_ns in pairs):
        return None
    (quota_a, a_ns), (quota_b, b_ns), (quota_c, c_ns) = pairs
    return quota_a, a_ns // SECOND_NS, quota_b, b_ns // SECOND_NS, quota_c, c_ns // SECOND_NS
