"""How ways to choose a target do, simulated: one target turns slow, or fails."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.agenda import Agenda
from benchmarks.measurement import Figure, Section
from lukhas.policy.balancing.balancer import Balancer, Candidate, ChoiceFacts
from lukhas.policy.balancing.least_requests import LeastRequests
from lukhas.policy.balancing.loads import Load
from lukhas.policy.balancing.peak_ewma import PeakEwma
from lukhas.policy.balancing.round_robin import RoundRobin
from lukhas.policy.resilience.outliers import OutlierSettings, TargetHealth, may_eject, reported
from lukhas.policy.resilience.retries import RetryBudget, RetrySettings
from lukhas.units import MILLISECOND_NS

__all__ = ("Outcome", "Scenario", "run", "simulated")

_REQUESTS = 60_000
_BALANCERS: Mapping[str, Callable[[], Balancer]] = {
    "round robin": RoundRobin,
    "least requests of two": LeastRequests,
    "peak EWMA of two": PeakEwma,
}
_OURS = "peak EWMA of two"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated.

    Attributes:
        slow: how many times slower the first target is than the others.
        failing: the part of its answers that fail, at once.
        targets: how many there are.
        places: how many requests a target works on at the same time; others wait in its queue.
        service_ms: how long a quick target works on one on average; the times are exponential.
        use: how busy all would be if all were quick, 0 to 1.
        requests: how many come, as a Poisson process.
        tries: how often a request is sent at most.
        ejects: whether targets that fail are left out.
        seed: of the random numbers.
    """

    slow: float = 1.0
    failing: float = 0.0
    targets: int = 4
    places: int = 8
    service_ms: float = 10.0
    use: float = 0.5
    requests: int = _REQUESTS
    tries: int = 1
    ejects: bool = False
    seed: int = 20_261_125


@dataclass(slots=True)
class Outcome:
    """What came of it.

    Attributes:
        taken_ms: how long each answered request took.
        failed: requests that got no good answer.
        sent: requests that targets got, retries included.
    """

    taken_ms: list[float] = field(default_factory=list)
    failed: int = 0
    sent: int = 0

    def at(self, part: float) -> float:
        """A quantile of the times, in ms."""
        ordered = sorted(self.taken_ms)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


class _Run:
    """One run."""

    def __init__(self, scenario: Scenario, balancer: Balancer) -> None:
        self._scenario = scenario
        self._balancer = balancer
        self._random = random.Random(scenario.seed)
        self._candidates = [
            Candidate(f"target-{number}", Load()) for number in range(scenario.targets)
        ]
        self._free = [scenario.places] * scenario.targets
        self._queues: list[list[_Request]] = [[] for _ in range(scenario.targets)]
        self._healths: dict[str, TargetHealth] = {}
        self._outliers = OutlierSettings()
        self._budget = RetryBudget(RetrySettings(tries=max(1, scenario.tries)))
        self._agenda = Agenda()
        self.outcome = Outcome()

    def run(self) -> Outcome:
        scenario = self._scenario
        rate = scenario.targets * scenario.places * scenario.use / scenario.service_ms
        at_ns = 0
        for _ in range(scenario.requests):
            at_ns += round(self._random.expovariate(rate) * MILLISECOND_NS)
            self._agenda.at(at_ns, self._arrive)
        self._agenda.run()
        return self.outcome

    def _arrive(self, now_ns: int) -> None:
        self._budget.requested()
        self._send(_Request(now_ns), now_ns)

    def _send(self, request: "_Request", now_ns: int) -> None:
        fit = [
            index
            for index, candidate in enumerate(self._candidates)
            if not self._health(candidate).is_out(now_ns)
        ]
        facts = ChoiceFacts(self._random.random(), self._random.random())
        index = fit[self._balancer.choose([self._candidates[at] for at in fit], facts, now_ns)]
        request.tries += 1
        request.sent_ns = now_ns
        self.outcome.sent += 1
        self._candidates[index].load.began()
        if self._free[index]:
            self._work(index, request, now_ns)
        else:
            self._queues[index].append(request)

    def _work(self, index: int, request: "_Request", now_ns: int) -> None:
        scenario = self._scenario
        self._free[index] -= 1
        is_first = index == 0
        if is_first and self._random.random() < scenario.failing:
            self._agenda.at(
                now_ns + MILLISECOND_NS, lambda at: self._end(index, request, at, failed=True)
            )
            return
        mean_ms = scenario.service_ms * (scenario.slow if is_first else 1.0)
        ends_ns = now_ns + round(self._random.expovariate(1 / mean_ms) * MILLISECOND_NS)
        self._agenda.at(ends_ns, lambda at: self._end(index, request, at, failed=False))

    def _end(self, index: int, request: "_Request", now_ns: int, *, failed: bool) -> None:
        candidate = self._candidates[index]
        self._free[index] += 1
        if self._queues[index]:
            self._work(index, self._queues[index].pop(0), now_ns)
        if self._scenario.ejects:
            self._report(candidate, now_ns, failed=failed)
        if not failed:
            candidate.load.answered(now_ns - request.sent_ns, now_ns)
            self.outcome.taken_ms.append((now_ns - request.came_ns) / MILLISECOND_NS)
            return
        candidate.load.ended()
        if request.tries < self._scenario.tries and self._budget.take(now_ns):
            self._send(request, now_ns)
        else:
            self.outcome.failed += 1

    def _health(self, candidate: Candidate) -> TargetHealth:
        return self._healths.get(candidate.key, TargetHealth())

    def _report(self, candidate: Candidate, now_ns: int, *, failed: bool) -> None:
        may = may_eject(self._healths, len(self._candidates), self._outliers, now_ns)
        self._healths[candidate.key] = reported(
            self._health(candidate), self._outliers, now_ns, failed=failed, may_eject=may
        )


class _Request:
    __slots__ = ("came_ns", "sent_ns", "tries")

    def __init__(self, came_ns: int) -> None:
        self.came_ns = self.sent_ns = came_ns
        self.tries = 0


def simulated(scenario: Scenario, balancer: Balancer) -> Outcome:
    """Runs a scenario; the same one always gives the same outcome."""
    return _Run(scenario, balancer).run()


def run() -> Section:
    """Runs all scenarios."""
    section = Section(
        "Balancing, simulated",
        f"Four targets of 8 places, 10 ms exponential service, {_REQUESTS} Poisson arrivals with a "
        "fixed seed; one target is 3 or 10 times slower. Times include waiting at the target. The "
        "ratios are from loads that round robin can carry; where it overloads the slow one, its "
        "times grow with the length of the run. Failing: half busy, and one target fails 90 % of "
        "its answers at once.",
    )
    for slow, use, bound in ((1.0, 0.5, 0.0), (3.0, 0.3, 0.6), (10.0, 0.08, 0.2), (10.0, 0.7, 0.0)):
        outcomes = {
            name: simulated(Scenario(slow=slow, use=use), make())
            for name, make in _BALANCERS.items()
        }
        for name, outcome in outcomes.items():
            case = f"{slow:g}x slow at {use:.0%}, {name}"
            values = (("p50 ms", round(outcome.at(0.5), 1)), ("p99 ms", round(outcome.at(0.99), 1)))
            section.figures.append(Figure(case, values, ours=name == _OURS))
        if bound:
            ratio = outcomes[_OURS].at(0.99) / outcomes["round robin"].at(0.99)
            section.at_most(f"p99 over that of round robin, one {slow:g}x slow", ratio, bound)
    _tell_failures(section)
    return section


def _tell_failures(section: Section) -> None:
    cases: Sequence[tuple[str, Scenario]] = (
        ("failing, nothing done", Scenario(failing=0.9)),
        ("failing, ejection", Scenario(failing=0.9, ejects=True)),
        ("failing, ejection and retries", Scenario(failing=0.9, ejects=True, tries=2)),
        ("all failing, retries", Scenario(failing=1.0, targets=1, tries=3)),
    )
    for name, scenario in cases:
        outcome = simulated(scenario, RoundRobin())
        per_request = outcome.sent / scenario.requests
        values = (
            ("failed %", round(100 * outcome.failed / scenario.requests, 2)),
            ("sent a request", round(per_request, 3)),
        )
        section.figures.append(Figure(name, values, ours=True))
        if name.startswith("all"):
            seconds = scenario.requests * scenario.service_ms / 1000 / scenario.places / 0.5
            least = 3 * seconds / scenario.requests
            section.at_most("sent a request when all fail", per_request, 1.2 + least)
