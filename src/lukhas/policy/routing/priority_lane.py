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
from lukhas.policy.verdicts import Fact, Outcome, Verdict
from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = ("LaneBalancer", "LaneFacts", "LaneQueue", "LaneTally", "LaneTerms", "lane_target")

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


@dataclass(frozen=True, slots=True)
class LaneFacts:
    """What the lane did at the choice of a target, and by what.

    Attributes:
        targets: the keys of all that could be chosen.
        costs_ns: for each, latency times requests in flight, by its weight.
        chosen: the index of the one chosen.
        first: that of the one that the request would have got, which it left to the lane; -1 for a
            request in the lane.
        most_times: see `LaneTerms`.
    """

    targets: tuple[str, ...]
    costs_ns: tuple[float, ...]
    chosen: int
    first: int = -1
    most_times: float = 0.0

    def verdict(self) -> Verdict:
        """The choice in words and figures; see `Reasoned`."""
        target = self.targets[self.chosen]
        reason = f"gets the best server, {target}"
        if self.first >= 0:
            reason = f"leaves the best server to others, and gets {target}"
        facts: list[Fact] = [
            (f"{key} ms ahead", round(cost_ns / MILLISECOND_NS, 3))
            for key, cost_ns in zip(self.targets, self.costs_ns, strict=True)
        ]
        return Verdict("lane", Outcome.PASSED, reason, facts=tuple(facts))


@dataclass(slots=True)
class LaneTally:
    """What the lane has done so far. Not frozen: it counts.

    Attributes:
        overtook: connections that became free and went to the lane before who had waited longer.
        yielded: those that went to who had waited longest while the lane waited.
        gave_way: requests outside the lane that left the best target to it.
        last: what it did at the last choice; None if nothing.
    """

    overtook: int = 0
    yielded: int = 0
    gave_way: int = 0
    last: LaneFacts | None = None

    def take_last(self) -> LaneFacts | None:
        """What it did at the last choice, once."""
        last, self.last = self.last, None
        return last


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
            costs_ns = _costs_ns(candidates, now_ns)
            best = lane_target(costs_ns)
            keys = tuple([candidate.key for candidate in candidates])
            self._tally.last = LaneFacts(keys, costs_ns, best)
            return best
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
        costs_ns = _costs_ns(candidates, now_ns)
        other = lane_target(costs_ns, chosen, self._terms.most_times)
        if other == chosen:
            return chosen
        self._credit = 0.0
        self._tally.gave_way += 1
        keys = tuple([candidate.key for candidate in candidates])
        self._tally.last = LaneFacts(keys, costs_ns, other, chosen, self._terms.most_times)
        return other


def lane_target(costs_ns: Sequence[float], first: int = -1, most_times: float = 0.0) -> int:
    """The index of the target of a request, where there is a lane.

    Args:
        costs_ns: of all targets.
        first: what was chosen for a request that may give way; -1 for one in the lane.
        most_times: see `LaneTerms`.

    Returns:
        The best for who is in the lane. For others the second best, if `first` is the best and that
        is at most so many times as costly; else `first`.
    """
    every = range(len(costs_ns))
    best = min(every, key=costs_ns.__getitem__)
    if first < 0:
        return best
    if first != best or len(costs_ns) == 1:
        return first
    other = min((index for index in every if index != first), key=costs_ns.__getitem__)
    return first if costs_ns[other] > costs_ns[first] * most_times else other


def _costs_ns(candidates: Sequence[Candidate], now_ns: int) -> tuple[float, ...]:
    return tuple([each.load.cost(now_ns) / (each.weight * each.share) for each in candidates])
