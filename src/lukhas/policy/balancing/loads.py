"""How a target does: requests in flight, and its latency as its callers feel it."""

import math

__all__ = ("DECAY_NS", "Load")

DECAY_NS = 10_000_000_000
"""After so long an observation counts for 1/e of what it did (Finagle's default, 10 s)."""

# Of a target that nothing is known about, while requests to it are under way.
_UNKNOWN_NS = 1_000_000_000.0


class Load:
    """What one worker knows of one target; changed in place, since each request does.

    The latency is a peak-sensitive moving average (Finagle's Peak EWMA): a sample above it counts
    at once, one below it only in the course of time. So a target that turns slow is left alone
    after one answer, and one that was slow is believed to be better by and by.

    Attributes:
        in_flight: requests under way.
        latency_ns: the average; 0 before the first sample.
    """

    __slots__ = ("_decay_ns", "_seen_ns", "in_flight", "latency_ns")

    def __init__(self, *, decay_ns: int = DECAY_NS) -> None:
        self._decay_ns = decay_ns
        self._seen_ns = 0
        self.in_flight = 0
        self.latency_ns = 0.0

    def began(self) -> None:
        """A request goes to it."""
        self.in_flight += 1

    def ended(self) -> None:
        """A request has ended, or was given up, and tells nothing of its latency."""
        self.in_flight -= 1

    def answered(self, latency_ns: int, now_ns: int) -> None:
        """A request was answered: `latency_ns` from being sent to the head of the answer."""
        self.in_flight -= 1
        if latency_ns >= self.latency_ns:
            self.latency_ns = float(latency_ns)
        else:
            kept = self._kept(now_ns)
            self.latency_ns = self.latency_ns * kept + latency_ns * (1.0 - kept)
        self._seen_ns = now_ns

    def cost(self, now_ns: int) -> float:
        """What one more request would meet: latency times requests ahead of it, in nanoseconds.

        What was seen long ago counts less, so that a target is tried again in the end.
        """
        if not self.latency_ns:
            # The first answers are awaited before many follow.
            return self.in_flight * _UNKNOWN_NS
        return self.latency_ns * self._kept(now_ns) * (self.in_flight + 1)

    def _kept(self, now_ns: int) -> float:
        return math.exp(min(0, self._seen_ns - now_ns) / self._decay_ns)
