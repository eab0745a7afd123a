"""What messages of OTLP say."""

import sys

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1 import trace_pb2 as trace

from lukhas.errors import NotAvailableError
from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.families import NodeFigures, families_of
from lukhas.telemetry.otlp import otlp_messages
from lukhas.telemetry.prometheus import render
from lukhas.telemetry.spans import Span
from lukhas.telemetry.totals import Totals
from tests.unit.telemetry.otlp_receiver import attributes_of
from tests.unit.telemetry.test_prometheus import filled

MESSAGES = otlp_messages({"service.name": "shop", "host.name": "h1"}, "1.2")
SPAN = Span(
    b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7", b"b7ad6b7169203331", True, b"a=1", 3,
    "GET /items/{id}", "server", 5, 9,
    (("text", "x"), ("number", 7), ("share", 0.5), ("yes", True)), True,
)  # fmt: skip


def metrics_of(totals: Totals) -> dict[str, Metric]:
    families = families_of(totals, NodeFigures(2, 3, 4))
    message = MESSAGES.metrics(families, started_ns=1000, now_ns=2000)
    (group,) = ExportMetricsServiceRequest.FromString(message).resource_metrics
    assert attributes_of(group.resource.attributes)["service.name"] == "shop"
    (scope,) = group.scope_metrics
    return {metric.name: metric for metric in scope.metrics}


def test_a_span_is_written_whole() -> None:
    """Ids as bytes, times, attributes of every kind, and whether the parent is of another."""
    inner = SPAN._replace(
        parent_id=b"", is_parent_remote=False, kind="client", ended_ns=3, failed=False
    )
    (group,) = ExportTraceServiceRequest.FromString(MESSAGES.spans([SPAN, inner])).resource_spans
    assert attributes_of(group.resource.attributes) == {"service.name": "shop", "host.name": "h1"}
    (scope,) = group.scope_spans
    assert (scope.scope.name, scope.scope.version) == ("lukhas", "1.2")
    first, second = scope.spans
    assert first.trace_id.hex().encode() == SPAN.trace_id
    assert first.span_id.hex().encode() == SPAN.span_id
    assert first.parent_span_id.hex().encode() == SPAN.parent_id
    assert (first.trace_state, first.name) == ("a=1", "GET /items/{id}")
    assert first.kind == trace.Span.SPAN_KIND_SERVER
    assert (first.start_time_unix_nano, first.end_time_unix_nano) == (5, 9)
    assert first.flags == 0x303
    assert first.status.code == trace.Status.STATUS_CODE_ERROR
    expected = {"text": "x", "number": 7, "share": 0.5, "yes": True}
    assert attributes_of(first.attributes) == expected
    assert second.parent_span_id == b""
    assert second.flags == 0x103
    assert second.kind == trace.Span.SPAN_KIND_CLIENT
    assert second.status.code == trace.Status.STATUS_CODE_UNSET
    # A clock that was set back makes no span of negative length.
    assert (second.start_time_unix_nano, second.end_time_unix_nano) == (5, 5)


def test_messages_after_one_another_are_one() -> None:
    """So that a large one is made in pieces."""
    message = MESSAGES.spans([SPAN]) + MESSAGES.spans([SPAN, SPAN])
    found = ExportTraceServiceRequest.FromString(message)
    assert sum(len(s.spans) for r in found.resource_spans for s in r.scope_spans) == 3


def test_metrics_are_those_of_the_page() -> None:
    """The same names but for the endings that Prometheus adds, and the same values."""
    found = metrics_of(filled())
    page = render(filled(), NodeFigures(2, 3, 4)).decode().splitlines()
    kinds = dict(line.split(" ")[2:4] for line in page if line.startswith("# TYPE"))
    shown = {line.split("{")[0].split(" ")[0] for line in page if not line.startswith("#")}
    endings = {"counter": "_total", "gauge": "", "histogram": "_seconds"}
    expected = {
        name.removesuffix(endings[kind])
        for name, kind in kinds.items()
        if any(each.startswith(name) for each in shown)
    }
    assert set(found) == expected
    (point,) = found["lukhas_requests"].sum.data_points
    assert point.as_int == 2
    assert (point.start_time_unix_nano, point.time_unix_nano) == (1000, 2000)
    assert attributes_of(point.attributes) == {
        "route": "/a",
        "method": "GET",
        "status_class": "2xx",
        "tier": "free",
        "cache": "hit",
    }
    assert found["lukhas_requests"].sum.is_monotonic
    (load,) = found["lukhas_load"].gauge.data_points
    assert load.as_double == 0.5
    assert load.start_time_unix_nano == 0
    assert {
        attributes_of(each.attributes)["direction"]: each.as_int
        for each in found["lukhas_worker_changes"].sum.data_points
    } == {"up": 3, "down": 4}


def test_durations_are_exponential_histograms() -> None:
    """Count, sum, least and largest exact; all in seconds."""
    metric = metrics_of(filled())["lukhas_request_duration"]
    assert metric.unit == "s"
    (point,) = metric.exponential_histogram.data_points
    assert (point.count, point.zero_count) == (2, 0)
    assert (point.sum, point.min, point.max) == (0.0315, 0.0015, 0.03)
    assert point.scale == 4
    assert sum(point.positive.bucket_counts) == 2
    base = 2 ** (2**-point.scale)
    first = base**point.positive.offset
    assert first <= 0.0015 * 1.008
    assert first * base >= 0.0015 / 1.008


def test_what_has_no_value_is_left_out() -> None:
    """A metric without points says nothing."""
    found = metrics_of(Totals(Delta(), {}, 1))
    assert "lukhas_requests" not in found
    assert "lukhas_request_duration" not in found
    assert "lukhas_response_bytes" in found


def test_without_the_extra_there_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What to install, and what for."""
    monkeypatch.delitem(sys.modules, "lukhas.telemetry.otlp_messages")
    monkeypatch.setitem(
        sys.modules, "opentelemetry.proto.collector.trace.v1.trace_service_pb2", None
    )
    with pytest.raises(NotAvailableError, match=r"lukhas-api-optimizer\[otel\]"):
        otlp_messages({}, "1")
