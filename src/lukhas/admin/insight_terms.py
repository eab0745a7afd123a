"""Settings and figures of the moment as findings and forecasts need them."""

from typing import TYPE_CHECKING

from lukhas.analytics.insights.terms import CacheFigures, InsightTerms, TierTerms
from lukhas.config.caching import effective_values
from lukhas.config.runtime_limits import read_runtime_limits
from lukhas.config.settings import Settings
from lukhas.hub.cache import SERVE_DISK_BYTES, disk_bytes_of
from lukhas.hub.policies import limit_policies, tier_limits
from lukhas.policy.insights.shared_limits import Ceiling, SharedLimit
from lukhas.policy.insights.tier_limits import TierLimit
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.costs import Cost
from lukhas.policy.rate_limiting.dimensions import Fact
from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.units import SECOND_NS

if TYPE_CHECKING:
    from lukhas.admin.parent import Parent
    from lukhas.admin.state import AdminState

__all__ = ("cache_figures", "insight_terms", "shared_limits", "worker_ceiling")

# What is the same for every consumer.
_SHARED = frozenset((Fact.ROUTE, Fact.UPSTREAM))
_COUNTED_IN_WINDOWS = frozenset((Kind.STRICT, Kind.EXACT))
# Below this the part of a CPU that requests take cannot be told from what runs anyhow.
_LEAST_BUSY = 0.1
# A worker that is busier answers late.
_FULL = 0.8
_RATE_WINDOW_S = 10


def insight_terms(settings: Settings) -> InsightTerms:
    """The settings in effect.

    Raises:
        ConfigError: the file of changed limits cannot be understood.
        StateDirError: it cannot be read.
    """
    effective = read_runtime_limits(settings.state_dir).applied(settings)
    values = effective_values(settings.strategy, settings.cache)
    return InsightTerms(
        route_names={route.path: route.name for route in settings.routes},
        tiers={
            tier.value: TierTerms(
                getattr(effective.tiers, tier.value) or "",
                tuple(_tier_limit(limit) for limit in limits if limit.kind in _COUNTED_IN_WINDOWS),
            )
            for tier, limits in tier_limits(effective).items()
        },
        cache_bytes=values.size_bytes,
        disk_bytes=disk_bytes_of(settings, SERVE_DISK_BYTES),
        stale_if_error_s=values.stale_if_error_s,
    )


def _tier_limit(limit: Limit) -> TierLimit:
    return TierLimit(str(limit), limit.quota, limit.window_s)


def shared_limits(settings: Settings) -> list[SharedLimit]:
    """The enforced limits that count all consumers together, each by its slowest window."""
    templates = {route.name: route.path for route in settings.routes}
    found = []
    for policy in limit_policies(settings):
        facts = {part.fact for part in policy.by.parts}
        if policy.mode is not Mode.ENFORCE or policy.cost != Cost.REQUEST or policy.is_personal:
            continue
        rates = [
            limit.quota / limit.window_s
            for limit in policy.limits
            if limit.kind is not Kind.CONCURRENCY
        ]
        if facts <= _SHARED and rates:
            routes = frozenset(templates[name] for name in policy.routes if name in templates)
            found.append(
                SharedLimit(policy.name, min(rates), routes, Fact.ROUTE in facts or bool(routes))
            )
    return found


def worker_ceiling(state: "AdminState", parent: "Parent | None") -> Ceiling | None:
    """What the workers could do in all, judged by what they have to do now.

    An estimate: requests a second now, times what a busy worker may use of a CPU, over what they
    use. None while they have too little to do to tell.
    """
    status = parent.status if parent is not None else None
    if status is None:
        return None
    busy = [worker.busy for worker in status.workers if worker.busy is not None]
    recent = state.totals.recent(state.clock.now_ns(), _RATE_WINDOW_S)
    per_s = recent.counts.request_count / recent.seconds
    if not busy or not per_s or sum(busy) / len(busy) < _LEAST_BUSY:
        return None
    count = max(len(busy), status.most)
    return Ceiling(per_s * _FULL * count / sum(busy), f"{count} workers, estimated")


def cache_figures(state: "AdminState") -> CacheFigures | None:
    """The cache of all workers now; None while none has told of it."""
    now_ns = state.clock.now_ns()
    workers = state.totals.workers(now_ns)
    gauges = state.totals.totals(now_ns).gauges
    if not workers or "cache_stored" not in gauges:
        return None
    return CacheFigures(
        workers=len(workers),
        uptime_s=(now_ns - max(worker.started_ns for worker in workers)) // SECOND_NS,
        used_bytes=int(gauges["cache_bytes"]),
        entries=int(gauges["cache_entries"]),
        stored=int(gauges["cache_stored"]),
        evicted=int(gauges["cache_evicted"]),
    )
