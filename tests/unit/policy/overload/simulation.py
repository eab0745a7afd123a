"""An upstream of fixed capacity under an open load, on a clock of its own: nothing is random."""

import heapq
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from lukhas.policy.overload.gate import Gate
from lukhas.policy.overload.gradient import GradientSettings
from lukhas.policy.overload.shedding import TierShare
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import MILLISECOND_NS, SECOND_NS

SHARES = (
    TierShare(Tier.FREE, 2, 0),
    TierShare(Tier.BASIC, 5, 1),
    TierShare(Tier.PREMIUM, 10, 2),
    TierShare(Tier.ENTERPRISE, 20, 3),
    TierShare(Tier.INTERNAL, 20, 4),
)
_ARRIVES, _ENDS = 1, 0
# An answer that takes longer is no good.
_PATIENCE_NS = SECOND_NS


@dataclass
class Origin:
    """So many servers, one queue in order of arrival."""

    servers: int
    service_ns: int
    busy: int = 0
    queue: deque[tuple[int, int]] = field(default_factory=deque)


@dataclass
class Outcome:
    """What became of the requests of each tier, after the first seconds."""

    offered: Counter[Tier] = field(default_factory=Counter)
    answered: Counter[Tier] = field(default_factory=Counter)
    latencies_ns: dict[Tier, list[int]] = field(default_factory=dict)
    limits: list[int] = field(default_factory=list)
    least_room: int = 0
    events: int = 0

    def goodput(self, tier: Tier) -> float:
        return self.answered[tier] / self.offered[tier]

    def p99_ns(self, tier: Tier) -> int:
        found = sorted(self.latencies_ns[tier])
        return found[len(found) * 99 // 100]


class Simulation:
    """Poisson arrivals of each tier at a gate, and the origin behind it."""

    def __init__(
        self,
        origin: Origin,
        load: Sequence[tuple[Tier, float]],
        gate: Gate,
        *,
        rates: dict[Tier, float] | None = None,
    ) -> None:
        self.origin = origin
        self.gate = gate
        self.rng = Random(1)
        self.numbers = {share.tier: index for index, share in enumerate(SHARES)}
        capacity = origin.servers / (origin.service_ns / SECOND_NS)
        self.rates = rates or {tier: share * capacity for tier, share in load}
        self.outcome = Outcome(latencies_ns={tier: [] for tier, _ in load})
        self.events: list[tuple[int, int, int, Tier, int]] = []
        self.waiting: deque[tuple[Tier, int]] = deque()

    def run(self, begins_ns: int, ends_ns: int, *, warm_ns: int = 0) -> None:
        for tier in self.rates:
            self._arrive_later(tier, begins_ns)
        while self.events:
            now_ns, kind, _, tier, began_ns = heapq.heappop(self.events)
            if now_ns >= ends_ns:
                break
            if kind == _ARRIVES:
                self._arrived(tier, now_ns, counted=now_ns >= warm_ns)
            else:
                self._ended(tier, began_ns, now_ns, counted=now_ns >= warm_ns)

    def _at(self, when_ns: int, kind: int, tier: Tier, began_ns: int) -> None:
        self.outcome.events += 1
        heapq.heappush(self.events, (when_ns, kind, self.outcome.events, tier, began_ns))

    def _arrive_later(self, tier: Tier, now_ns: int) -> None:
        gap_ns = round(self.rng.expovariate(self.rates[tier]) * SECOND_NS)
        self._at(now_ns + gap_ns, _ARRIVES, tier, 0)

    def _serve(self, tier: Tier, began_ns: int, now_ns: int) -> None:
        self.origin.busy += 1
        took_ns = round(self.origin.service_ns * self.rng.uniform(0.75, 1.25))
        self._at(now_ns + took_ns, _ENDS, tier, began_ns)

    def _arrived(self, tier: Tier, now_ns: int, *, counted: bool) -> None:
        self._arrive_later(tier, now_ns)
        self.outcome.offered[tier] += counted
        standing = self.gate.standing
        room = standing.limit - standing.total
        if not self.gate.enter(self.numbers[tier], now_ns).admitted:
            return
        self.outcome.least_room = min(self.outcome.least_room, room - 1)
        if self.origin.busy < self.origin.servers:
            self._serve(tier, now_ns, now_ns)
        else:
            self.waiting.append((tier, now_ns))

    def _ended(self, tier: Tier, began_ns: int, now_ns: int, *, counted: bool) -> None:
        self.origin.busy -= 1
        self.gate.done(self.numbers[tier], began_ns, now_ns)
        outcome = self.outcome
        outcome.limits.append(self.gate.standing.limit)
        outcome.answered[tier] += counted and now_ns - began_ns <= _PATIENCE_NS
        if counted:
            outcome.latencies_ns[tier].append(now_ns - began_ns)
        if self.waiting:
            next_tier, since_ns = self.waiting.popleft()
            self._serve(next_tier, since_ns, now_ns)


def simulate(
    origin: Origin,
    load: Sequence[tuple[Tier, float]],
    *,
    settings: GradientSettings | None,
    seconds: int = 30,
    warm_s: int = 10,
) -> Outcome:
    """So many seconds under a load.

    Args:
        origin: who does the work; service times are spread by a quarter to either side.
        load: how much each tier asks for, as a share of what the origin can do.
        settings: of the gate; without, everybody passes.
        seconds: how long.
        warm_s: what happens before does not count.
    """
    gate = Gate(settings or GradientSettings(10**9, 10**9, 10**9), SHARES)
    simulation = Simulation(origin, load, gate)
    simulation.run(0, seconds * SECOND_NS, warm_ns=warm_s * SECOND_NS)
    return simulation.outcome


def even(total: float) -> list[tuple[Tier, float]]:
    """The same load from each tier."""
    return [(tier, total / len(Tier)) for tier in Tier]


def slots(servers: int = 8, service_ms: int = 20) -> Origin:
    return Origin(servers, service_ms * MILLISECOND_NS)
