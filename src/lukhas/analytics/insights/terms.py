"""What findings need to know beside the history: settings in effect, and figures of the moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lukhas.policy.insights.tier_limits import TierLimit

__all__ = ("CacheFigures", "InsightTerms", "TierTerms")


@dataclass(frozen=True, slots=True)
class TierTerms:
    """The limits of a tier.

    Attributes:
        setting: as they are set, e.g. `60/minute; 1000/hour`; empty for none.
        limits: those of them that count requests in a window.
    """

    setting: str
    limits: tuple[TierLimit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InsightTerms:
    """The settings that findings are about.

    Attributes:
        route_names: names of routes in the settings by template.
        tiers: the limits of each tier in effect.
        cache_bytes: what the entries in the memory of one worker may take.
        disk_bytes: what those in the state directory may take.
        stale_if_error_s: the setting.
    """

    route_names: Mapping[str, str] = field(default_factory=dict)
    tiers: Mapping[str, TierTerms] = field(default_factory=dict)
    cache_bytes: int = 0
    disk_bytes: int = 0
    stale_if_error_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFigures:
    """The cache of all workers, now.

    Attributes:
        workers: how many are alive.
        uptime_s: for how long the youngest of them has been up.
        used_bytes: what their entries take.
        entries: how many.
        stored: stored since they started.
        evicted: made room since then.
    """

    workers: int
    uptime_s: int
    used_bytes: int
    entries: int
    stored: int
    evicted: int
