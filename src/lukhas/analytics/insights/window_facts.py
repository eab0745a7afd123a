"""Facts for findings from the figures of a window."""

import math
from collections.abc import Iterable, Mapping

from lukhas.analytics.figures import Figures
from lukhas.analytics.insights.terms import CacheFigures, InsightTerms
from lukhas.analytics.questions import Answer
from lukhas.analytics.repeats import RepeatSums
from lukhas.policy.insights.cache_state import CacheUse
from lukhas.policy.insights.error_clusters import Outcomes
from lukhas.policy.insights.slow_routes import RouteLatency
from lukhas.policy.insights.tier_limits import TierUse
from lukhas.policy.insights.uncached_routes import RouteRepeats
from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.recorder import LIMITED, OTHER
from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = (
    "by_route",
    "cache_facts",
    "error_bursts",
    "latency_facts",
    "outcome_facts",
    "repeat_facts",
    "tier_facts",
)

# What was not answered by the API: a hit, or a policy that refused.
_ASKED = frozenset(("miss", "bypass", "none", "revalidated"))
_PASSED = frozenset(("passed", "shadow"))
_NO_ROUTES = frozenset((OTHER, "unmatched"))
# What failed requests are compared by; the others follow from these or from the failure itself.
_CLUSTERED = ("route", "method", "upstream", "tier", "tenant")


def by_route(answer: Answer) -> dict[str, Figures]:
    """What the API answered, by route.

    Args:
        answer: grouped by at least route, cache and verdict, these three first.
    """
    found: dict[str, Figures] = {}
    for group in answer.groups:
        route, cache, verdict = group.labels[:3]
        if cache in _ASKED and verdict in _PASSED and route not in _NO_ROUTES:
            found.setdefault(route, Figures()).merge(group.total)
    return found


def latency_facts(
    now: Mapping[str, Figures], before: Mapping[str, Figures], terms: InsightTerms
) -> list[RouteLatency]:
    """How long each route takes, beside the others and beside before."""
    everything = LatencySketch()
    for figures in now.values():
        everything.merge(figures.latency)
    facts = []
    for route, figures in now.items():
        own = figures.latency
        usual_ns = _without(everything, own).quantile_ns(0.95)
        earlier = before.get(route, Figures()).latency
        earlier_ns = earlier.quantile_ns(0.95)
        p50_ms, p95_ms, p99_ms = (figures.quantile_ms(q) or 0.0 for q in (0.5, 0.95, 0.99))
        facts.append(
            RouteLatency(
                route=route,
                name=terms.route_names.get(route, ""),
                requests=own.count,
                total_s=own.total_ns / SECOND_NS,
                p50_ms=p50_ms,
                p95_ms=p95_ms,
                p99_ms=p99_ms,
                usual_p95_ms=_ms(usual_ns),
                slower_than_usual=_slower(own, usual_ns),
                before_requests=earlier.count,
                before_p95_ms=_ms(earlier_ns),
                slower_than_before=_slower(own, earlier_ns),
            )
        )
    return facts


def _without(everything: LatencySketch, part: LatencySketch) -> LatencySketch:
    buckets = {
        index: number - part.buckets.get(index, 0)
        for index, number in everything.buckets.items()
        if number > part.buckets.get(index, 0)
    }
    return LatencySketch(
        buckets,
        everything.count - part.count,
        everything.total_ns - part.total_ns,
        everything.min_ns,
        everything.max_ns,
    )


def _ms(value_ns: float | None) -> float | None:
    return None if value_ns is None else value_ns / MILLISECOND_NS


def _slower(sketch: LatencySketch, bound_ns: float | None) -> int:
    if bound_ns is None:
        return 0
    return sketch.count - sketch.cumulative([math.ceil(bound_ns)])[0]


def repeat_facts(
    repeats: Mapping[str, RepeatSums], asked: Mapping[str, Figures], terms: InsightTerms
) -> list[RouteRepeats]:
    """What a lifetime would do for each route."""
    facts = []
    for route, sums in repeats.items():
        figures = asked.get(route, Figures())
        count = figures.latency.count
        facts.append(
            RouteRepeats(
                route=route,
                name=terms.route_names.get(route, ""),
                requests=sums.requests,
                fetches=tuple(sorted(sums.fetches.items())),
                all_requests=max(count, sums.requests),
                mean_ms=figures.latency.total_ns / count / MILLISECOND_NS if count else 0.0,
            )
        )
    return facts


def outcome_facts(answer: Answer, group_by: tuple[str, ...]) -> list[Outcomes]:
    """What failed and what did not.

    A request that a policy refused counts on neither side: the API was not asked.
    """
    places = [(name, group_by.index(name)) for name in _CLUSTERED]
    verdict = group_by.index("verdict")
    return [
        Outcomes(
            tuple((name, group.labels[at]) for name, at in places),
            group.total.requests,
            group.total.errors,
        )
        for group in answer.groups
        if group.labels[verdict] in _PASSED
    ]


def error_bursts(answer: Answer) -> dict[str, tuple[int, int]]:
    """By route, how many of its errors fell into its worst step, and how long a step is; also for
    all routes, under the empty text.

    Args:
        answer: of errors, grouped by route, in steps.
    """
    bursts: dict[str, tuple[int, int]] = {}
    together: dict[int, int] = {}
    for group in answer.groups:
        for start_s, figures in group.steps.items():
            together[start_s] = together.get(start_s, 0) + figures.errors
        most = max((figures.errors for figures in group.steps.values()), default=0)
        if most:
            bursts[group.labels[0]] = (most, answer.step_s)
    if together:
        bursts[""] = (max(together.values()), answer.step_s)
    return bursts


def tier_facts(answer: Answer, group_by: tuple[str, ...], terms: InsightTerms) -> list[TierUse]:
    """What the consumers of each tier asked for."""
    tier_at, verdict_at = group_by.index("tier"), group_by.index("verdict")
    requests: dict[str, int] = {}
    limited: dict[str, int] = {}
    for group in answer.groups:
        tier = group.labels[tier_at]
        requests[tier] = requests.get(tier, 0) + group.total.requests
        if group.labels[verdict_at] == LIMITED:
            limited[tier] = limited.get(tier, 0) + group.total.requests
    return [
        TierUse(
            tier=tier,
            requests=number,
            limited=limited.get(tier, 0),
            limits=terms.tiers[tier].limits,
            setting=terms.tiers[tier].setting,
        )
        for tier, number in sorted(requests.items())
        if tier in terms.tiers
    ]


def cache_facts(
    everything: Iterable[Figures],
    recent: Figures,
    asked: Mapping[str, Figures],
    *,
    now: CacheFigures,
    terms: InsightTerms,
) -> CacheUse:
    """The cache of the window and of the moment."""
    groups = list(everything)
    total_ns = sum(figures.latency.total_ns for figures in asked.values())
    count = sum(figures.latency.count for figures in asked.values())
    return CacheUse(
        workers=now.workers,
        uptime_s=now.uptime_s,
        limit_bytes=terms.cache_bytes,
        used_bytes=now.used_bytes,
        entries=now.entries,
        stored=now.stored,
        evicted=now.evicted,
        hits=sum(figures.hits for figures in groups),
        misses=sum(figures.misses for figures in groups),
        recent_hits=recent.hits,
        recent_misses=recent.misses,
        disk_bytes=terms.disk_bytes,
        mean_ms=total_ns / count / MILLISECOND_NS if count else 0.0,
    )
