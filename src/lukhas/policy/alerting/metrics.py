"""What rules may look at: the metrics, and by which labels each can be narrowed."""

from dataclasses import dataclass

__all__ = ("METRICS", "Metric", "metric_named")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: its name, with its unit.
        what: what it says, for people.
        labels: by which labels it can be narrowed.
        is_count: whether values of several steps add up.
    """

    name: str
    what: str
    labels: frozenset[str] = frozenset()
    is_count: bool = False


_REQUEST = frozenset(("route", "method", "tier", "cache", "upstream", "tenant"))
_LIMIT = frozenset(("policy", "tier"))
_ROUTE = frozenset(("route", "upstream", "tenant"))

METRICS = (
    Metric("requests", "finished requests", _REQUEST, is_count=True),
    Metric("errors", "requests answered with 5xx", _REQUEST, is_count=True),
    Metric("error_ratio", "share of requests answered with 5xx", _REQUEST),
    Metric("hit_ratio", "share of hits among what the cache may answer", _ROUTE),
    Metric("p50_ms", "median of the duration", _ROUTE),
    Metric("p95_ms", "95th percentile of the duration", _ROUTE),
    Metric("p99_ms", "99th percentile of the duration", _ROUTE),
    Metric("limited", "requests refused because of a limit", _LIMIT, is_count=True),
    Metric("limited_ratio", "share of requests refused because of a limit", frozenset(("tier",))),
    Metric(
        "shed",
        "requests refused because an upstream was overloaded",
        frozenset(("tier",)),
        is_count=True,
    ),
    Metric(
        "upstream_errors",
        "failed tries at an upstream, also those that a retry made good",
        frozenset(("upstream", "kind")),
        is_count=True,
    ),
    Metric("upstream_error_ratio", "failures of upstreams by request"),
    Metric(
        "stage_failures",
        "failures of a stage that were contained",
        frozenset(("stage",)),
        is_count=True,
    ),
    Metric("targets_left_out", "servers of upstreams that get no requests now"),
    Metric("in_flight", "requests in work"),
    Metric("workers_missing", "workers that are to serve and do not"),
    Metric("parts_failed", "parts whose health is failed", frozenset(("part",))),
    Metric("parts_degraded", "parts whose health is degraded or failed", frozenset(("part",))),
    Metric("disk_free_ratio", "free share of the disk that holds the state directory"),
)
"""All metrics. Counts are per stretch of time asked for; the others are values in it."""


def metric_named(name: str) -> Metric | None:
    """The metric of this name; None if there is none."""
    return next((metric for metric in METRICS if metric.name == name), None)
