"""Facts for findings from figures."""

import pytest

from lukhas.analytics.figures import Figures
from lukhas.analytics.insights.terms import CacheFigures, InsightTerms, TierTerms
from lukhas.analytics.insights.window_facts import (
    by_route,
    cache_facts,
    error_bursts,
    latency_facts,
    outcome_facts,
    repeat_facts,
    tier_facts,
)
from lukhas.analytics.questions import Answer, AnswerGroup
from lukhas.analytics.repeats import RepeatSums
from lukhas.policy.insights.error_clusters import Outcomes
from lukhas.policy.insights.tier_limits import TierLimit, TierUse
from lukhas.telemetry.histograms import LatencySketch
from lukhas.units import MILLISECOND_NS

GROUPED = ("route", "cache", "verdict", "method", "upstream", "tier", "tenant")
TERMS = InsightTerms(route_names={"/a": "first"}, cache_bytes=64, disk_bytes=5)


def figures(*took_ms: int, errors: int = 0, hits: int = 0, misses: int = 0) -> Figures:
    sketch = LatencySketch()
    sketch.add_many([each * MILLISECOND_NS for each in took_ms])
    made = Figures(len(took_ms), errors=errors, hits=hits, misses=misses)
    made.latency.merge(sketch)
    return made


def group(route: str, cache: str, verdict: str, found: Figures, tier: str = "free") -> AnswerGroup:
    return AnswerGroup((route, cache, verdict, "GET", "main", tier, "none"), found, {})


def answer(*groups: AnswerGroup, step_s: int = 60) -> Answer:
    return Answer(0, 3600, step_s, list(groups))


def test_only_what_the_api_was_asked_counts_as_asked() -> None:
    """No hits, nothing refused, and no requests whose route is not known."""
    found = by_route(
        answer(
            group("/a", "miss", "passed", figures(5, 6)),
            group("/a", "none", "shadow", figures(7)),
            group("/a", "hit", "passed", figures(1)),
            group("/a", "stale", "passed", figures(1)),
            group("/a", "none", "limited", figures(1)),
            group("other", "miss", "passed", figures(1)),
            group("unmatched", "none", "passed", figures(1)),
        )
    )
    assert {route: each.requests for route, each in found.items()} == {"/a": 3}


def test_a_route_is_compared_with_all_others_and_with_before() -> None:
    """/a takes 100 ms and once 900, /b always 10 ms; before, /a took 50."""
    now = {"/a": figures(*[100] * 9, 900), "/b": figures(*[10] * 20)}
    a, b = latency_facts(now, {"/a": figures(*[50] * 5)}, TERMS)
    assert (a.route, a.name, a.requests) == ("/a", "first", 10)
    assert a.total_s == pytest.approx(1.8)
    assert a.p50_ms == pytest.approx(100, rel=0.01)
    assert a.p99_ms == pytest.approx(900, rel=0.01)
    assert a.usual_p95_ms == pytest.approx(10, rel=0.01)
    assert a.before_p95_ms == pytest.approx(50, rel=0.01)
    assert (a.slower_than_usual, a.slower_than_before) == (10, 10)
    assert a.before_requests == 5
    assert b.usual_p95_ms == pytest.approx(900, rel=0.01)
    assert (b.slower_than_usual, b.before_p95_ms, b.slower_than_before) == (0, None, 0)


def test_the_only_route_is_compared_with_nothing() -> None:
    """There are no others."""
    (only,) = latency_facts({"/a": figures(5)}, {}, TERMS)
    assert only.usual_p95_ms is None


def test_repeats_come_with_what_the_api_took() -> None:
    """The mean of all it was asked on that route; a route without any has none."""
    repeats = {"/a": RepeatSums(2, {60: 1}), "/z": RepeatSums(1, {60: 1})}
    a, z = repeat_facts(repeats, {"/a": figures(10, 20, 30)}, TERMS)
    assert (a.name, a.requests, a.all_requests, a.mean_ms) == ("first", 2, 3, 20)
    assert (z.all_requests, z.mean_ms) == (1, 0)
    assert (60, 1) in a.fetches


def test_outcomes_are_those_of_requests_that_no_policy_refused() -> None:
    """With the labels that may be the reason."""
    (found,) = outcome_facts(
        answer(
            group("/a", "miss", "passed", figures(1, 1, errors=1)),
            group("/a", "none", "limited", figures(1)),
            group("/a", "none", "shed", figures(1, errors=1)),
        ),
        GROUPED,
    )
    labels = (
        ("route", "/a"), ("method", "GET"), ("upstream", "main"), ("tier", "free"),
        ("tenant", "none"),
    )  # fmt: skip
    assert found == Outcomes(labels, 2, 1)


def test_the_worst_stretch_of_each_route_and_of_all() -> None:
    """Two at once is the worst of /a; with one of /b at the same time it is three."""
    steps = {0: Figures(errors=1), 60: Figures(errors=2)}
    found = error_bursts(
        answer(
            AnswerGroup(("/a",), Figures(), steps),
            AnswerGroup(("/b",), Figures(), {60: Figures(errors=1)}),
            AnswerGroup(("/c",), Figures(), {}),
        )
    )
    assert found == {"/a": (2, 60), "/b": (1, 60), "": (3, 60)}
    assert error_bursts(answer()) == {}


def test_a_tier_is_all_that_was_asked_for_and_what_was_refused() -> None:
    """Tiers that have no limits in the settings, such as none, are left out."""
    limits = (TierLimit("60/minute", 60, 60),)
    terms = InsightTerms(tiers={"free": TierTerms("60/minute", limits)})
    found = tier_facts(
        answer(
            group("/a", "miss", "passed", figures(1, 1)),
            group("/b", "none", "limited", figures(1)),
            group("/b", "none", "limited", figures(1), tier="none"),
        ),
        GROUPED,
        terms,
    )
    assert found == [
        TierUse(tier="free", requests=3, limited=1, limits=limits, setting="60/minute")
    ]


def test_the_cache_is_that_of_the_window_and_of_the_moment() -> None:
    """Hits and misses of all, and of the last minutes; the API's mean time of a miss."""
    now = CacheFigures(workers=2, uptime_s=60, used_bytes=7, entries=3, stored=4, evicted=1)
    use = cache_facts(
        [figures(1, hits=3, misses=1), figures(1, hits=1)],
        figures(1, hits=1, misses=1),
        {"/a": figures(10, 30)},
        now=now,
        terms=TERMS,
    )
    assert (use.hits, use.misses, use.recent_hits, use.recent_misses) == (4, 1, 1, 1)
    assert (use.limit_bytes, use.disk_bytes, use.mean_ms) == (64, 5, 20)
    assert (use.workers, use.used_bytes, use.stored, use.evicted) == (2, 7, 4, 1)
    assert cache_facts([], Figures(), {}, now=now, terms=TERMS).mean_ms == 0
