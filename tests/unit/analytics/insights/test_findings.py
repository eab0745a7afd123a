"""From requests in the history to findings."""

from lukhas.analytics.insights.findings import findings
from lukhas.analytics.insights.terms import CacheFigures, InsightTerms, TierTerms
from lukhas.policy.insights.tier_limits import TierLimit
from lukhas.telemetry.repeats import RouteTally
from lukhas.telemetry.series import HistoryDelta
from lukhas.units import MIB
from tests.unit.analytics.insights.kit import BEGIN_S, Filled, request

HOUR_S = 3600
DAY_S = 86_400
LIMITS = (TierLimit("100000/day", 100_000, DAY_S),)
TERMS = InsightTerms(
    tiers={"free": TierTerms("100000/day", LIMITS)}, cache_bytes=64 * MIB, disk_bytes=0
)
CACHE = CacheFigures(workers=1, uptime_s=3 * DAY_S, used_bytes=MIB, entries=9, stored=9, evicted=0)


async def kinds(store: Filled, terms: InsightTerms = TERMS, *, window_s: int = DAY_S) -> list[str]:
    found = await findings(store.history, terms, CACHE, window_s=window_s)
    return [each.id for each in found.insights]


async def test_a_quiet_history_has_no_findings(store: Filled) -> None:
    """Nor has an empty one."""
    assert await kinds(store) == []
    await store.write(BEGIN_S + 10, [request()] * 50)
    store.clock.time_s += 60
    assert await kinds(store) == []


async def test_every_kind_is_found_in_the_history(store: Filled) -> None:
    """Three days alike, and a fourth on which everything is different."""
    for day in range(4):
        is_last = day == 3
        start_s = BEGIN_S + day * DAY_S + 10 * HOUR_S
        samples = [request("/slow", took_ms=900 if is_last else 300)] * 120
        samples += [request("/fails", status=503 if is_last else 200, consumer="key:2")] * 150
        samples += [request("/quick", cache="hit", took_ms=1, consumer="key:3")] * 1500
        if is_last:
            samples += [request("/quick", consumer="key:4")] * 800
        await store.write(start_s, samples)
    repeats = HistoryDelta(repeats={"/quick": RouteTally(800, {1, 2})})
    await store.history.write(store.clock.time_s + 1, repeats)
    store.clock.time_s = BEGIN_S + 4 * DAY_S - 60
    assert sorted(await kinds(store)) == [
        "cache-oversized:memory",
        "consumer-new:key:4",
        "error-cluster:route=/fails",
        "limit-too-loose:free:100000/day",
        "slowed-route:/slow",
        "uncached-route:/quick",
    ]


async def test_the_window_is_what_was_asked_for(store: Filled) -> None:
    """In whole minutes, the present one among them; what is older is not in it."""
    await store.write(BEGIN_S, [request("/fails", status=503)] * 50 + [request()] * 900)
    store.clock.time_s = BEGIN_S + 2 * HOUR_S + 30
    found = await findings(store.history, TERMS, None, window_s=HOUR_S)
    assert (found.from_s, found.to_s) == (BEGIN_S + HOUR_S + 60, BEGIN_S + 2 * HOUR_S + 60)
    assert found.insights == ()
    found = await findings(store.history, TERMS, None, window_s=6 * HOUR_S)
    assert [each.id for each in found.insights] == ["error-cluster:route=/fails"]


async def test_a_cold_cache_is_seen_by_the_minutes_since_the_start(store: Filled) -> None:
    """Ten minutes with 1 of 10 hits, after hours with 9 of 10."""
    hit, miss = request(cache="hit"), request()
    await store.write(BEGIN_S + HOUR_S, [*[hit] * 900, *[miss] * 100])
    await store.write(BEGIN_S + 3 * HOUR_S, [*[hit] * 60, *[miss] * 540])
    store.clock.time_s = BEGIN_S + 3 * HOUR_S + 300
    cold = CacheFigures(workers=1, uptime_s=600, used_bytes=1, entries=1, stored=1, evicted=0)
    found = await findings(store.history, TERMS, cold, window_s=6 * HOUR_S)
    assert [each.kind for each in found.insights] == ["cache-cold"]
