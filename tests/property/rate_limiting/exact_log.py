"""Models that are plainly right, to hold the ring against: a log of all that was admitted."""

import random
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field

from lukhas.policy.rate_limiting.counting import counting_of
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.strict_ring import BUCKETS
from lukhas.units import MINUTE_NS, SECOND_NS

NOW_NS = 1_750_000_000 * SECOND_NS


@dataclass
class RingModel:
    """The ring by its definition: count what was admitted in the newest buckets, the oldest whole.

    `admitted` holds times and costs; times are those the ring believed, which never go back.
    """

    limits: tuple[Limit, ...]
    now_ns: int = 0
    admitted: list[tuple[int, int]] = field(default_factory=list)

    def move_on(self, now_ns: int) -> None:
        self.now_ns = max(self.now_ns, now_ns)

    def buckets(self, limit: Limit) -> list[tuple[int, int]]:
        """Number and cost of each charge that counts."""
        width_ns = limit.window_ns // BUCKETS
        oldest = self.now_ns // width_ns - BUCKETS
        numbered = [(at_ns // width_ns, cost) for at_ns, cost in self.admitted]
        return [(number, cost) for number, cost in numbered if number >= oldest]

    def used(self, limit: Limit) -> int:
        return sum(cost for _number, cost in self.buckets(limit))

    def fits(self, cost: int) -> bool:
        return all(self.used(limit) + cost <= limit.quota for limit in self.limits)

    def charge(self, cost: int) -> None:
        self.admitted.append((self.now_ns, cost))

    def free_at_ns(self, limit: Limit, cost: int) -> int:
        """When `cost` fits, from the bucket that must leave for it; only if it does not fit now."""
        excess = self.used(limit) + cost - limit.quota
        for number, charged in sorted(self.buckets(limit)):
            excess -= charged
            if excess <= 0:
                return (number + BUCKETS + 1) * (limit.window_ns // BUCKETS)
        raise AssertionError("the cost is above the quota")


def worst_window(admitted: list[tuple[int, int]], window_ns: int) -> int:
    """The most that was admitted in any closed window of this length."""
    worst = inside = 0
    log: deque[tuple[int, int]] = deque()
    for at_ns, cost in admitted:
        log.append((at_ns, cost))
        inside += cost
        while log[0][0] < at_ns - window_ns:
            inside -= log.popleft()[1]
        worst = max(worst, inside)
    return worst


def admitted_by(arrivals: list[int], limit: Limit) -> list[tuple[int, int]]:
    """What the limit itself admits."""
    counting = counting_of(limit.kind, (limit,))
    state = counting.new_state(arrivals[0])
    return [(now_ns, 1) for now_ns in arrivals if counting.take(state, now_ns, 1) is not None]


def admitted_by_log(arrivals: list[int], limit: Limit) -> list[tuple[int, int]]:
    """What an exact log would admit."""
    times: list[int] = []
    for now_ns in arrivals:
        if len(times) - bisect_left(times, now_ns - limit.window_ns) < limit.quota:
            times.append(now_ns)
    return [(at_ns, 1) for at_ns in times]


def poisson(seed: int, *, per_minute: float, minutes: float) -> list[int]:
    """Arrival times of independent callers."""
    rng = random.Random(seed)
    arrivals, at_ns = [], NOW_NS
    while at_ns < NOW_NS + minutes * MINUTE_NS:
        at_ns += round(rng.expovariate(per_minute) * MINUTE_NS)
        arrivals.append(at_ns)
    return arrivals
