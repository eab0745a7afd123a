"""All metrics of a node, whatever form they are asked for in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.totals import Totals

__all__ = ("DurationFamily", "Family", "Labels", "NodeFigures", "families_of")

_GAUGE_HELP = {
    "access_log_lines": "Lines of the access log since the start.",
    "access_log_lines_dropped": "Lines of it that were dropped: they could not be written in time.",
    "requests_in_flight": "Requests that have begun and not ended.",
    "connections_open": "Open client connections.",
    "cache_entries": "Entries in the cache.",
    "cache_bytes": "Bytes that the cache holds.",
    "overload_limit": "Requests that the upstream may have in work at once, by present latency.",
    "overload_in_flight": "Requests that the upstream has in work.",
    "overload_waiting": "Requests that wait for the upstream.",
    "openapi_request_faults": "Requests that did not fit the OpenAPI description.",
    "openapi_responses_checked": "Responses that were looked at by the OpenAPI description.",
    "openapi_response_faults": "Of these, responses that did not fit it.",
    "cache_stored": "Responses stored in memory since the start.",
    "cache_evicted": "Responses since the start that had to make room for others, in memory.",
    "cache_leaks": "Routes whose shared answers were found to depend on who asks.",
    "limit_states": "Subjects whose requests are being counted.",
    "limit_store_failures": "How often the store of the counters did not answer.",
    "limit_shared_states": "How often a subject had to share a counter: there were too many.",
    "proxy_headers_refused": "Connections whose PROXY header was missing, wrong or late.",
    "tls_handshakes_failed": "TLS handshakes that failed.",
    "websockets_open": "Open WebSocket connections.",
    "websocket_messages_in": "WebSocket messages of clients.",
    "websocket_messages_out": "WebSocket messages to clients.",
    "websocket_bytes_in": "Bytes of WebSocket frames of clients.",
    "websocket_bytes_out": "Bytes of WebSocket frames to clients.",
    "spans_sent": "Spans since the start that the collector has taken.",
    "spans_dropped": "Spans since the start that it never will: too many, or refused.",
    "traces_skipped": "Requests of recorded traces that were not recorded here: too many.",
    "workers_alive": "Workers that have reported within the last 3 s.",
    "workers_wanted": "Workers that are to serve.",
}

Labels = tuple[tuple[str, str], ...]
"""Names and values, in the order in which they are shown."""

_Texts = TypeVar("_Texts", bound=tuple[str, ...])
_Rows = tuple[tuple[Labels, float], ...]


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """What is not counted by workers.

    Attributes:
        workers_wanted: how many workers are to serve.
        workers_added: how many were added because of the load.
        workers_removed: how many were taken away because of it.
    """

    workers_wanted: int
    workers_added: int = 0
    workers_removed: int = 0


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers of one name.

    Attributes:
        name: starts with `lukhas_`; counters end in `_total`.
        help: what it is, for people.
        kind: a counter only grows; a gauge is a present value.
        rows: labels and values, sorted.
    """

    name: str
    help: str
    kind: Literal["counter", "gauge"]
    rows: _Rows


@dataclass(frozen=True, slots=True)
class DurationFamily:
    """Distributions of one name; it ends in `_seconds`.

    Attributes:
        name: see `Family`.
        help: see `Family`.
        rows: labels and durations, sorted.
    """

    name: str
    help: str
    rows: tuple[tuple[Labels, LatencySketch], ...]


def families_of(
    totals: Totals, node: NodeFigures | None = None
) -> Iterator[Family | DurationFamily]:
    """Every metric.

    Args:
        totals: what the workers have counted.
        node: what is known beside that, if anything.
    """
    counts = totals.counts
    yield _counter(
        "requests_total",
        "Finished requests.",
        _labelled(("route", "method", "status_class", "tier", "cache"), counts.requests),
    )
    yield DurationFamily(
        "lukhas_request_duration_seconds",
        "Time until the response was made, or for a streamed body until its end.",
        tuple(((("route", route),), sketch) for route, sketch in sorted(counts.latencies.items())),
    )
    yield from _decisions(counts)
    yield _counter(
        "upstream_errors_total",
        "Failed tries at an upstream, also those that a retry made good.",
        _labelled(("upstream", "kind"), counts.upstream_errors),
    )
    yield from _plain(counts)
    gauges = {**totals.gauges, "workers_alive": float(totals.workers)}
    if node is not None:
        gauges["workers_wanted"] = float(node.workers_wanted)
        yield _counter(
            "worker_changes_total",
            "Workers that the load added or took away.",
            (
                ((("direction", "down"),), node.workers_removed),
                ((("direction", "up"),), node.workers_added),
            ),
        )
    for name in sorted(gauges):
        help_text = _GAUGE_HELP.get(name, f"Present value of {name.replace('_', ' ')}.")
        yield Family(f"lukhas_{name}", help_text, "gauge", (((), gauges[name]),))


def _decisions(counts: Delta) -> Iterator[Family]:
    yield _counter(
        "limited_total",
        "Requests over a limit: refused (enforce) or only noted (shadow).",
        _labelled(("policy", "tier", "mode"), counts.limited),
    )
    yield _counter(
        "near_limit_total",
        "Requests that passed and left less than a fifth of a limit.",
        _labelled(("policy", "tier"), counts.near),
    )
    yield _counter(
        "shed_total",
        "Requests too many for an upstream: refused (enforce) or only noted (shadow).",
        _labelled(("tier", "mode"), counts.shed),
    )
    yield _counter("refusals_total", "Requests refused, by stage.", _by("stage", counts.refusals))
    yield _counter(
        "stage_failures_total",
        "Failures of a stage that were contained.",
        _by("stage", counts.contained),
    )


def _plain(counts: Delta) -> Iterator[Family]:
    for name, help_text, value in (
        ("response_bytes_total", "Bytes of response bodies.", counts.bytes_out),
        ("responses_aborted_total", "Responses cut off before their end.", counts.aborted),
        (
            "labels_overflowed_total",
            "Requests counted under the route label other, because there were too many routes.",
            counts.overflowed,
        ),
    ):
        yield _counter(name, help_text, (((), value),))


def _counter(name: str, help_text: str, rows: _Rows) -> Family:
    return Family(f"lukhas_{name}", help_text, "counter", rows)


def _labelled(names: tuple[str, ...], counts: Mapping[_Texts, int]) -> _Rows:
    return tuple(
        (tuple(zip(names, labels, strict=True)), number)
        for labels, number in sorted(counts.items())
    )


def _by(name: str, counts: Mapping[str, int]) -> _Rows:
    return tuple((((name, label),), number) for label, number in sorted(counts.items()))
