"""A lane for higher tiers: the better target, and the first of the connections that become free.

Two rules, each with a bound that keeps those outside the lane from being starved:

- *The wait for a connection.* Whoever is in the lane goes before those who are not, but of every
  `oldest_every` connections that become free one goes to who has waited longest, whoever that is.
  So a request that has k before it when it begins to wait gets at latest the connection number
  (k + 1) * `oldest_every`, however many of the lane come after it.
- *The choice of a target.* Who is in the lane gets the best of all targets by latency and requests
  in flight; others are chosen for as ever, by a look at two. While the lane is in use, one of them
  whose target is that best one gives way: it goes to the next best, if that is at most `most_times`
  as costly. No more than the part `give_way` of all requests outside the lane does so, in any row.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lukhas.policy.balancing.balancer import Balancer, Candidate, ChoiceFacts
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import SECOND_NS

__all__ = ("LaneBalancer", "LaneQueue", "LaneTally", "LaneTerms")

T = TypeVar("T")

_IN_USE_NS = SECOND_NS


@dataclass(frozen=True, slots=True)
class LaneTerms:
    """Who is in the lane, and how far it goes.

    Attributes:
        tiers: in the lane with every request.
        routes: names of routes whose requests are in it, of whatever tier.
        oldest_every: of so many connections that become free one goes to who has waited longest.
        give_way: the part of the requests outside the lane that may give way, from 0 to 1.
        most_times: only to a target that is at most so many times as costly as the best.
    """

    tiers: frozenset[Tier]
    routes: frozenset[str] = frozenset()
    oldest_every: int = 4
    give_way: float = 0.5
    most_times: float = 2.0

    def holds(self, tier: Tier, route: str) -> bool:
        """Whether a request of this tier and route is in the lane."""
        return tier in self.tiers or route in self.routes


@dataclass(slots=True)
class LaneTally:
    """What the lane has done so far. Not frozen: it counts.

    Attributes:
        overtook: connections that became free and went to the lane before who had waited longer.
        yielded: those that went to who had waited longest while the lane waited.
        gave_way: requests outside the lane that left the best target to it.
    """

    overtook: int = 0
    yielded: int = 0
    gave_way: int = 0


class LaneQueue(Generic[T]):
    """Who waits, and who is next; see the rule of the wait above. Changed in place.

    Args:
        oldest_every: see `LaneTerms`; 1 is first come, first served.
        tally: where is counted what the lane does.
    """

    __slots__ = ("_ahead", "_number", "_oldest_every", "_others", "_row", "_tally")

    def __init__(self, oldest_every: int = 1, tally: LaneTally | None = None) -> None:
        self._oldest_every = oldest_every
        self._tally = LaneTally() if tally is None else tally
        self._ahead: deque[tuple[int, T]] = deque()
        self._others: deque[tuple[int, T]] = deque()
        self._number = 0
        self._row = 0

    def __len__(self) -> int:
        return len(self._ahead) + len(self._others)

    def __iter__(self) -> Iterator[T]:
        """All who wait, longest first."""
        return (item for _number, item in sorted((*self._ahead, *self._others), key=_number_of))

    def add(self, item: T, *, is_prior: bool = False) -> None:
        """One more waits; in the lane if it is prior."""
        self._number += 1
        (self._ahead if is_prior else self._others).append((self._number, item))

    def discard(self, item: T) -> bool:
        """One waits no longer; gives whether it did."""
        for waiting in (self._ahead, self._others):
            for entry in waiting:
                if entry[1] is item:
                    waiting.remove(entry)
                    return True
        return False

    def take(self) -> T | None:
        """Who is next, and waits no longer; None if nobody waits."""
        ahead, others = self._ahead, self._others
        if not ahead or not others:
            waiting = ahead or others
            self._row = 0
            return waiting.popleft()[1] if waiting else None
        if ahead[0][0] < others[0][0]:
            self._row = 0
            return ahead.popleft()[1]
        if self._row + 1 >= self._oldest_every:
            self._row = 0
            self._tally.yielded += 1
            return others.popleft()[1]
        self._row += 1
        self._tally.overtook += 1
        return ahead.popleft()[1]


def _number_of(entry: tuple[int, object]) -> int:
    return entry[0]


class LaneBalancer:
    """A balancer with a lane; see the rule of the choice above, and `Balancer`.

    Callers that are bound to a target stay there, in the lane or not. It has a memory: when the
    lane was last used, and how many may give way.

    Args:
        otherwise: chooses for those who are not in the lane.
        terms: how far it goes.
        tally: where is counted what it does.
    """

    __slots__ = ("_credit", "_otherwise", "_tally", "_terms", "_used_ns")

    def __init__(self, otherwise: Balancer, terms: LaneTerms, tally: LaneTally) -> None:
        self._otherwise = otherwise
        self._terms = terms
        self._tally = tally
        self._used_ns: int | None = None
        self._credit = 0.0

    def choose(self, candidates: Sequence[Candidate], facts: ChoiceFacts, now_ns: int) -> int:
        """See `Balancer`."""
        if facts.sticky:
            return self._otherwise.choose(candidates, facts, now_ns)
        if facts.is_prior:
            self._used_ns = now_ns
            return _best(candidates, now_ns)
        chosen = self._otherwise.choose(candidates, facts, now_ns)
        if self._used_ns is None or now_ns - self._used_ns >= _IN_USE_NS:
            self._credit = 0.0
            return chosen
        # No more than one is saved up, so that the part holds in any row of requests.
        self._credit = min(1.0, self._credit + self._terms.give_way)
        if self._credit < 1.0 or len(candidates) == 1:
            return chosen
        return self._way(candidates, chosen, now_ns)

    def _way(self, candidates: Sequence[Candidate], chosen: int, now_ns: int) -> int:
        """Another target in place of the best one, if there is one that will do."""
        if chosen != _best(candidates, now_ns):
            return chosen
        rest = [index for index in range(len(candidates)) if index != chosen]
        other = min(rest, key=lambda index: _cost(candidates[index], now_ns))
        most = _cost(candidates[chosen], now_ns) * self._terms.most_times
        if _cost(candidates[other], now_ns) > most:
            return chosen
        self._credit = 0.0
        self._tally.gave_way += 1
        return other


def _best(candidates: Sequence[Candidate], now_ns: int) -> int:
    return min(range(len(candidates)), key=lambda index: _cost(candidates[index], now_ns))


def _cost(candidate: Candidate, now_ns: int) -> float:
    return candidate.load.cost(now_ns) / (candidate.weight * candidate.share)
