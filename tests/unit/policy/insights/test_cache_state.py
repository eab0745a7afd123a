"""A cache that is cold, too small, or oversized."""

from dataclasses import replace

import pytest

from lukhas.policy.insights.cache_state import CacheRules, CacheUse, cache_state
from lukhas.policy.insights.confidence import certainty
from lukhas.policy.insights.records import Change, Evidence
from lukhas.units import MIB

# Two workers that have been up for two days, with room for 64 MiB each, half full.
WARM = CacheUse(
    workers=2,
    uptime_s=2 * 86_400,
    limit_bytes=64 * MIB,
    used_bytes=64 * MIB,
    entries=4000,
    stored=9000,
    evicted=0,
    hits=8000,
    misses=2000,
    recent_hits=800,
    recent_misses=200,
    disk_bytes=0,
    mean_ms=40.0,
)
# Up for ten minutes: 300 of 1000 are hits, of the 9000 before 7200 were.
COLD = replace(WARM, uptime_s=600, hits=7500, misses=2500, recent_hits=300, recent_misses=700)


def test_a_cold_cache_is_told() -> None:
    """30 % beside 80 %: half of 1000 requests more for the API, 20 s at 40 ms each."""
    (found,) = cache_state(COLD, CacheRules())
    assert found.id == "cache-cold:memory"
    assert found.title == "The cache is cold: 30% hits since the workers started, 80% before"
    assert found.impact == "500 requests more for the API, about 20 s of waiting."
    assert found.changes == (Change("cache.disk_bytes", str(256 * MIB), "0"),)
    (kept,) = cache_state(replace(COLD, disk_bytes=1), CacheRules())
    assert (kept.changes, kept.proposal) == ((), "It fills up by itself.")


@pytest.mark.parametrize(
    "use",
    [
        WARM,
        replace(COLD, uptime_s=1801),
        replace(COLD, hits=7701, misses=2299, recent_hits=411, recent_misses=589),
        replace(COLD, recent_hits=100, recent_misses=399),
        replace(COLD, hits=500, misses=999),
        replace(COLD, hits=0, misses=499, recent_hits=0, recent_misses=0),
        replace(COLD, workers=0),
    ],
    ids=["warm", "older", "half as many", "few now", "few before", "no use", "no workers"],
)
def test_near_it_nothing_is_told(use: CacheUse) -> None:
    """41.1 % beside 81 % is more than half."""
    assert cache_state(use, CacheRules()) == []


def test_a_cold_start_that_may_be_chance_is_not_told() -> None:
    """A rule that takes few: 0 of 4 beside 2 of 4 is 94.8 %."""
    few = replace(COLD, hits=2, misses=6, recent_hits=0, recent_misses=4)
    assert cache_state(few, CacheRules(least_requests=4)) == []


def test_a_cache_in_which_half_has_to_make_room_is_too_small() -> None:
    """5000 of 9000 stored, with 90 % of the room used: twice the room is proposed."""
    use = replace(WARM, evicted=5000, used_bytes=115 * MIB)
    (found,) = cache_state(use, CacheRules())
    assert found.id == "cache-too-small:memory"
    assert found.title == "The cache is too small: 56% of what it stored had to make room"
    assert found.changes == (Change("cache.size_bytes", str(128 * MIB), str(64 * MIB)),)
    assert Evidence("hit ratio", 0.8, "ratio") in found.evidence


@pytest.mark.parametrize(
    "use",
    [
        replace(WARM, evicted=4499, used_bytes=115 * MIB),
        replace(WARM, evicted=5000, used_bytes=102 * MIB),
        replace(WARM, stored=900, evicted=499, used_bytes=115 * MIB),
        replace(WARM, evicted=5000, limit_bytes=0),
    ],
    ids=["less than half", "room left", "few", "no room at all"],
)
def test_near_it_it_is_not_too_small(use: CacheUse) -> None:
    """102 of 128 MiB are less than 80 %."""
    assert cache_state(use, CacheRules()) == []


# 4 of 128 MiB: 2 in each worker.
OVERSIZED = replace(WARM, used_bytes=4 * MIB)


def test_a_cache_that_uses_a_tenth_of_its_room_is_oversized() -> None:
    """Four times the 2 MiB of a worker are proposed: 112 MiB less."""
    (found,) = cache_state(OVERSIZED, CacheRules())
    assert found.id == "cache-oversized:memory"
    assert found.title == "The cache uses 3.1% of the memory that it may take"
    assert found.changes == (Change("cache.size_bytes", str(8 * MIB), str(64 * MIB)),)
    assert found.impact == "112 MiB less need to be planned for; none of it is taken now."
    assert found.confidence == pytest.approx(certainty(2**0.5))


@pytest.mark.parametrize(
    "use",
    [
        replace(OVERSIZED, used_bytes=13 * MIB),
        replace(OVERSIZED, uptime_s=86_399),
        replace(OVERSIZED, evicted=1),
        replace(OVERSIZED, entries=0),
        replace(OVERSIZED, limit_bytes=MIB, used_bytes=1000),
    ],
    ids=["a tenth", "young", "has made room", "empty", "small anyhow"],
)
def test_near_it_it_is_not_oversized(use: CacheUse) -> None:
    """What may still fill up is not told, nor what is small anyhow."""
    assert cache_state(use, CacheRules()) == []
