"""What a priority lane does for higher tiers and costs the others, simulated."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from benchmarks.agenda import Agenda
from benchmarks.measurement import Figure, Section
from lukhas.policy.balancing.balancer import Balancer, Candidate, ChoiceFacts
from lukhas.policy.balancing.loads import Load
from lukhas.policy.balancing.peak_ewma import PeakEwma
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.priority_lane import LaneBalancer, LaneQueue, LaneTally, LaneTerms
from lukhas.units import MILLISECOND_NS

__all__ = ("TERMS", "LaneScenario", "run", "simulated")

TERMS = LaneTerms(frozenset((Tier.PREMIUM,)))

_REQUESTS = 60_000
_SERVICE_MS = 10.0


@dataclass(frozen=True, slots=True)
class LaneScenario:
    """What is simulated.

    Attributes:
        slow: for each server how many times slower it is than a quick one.
        connections: to each server; a request holds one while the server works on it.
        use: how busy all would be together if each had its part, from 0 on.
        prior: the part of the requests that is of the higher tier, 0 to 1.
        requests: how many come, as a Poisson process.
        seed: of the random numbers.
    """

    slow: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    connections: int = 8
    use: float = 0.7
    prior: float = 0.2
    requests: int = _REQUESTS
    seed: int = 20_261_125


@dataclass(slots=True)
class LaneOutcome:
    """How long the requests of each tier took, in ms, and what the lane did."""

    taken_ms: Mapping[Tier, list[float]]
    tally: LaneTally = field(default_factory=LaneTally)

    def at(self, tier: Tier, part: float) -> float:
        """A quantile of the times of a tier, in ms."""
        ordered = sorted(self.taken_ms[tier])
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


@dataclass(frozen=True, slots=True)
class _Request:
    tier: Tier
    came_ns: int


class _Run:
    """One run."""

    def __init__(self, scenario: LaneScenario, terms: LaneTerms | None) -> None:
        self._scenario = scenario
        self._terms = terms
        self._random = random.Random(scenario.seed)
        self.outcome = LaneOutcome({Tier.FREE: [], Tier.PREMIUM: []})
        tally = self.outcome.tally
        every = 1 if terms is None else terms.oldest_every
        balancer: Balancer = PeakEwma()
        self._balancer = balancer if terms is None else LaneBalancer(balancer, terms, tally)
        count = len(scenario.slow)
        self._candidates = [Candidate(f"server-{number}", Load()) for number in range(count)]
        self._free = [scenario.connections] * count
        self._waiting: list[LaneQueue[_Request]] = [LaneQueue(every, tally) for _ in range(count)]
        self._agenda = Agenda()

    def run(self) -> LaneOutcome:
        scenario = self._scenario
        capacity = sum(scenario.connections / (_SERVICE_MS * slow) for slow in scenario.slow)
        at_ns = 0
        for _ in range(scenario.requests):
            at_ns += round(self._random.expovariate(capacity * scenario.use) * MILLISECOND_NS)
            tier = Tier.PREMIUM if self._random.random() < scenario.prior else Tier.FREE
            self._agenda.at(at_ns, partial(self._arrive, tier))
        self._agenda.run()
        return self.outcome

    def _arrive(self, tier: Tier, now_ns: int) -> None:
        is_prior = self._terms is not None and self._terms.holds(tier, "")
        facts = ChoiceFacts(self._random.random(), self._random.random(), is_prior=is_prior)
        index = self._balancer.choose(self._candidates, facts, now_ns)
        self._candidates[index].load.began()
        request = _Request(tier, now_ns)
        if self._free[index]:
            self._work(index, request, now_ns)
        else:
            self._waiting[index].add(request, is_prior=is_prior)

    def _work(self, index: int, request: _Request, now_ns: int) -> None:
        self._free[index] -= 1
        mean_ms = _SERVICE_MS * self._scenario.slow[index]
        ends_ns = now_ns + round(self._random.expovariate(1 / mean_ms) * MILLISECOND_NS)
        self._agenda.at(ends_ns, lambda at_ns: self._end(index, request, at_ns))

    def _end(self, index: int, request: _Request, now_ns: int) -> None:
        self._free[index] += 1
        if (next_one := self._waiting[index].take()) is not None:
            self._work(index, next_one, now_ns)
        taken_ns = now_ns - request.came_ns
        self._candidates[index].load.answered(taken_ns, now_ns)
        self.outcome.taken_ms[request.tier].append(taken_ns / MILLISECOND_NS)


def simulated(scenario: LaneScenario, terms: LaneTerms | None) -> LaneOutcome:
    """Runs a scenario; the same one always gives the same outcome.

    Args:
        scenario: what comes.
        terms: the lane; None for none.
    """
    return _Run(scenario, terms).run()


# What the 99th percentiles with the lane may be, over those without: of PREMIUM and of FREE.
_CASES: Mapping[str, tuple[LaneScenario, float, float]] = {
    "servers alike, 85 % busy": (LaneScenario(use=0.85), 1.0, 1.1),
    "one 3x slow, 70 % busy": (LaneScenario(slow=(3.0, 1.0, 1.0, 1.0)), 0.85, 1.1),
    "one 3x, one 4x slow, 70 % busy": (LaneScenario(slow=(4.0, 3.0, 1.0, 1.0)), 0.6, 1.1),
    "one server, 97 % busy": (LaneScenario(slow=(1.0,), use=0.97), 0.4, 1.25),
    "one server, 97 % busy, half PREMIUM": (
        LaneScenario(slow=(1.0,), use=0.97, prior=0.5),
        0.4,
        2.0,
    ),
}


def run() -> Section:
    """Runs all cases."""
    section = Section(
        "Priority lane, simulated",
        "Servers with 8 connections each and 10 ms exponential service, a fifth of the requests "
        f"PREMIUM and the others FREE, {_REQUESTS} Poisson arrivals with a fixed seed, peak EWMA "
        "of two; times include the wait for a connection.",
    )
    for name, (scenario, most_prior, most_free) in _CASES.items():
        plain, lane = simulated(scenario, None), simulated(scenario, TERMS)
        for what, outcome in (("no lane", plain), ("lane", lane)):
            values = [
                (f"{tier.value} p{part * 100:g} ms", round(outcome.at(tier, part), 1))
                for tier in (Tier.PREMIUM, Tier.FREE)
                for part in (0.5, 0.99)
            ]
            section.figures.append(Figure(f"{name}, {what}", tuple(values), ours=what == "lane"))
        ratios = {tier: lane.at(tier, 0.99) / plain.at(tier, 0.99) for tier in lane.taken_ms}
        for tier, most in ((Tier.PREMIUM, most_prior), (Tier.FREE, most_free)):
            what = f"{name}: p99 of {tier.name} over that without"
            section.at_most(what, round(ratios[tier], 3), most)
    return section
