"""A group of limits in the words of the script that counts them."""

import msgspec

from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.calendar_quota import CalendarQuota
from lukhas.policy.rate_limiting.concurrency import Concurrency
from lukhas.policy.rate_limiting.exact_log import ExactLog
from lukhas.policy.rate_limiting.gcra import Gcra
from lukhas.policy.rate_limiting.plans import LimitGroup
from lukhas.policy.rate_limiting.strict_ring import StrictRing

__all__ = ("GroupWords",)

_US_NS = 1000
_FOREVER_US = 2**62
_encode = msgspec.msgpack.Encoder().encode


class GroupWords:
    """A group as the script reads it: MessagePack, its cost last.

    GROUPS: `kind` 1 to 5, `enforced`; of a ring `sig`, `cell` and `cell_most`, `width` and `quota`
    of each window, `least` and `longest`, `head`; of a log `window`, `quota`, `longest`; of GCRA
    `window_s`, `each`, `most`; of calendar quotas `code`, `quota`, `start`, `ends`, `next_end`; of
    what is in flight `quota`, `hold`. Times in microseconds.

    Args:
        group: the group.

    Attributes:
        group: the group.
        table: its name in keys.
        signature: of a ring, what its states begin with; of other kinds empty.
        head_end: of a ring, the place of the last byte of its head.
    """

    __slots__ = ("_encoded", "_until_us", "group", "head_end", "signature", "table")

    def __init__(self, group: LimitGroup) -> None:
        self.group = group
        self.table = group.table.encode()
        self.signature = self.head_end = b""
        counting = group.counting
        if isinstance(counting, StrictRing):
            self.signature = counting.signature
            head_bytes = counting.layout["head"]
            if isinstance(head_bytes, int):
                self.head_end = b"%d" % (head_bytes - 1)
        self._encoded = b""
        self._until_us = -1

    def with_cost(self, cost: int, now_ns: int) -> bytes:
        """The group and what it is charged."""
        if self._until_us <= now_ns // _US_NS:
            self._encode(now_ns // _US_NS)
        return self._encoded + _encode(cost)

    def _encode(self, now_us: int) -> None:
        members: dict[str, object] = {"enforced": self.group.mode is Mode.ENFORCE}
        members |= self._members(now_us)
        # A cost of 0 is one byte: without it, what is left waits for a cost.
        self._encoded = _encode({**members, "cost": 0})[:-1]

    def _members(self, now_us: int) -> dict[str, object]:
        counting = self.group.counting
        self._until_us = _FOREVER_US
        if isinstance(counting, StrictRing):
            return {"kind": 1, **counting.layout, "sig": _raw(counting.signature)}
        if isinstance(counting, ExactLog):
            return {"kind": 2, **counting.layout}
        if isinstance(counting, Gcra):
            return {"kind": 3, **counting.layout}
        if isinstance(counting, Concurrency):
            return {"kind": 5, **counting.layout}
        if not isinstance(counting, CalendarQuota):
            raise TypeError(f"the script cannot count {counting.kind.value} limits")
        spans = counting.spans(now_us)
        self._until_us = min(span.end_us for _code, span, _next in spans)
        return {
            "kind": 4,
            "code": [code for code, _span, _next in spans],
            "quota": [limit.quota for limit in counting.limits],
            "start": [span.start_us for _code, span, _next in spans],
            "ends": [span.end_us for _code, span, _next in spans],
            "next_end": [following.end_us for _code, _span, following in spans],
        }


def _raw(value: bytes) -> msgspec.Raw:
    # The Lua reader knows strings only, not binary values.
    return msgspec.Raw(b"\xda" + len(value).to_bytes(2, "big") + value)
