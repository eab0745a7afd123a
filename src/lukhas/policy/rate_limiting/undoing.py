"""The state of a limit as it was before a charge that has just been made."""

from lukhas.policy.rate_limiting.calendar_quota import CalendarQuota
from lukhas.policy.rate_limiting.counting import Counting
from lukhas.policy.rate_limiting.exact_log import ExactLog
from lukhas.policy.rate_limiting.strict_ring import StrictRing
from lukhas.policy.rate_limiting.words import words_of, write_words

__all__ = ("uncharged",)


def uncharged(counting: Counting, state: bytes, *, now_ns: int, cost: int) -> bytes:
    """What `state` was before `cost` was charged to it.

    Unlike `settle` it does not depend on how late it is asked: the charge is the last thing that
    has happened to the state. Time has moved on in it as for the decision.

    Args:
        counting: the limits.
        state: what a decision has left: a whole state, or as much as `figures` needs.
        now_ns: the time of the decision.
        cost: what was charged; 0 gives the state back.
    """
    if not cost:
        return state
    if isinstance(counting, StrictRing):
        return counting.without(state, cost)
    before = bytearray(state)
    if isinstance(counting, ExactLog):
        # A charge always goes to the end.
        words = words_of(before)
        del words[max(0, len(words) - cost) :]
        write_words(before, words)
    elif isinstance(counting, CalendarQuota):
        words = words_of(before)
        for at in range(2, len(words), 3):
            words[at] = max(0, words[at] - cost)
        write_words(before, words)
    else:
        counting.settle(before, at_ns=now_ns, now_ns=now_ns, change=-cost)
    return bytes(before)
