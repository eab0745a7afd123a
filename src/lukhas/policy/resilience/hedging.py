"""Which requests are sent a second time because the answer is late, and when.

Dean and Barroso, "The tail at scale", CACM 56(2), 2013: a second copy goes to another server once
the first has taken longer than most answers do, and whichever answers first counts.
"""

from dataclasses import dataclass

from lukhas.units import MILLISECOND_NS

__all__ = ("HedgeSettings", "LatencyTail", "may_hedge")

# RFC 9110 section 9.2.1: what changes nothing may be asked twice at the same time.
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_ENOUGH = 50
# By which part of itself the estimate moves; small enough to be steady, and to follow within some
# hundred answers.
_STEP = 0.05


@dataclass(frozen=True, slots=True)
class HedgeSettings:
    """How much is sent twice.

    Attributes:
        percentile: a request is late when it has taken longer than so many answers, 0 to 1.
        least_ns: it is never late before.
        share: the part of all requests that second copies may be.
    """

    percentile: float = 0.95
    least_ns: int = 5 * MILLISECOND_NS
    share: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.percentile < 1 or not 0 <= self.share <= 1 or self.least_ns < 0:
            raise ValueError(f"these settings hedge nothing sensibly: {self}")


def may_hedge(method: str, *, has_body: bool) -> bool:
    """Whether a request may be sent twice at the same time."""
    return method in _SAFE and not has_body


class LatencyTail:
    """Estimates a percentile of latencies as they come, without keeping them.

    A stochastic approximation (Robbins and Monro, 1951), in steps that are parts of the estimate.
    Changed in place: it is told of each answer.

    Args:
        percentile: which, 0 to 1.

    Attributes:
        late_ns: the estimate; 0 until enough answers were seen.
    """

    __slots__ = ("_down", "_estimate", "_seen", "_up", "late_ns")

    def __init__(self, percentile: float) -> None:
        self._up = 1 + _STEP * percentile
        self._down = 1 - _STEP * (1 - percentile)
        self._estimate = 0.0
        self._seen = 0
        self.late_ns = 0

    def answered(self, taken_ns: int) -> None:
        """An answer has taken so long."""
        if not self._seen:
            self._estimate = float(max(taken_ns, 1))
        self._seen += 1
        self._estimate *= self._up if taken_ns > self._estimate else self._down
        if self._seen >= _ENOUGH:
            self.late_ns = round(self._estimate)
