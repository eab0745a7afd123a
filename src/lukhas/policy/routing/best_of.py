"""Several upstreams that do the same, for one route: which of them a request goes to.

Each upstream gets a part of its weight. What does as well as the best gets all of it; what is
behind gets less and less, in the end nothing, and is only *looked at*: so that one that has
recovered is found again. How the parts move is in `upstream_race`; here is the choice itself, made
from nothing but `BestOfFacts`, so that it can be made again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from lukhas.policy.balancing.splits import chosen_share, place_of
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.verdicts import Fact
from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = (
    "BestOf",
    "BestOfFacts",
    "BestOfReason",
    "BestOfTerms",
    "UpstreamFigures",
    "choose_upstream",
    "figures_as_facts",
)


@dataclass(frozen=True, slots=True)
class BestOfTerms:
    """How quickly a race follows what the upstreams do.

    Attributes:
        look: the part of the requests that looks at an upstream that gets none otherwise.
        look_ns: such an upstream is looked at anyway if it was not for so long; one that fails is
            looked at only then.
        memory_ns: after so long an answer counts for 1/e of what it did.
        failure_ns: a failure counts as an answer that took so long.
        behind: an upstream is behind once it takes so many times as long as the best.
        level: it is level again once it takes less than so many times as long.
        out_after: after so many failures in a row it gets nothing, at once.
    """

    look: float = 0.02
    look_ns: int = 10 * SECOND_NS
    memory_ns: int = 2 * SECOND_NS
    failure_ns: int = SECOND_NS
    behind: float = 1.25
    level: float = 1.1
    out_after: int = 5


@dataclass(frozen=True, slots=True)
class BestOf:
    """The upstreams of a route.

    Attributes:
        name: of the route; tells who is bound to which from other routes.
        upstreams: the names, at least one.
        weights: for each of them, how much of the requests it gets while all do equally well.
        tiers: for each of them, the tiers that may use it; empty for all.
        by: what binds a caller: `consumer`, `client`, `header:NAME` or `cookie:NAME`; empty for
            nothing.
        per_tier: whether each tier has a race of its own.
        terms: how it is run.
    """

    name: str
    upstreams: tuple[str, ...]
    weights: tuple[int, ...]
    tiers: tuple[frozenset[Tier], ...] = ()
    by: str = ""
    per_tier: bool = False
    terms: BestOfTerms = BestOfTerms()

    def allowed(self, tier: Tier) -> tuple[bool, ...]:
        """For each upstream, whether a tier may use it."""
        if not self.tiers:
            return (True,) * len(self.upstreams)
        return tuple(not tiers or tier in tiers for tiers in self.tiers)


@dataclass(frozen=True, slots=True)
class UpstreamFigures:
    """How an upstream stands.

    Attributes:
        name: of the upstream.
        weight: what it gets while all do equally well.
        part: the part of that which it gets now, 0 to 1.
        latency_ns: how long its answers take on average; 0 if that is not known.
        failed: the part of its answers that are failures.
        cost_ns: how long an answer takes, failures and silence included; 0 if that is not known.
        answers: so many answers that is known from; old ones count for less.
        is_behind: whether it takes longer than the best.
        is_failing: whether its last answer was a failure.
        is_fit: whether any of its servers is fit.
    """

    name: str
    weight: int
    part: float = 1.0
    latency_ns: int = 0
    failed: float = 0.0
    cost_ns: int = 0
    answers: float = 0.0
    is_behind: bool = False
    is_failing: bool = False
    is_fit: bool = True


@dataclass(frozen=True, slots=True)
class BestOfFacts:
    """All that a choice is made by.

    Attributes:
        upstreams: how they stand.
        allowed: for each, whether the tier of the request may use it; it may use at least one with
            a weight above 0.
        place: where the caller stands, or what was drawn for the request: 0 to 1, 1 not included.
        is_bound: whether it is the place of a caller that stays with an upstream.
        glance: another number drawn: decides whether the request looks, and what else is compared.
        look: the part of the requests that looks at an upstream that gets none otherwise.
        due: the name of the upstream that is to be looked at now; empty for none.
        in_flight: for each upstream, the requests under way.
    """

    upstreams: tuple[UpstreamFigures, ...]
    allowed: tuple[bool, ...]
    place: float
    is_bound: bool = False
    glance: float = 1.0
    look: float = 0.0
    due: str = ""
    in_flight: tuple[int, ...] = ()


class BestOfReason(Enum):
    """Why an upstream was chosen."""

    ONLY = "the only one that may be used"
    PART = "by its part of the requests"
    BUSIER = "the one drawn first has more ahead"
    BOUND = "its caller is bound to it"
    LOOK = "a look at one that was behind"
    ALL_OUT = "none gets anything: by weight"


def choose_upstream(facts: BestOfFacts) -> tuple[int, BestOfReason]:
    """The index of the upstream that a request goes to, and why.

    One that has no fit server is left out as long as any other may be used.
    """
    figures = facts.upstreams
    # A weight of 0 is an order, and no figure.
    mine = [at for at, may in enumerate(facts.allowed) if may and figures[at].weight]
    usable = [at for at in mine if figures[at].is_fit] or mine
    if len(usable) == 1:
        return usable[0], BestOfReason.ONLY
    looked_at = _looked_at(facts, usable)
    if looked_at is not None:
        return looked_at, BestOfReason.LOOK
    parts = [figures[at].weight * figures[at].part for at in usable]
    all_out = not any(parts)
    if all_out:
        parts = [float(figures[at].weight) for at in usable]
    if facts.is_bound:
        names = [figures[at].name for at in usable]
        return usable[_bound(names, parts, facts.place)], BestOfReason.BOUND
    first = usable[chosen_share(parts, facts.place)]
    other = usable[chosen_share(parts, facts.glance)]
    if other != first and _ahead(facts, other) < _ahead(facts, first):
        return other, BestOfReason.BUSIER
    return first, BestOfReason.ALL_OUT if all_out else BestOfReason.PART


def _ahead(facts: BestOfFacts, index: int) -> float:
    """What one more request would meet: the cost of an answer, times the requests before it."""
    if not facts.in_flight:
        return 0.0
    figures = facts.upstreams[index]
    ahead = (facts.in_flight[index] + 1) / figures.weight
    return ahead * max(figures.cost_ns, 1)


def _looked_at(facts: BestOfFacts, usable: Sequence[int]) -> int | None:
    """The upstream that the request looks at; None if it goes where it goes anyway."""
    figures = facts.upstreams
    idle = [at for at in usable if not figures[at].part]
    if not idle or len(idle) == len(usable):
        return None
    for at in idle:
        if figures[at].name == facts.due:
            return at
    # A caller that is bound looks only when nobody else does.
    slow = [] if facts.is_bound else [at for at in idle if not figures[at].is_failing]
    if slow and facts.glance < facts.look * len(slow):
        return slow[min(len(slow) - 1, int(facts.glance / facts.look))]
    return None


def _bound(names: Sequence[str], parts: Sequence[float], place: float) -> int:
    """Weighted rendezvous (Schindelhauer and Schomaker, 2005).

    Where parts change, callers only move from upstreams whose part shrinks to ones whose part
    grows, and no others do.
    """
    caller = place.hex().encode()

    def score(index: int) -> float:
        # Never 0, so that its logarithm is finite and not 0 either.
        drawn = (place_of(names[index], caller) + 2.0**-54) / (1.0 + 2.0**-52)
        return parts[index] / -math.log(drawn)

    return max(range(len(parts)), key=score)


def figures_as_facts(figures: Sequence[UpstreamFigures]) -> tuple[Fact, ...]:
    """The figures in words, one fact for each upstream."""
    return tuple((each.name, _in_words(each)) for each in figures)


def _in_words(each: UpstreamFigures) -> str:
    total = f"part {each.part:.0%} of weight {each.weight}"
    if each.answers >= 1.0:
        ms = each.latency_ns / MILLISECOND_NS
        total += f", {ms:.1f} ms, {each.failed:.1%} failed"
    if each.is_behind:
        total += ", behind"
    return total if each.is_fit else f"{total}, no fit server"
