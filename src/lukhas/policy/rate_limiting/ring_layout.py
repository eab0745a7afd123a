"""The bytes of a strict ring: what lies where in a state, and which limits it was made by.

A state is a run of bytes that every store keeps as it is, little-endian:

    signature   B kind, B size of a cell, H number of windows n, n times (I seconds, I quota)
    head        Q next (us), I pending, I room, n times (I total, I newest, H lag)
    cells       n times BUCKETS + 1 cells of 2 or 4 bytes

`next` is the first moment at which a bucket of any window ends, `pending` what was charged since
the one before, `room` how much that may be. `total` is what a window counts, `newest` what of it is
in its newest bucket (whose own cell stays 0 until it ends), `lag` how many buckets back the oldest
non-empty one lies. The bucket with number b has the cell b % (BUCKETS + 1).
"""

from collections.abc import Sequence
from struct import Struct

from lukhas.errors import LimitSyntaxError
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.units import MICROSECOND_NS, SECOND_NS

__all__ = ("BUCKETS", "CELLS", "CELL_MOST", "NEXT", "PENDING", "ROOM", "STRIDE", "RingLayout")

BUCKETS = 20
CELLS = BUCKETS + 1
"""The buckets that a window can touch."""
NEXT, PENDING, ROOM = 0, 1, 2
"""Where these stand in a head; the windows follow."""
STRIDE = 3
"""How many figures of a head a window has: total, newest, lag."""
CELL_MOST = {2: 2**16 - 1, 4: 2**32 - 1}
"""The largest value of a cell, by its size."""

_KIND = 1
_WINDOWS = 3
_SIGNATURE = Struct("<BBH")
_SIGNED_WINDOW = Struct("<II")


class RingLayout:
    """Where everything stands in the states of some limits.

    Args:
        limits: at least one; each has a window that is a whole number of seconds.

    Attributes:
        signature: what a state of these very limits begins with.
        cell_bytes: the size of a cell.
        head: reads and writes a head.
        head_at: where it begins; before it stands the signature.
        cells_at: where the cells begin.
        empty: a state of zeros behind the signature.
        windows: for each limit where its total stands in a head, the width of a bucket in
            nanoseconds, its quota, and where its cells begin.
    """

    __slots__ = (
        "_cell",
        "cell_bytes",
        "cells_at",
        "empty",
        "head",
        "head_at",
        "signature",
        "windows",
    )

    def __init__(self, limits: Sequence[Limit]) -> None:
        largest = max(limit.quota for limit in limits)
        self.cell_bytes = 2 if largest <= CELL_MOST[2] else 4
        self._cell = Struct("<H" if self.cell_bytes == 2 else "<I")
        self.head = Struct("<QII" + "IIH" * len(limits))
        self.signature = _SIGNATURE.pack(_KIND, self.cell_bytes, len(limits)) + b"".join(
            [_SIGNED_WINDOW.pack(limit.window_s, limit.quota) for limit in limits]
        )
        self.head_at = len(self.signature)
        self.cells_at = self.head_at + self.head.size
        ring_bytes = CELLS * self.cell_bytes
        self.empty = self.signature + bytes(self.head.size + len(limits) * ring_bytes)
        self.windows = tuple(
            (
                _WINDOWS + index * STRIDE,
                limit.window_ns // BUCKETS,
                limit.quota,
                self.cells_at + index * ring_bytes,
            )
            for index, limit in enumerate(limits)
        )

    def told(self) -> dict[str, int | list[int]]:
        """What a reader of states in another language needs to know; times in microseconds."""
        widths = [width_ns // MICROSECOND_NS for _index, width_ns, _quota, _cells in self.windows]
        quotas = [quota for _index, _width_ns, quota, _cells in self.windows]
        return {
            "cell": self.cell_bytes,
            "cell_most": CELL_MOST[self.cell_bytes],
            "width": widths,
            "quota": quotas,
            "least": min(quotas),
            "longest": max(widths) * BUCKETS,
            "head": self.cells_at,
        }

    def owns(self, state: bytes | bytearray) -> bool:
        """Whether the state is one of these very limits."""
        return state.startswith(self.signature) and len(state) == len(self.empty)

    def cell(self, state: bytes | bytearray, cells: int, number: int) -> int:
        """What the bucket with this number holds, of the window whose cells begin there."""
        value: int = self._cell.unpack_from(state, cells + number % CELLS * self.cell_bytes)[0]
        return value

    def put_cell(self, state: bytearray, cells: int, number: int, value: int) -> None:
        """Sets what the bucket with this number holds."""
        self._cell.pack_into(state, cells + number % CELLS * self.cell_bytes, value)

    def clear(self, state: bytearray, cells: int) -> None:
        """Empties all buckets of a window."""
        size = CELLS * self.cell_bytes
        state[cells : cells + size] = bytes(size)

    def counted_within(
        self, state: bytes | bytearray, head: tuple[int, ...], window_ns: int
    ) -> int:
        """What may have been counted in a window of a length that none of the limits has.

        Args:
            state: a state.
            head: its head, with nothing pending.
            window_ns: the length.
        """
        longer = [window for window in self.windows if window[1] * BUCKETS > window_ns]
        if not longer:
            index, *_rest = max(self.windows, key=lambda window: window[1])
            return head[index]
        index, width_ns, _quota, cells = min(longer, key=lambda window: window[1])
        newest = (head[NEXT] * MICROSECOND_NS - 1) // width_ns
        buckets = range(1, -(-window_ns // width_ns) + 1)
        older = sum([self.cell(state, cells, newest - lag) for lag in buckets])
        return head[index + 1] + older

    @staticmethod
    def limits_of(state: bytes | bytearray) -> tuple[Limit, ...]:
        """The limits that a state was made by; empty if it is no state of a ring."""
        if len(state) < _SIGNATURE.size:
            return ()
        kind, _cell_bytes, count = _SIGNATURE.unpack_from(state)
        at = _SIGNATURE.size
        if kind != _KIND or len(state) < at + count * _SIGNED_WINDOW.size:
            return ()
        limits = []
        for number in range(count):
            window_s, quota = _SIGNED_WINDOW.unpack_from(state, at + number * _SIGNED_WINDOW.size)
            try:
                limits.append(Limit(f"l{number}", quota, window_s * SECOND_NS))
            except LimitSyntaxError:
                return ()
        return tuple(limits)
