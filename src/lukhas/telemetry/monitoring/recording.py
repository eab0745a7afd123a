"""The recording rules: what dashboards and alerts ask for again and again."""

from collections.abc import Iterable

from lukhas.policy.alerting.conditions import BurnWindow
from lukhas.policy.alerting.default_rules import FAST_BURN, SLOW_BURN
from lukhas.telemetry.monitoring.rules import RecordingRule, RuleGroup, duration_text

__all__ = ("HITS", "REQUESTS", "recording_groups")

REQUESTS = "lukhas_requests_total"
HITS = 'cache=~"hit|stale|revalidated"'
"""Answered by the cache, whether or not the origin was asked if that is still right."""

_ASKED = 'cache=~"hit|stale|revalidated|miss"'
_ERRORS = 'status_class="5xx"'
_ENFORCED = 'mode="enforce"'
_DURATION = "lukhas_request_duration_seconds_bucket"
_QUANTILES = (("p50", "0.5"), ("p95", "0.95"), ("p99", "0.99"))


def recording_groups() -> tuple[RuleGroup, ...]:
    """All recording rules."""
    return (
        RuleGroup("lukhas-requests", tuple(_requests())),
        RuleGroup("lukhas-durations", tuple(_durations())),
        RuleGroup("lukhas-decisions", tuple(_decisions())),
        RuleGroup("lukhas-error-budget", tuple(_error_budget((*FAST_BURN, *SLOW_BURN)))),
    )


def _summed(series: str, labels: tuple[str, ...], window: str = "5m") -> str:
    return f"sum by ({', '.join(labels)}) (rate({series}[{window}]))"


def _ratio(some: str, of_all: str, labels: tuple[str, ...], window: str = "5m") -> str:
    """A share that is 0, and not missing, where there is a whole and no part of it."""
    whole = _summed(of_all, labels, window)
    return f"({_summed(some, labels, window)} or 0 * {whole}) / {whole}"


def _requests() -> Iterable[RecordingRule]:
    whole, route = ("job",), ("job", "route")
    yield RecordingRule("lukhas:requests:rate5m", whole, _summed(REQUESTS, whole))
    for suffix, label in (("route", "route"), ("tier", "tier"), ("status_class", "status_class")):
        labels = ("job", label)
        yield RecordingRule(
            f"lukhas:requests_by_{suffix}:rate5m", labels, _summed(REQUESTS, labels)
        )
    yield RecordingRule(
        "lukhas:requests:increase1h", whole, f"sum by (job) (increase({REQUESTS}[1h]))"
    )
    yield RecordingRule(
        "lukhas:error_ratio_by_route:rate5m",
        route,
        _ratio(f"{REQUESTS}{{{_ERRORS}}}", REQUESTS, route),
    )


def _durations() -> Iterable[RecordingRule]:
    for name, q in _QUANTILES:
        yield RecordingRule(
            f"lukhas:duration_seconds:{name}_5m",
            ("job",),
            f"histogram_quantile({q}, sum by (job, le) (rate({_DURATION}[5m])))",
        )
    for name, q in _QUANTILES:
        yield RecordingRule(
            f"lukhas:duration_seconds_by_route:{name}_5m",
            ("job", "route"),
            f"histogram_quantile({q}, sum by (job, route, le) (rate({_DURATION}[5m])))",
        )


def _decisions() -> Iterable[RecordingRule]:
    whole = ("job",)
    hits, asked = f"{REQUESTS}{{{HITS}}}", f"{REQUESTS}{{{_ASKED}}}"
    limited = f"lukhas_limited_total{{{_ENFORCED}}}"
    for window in ("5m", "15m"):
        name = f"lukhas:hit_ratio:rate{window}"
        yield RecordingRule(name, whole, _ratio(hits, asked, whole, window))
    for subject, labels in (("", whole), ("_by_tier", ("job", "tier"))):
        name = f"lukhas:limited_ratio{subject}:rate5m"
        yield RecordingRule(name, labels, _ratio(limited, REQUESTS, labels))
    shed = f"lukhas_shed_total{{{_ENFORCED}}}"
    yield RecordingRule("lukhas:shed_ratio:rate5m", whole, _ratio(shed, REQUESTS, whole))
    errors = "lukhas_upstream_errors_total"
    yield RecordingRule(
        "lukhas:upstream_errors_by_upstream:rate5m",
        ("job", "upstream"),
        _summed(errors, ("job", "upstream")),
    )
    yield RecordingRule(
        "lukhas:upstream_error_ratio:rate2m", whole, _ratio(errors, REQUESTS, whole, "2m")
    )


def _error_budget(windows: Iterable[BurnWindow]) -> Iterable[RecordingRule]:
    lengths_s = {length for each in windows for length in (each.long_s, each.short_s)}
    failed = f"{REQUESTS}{{{_ERRORS}}}"
    for length_s in sorted(lengths_s):
        window = duration_text(length_s)
        yield RecordingRule(
            f"lukhas:error_ratio:rate{window}", ("job",), _ratio(failed, REQUESTS, ("job",), window)
        )
