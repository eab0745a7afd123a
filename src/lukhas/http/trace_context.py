"""Trace context: which trace a request belongs to, as fields say it (W3C Trace Context, level 2).

`traceparent` names the trace, the span of who asks, and whether that is recorded; `tracestate`
carries what tracing systems add for themselves, and is passed on as it is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = (
    "RANDOM",
    "SAMPLED",
    "TRACEPARENT",
    "TRACESTATE",
    "TraceContext",
    "is_drawn",
    "parse_trace_context",
    "threshold_of",
    "traceparent_of",
)

TRACEPARENT = b"traceparent"
TRACESTATE = b"tracestate"

SAMPLED = 0x01
"""The flag of a trace that is recorded."""
RANDOM = 0x02
"""The flag of a trace whose id is random in its last seven bytes (level 2)."""

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?")
_NO_TRACE = b"0" * 32
_NO_SPAN = b"0" * 16
_FLAG_BITS = SAMPLED | RANDOM

_MEMBER = re.compile(
    # The key is that of level 2, which takes all keys of level 1.
    rb"([a-z0-9][a-z0-9_*/@-]{0,255})=[ -+\--<>-~]{0,255}[!-+\--<>-~]"
)
_MOST_MEMBERS = 32
_MOST_BYTES = 512
_LONG_MEMBER_BYTES = 128
# What is longer than any value that could hold 32 members is not looked at.
_READ_BYTES = 32 * 515

_RANDOM_BITS = 56
_RANDOM_DIGITS = _RANDOM_BITS // 4


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Who asks, in which trace.

    Attributes:
        trace_id: 32 lower-case hexadecimal digits, not all 0.
        parent_id: 16 of them, not all 0: the span of who asks.
        flags: `SAMPLED` and `RANDOM`; other bits are left out, as nobody may pass on what they do
            not know.
        state: what `tracestate` is passed on as; empty if there is none.
    """

    trace_id: bytes
    parent_id: bytes
    flags: int
    state: bytes = b""

    @property
    def is_sampled(self) -> bool:
        """Whether who asks has recorded it."""
        return bool(self.flags & SAMPLED)


def parse_trace_context(
    traceparent: Sequence[bytes], tracestate: Sequence[bytes] = ()
) -> TraceContext | None:
    """Reads the two fields.

    A `tracestate` that is not valid counts as none, and does not harm `traceparent`.

    Args:
        traceparent: every line of it; there has to be one.
        tracestate: every line of it, in order.

    Returns:
        None if there is no valid `traceparent`.
    """
    if len(traceparent) != 1:
        return None
    found = _PARENT.fullmatch(traceparent[0])
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if version == b"ff" or trace_id == _NO_TRACE or parent_id == _NO_SPAN:
        return None
    if version == b"00" and more is not None:
        return None
    state = _state(b",".join(tracestate)) if tracestate else b""
    return TraceContext(trace_id, parent_id, int(flags, 16) & _FLAG_BITS, state)


def traceparent_of(trace_id: bytes, parent_id: bytes, flags: int) -> bytes:
    """The value of `traceparent` in version 00, for a child of the span `parent_id`."""
    return b"00-%b-%b-%02x" % (trace_id, parent_id, flags)


def threshold_of(ratio: float) -> int:
    """For `is_drawn`: the number that stands for a share of all traces, from 0 to 1."""
    return round((1.0 - ratio) * (1 << _RANDOM_BITS))


def is_drawn(trace_id: bytes, threshold: int) -> bool:
    """Whether a trace is among the share that is recorded.

    By the last 56 bits of its id alone, so that all who use the same share, or a larger one, draw
    the same traces (OpenTelemetry, TraceState: Probability Sampling).

    Args:
        trace_id: 32 hexadecimal digits.
        threshold: see `threshold_of`.
    """
    return int(trace_id[-_RANDOM_DIGITS:], 16) >= threshold


def _state(value: bytes) -> bytes:
    """What is passed on of `tracestate`: whole members alone, 512 bytes at most (section 3.3.1)."""
    if len(value) > _READ_BYTES:
        return b""
    members = [member for part in value.split(b",") if (member := part.strip(b" \t"))]
    if len(members) > _MOST_MEMBERS:
        return b""
    keys: set[bytes] = set()
    for member in members:
        found = _MEMBER.fullmatch(member)
        if found is None or found[1] in keys:
            return b""
        keys.add(found[1])
    return b",".join(_shortened(members))


def _shortened(members: list[bytes]) -> list[bytes]:
    """Without the long members, then without the last ones, until it is short enough."""
    room = _MOST_BYTES - (sum(map(len, members)) + max(0, len(members) - 1))
    if room >= 0:
        return members
    kept = []
    # From the end: of the long ones the oldest go first too.
    for member in reversed(members):
        if room < 0 and len(member) > _LONG_MEMBER_BYTES:
            room += len(member) + 1
        else:
            kept.append(member)
    kept.reverse()
    while room < 0:
        room += len(kept.pop()) + 1
    return kept
