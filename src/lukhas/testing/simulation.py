"""Limits under a load, on a manual clock: what passes in any window, over several workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from lukhas.errors import ConfigError
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.limit_rules import LimitRules
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from lukhas.storage.counters import CounterStore
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.storage.node_counters import open_node_counters
from lukhas.testing.arrivals import Arrivals
from lukhas.testing.clock import ManualClock
from lukhas.units import SECOND_NS

__all__ = ("Simulation", "simulate")

_HEAD = RequestHead("GET", "http", b"simulation", b"/", b"", Headers([]))
_ROUTE = RouteMatch(RouteRule("default", "*", CachePolicy()))


@dataclass(frozen=True, slots=True)
class Simulation:
    """What became of the requests.

    Attributes:
        began_ns: when it began (Unix time).
        offered: when each request came, as an offset from the begin in nanoseconds.
        passed: for each of them, whether it passed.
        workers: how many workers there were; they took the requests in turn.
    """

    began_ns: int
    offered: Arrivals
    passed: tuple[bool, ...]
    workers: int

    @property
    def admitted(self) -> int:
        """How many passed."""
        return sum(self.passed)

    @property
    def refused(self) -> int:
        """How many did not."""
        return len(self.passed) - self.admitted

    @property
    def by_worker(self) -> tuple[int, ...]:
        """How many passed at each worker."""
        return tuple(sum(self.passed[worker :: self.workers]) for worker in range(self.workers))

    def most_in(self, window_s: float) -> int:
        """The most that passed in any window of that length, wherever it begins."""
        window_ns = round(window_s * SECOND_NS)
        times = self._times()
        most = first = 0
        for last, time_ns in enumerate(times):
            while times[first] <= time_ns - window_ns:
                first += 1
            most = max(most, last - first + 1)
        return most

    def per_window(self, window_s: float) -> tuple[int, ...]:
        """How many passed in the first window of that length, in the one after it, and so on."""
        window_ns = round(window_s * SECOND_NS)
        counts = [0] * (self.offered[-1] // window_ns + 1 if self.offered else 0)
        for time_ns in self._times():
            counts[time_ns // window_ns] += 1
        return tuple(counts)

    def _times(self) -> list[int]:
        return [
            time_ns for time_ns, passed in zip(self.offered, self.passed, strict=True) if passed
        ]


def simulate(
    limits: str | LimitRules,
    arrivals: Arrivals,
    *,
    clock: ManualClock | None = None,
    workers: int = 1,
    store: Literal["shared", "node", "apart"] = "shared",
    tier: Tier = Tier.FREE,
) -> Simulation:
    """Sends the requests of one consumer through the limit stage of so many workers, in turn.

    Args:
        limits: limits such as `"60/minute; 1000/hour"`, or whole rules; `lukhas.hub.policies` makes
            them from settings.
        arrivals: when the requests come; see `lukhas.testing.arrivals`.
        clock: whose time it begins at, and which it moves along; a new one if None.
        workers: how many workers there are.
        store: `"shared"`: all count in one store in memory; `"node"`: in the file that the workers
            of a machine share, in a temporary folder; `"apart"`: each in its own memory, as workers
            that share nothing.
        tier: the tier of the consumer.

    Raises:
        ConfigError: the limits have to be told when a request has ended, and here none does.
        LimitSyntaxError: the limits cannot be read.
        ValueError: the requests are not in order, or there is no worker.
    """
    if workers < 1:
        raise ValueError(f"{workers} workers: there must be one at least")
    clock = clock or ManualClock()
    rules = _rules(limits, tier)
    if rules.settles:
        what = "a limit of what is in flight, or of what a response costs, cannot be simulated"
        raise ConfigError(what, hint="ask a hub: see lukhas.testing.limited_hub")
    began_ns = clock.now_ns()
    intake = Intake(clock, "simulation")
    consumer = Consumer("user:simulated", tier, "simulated")
    passed: list[bool] = []
    with _stores(store, workers) as stores:
        stages = [LimitStage(each, rules) for each in stores]
        for number, offset_ns in enumerate(arrivals):
            # Backwards it would raise ValueError.
            clock.advance(ns=began_ns + offset_ns - clock.now_ns())
            exchange = intake.exchange(_HEAD, "192.0.2.1")
            exchange.consumer, exchange.route = consumer, _ROUTE
            passed.append(stages[number % workers].enter(exchange) is None)
    return Simulation(began_ns, arrivals, tuple(passed), workers)


def _rules(limits: str | LimitRules, tier: Tier) -> LimitRules:
    if isinstance(limits, LimitRules):
        return limits
    return LimitRules({tier: parse_limits(limits, policy=tier.value)})


@contextmanager
def _stores(store: str, workers: int) -> Iterator[list[CounterStore]]:
    if store == "apart":
        yield [MemoryCounters() for _ in range(workers)]
    elif store == "shared":
        yield [MemoryCounters()] * workers
    else:
        with TemporaryDirectory(prefix="lukhas-simulation-") as folder:
            # A process opens such a file once, so the workers of this one share the opened file.
            counters = open_node_counters(Path(folder))
            try:
                yield [counters] * workers
            finally:
                counters.close()
