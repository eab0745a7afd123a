"""Alerts on what the gateway does with requests."""

from lukhas.telemetry.monitoring.rules import AlertingRule, RuleTrial
from lukhas.telemetry.monitoring.trial_series import JOB, counter, fires, latency, quiet, requests

__all__ = ("traffic_rules",)

_SOME = "lukhas:requests:increase1h > 100"


def traffic_rules(p99_ms: float) -> tuple[AlertingRule, ...]:
    """The rules.

    Args:
        p99_ms: what the 99th percentile of the duration may be.
    """
    return (
        _slow(p99_ms),
        _no_traffic(),
        _limited(),
        _shed(),
        _hit_ratio(),
        _upstream_down(),
        _cache_leak(),
    )


def _slow(p99_ms: float) -> AlertingRule:
    bound_s = f"{p99_ms / 1000:g}"
    # Trials with durations far on either side of any bound that somebody sets.
    slow = latency({"0.0001": 0, "10": 0, "+Inf": 100}, 30)
    fast = latency({"0.0001": 100, "10": 100, "+Inf": 100}, 30)
    trials: tuple[RuleTrial, ...] = (
        quiet(*fast, requests((100, 30)), at_min=30),
        quiet(*slow, requests((1, 30)), at_min=30),
    )
    # The highest bound of the histogram is 10 s: what takes longer looks like that.
    if p99_ms < 10_000:
        told = f"One in a hundred requests of {JOB} takes longer than 10s."
        trials = (fires(*slow, requests((100, 30)), at_min=30, description=told), *trials)
    return AlertingRule(
        name="LukhasSlowAnswers",
        expr=f"lukhas:duration_seconds:p99_5m > {bound_s} and {_SOME}",
        severity="warning",
        for_s=300,
        summary="One in a hundred requests takes too long",
        description="One in a hundred requests of {{ $labels.job }} takes longer than "
        "{{ $value | humanizeDuration }}.",
        trials=trials,
    )


def _no_traffic() -> AlertingRule:
    return AlertingRule(
        name="LukhasNoTraffic",
        expr="sum by (job) (rate(lukhas_requests_total[10m])) == 0 "
        "and sum by (job) (increase(lukhas_requests_total[1h] offset 10m)) > 0",
        severity="warning",
        summary="No requests come in any more",
        description="{{ $labels.job }} has had no request for 10 minutes, and had some before.",
        trials=(
            fires(
                requests((5, 30), (0, 15)),
                at_min=44,
                description=f"{JOB} has had no request for 10 minutes, and had some before.",
            ),
            quiet(requests((5, 45)), at_min=44),
            quiet(requests((0, 90)), at_min=85),
        ),
    )


def _limited() -> AlertingRule:
    limited = {"policy": "tier-free", "tier": "free"}

    def refused(a_minute: int, mode: str = "enforce") -> RuleTrial:
        series = counter("lukhas_limited_total", (a_minute, 30), mode=mode, **limited)
        return quiet(requests((100, 30)), series, at_min=30)

    fired = refused(40)
    told = f"40% of the requests of {JOB} are refused because of limits."
    return AlertingRule(
        name="LukhasManyLimited",
        expr=f"lukhas:limited_ratio:rate5m > 0.2 and {_SOME}",
        severity="warning",
        for_s=300,
        summary="More than a fifth of all requests is refused because of limits",
        description="{{ $value | humanizePercentage }} of the requests of {{ $labels.job }} are "
        "refused because of limits.",
        trials=(
            fires(*fired.inputs, at_min=30, description=told),
            refused(10),
            refused(40, "shadow"),
        ),
    )


def _shed() -> AlertingRule:
    def refused(a_minute: int) -> RuleTrial:
        series = counter("lukhas_shed_total", (a_minute, 30), tier="free", mode="enforce")
        return quiet(requests((100, 30)), series, at_min=30)

    fired = refused(10)
    told = f"10% of the requests of {JOB} are refused because an upstream has too much to do."
    return AlertingRule(
        name="LukhasOverloaded",
        expr=f"lukhas:shed_ratio:rate5m > 0.05 and {_SOME}",
        severity="warning",
        for_s=300,
        summary="More than a twentieth of all requests is refused because of overload",
        description="{{ $value | humanizePercentage }} of the requests of {{ $labels.job }} are "
        "refused because an upstream has too much to do.",
        trials=(fires(*fired.inputs, at_min=30, description=told), refused(2)),
    )


def _hit_ratio() -> AlertingRule:
    before = (requests((80, 90), (20, 60), cache="hit"), requests((20, 90), (80, 60)))
    steady = (requests((80, 150), cache="hit"), requests((20, 150)))
    told = f"The cache of {JOB} answers 20% of what it may, far less than an hour ago."
    return AlertingRule(
        name="LukhasHitRatioDropped",
        expr="lukhas:hit_ratio:rate15m < 0.6 * (lukhas:hit_ratio:rate15m offset 1h) "
        "and lukhas:requests:increase1h > 500",
        severity="info",
        for_s=300,
        summary="The cache answers far fewer requests than an hour ago",
        description="The cache of {{ $labels.job }} answers {{ $value | humanizePercentage }} of "
        "what it may, far less than an hour ago.",
        trials=(fires(*before, at_min=130, description=told), quiet(*steady, at_min=130)),
    )


def _upstream_down() -> AlertingRule:
    def failing(a_minute: int) -> RuleTrial:
        errors = counter(
            "lukhas_upstream_errors_total", (a_minute, 30), upstream="api", kind="connect"
        )
        return quiet(requests((100, 30)), errors, at_min=30)

    fired = failing(90)
    told = f"90% of the requests of {JOB} fail because the API behind it does not answer."
    return AlertingRule(
        name="LukhasUpstreamDown",
        expr="lukhas:upstream_error_ratio:rate2m > 0.5 and lukhas:requests:rate5m > 0.05",
        severity="critical",
        for_s=60,
        summary="The API behind the gateway cannot be reached",
        description="{{ $value | humanizePercentage }} of the requests of {{ $labels.job }} fail "
        "because the API behind it does not answer.",
        trials=(fires(*fired.inputs, at_min=30, description=told), failing(20)),
    )


def _cache_leak() -> AlertingRule:
    return AlertingRule(
        name="LukhasCacheLeak",
        expr="sum by (job) (max_over_time(lukhas_cache_leaks[5m])) > 0",
        severity="critical",
        summary="Answers that all callers share depend on who asks",
        description="Shared answers of {{ $value }} routes of {{ $labels.job }} depend on who "
        "asks; they are no longer shared. The log names them.",
        trials=(
            fires(
                counter("lukhas_cache_leaks", (0, 9), (1, 0), (0, 9)),
                at_min=12,
                description=f"Shared answers of 1 routes of {JOB} depend on who asks; they are no "
                "longer shared. The log names them.",
            ),
            quiet(counter("lukhas_cache_leaks", (0, 20)), at_min=12),
        ),
    )
