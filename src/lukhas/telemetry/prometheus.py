"""The totals in the Prometheus text format, version 0.0.4."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.totals import Totals
from lukhas.units import SECOND_NS

__all__ = ("CONTENT_TYPE", "NodeFigures", "render")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BOUNDS_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0,
)  # fmt: skip
_BOUNDS_NS = tuple(round(bound * SECOND_NS) for bound in _BOUNDS_S)

_GAUGE_HELP = {
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
    "workers_alive": "Workers that have reported within the last 3 s.",
    "workers_wanted": "Workers that are to serve.",
}

_Labels = TypeVar("_Labels", bound=tuple[str, ...])

_Row = tuple[tuple[tuple[str, str], ...], float]


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


def render(totals: Totals, node: NodeFigures | None = None) -> bytes:
    """The whole page; every metric name starts with `lukhas_`.

    Args:
        totals: what the workers have counted.
        node: what is known beside that, if anything.

    Latency buckets come from the sketches, so each bound is off by at most 0.78 % of its value.
    """
    counts = totals.counts
    lines: list[str] = []
    _metric(
        lines,
        "requests_total",
        "Finished requests.",
        _labelled(("route", "method", "status_class", "tier", "cache"), counts.requests),
    )
    _histograms(lines, counts.latencies)
    _limits(lines, counts)
    _metric(
        lines,
        "shed_total",
        "Requests too many for an upstream: refused (enforce) or only noted (shadow).",
        _labelled(("tier", "mode"), counts.shed),
    )
    _metric(lines, "refusals_total", "Requests refused, by stage.", _by("stage", counts.refusals))
    _metric(
        lines,
        "stage_failures_total",
        "Failures of a stage that were contained.",
        _by("stage", counts.contained),
    )
    _metric(
        lines,
        "upstream_errors_total",
        "Failures of an upstream that reached the client.",
        _labelled(("upstream", "kind"), counts.upstream_errors),
    )
    _plain(lines, counts)
    gauges = {**totals.gauges, "workers_alive": float(totals.workers)}
    if node is not None:
        gauges["workers_wanted"] = float(node.workers_wanted)
        _worker_changes(lines, node)
    for name in sorted(gauges):
        help_text = _GAUGE_HELP.get(name, f"Present value of {name.replace('_', ' ')}.")
        _metric(lines, name, help_text, (((), gauges[name]),), kind="gauge")
    lines.append("")
    return "\n".join(lines).encode()


def _worker_changes(lines: list[str], node: NodeFigures) -> None:
    changes: list[_Row] = [
        ((("direction", "down"),), node.workers_removed),
        ((("direction", "up"),), node.workers_added),
    ]
    _metric(lines, "worker_changes_total", "Workers that the load added or took away.", changes)


def _plain(lines: list[str], counts: Delta) -> None:
    for name, help_text, value in (
        ("response_bytes_total", "Bytes of response bodies.", counts.bytes_out),
        ("responses_aborted_total", "Responses cut off before their end.", counts.aborted),
        (
            "labels_overflowed_total",
            "Requests counted under the route label other, because there were too many routes.",
            counts.overflowed,
        ),
    ):
        _metric(lines, name, help_text, (((), value),))


def _limits(lines: list[str], counts: Delta) -> None:
    _metric(
        lines,
        "limited_total",
        "Requests over a limit: refused (enforce) or only noted (shadow).",
        _labelled(("policy", "tier", "mode"), counts.limited),
    )
    _metric(
        lines,
        "near_limit_total",
        "Requests that passed and left less than a fifth of a limit.",
        _labelled(("policy", "tier"), counts.near),
    )


def _metric(
    lines: list[str], name: str, help_text: str, rows: Iterable[_Row], *, kind: str = "counter"
) -> None:
    lines.append(f"# HELP lukhas_{name} {help_text}")
    lines.append(f"# TYPE lukhas_{name} {kind}")
    lines.extend(f"lukhas_{name}{_braces(labels)} {_number(value)}" for labels, value in rows)


def _histograms(lines: list[str], latencies: Mapping[str, LatencySketch]) -> None:
    name = "lukhas_request_duration_seconds"
    lines.append(
        f"# HELP {name} Time until the response was made, or for a streamed body until its end."
    )
    lines.append(f"# TYPE {name} histogram")
    for route, sketch in sorted(latencies.items()):
        label = ("route", route)
        counted = sketch.cumulative(_BOUNDS_NS)
        for bound_s, number in zip(_BOUNDS_S, counted, strict=True):
            lines.append(f"{name}_bucket{_braces((label, ('le', f'{bound_s:g}')))} {number}")
        lines.append(f"{name}_bucket{_braces((label, ('le', '+Inf')))} {sketch.count}")
        lines.append(f"{name}_sum{_braces((label,))} {_number(sketch.total_ns / SECOND_NS)}")
        lines.append(f"{name}_count{_braces((label,))} {sketch.count}")


def _labelled(names: tuple[str, ...], counts: Mapping[_Labels, int]) -> list[_Row]:
    return [
        (tuple(zip(names, labels, strict=True)), number)
        for labels, number in sorted(counts.items())
    ]


def _by(name: str, counts: Mapping[str, int]) -> list[_Row]:
    return [(((name, label),), number) for label, number in sorted(counts.items())]


def _braces(labels: tuple[tuple[str, str], ...]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
