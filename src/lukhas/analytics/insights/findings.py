"""All findings of a window."""

import asyncio
from dataclasses import dataclass

from lukhas.analytics.figures import Figures
from lukhas.analytics.history import History
from lukhas.analytics.insights.crowd_rows import CrowdRow, callers_of, crowd_rows
from lukhas.analytics.insights.terms import CacheFigures, InsightTerms
from lukhas.analytics.insights.window_facts import (
    by_route,
    cache_facts,
    error_bursts,
    latency_facts,
    outcome_facts,
    repeat_facts,
    tier_facts,
)
from lukhas.analytics.levels import MINUTE_S, floored
from lukhas.analytics.questions import Answer, Question
from lukhas.analytics.reading import HistoryReader
from lukhas.analytics.repeats import RepeatSums
from lukhas.policy.insights.cache_state import CacheRules, cache_state
from lukhas.policy.insights.consumers import ConsumerRules, changed_consumers
from lukhas.policy.insights.error_clusters import ErrorRules, error_clusters
from lukhas.policy.insights.records import Insight, ranked
from lukhas.policy.insights.slow_routes import SlowRules, slow_routes
from lukhas.policy.insights.tier_limits import LimitRules, tier_limits
from lukhas.policy.insights.uncached_routes import UncachedRules, uncached_routes
from lukhas.units import SECOND_NS

__all__ = ("Findings", "findings")

_MOST = 50
_BURSTS = 48
# The labels of one question that answers nearly everything; the first three as `by_route` asks.
_GROUPED = ("route", "cache", "verdict", "method", "upstream", "tier", "tenant")


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found.

    Attributes:
        from_s: the first second of the window.
        to_s: the first second after it.
        insights: the weightiest first.
    """

    from_s: int
    to_s: int
    insights: tuple[Insight, ...]


@dataclass(frozen=True, slots=True)
class _Material:
    """What was read, for a thread to think about."""

    window: Answer
    before: Answer
    errors: Answer
    recent: Figures
    repeats: dict[str, RepeatSums]
    rows: list[CrowdRow]


async def findings(
    history: History, terms: InsightTerms, cache: CacheFigures | None, *, window_s: int
) -> Findings:
    """Looks for everything that there is to find in the last `window_s` seconds.

    The window ends with the present minute, as far as it has come.

    The database is asked a handful of times; all the rest happens in a thread.

    Args:
        history: what is asked.
        terms: the settings.
        cache: the cache of the moment; None where nothing is known of it.
        window_s: a whole number of minutes.

    Raises:
        StoreError: the database does not answer.
    """
    to_s = floored(history.clock.now_ns() // SECOND_NS, MINUTE_S) + MINUTE_S
    from_s = to_s - window_s
    reader = HistoryReader(history)
    step_s = max(MINUTE_S, floored(window_s // _BURSTS, MINUTE_S))
    recent_s = min(cache.uptime_s if cache is not None else 0, window_s // 2)
    recent = await reader.ask(Question(from_s=to_s - max(recent_s, MINUTE_S), to_s=to_s))
    async with history.database.reading() as connection:
        repeats = await history.repeats.read(connection, from_s, to_s)
    material = _Material(
        window=await reader.ask(Question(from_s=from_s, to_s=to_s, group_by=_GROUPED)),
        before=await reader.ask(
            Question(from_s=from_s - window_s, to_s=from_s, group_by=_GROUPED[:3])
        ),
        errors=await reader.ask(
            Question(
                from_s=from_s,
                to_s=to_s,
                step_s=step_s,
                group_by=("route",),
                only={"status": frozenset(("5xx",))},
            )
        ),
        recent=recent.groups[0].total if recent.groups else Figures(),
        repeats=repeats,
        rows=await crowd_rows(history, to_s=to_s, window_s=window_s),
    )
    found = await asyncio.to_thread(_found, material, terms, cache, to_s=to_s, window_s=window_s)
    return Findings(from_s, to_s, tuple(ranked(found, most=_MOST)))


def _found(
    material: _Material,
    terms: InsightTerms,
    cache: CacheFigures | None,
    *,
    to_s: int,
    window_s: int,
) -> list[Insight]:
    asked = by_route(material.window)
    callers = callers_of(material.rows, to_s=to_s, window_s=window_s)
    found = slow_routes(latency_facts(asked, by_route(material.before), terms), SlowRules())
    found += uncached_routes(repeat_facts(material.repeats, asked, terms), UncachedRules())
    found += error_clusters(
        outcome_facts(material.window, _GROUPED),
        ErrorRules(),
        bursts=error_bursts(material.errors),
        stale_if_error_s=terms.stale_if_error_s,
    )
    tiers = tier_facts(material.window, _GROUPED, terms)
    found += tier_limits(tiers, callers.peaks, LimitRules(), window_s=window_s)
    everybody = callers.everybody
    found += changed_consumers(
        callers.uses, ConsumerRules(), requests=everybody.requests, errors=everybody.errors
    )
    if cache is not None:
        groups = (group.total for group in material.window.groups)
        use = cache_facts(groups, material.recent, asked, now=cache, terms=terms)
        found += cache_state(use, CacheRules())
    return found
