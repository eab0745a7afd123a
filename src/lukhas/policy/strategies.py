"""Strategies: one word for how far speed may go at the cost of freshness, memory and work.

A strategy only gives defaults; what is set explicitly wins. No strategy changes who may see what.
"""

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from lukhas.units import MIB

__all__ = ("STRATEGIES", "Strategy", "StrategyValues")


class Strategy(Enum):
    """The strategies."""

    BALANCED = "balanced"
    """What the API says, no more."""
    LOW_LATENCY = "low-latency"
    """Nobody waits for a refresh."""
    HIGH_THROUGHPUT = "high-throughput"
    """The API is asked as seldom as it allows, and stood in for when it fails."""
    AGGRESSIVE_CACHE = "aggressive-cache"
    """Also what the API says nothing about is stored, for a minute."""
    RESOURCE_SAVING = "resource-saving"
    """Little memory, and no work ahead of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyValues:
    """What a strategy sets.

    Attributes:
        default_ttl_s: lifetime of responses that state none; None for none.
        max_ttl_s: longest lifetime.
        stale_while_revalidate_s: how long a response that does not say so itself may be served
            stale while it is fetched again.
        stale_if_error_s: the same while the API fails.
        stale_if_unreachable_s: the same while the API cannot be reached.
        early_refresh: eagerness of refresh before the end; 0 for none.
        size_bytes: memory for entries.
        max_body_bytes: the largest body stored in memory.
        collapse_wait_s: longest time to wait for an equal request.
        compression_effort: 1, quick and large, to 9, slow and small, where compression is on.
    """

    default_ttl_s: int | None = None
    max_ttl_s: int = 7 * 86_400
    stale_while_revalidate_s: int = 0
    stale_if_error_s: int = 0
    stale_if_unreachable_s: int = 60
    early_refresh: float = 1.0
    size_bytes: int = 64 * MIB
    max_body_bytes: int = MIB
    collapse_wait_s: float = 5.0
    compression_effort: int = 4


STRATEGIES = MappingProxyType(
    {
        Strategy.BALANCED: StrategyValues(),
        Strategy.LOW_LATENCY: StrategyValues(
            stale_while_revalidate_s=30,
            stale_if_error_s=60,
            early_refresh=2.0,
            size_bytes=128 * MIB,
            collapse_wait_s=1.0,
            compression_effort=2,
        ),
        Strategy.HIGH_THROUGHPUT: StrategyValues(
            stale_while_revalidate_s=10,
            stale_if_error_s=300,
            stale_if_unreachable_s=300,
            size_bytes=128 * MIB,
            max_body_bytes=4 * MIB,
            collapse_wait_s=10.0,
            compression_effort=5,
        ),
        Strategy.AGGRESSIVE_CACHE: StrategyValues(
            default_ttl_s=60,
            max_ttl_s=30 * 86_400,
            stale_while_revalidate_s=300,
            stale_if_error_s=3600,
            stale_if_unreachable_s=3600,
            size_bytes=256 * MIB,
            max_body_bytes=4 * MIB,
            collapse_wait_s=10.0,
            compression_effort=7,
        ),
        Strategy.RESOURCE_SAVING: StrategyValues(
            max_ttl_s=86_400,
            early_refresh=0.0,
            size_bytes=16 * MIB,
            max_body_bytes=MIB // 4,
            compression_effort=1,
        ),
    }
)
"""The table."""
