"""The metrics of rules, out of what workers count."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from lukhas.policy.alerting.conditions import Filters
from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.health import PartState
from lukhas.telemetry.histograms import LatencySketch
from lukhas.units import MILLISECOND_NS

__all__ = (
    "LIMITED_LABELS",
    "REQUEST_LABELS",
    "SHED_LABELS",
    "UPSTREAM_LABELS",
    "Gauges",
    "collapsed",
    "metric_value",
)

REQUEST_LABELS = ("route", "method", "status", "tier", "cache")
LIMITED_LABELS = ("policy", "tier", "mode")
SHED_LABELS = ("tier", "mode")
UPSTREAM_LABELS = ("upstream", "kind")
# Answered by the cache, whether or not the origin was asked if that is still right.
_HITS = frozenset(("hit", "stale", "revalidated"))
_ALL = "*"

_Key = TypeVar("_Key", bound=Hashable)
_Counts = Sequence[Delta]
_Read = Callable[[_Counts, dict[str, str]], float | None]


@dataclass(frozen=True, slots=True)
class Gauges:
    """Values of a moment.

    Attributes:
        values: by metric; None where one is not known.
        parts: the state of each part.
    """

    values: Mapping[str, float | None] = field(default_factory=dict)
    parts: Mapping[str, PartState] = field(default_factory=dict)


def metric_value(
    metric: str, filters: Filters, counts: Sequence[Delta], gauges: Gauges
) -> float | None:
    """The value of a metric over what was counted together.

    Args:
        metric: its name.
        filters: labels that what is counted must have.
        counts: what was counted.
        gauges: the values at the end of it.
    """
    wanted = dict(filters)
    read = _READERS.get(metric)
    if read is not None:
        return read(counts, wanted)
    match metric:
        case "parts_failed":
            return _parts(gauges, wanted, frozenset(("failed",)))
        case "parts_degraded":
            return _parts(gauges, wanted, frozenset(("failed", "degraded")))
        case _:
            return gauges.values.get(metric)


def collapsed(delta: Delta) -> Delta:
    """The same counts without the labels that make them many."""
    small = Delta()
    for (_, _, status, _, cache), number in delta.requests.items():
        _add(small.requests, (_ALL, _ALL, status, _ALL, cache), number)
    for (_, _, mode), number in delta.limited.items():
        _add(small.limited, (_ALL, _ALL, mode), number)
    for (_, mode), number in delta.shed.items():
        _add(small.shed, (_ALL, mode), number)
    for number in delta.upstream_errors.values():
        _add(small.upstream_errors, (_ALL, _ALL), number)
    for number in delta.contained.values():
        _add(small.contained, _ALL, number)
    small.latencies[_ALL] = delta.latency()
    return small


def _add(counts: dict[_Key, int], key: _Key, number: int) -> None:
    counts[key] = counts.get(key, 0) + number


def _matching(
    rows: Iterable[tuple[tuple[str, ...], int]], names: tuple[str, ...], wanted: dict[str, str]
) -> Iterable[tuple[tuple[str, ...], int]]:
    if not wanted:
        return rows
    positions = [(names.index(name), value) for name, value in wanted.items() if name in names]
    return (row for row in rows if all(row[0][place] == value for place, value in positions))


def _requests(counts: _Counts, wanted: dict[str, str]) -> Iterable[tuple[tuple[str, ...], int]]:
    for delta in counts:
        yield from _matching(delta.requests.items(), REQUEST_LABELS, wanted)


def _request_count(counts: _Counts, wanted: dict[str, str]) -> float:
    return sum(number for _, number in _requests(counts, wanted))


def _errors(counts: _Counts, wanted: dict[str, str]) -> float:
    return sum(number for labels, number in _requests(counts, wanted) if labels[2] == "5xx")


def _error_ratio(counts: _Counts, wanted: dict[str, str]) -> float | None:
    return _share(_errors(counts, wanted), _request_count(counts, wanted))


def _hit_ratio(counts: _Counts, wanted: dict[str, str]) -> float | None:
    hits = misses = 0
    for labels, number in _requests(counts, wanted):
        if labels[4] in _HITS:
            hits += number
        elif labels[4] == "miss":
            misses += number
    return _share(hits, hits + misses)


def _limited(counts: _Counts, wanted: dict[str, str]) -> float:
    enforced = {**wanted, "mode": "enforce"}
    return sum(
        number
        for delta in counts
        for _, number in _matching(delta.limited.items(), LIMITED_LABELS, enforced)
    )


def _limited_ratio(counts: _Counts, wanted: dict[str, str]) -> float | None:
    return _share(_limited(counts, wanted), _request_count(counts, wanted))


def _shed(counts: _Counts, wanted: dict[str, str]) -> float:
    enforced = {**wanted, "mode": "enforce"}
    return sum(
        number
        for delta in counts
        for _, number in _matching(delta.shed.items(), SHED_LABELS, enforced)
    )


def _upstream_errors(counts: _Counts, wanted: dict[str, str]) -> float:
    return sum(
        number
        for delta in counts
        for _, number in _matching(delta.upstream_errors.items(), UPSTREAM_LABELS, wanted)
    )


def _upstream_error_ratio(counts: _Counts, wanted: dict[str, str]) -> float | None:
    return _share(_upstream_errors(counts, wanted), _request_count(counts, {}))


def _stage_failures(counts: _Counts, wanted: dict[str, str]) -> float:
    stage = wanted.get("stage")
    return sum(
        number
        for delta in counts
        for name, number in delta.contained.items()
        if stage in {None, name}
    )


def _quantile_ms(q: float) -> _Read:
    def read(counts: _Counts, wanted: dict[str, str]) -> float | None:
        together = LatencySketch()
        for delta in counts:
            for route, sketch in delta.latencies.items():
                if wanted.get("route") in {None, route}:
                    together.merge(sketch)
        found = together.quantile_ns(q)
        return None if found is None else found / MILLISECOND_NS

    return read


def _parts(gauges: Gauges, wanted: dict[str, str], states: frozenset[str]) -> float:
    part = wanted.get("part")
    return float(
        sum(state in states for name, state in gauges.parts.items() if part in {None, name})
    )


def _share(some: float, of_all: float) -> float | None:
    return some / of_all if of_all else None


_READERS: Mapping[str, _Read] = MappingProxyType(
    {
        "requests": _request_count,
        "errors": _errors,
        "error_ratio": _error_ratio,
        "hit_ratio": _hit_ratio,
        "p50_ms": _quantile_ms(0.5),
        "p95_ms": _quantile_ms(0.95),
        "p99_ms": _quantile_ms(0.99),
        "limited": _limited,
        "limited_ratio": _limited_ratio,
        "shed": _shed,
        "upstream_errors": _upstream_errors,
        "upstream_error_ratio": _upstream_error_ratio,
        "stage_failures": _stage_failures,
    }
)
