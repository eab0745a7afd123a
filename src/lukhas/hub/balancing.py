"""The settings about balancing into the policies that decide."""

from dataclasses import dataclass
from typing import assert_never

from lukhas.config.balancing import (
    BalancerKind,
    BalancingSettings,
    HedgingSettings,
    ProbingSettings,
    SuccessRateEjectionSettings,
    UpstreamBreakerSettings,
)
from lukhas.config.priority_lane import lane_terms
from lukhas.pipeline.callers import CallerOf, caller_of
from lukhas.policy.balancing.balancer import Balancer
from lukhas.policy.balancing.consistent_hash import ConsistentHash
from lukhas.policy.balancing.least_requests import LeastRequests
from lukhas.policy.balancing.peak_ewma import PeakEwma
from lukhas.policy.balancing.round_robin import RoundRobin
from lukhas.policy.breaker import BreakerSettings
from lukhas.policy.resilience.hedging import HedgeSettings
from lukhas.policy.resilience.outliers import OutlierSettings
from lukhas.policy.resilience.probes import ProbeSettings
from lukhas.policy.resilience.retries import RetrySettings
from lukhas.policy.resilience.success_rates import SuccessRateSettings
from lukhas.policy.routing.priority_lane import LaneBalancer, LaneTally
from lukhas.units import SECOND_NS

__all__ = ("BalancingPolicies", "balancing_policies")


@dataclass(frozen=True, slots=True)
class BalancingPolicies:
    """What decides about the targets of one upstream, in one worker.

    Attributes:
        balancer: chooses; it has a memory, so each upstream needs its own.
        outliers: when a target is left out.
        success_rates: how targets are compared; None where they are not.
        warm_up_ns: how long one that comes back takes to get its whole part.
        panic_share: below which part of fit targets all are used.
        probes: how targets are asked; None where they are not.
        breaker: when the whole upstream is left alone; None for never.
        retries: what is sent again.
        hedges: what is sent twice where the answer is late; None for nothing.
        sticky: what binds the caller of an exchange to a target; None for nothing.
    """

    balancer: Balancer
    outliers: OutlierSettings
    success_rates: SuccessRateSettings | None
    warm_up_ns: int
    panic_share: float
    probes: ProbeSettings | None
    breaker: BreakerSettings | None
    retries: RetrySettings
    hedges: HedgeSettings | None
    sticky: CallerOf | None


def balancing_policies(
    settings: BalancingSettings, *, tally: LaneTally | None = None
) -> BalancingPolicies:
    """The policies of one upstream, new ones with each call.

    Args:
        settings: what they are made from.
        tally: where is counted what its priority lane does.
    """
    outliers, retries = settings.outliers, settings.retries
    terms = lane_terms(settings.priority_lane)
    balancer = _balancer(settings.balancer)
    if terms is not None:
        balancer = LaneBalancer(balancer, terms, LaneTally() if tally is None else tally)
    return BalancingPolicies(
        balancer=balancer,
        outliers=OutlierSettings(
            failures=outliers.failures,
            pause_ns=_ns(outliers.pause_s),
            longest_pause_ns=_ns(outliers.longest_pause_s),
            most_share=outliers.most_percent / 100,
        ),
        success_rates=_success_rates(outliers.success_rate),
        warm_up_ns=_ns(settings.warm_up_s),
        panic_share=settings.panic_percent / 100,
        probes=_probes(settings.probes),
        breaker=_breaker(settings.breaker),
        retries=RetrySettings(
            tries=retries.tries,
            statuses=frozenset(retries.statuses),
            share=retries.budget_percent / 100,
            least_a_second=retries.least_per_second,
            first_pause_ns=_ns(retries.first_pause_s),
            longest_pause_ns=_ns(retries.longest_pause_s),
        ),
        hedges=_hedges(settings.hedging),
        sticky=None if settings.hash_key is None else caller_of(settings.hash_key),
    )


def _ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)


def _probes(probes: ProbingSettings) -> ProbeSettings | None:
    if probes.path is None:
        return None
    return ProbeSettings(
        path=probes.path.encode(),
        interval_ns=_ns(probes.interval_s),
        timeout_ns=_ns(probes.timeout_s),
        unfit_after=probes.unfit_after,
        fit_after=probes.fit_after,
        least_status=probes.least_status,
        most_status=probes.most_status,
    )


def _hedges(hedging: HedgingSettings) -> HedgeSettings | None:
    if hedging.percentile is None:
        return None
    return HedgeSettings(
        percentile=hedging.percentile / 100,
        least_ns=_ns(hedging.least_s),
        share=hedging.budget_percent / 100,
    )


def _success_rates(rates: SuccessRateEjectionSettings) -> SuccessRateSettings | None:
    if not rates.enabled:
        return None
    return SuccessRateSettings(
        interval_ns=_ns(rates.interval_s),
        least_targets=rates.least_targets,
        least_answers=rates.least_answers,
        deviations=rates.deviations,
    )


def _breaker(breaker: UpstreamBreakerSettings) -> BreakerSettings | None:
    if breaker.failures is None:
        return None
    return BreakerSettings(
        failures=breaker.failures,
        pause_ns=_ns(breaker.pause_s),
        longest_pause_ns=_ns(breaker.longest_pause_s),
        trials=breaker.trials,
    )


def _balancer(kind: BalancerKind) -> Balancer:
    match kind:
        case BalancerKind.PEAK_EWMA:
            return PeakEwma()
        case BalancerKind.ROUND_ROBIN:
            return RoundRobin()
        case BalancerKind.LEAST_REQUESTS:
            return LeastRequests()
        case BalancerKind.CONSISTENT_HASH:
            return ConsistentHash(PeakEwma())
        case _:
            assert_never(kind)
