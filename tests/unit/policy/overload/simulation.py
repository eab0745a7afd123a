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
    most_in_flight_over: int = 0

    def goodput(self, tier: Tier) -> float:
        return self.answered[tier] / self.offered[tier]

    def p99_ns(self, tier: Tier) -> int:
        found = sorted(self.latencies_ns[tier])
        return found[len(found) * 99 // 100]


def simulate(
    origin: Origin,
    load: Sequence[tuple[Tier, float]],
    *,
    settings: GradientSettings | None,
    seconds: float = 60,
    warm_s: float = 10,
    seed: int = 1,
    patience_ns: int = SECOND_NS,
) -> Outcome:
    """Poisson arrivals of each tier, `load` times the capacity of the origin.

    Args:
        origin: who does the work; service times are spread by a quarter to either side.
        load: how much each tier asks for, as a share of what the origin can do.
        settings: of the gate; without, everybody passes.
        seconds: how long.
        warm_s: what happens before does not count.
        seed: of the arrivals.
        patience_ns: an answer that takes longer is no good.
    """
    rng = Random(seed)
    gate = Gate(settings or GradientSettings(1, 10**9, 10**9), SHARES)
    numbers = {share.tier: index for index, share in enumerate(SHARES)}
    capacity = origin.servers / (origin.service_ns / SECOND_NS)
    outcome = Outcome(latencies_ns={tier: [] for tier, _ in load})
    events: list[tuple[int, int, int, Tier, int]] = []
    serial = 0
    for tier, share in load:
        if share:
            events.append(
                (round(rng.expovariate(share * capacity) * SECOND_NS), 1, serial, tier, 0)
            )
            serial += 1
    rates = {tier: share * capacity for tier, share in load}
    heapq.heapify(events)
    ends_ns, warm_ns = round(seconds * SECOND_NS), round(warm_s * SECOND_NS)

    def serve(tier: Tier, began_ns: int, now_ns: int) -> None:
        nonlocal serial
        origin.busy += 1
        took_ns = round(origin.service_ns * rng.uniform(0.75, 1.25))
        serial += 1
        heapq.heappush(events, (now_ns + took_ns, _ENDS, serial, tier, began_ns))

    waiting: deque[tuple[Tier, int]] = deque()
    while events:
        now_ns, kind, _, tier, began_ns = heapq.heappop(events)
        if now_ns >= ends_ns:
            break
        counted = now_ns >= warm_ns
        if kind == _ARRIVES:
            serial += 1
            gap_ns = round(rng.expovariate(rates[tier]) * SECOND_NS)
            heapq.heappush(events, (now_ns + gap_ns, _ARRIVES, serial, tier, 0))
            outcome.offered[tier] += counted
            before = gate.standing.total
            if gate.enter(numbers[tier], now_ns).admitted:
                over = before + 1 - gate.standing.limit
                outcome.most_in_flight_over = max(outcome.most_in_flight_over, over)
                if origin.busy < origin.servers:
                    serve(tier, now_ns, now_ns)
                else:
                    waiting.append((tier, now_ns))
            continue
        origin.busy -= 1
        gate.answered(began_ns, now_ns)
        gate.leave(numbers[tier])
        outcome.limits.append(gate.standing.limit)
        if counted and now_ns - began_ns <= patience_ns:
            outcome.answered[tier] += 1
        if counted:
            outcome.latencies_ns[tier].append(now_ns - began_ns)
        if waiting:
            next_tier, since_ns = waiting.popleft()
            serve(next_tier, since_ns, now_ns)
    return outcome


def even(total: float) -> list[tuple[Tier, float]]:
    """The same load from each tier."""
    return [(tier, total / len(Tier)) for tier in Tier]


def slots(servers: int = 8, service_ms: int = 20) -> Origin:
    return Origin(servers, service_ms * MILLISECOND_NS)
