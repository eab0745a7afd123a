"""How upstreams chosen by what they do compare with fixed weights, simulated."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from benchmarks.agenda import Agenda
from benchmarks.measurement import Figure, Section
from lukhas.policy.routing.best_of import BestOf, BestOfReason
from lukhas.policy.routing.splitting import Split
from lukhas.policy.routing.upstream_race import ChosenUpstream, UpstreamRace
from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = ("ChoiceOutcome", "ChoiceScenario", "run", "simulated")

_SERVICE_MS = 10.0
_ALLOWED = (True, True, True)
_NAMES = ("one", "two", "three")


@dataclass(frozen=True, slots=True)
class ChoiceScenario:
    """What is simulated: three upstreams, of which the first does badly for a while.

    Attributes:
        slow: how many times slower it is then.
        failing: the part of its answers that fail then, at once.
        from_s: when that begins.
        until_s: when it is over.
        places: how many requests an upstream works on at the same time; others wait.
        use: how busy all would be if all were quick, 0 to 1.
        seconds: how long requests come, as a Poisson process.
        seed: of the random numbers.
    """

    slow: float = 1.0
    failing: float = 0.0
    from_s: float = 0.0
    until_s: float = 1e9
    places: int = 8
    use: float = 0.3
    seconds: float = 60.0
    seed: int = 20_261_126

    def is_bad(self, now_ns: int) -> bool:
        """Whether the first upstream does badly now."""
        return self.from_s <= now_ns / SECOND_NS < self.until_s


@dataclass(slots=True)
class ChoiceOutcome:
    """What came of it.

    Attributes:
        taken_ms: how long each answered request took.
        failed: requests that failed.
        looks: requests that looked at an upstream that got none otherwise.
        first: for each second, the part of the requests that went to the first upstream.
    """

    taken_ms: list[float] = field(default_factory=list)
    failed: int = 0
    looks: int = 0
    first: list[float] = field(default_factory=list)

    def at(self, part: float) -> float:
        """A quantile of the times, in ms."""
        ordered = sorted(self.taken_ms)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]

    @property
    def requests(self) -> int:
        """How many there were."""
        return len(self.taken_ms) + self.failed

    def swings(self) -> int:
        """How often the first upstream went from less than a tenth to more than a fifth."""
        count, is_low = 0, False
        for part in self.first:
            if part < 0.1:
                is_low = True
            elif part > 0.2 and is_low:
                count, is_low = count + 1, False
        return count


class _Run:
    """One run."""

    def __init__(self, scenario: ChoiceScenario, *, by_weight: bool) -> None:
        self._scenario = scenario
        self._by_weight = by_weight
        self._random = random.Random(scenario.seed)
        self._split = Split("route", _NAMES, (1, 1, 1))
        self._race = UpstreamRace(BestOf("route", _NAMES, (1, 1, 1)), lambda _: True)
        self._free = [scenario.places] * len(_NAMES)
        self._queues: list[list[int]] = [[] for _ in _NAMES]
        self._counts: dict[int, list[int]] = {}
        self._agenda = Agenda()
        self.outcome = ChoiceOutcome()

    def run(self) -> ChoiceOutcome:
        scenario = self._scenario
        rate = len(_NAMES) * scenario.places * scenario.use / _SERVICE_MS
        at_ns, end_ns = 0, round(scenario.seconds * SECOND_NS)
        while at_ns < end_ns:
            at_ns += round(self._random.expovariate(rate) * MILLISECOND_NS)
            self._agenda.at(at_ns, self._arrive)
        self._agenda.run()
        self.outcome.first = [
            counts[0] / sum(counts) for _, counts in sorted(self._counts.items()) if sum(counts)
        ]
        return self.outcome

    def _arrive(self, now_ns: int) -> None:
        index = self._chosen(now_ns)
        self._counts.setdefault(now_ns // SECOND_NS, [0] * len(_NAMES))[index] += 1
        self._race.began(index, now_ns)
        if self._free[index]:
            self._work(index, now_ns, now_ns)
        else:
            self._queues[index].append(now_ns)

    def _chosen(self, now_ns: int) -> int:
        place, glance = self._random.random(), self._random.random()
        if self._by_weight:
            return _NAMES.index(self._split.choose(b"", place))
        chosen: ChosenUpstream = self._race.choose(
            _ALLOWED, now_ns, place=place, glance=glance, is_bound=False
        )
        self.outcome.looks += chosen.reason is BestOfReason.LOOK
        return chosen.index

    def _work(self, index: int, came_ns: int, now_ns: int) -> None:
        scenario = self._scenario
        self._free[index] -= 1
        is_bad = index == 0 and scenario.is_bad(now_ns)
        failed = is_bad and self._random.random() < scenario.failing
        mean_ms = _SERVICE_MS * (scenario.slow if is_bad else 1.0)
        takes_ms = 1.0 if failed else self._random.expovariate(1 / mean_ms)
        ends_ns = now_ns + round(takes_ms * MILLISECOND_NS)
        self._agenda.at(ends_ns, partial(self._end, index, came_ns, failed))

    def _end(self, index: int, came_ns: int, failed: bool, now_ns: int) -> None:
        self._free[index] += 1
        if self._queues[index]:
            self._work(index, self._queues[index].pop(0), now_ns)
        self._race.answered(index, now_ns - came_ns, now_ns, failed=failed)
        if failed:
            self.outcome.failed += 1
        else:
            self.outcome.taken_ms.append((now_ns - came_ns) / MILLISECOND_NS)


def simulated(scenario: ChoiceScenario, *, by_weight: bool = False) -> ChoiceOutcome:
    """Runs a scenario; the same one always gives the same outcome.

    Args:
        scenario: what comes.
        by_weight: whether upstreams are drawn by fixed, equal weights.
    """
    return _Run(scenario, by_weight=by_weight).run()


# What is simulated, and what must come of it: the 99th percentile over that of fixed weights, the
# part that fails, and how often the first upstream may come back.
_CASES: Mapping[str, tuple[ChoiceScenario, float, float, int]] = {
    "all alike, 90 % busy": (ChoiceScenario(use=0.9), 1.05, 0.0, 0),
    "one 3x slow, 30 % busy": (ChoiceScenario(slow=3.0), 0.6, 0.0, 0),
    "one 10x slow, 8 % busy": (ChoiceScenario(slow=10.0, use=0.08, seconds=120.0), 0.3, 0.0, 0),
    "one 3x slow, the others can just not do all": (
        ChoiceScenario(slow=3.0, use=0.7),
        0.1,
        0.0,
        0,
    ),
    "one fails 20 %": (ChoiceScenario(failing=0.2), 1.05, 0.005, 0),
    "one fails all": (ChoiceScenario(failing=1.0), 1.05, 0.001, 0),
    "one 10x slow from 20 s to 40 s": (
        ChoiceScenario(slow=10.0, from_s=20.0, until_s=40.0),
        0.1,
        0.0,
        1,
    ),
}


def run() -> Section:
    """Runs all cases."""
    section = Section(
        "Choice of an upstream, simulated",
        "Three upstreams of 8 places, 10 ms exponential service, Poisson arrivals for a minute "
        "(two at 8 %) with a fixed seed; fixed weights are equal. Where these overload the slow "
        "one, its times grow with the length of the run. `first` is the part of the requests that "
        "the bad one gets in the last ten seconds.",
    )
    for name, (scenario, most_p99, most_failed, most_swings) in _CASES.items():
        ours, fixed = simulated(scenario), simulated(scenario, by_weight=True)
        for what, outcome in (("fixed weights", fixed), ("by what they do", ours)):
            section.figures.append(_figure(f"{name}, {what}", outcome))
        ratio = ours.at(0.99) / fixed.at(0.99)
        section.at_most(f"{name}: p99 over that of fixed weights", round(ratio, 3), most_p99)
        failed = ours.failed / ours.requests
        section.at_most(f"{name}: part that fails", round(failed, 5), most_failed)
        section.at_most(f"{name}: swings", ours.swings(), most_swings)
    turned = simulated(_CASES["one 10x slow from 20 s to 40 s"][0])
    found = _mean(turned.first[50:60])
    section.at_least("part of one that has recovered, ten seconds later", round(found, 2), 0.25)
    return section


def _figure(name: str, outcome: ChoiceOutcome) -> Figure:
    values = (
        ("p50 ms", round(outcome.at(0.5), 1)),
        ("p99 ms", round(outcome.at(0.99), 1)),
        ("failed %", round(100 * outcome.failed / outcome.requests, 2)),
        ("first %", round(100 * _mean(outcome.first[-10:]), 1)),
    )
    return Figure(name, values, ours=name.endswith("do"))


def _mean(parts: Sequence[float]) -> float:
    return sum(parts) / max(1, len(parts))
