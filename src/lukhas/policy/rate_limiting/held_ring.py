"""One state of a strict ring, charged again and again.

Until a bucket ends, nothing of a state changes but what is pending. So what the figures are made of
is read once for all charges of that time, and a charge costs a third of what it costs otherwise.
"""

from struct import Struct
from struct import error as struct_error

from lukhas.policy.rate_limiting.strict_ring import StrictRing
from lukhas.units import SECOND_NS

__all__ = ("HeldRing", "Taken")

Taken = tuple[bytes, int, tuple[int, ...], bool]
"""A state, what was pending in it after charging, the figures, and whether a limit is near its end.

See `HeldRing.left` for the first two.
"""

_STANDING = Struct("<QII")
_PENDING_ALONE = Struct("<I")


class HeldRing:
    """Charges one state, which others may charge too, but in which nothing is settled.

    Args:
        ring: the limits.
        state: the state; an empty one stands for one that is let go.
    """

    __slots__ = (
        "_at",
        "_calm",
        "_ends_a",
        "_ends_b",
        "_ends_c",
        "_free_a",
        "_free_b",
        "_free_c",
        "_next_us",
        "_pending_at",
        "_ring",
        "_state",
        "_told",
        "_until_ns",
    )

    def __init__(self, ring: StrictRing, state: bytearray) -> None:
        self._ring = ring
        self._state = state
        self._at, self._pending_at = ring.standing_at
        # Of no moment yet.
        self._next_us = self._until_ns = self._calm = -1
        self._told = b""
        self._free_a = self._free_b = self._free_c = 0
        self._ends_a = self._ends_b = self._ends_c = 0

    def charge(self, now_ns: int, cost: int) -> Taken | None:
        """Charges a cost of at least 1.

        Returns:
            None, with nothing charged, where it does not fit or the state was let go.
        """
        state = self._state
        try:
            next_us, pending, room = _STANDING.unpack_from(state, self._at)
        except struct_error:
            return None
        pending += cost
        if next_us != self._next_us or now_ns >= self._until_ns:
            return self._renewed(now_ns, cost)
        if pending > room:
            return None
        _PENDING_ALONE.pack_into(state, self._pending_at, pending)
        now_s = now_ns // SECOND_NS
        figures = (
            self._free_a - pending,
            self._ends_a - now_s,
            self._free_b - pending,
            self._ends_b - now_s,
            self._free_c - pending,
            self._ends_c - now_s,
        )
        return self._told, pending, figures, pending > self._calm

    def left(self, told: bytes, pending: int) -> bytes:
        """What `figures` of the ring needs of the state after a charge; see `Taken`."""
        return self._ring.with_pending(told, pending)

    def _renewed(self, now_ns: int, cost: int) -> Taken | None:
        """Charges it the usual way, and reads what the next figures are made of."""
        ring = self._ring
        told = ring.take(self._state, now_ns, cost)
        if told is None:
            return None
        figures = ring.figures(told, now_ns)
        standing = ring.standing(told)
        pending = standing.pending
        if ring.is_three:
            self._told = told
            self._next_us, self._until_ns = standing.next_us, standing.ends_ns
            self._free_a, self._free_b, self._free_c = standing.free
            self._ends_a, self._ends_b, self._ends_c = standing.ends_s
            self._calm = standing.calm
        return told, pending, figures, pending > standing.calm
