"""A cache that is cold, too small, or far larger than what is in it."""

from dataclasses import dataclass

from lukhas.policy.insights.confidence import certainty, differs
from lukhas.policy.insights.records import Change, Insight, figure
from lukhas.units import MIB

__all__ = ("CacheRules", "CacheUse", "cache_state")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUse:
    """The cache in the memory of the workers, all together.

    Attributes:
        workers: how many there are.
        uptime_s: for how long the youngest of them has been up.
        limit_bytes: what the entries of one worker may take.
        used_bytes: what those of all workers take.
        entries: how many there are.
        stored: how many were stored since the workers started.
        evicted: how many had to make room.
        hits: answered by the cache in the window.
        misses: not answered by it, and it could have been asked.
        recent_hits: in the last minutes of the window.
        recent_misses: likewise.
        disk_bytes: what entries in the state directory may take; 0 where there are none.
        mean_ms: how long the API took for a miss on average.
    """

    workers: int
    uptime_s: int
    limit_bytes: int
    used_bytes: int
    entries: int
    stored: int
    evicted: int
    hits: int
    misses: int
    recent_hits: int
    recent_misses: int
    disk_bytes: int
    mean_ms: float


@dataclass(frozen=True, slots=True)
class CacheRules:
    """From when on it is told.

    Attributes:
        least_requests: fewer that the cache may answer say nothing.
        cold_after_s: a cache that is older is not called cold.
        cold_part: so small a part of the usual hit ratio is cold.
        oversized_after_s: a younger cache may still fill up.
        oversized_part: so little of its room is used.
        tight_part: of what is stored so much has to make room.
        least_confidence: what is less sure is not told.
    """

    least_requests: int = 500
    cold_after_s: int = 1800
    cold_part: float = 0.5
    oversized_after_s: int = 86_400
    oversized_part: float = 0.1
    tight_part: float = 0.5
    least_confidence: float = 0.99


def cache_state(use: CacheUse, rules: CacheRules) -> list[Insight]:
    """What is to be told of the cache; nothing where it is off or has nothing to do."""
    if not use.workers or use.hits + use.misses < rules.least_requests:
        return []
    found = (_cold(use, rules), _too_small(use, rules), _oversized(use, rules))
    return [each for each in found if each is not None]


def _ratio(hits: int, misses: int) -> float:
    return hits / (hits + misses) if hits + misses else 0.0


def _cold(use: CacheUse, rules: CacheRules) -> Insight | None:
    hits, misses = use.hits - use.recent_hits, use.misses - use.recent_misses
    recent = use.recent_hits + use.recent_misses
    if use.uptime_s > rules.cold_after_s or min(recent, hits + misses) < rules.least_requests:
        return None
    usual, now = _ratio(hits, misses), _ratio(use.recent_hits, use.recent_misses)
    confidence = differs(hits, hits + misses, use.recent_hits, recent)
    if now > rules.cold_part * usual or confidence < rules.least_confidence:
        return None
    more = round((usual - now) * recent)
    kept = use.disk_bytes > 0
    return Insight(
        kind="cache-cold",
        about="memory",
        title=f"The cache is cold: {now:.0%} hits since the workers started, {usual:.0%} before",
        evidence=(
            figure("hit ratio now", now, "ratio"),
            figure("hit ratio before", usual, "ratio"),
            figure("up for", use.uptime_s, "s"),
            figure("entries", use.entries, "entries"),
        ),
        impact=f"{more} requests more for the API, about {more * use.mean_ms / 1000:.0f} s of "
        "waiting.",
        confidence=confidence,
        proposal="It fills up by itself."
        if kept
        else "It fills up by itself. Entries in the state directory outlive a restart.",
        weight=float(more),
        changes=() if kept else (Change("cache.disk_bytes", str(256 * MIB), "0"),),
    )


def _too_small(use: CacheUse, rules: CacheRules) -> Insight | None:
    room = use.limit_bytes * use.workers
    if not room or use.evicted < max(rules.least_requests, rules.tight_part * use.stored):
        return None
    if use.used_bytes < 0.8 * room:
        return None
    return Insight(
        kind="cache-too-small",
        about="memory",
        title=f"The cache is too small: {use.evicted / use.stored:.0%} of what it stored had to "
        "make room",
        evidence=(
            figure("stored", use.stored, "entries"),
            figure("had to make room", use.evicted, "entries"),
            figure("used", use.used_bytes / room, "ratio"),
            figure("hit ratio", _ratio(use.hits, use.misses), "ratio"),
            figure("misses", use.misses, "requests"),
        ),
        impact=f"At most {use.misses} misses could have been hits; how many, only trying tells.",
        # It is counted and not estimated.
        confidence=0.9,
        proposal="Give it twice the memory, where there is that much, and look at the hit ratio "
        "again. Some of what makes room would never have been asked for again.",
        weight=use.misses / 4,
        changes=(Change("cache.size_bytes", str(2 * use.limit_bytes), str(use.limit_bytes)),),
    )


def _oversized(use: CacheUse, rules: CacheRules) -> Insight | None:
    room = use.limit_bytes * use.workers
    if use.uptime_s < rules.oversized_after_s or use.evicted or not use.entries:
        return None
    if use.used_bytes >= rules.oversized_part * room:
        return None
    each = use.used_bytes / use.workers
    wanted = max(MIB, round(4 * each / MIB) * MIB)
    if wanted >= use.limit_bytes:
        return None
    return Insight(
        kind="cache-oversized",
        about="memory",
        title=f"The cache uses {use.used_bytes / room:.1%} of the memory that it may take",
        evidence=(
            figure("used", use.used_bytes / MIB, "MiB"),
            figure("may take", room / MIB, "MiB"),
            figure("entries", use.entries, "entries"),
            figure("had to make room", use.evicted, "entries"),
            figure("up for", use.uptime_s, "s"),
        ),
        impact=f"{(use.limit_bytes - wanted) * use.workers / MIB:.0f} MiB less need to be planned "
        "for; none of it is taken now.",
        # After a day the busiest hour has passed once; each further day says more.
        confidence=certainty((use.uptime_s / rules.oversized_after_s) ** 0.5),
        proposal="Four times what is used leaves room to grow.",
        weight=1.0,
        changes=(Change("cache.size_bytes", str(wanted), str(use.limit_bytes)),),
    )
