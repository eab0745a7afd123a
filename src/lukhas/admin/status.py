"""The live figures of a node, as the admin API gives them."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.state import AdminState
from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.health import OverallState, PartHealth, PartState, overall, worst_of_each
from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.totals import Recent
from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = (
    "Health",
    "Latency",
    "Part",
    "RouteFigures",
    "Status",
    "TierFigures",
    "Traffic",
    "WorkerFigures",
    "health_of",
    "status_of",
)

_RATE_WINDOW_S = 10
_WINDOW_S = 60
_MOST_ROUTES = 100
_TIERS = ("free", "basic", "premium", "enterprise", "internal")
# Answered by the cache, whether or not the origin was asked if that is still right.
_HITS = frozenset(("hit", "stale", "revalidated"))


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Figures):
    """The health of one part."""

    name: str
    state: PartState
    detail: str = Field("", description="Why. Empty unless the caller is authorised.")


class Health(_Figures):
    """Whether the node can serve."""

    status: OverallState
    live: Literal[True] = True
    ready: bool = Field(description="At least one worker has reported within the last 3 s.")
    parts: list[Part]


class Latency(_Figures):
    """Quantiles of the duration; null if there was no request."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Traffic(_Figures):
    """All requests together. Shares, latency and counts `_1m` are those of the last minute."""

    requests_total: int
    requests_per_s: float = Field(description="Mean of the last 10 s.")
    requests_by_second: list[int] = Field(description="The last minute, oldest first.")
    requests_1m: int
    latency: Latency
    error_share: float | None = Field(description="Share of 5xx answers.")
    hit_ratio: float | None = Field(description="Hits among the requests the cache may answer.")
    limited_1m: int = Field(description="Requests refused because of a limit.")
    shadow_limited_1m: int = Field(description="Requests that a limit in shadow mode would refuse.")
    near_limit_1m: int = Field(description="Passed, and left less than a fifth of a limit.")
    limited_total: int
    shed_1m: int = Field(description="Requests refused because the upstream was overloaded.")
    shadow_shed_1m: int = Field(description="Requests that overload in shadow mode would refuse.")
    shed_total: int
    in_flight: int
    connections_open: int | None
    cache_entries: int | None
    cache_bytes: int | None
    response_bytes_total: int
    aborted_total: int
    labels_overflowed_total: int


class TierFigures(_Figures):
    """The requests of one tier in the last minute."""

    tier: str
    requests_1m: int
    share: float
    limited_1m: int
    shed_1m: int
    near_limit_1m: int


class RouteFigures(_Figures):
    """The requests of one route in the last minute."""

    route: str
    requests_1m: int
    requests_per_s: float
    latency: Latency
    error_share: float | None
    hit_ratio: float | None


class WorkerFigures(_Figures):
    """One worker that is alive."""

    name: str
    last_seen_s: float = Field(description="Seconds since its last report.")
    requests_total: int
    in_flight: int


class Status(_Figures):
    """Everything that the overview shows."""

    time_s: float = Field(description="Unix time.")
    uptime_s: float
    version: str = Field(description="Of the product.")
    gateway_url: str = Field(description="Where the gateway answers, for people.")
    health: Health
    traffic: Traffic
    tiers: list[TierFigures]
    routes: list[RouteFigures] = Field(description="The busiest first, at most 100.")
    workers: list[WorkerFigures]


def health_of(state: AdminState, now_ns: int) -> Health:
    """The health of the node at this moment."""
    ready = state.totals.ready(now_ns)
    workers = len(state.totals.workers(now_ns))
    parts = worst_of_each(
        [
            _workers_part(workers, state.node().workers_wanted),
            *state.totals.parts(now_ns),
            *state.own_parts(),
        ]
    )
    return Health(
        status=overall(parts),
        ready=ready,
        parts=[Part(name=part.name, state=part.state, detail=part.detail) for part in parts],
    )


def _workers_part(alive: int, wanted: int) -> PartHealth:
    if alive == 0:
        return PartHealth("workers", "failed", "no worker has reported within the last 3 s")
    if alive < wanted:
        return PartHealth("workers", "degraded", f"{alive} of {wanted} alive")
    return PartHealth("workers", "ok", f"{alive} alive")


def status_of(state: AdminState, now_ns: int) -> Status:
    """The figures of the node at this moment."""
    minute = state.totals.recent(now_ns, _WINDOW_S)
    return Status(
        time_s=now_ns / SECOND_NS,
        uptime_s=(now_ns - state.started_ns) / SECOND_NS,
        version=state.version,
        gateway_url=state.gateway_url,
        health=health_of(state, now_ns),
        traffic=_traffic(state, minute, now_ns),
        tiers=_tiers(minute.counts),
        routes=_routes(minute),
        workers=[
            WorkerFigures(
                name=worker.name,
                last_seen_s=(now_ns - worker.last_seen_ns) / SECOND_NS,
                requests_total=worker.requests,
                in_flight=worker.in_flight,
            )
            for worker in state.totals.workers(now_ns)
        ],
    )


def _traffic(state: AdminState, minute: Recent, now_ns: int) -> Traffic:
    totals = state.totals.totals(now_ns)
    counts = minute.counts
    latest = minute.requests_by_second[-_RATE_WINDOW_S:]
    requests = list(counts.requests.items())
    return Traffic(
        requests_total=totals.counts.request_count,
        requests_per_s=sum(latest) / len(latest),
        requests_by_second=list(minute.requests_by_second),
        requests_1m=counts.request_count,
        latency=_latency(counts.latency()),
        error_share=_error_share((labels[2], number) for labels, number in requests),
        hit_ratio=_hit_ratio((labels[4], number) for labels, number in requests),
        limited_1m=_limited(counts, mode="enforce"),
        shadow_limited_1m=_limited(counts, mode="shadow"),
        near_limit_1m=sum(counts.near.values()),
        limited_total=_limited(totals.counts, mode="enforce"),
        shed_1m=_shed(counts, mode="enforce"),
        shadow_shed_1m=_shed(counts, mode="shadow"),
        shed_total=_shed(totals.counts, mode="enforce"),
        in_flight=int(totals.gauges.get("requests_in_flight", 0)),
        connections_open=_gauge(totals.gauges, "connections_open"),
        cache_entries=_gauge(totals.gauges, "cache_entries"),
        cache_bytes=_gauge(totals.gauges, "cache_bytes"),
        response_bytes_total=totals.counts.bytes_out,
        aborted_total=totals.counts.aborted,
        labels_overflowed_total=totals.counts.overflowed,
    )


def _tiers(counts: Delta) -> list[TierFigures]:
    requests = dict.fromkeys(_TIERS, 0)
    for (_, _, _, tier, _), number in counts.requests.items():
        requests[tier] = requests.get(tier, 0) + number
    limited = dict.fromkeys(requests, 0)
    for (_, tier, mode), number in counts.limited.items():
        if mode == "enforce":
            limited[tier] = limited.get(tier, 0) + number
    near = dict.fromkeys(requests, 0)
    for (_, tier), number in counts.near.items():
        near[tier] = near.get(tier, 0) + number
    everything = max(1, counts.request_count)
    return [
        TierFigures(
            tier=tier,
            requests_1m=number,
            share=number / everything,
            limited_1m=limited[tier],
            shed_1m=counts.shed.get((tier, "enforce"), 0),
            near_limit_1m=near.get(tier, 0),
        )
        for tier, number in requests.items()
    ]


def _routes(minute: Recent) -> list[RouteFigures]:
    by_route: dict[str, list[tuple[str, str, int]]] = {}
    for (route, _, status_class, _, cache), number in minute.counts.requests.items():
        by_route.setdefault(route, []).append((status_class, cache, number))
    figures = []
    for route, rows in by_route.items():
        requests = sum(number for _, _, number in rows)
        figures.append(
            RouteFigures(
                route=route,
                requests_1m=requests,
                requests_per_s=requests / minute.seconds,
                latency=_latency(minute.counts.latencies.get(route, LatencySketch())),
                error_share=_error_share((status, number) for status, _, number in rows),
                hit_ratio=_hit_ratio((cache, number) for _, cache, number in rows),
            )
        )
    figures.sort(key=lambda figure: (-figure.requests_1m, figure.route))
    return figures[:_MOST_ROUTES]


def _latency(sketch: LatencySketch) -> Latency:
    quantiles = [sketch.quantile_ns(q) for q in (0.5, 0.95, 0.99)]
    p50, p95, p99 = (None if ns is None else ns / MILLISECOND_NS for ns in quantiles)
    return Latency(p50_ms=p50, p95_ms=p95, p99_ms=p99)


def _error_share(requests: Iterable[tuple[str, int]]) -> float | None:
    everything = errors = 0
    for status_class, number in requests:
        everything += number
        errors += number if status_class == "5xx" else 0
    return errors / everything if everything else None


def _hit_ratio(requests: Iterable[tuple[str, int]]) -> float | None:
    hits = misses = 0
    for cache, number in requests:
        if cache in _HITS:
            hits += number
        elif cache == "miss":
            misses += number
    return hits / (hits + misses) if hits + misses else None


def _limited(counts: Delta, *, mode: str) -> int:
    return sum(number for (_, _, found), number in counts.limited.items() if found == mode)


def _shed(counts: Delta, *, mode: str) -> int:
    return sum(number for (_, found), number in counts.shed.items() if found == mode)


def _gauge(gauges: dict[str, float], name: str) -> int | None:
    value = gauges.get(name)
    return None if value is None else int(value)
