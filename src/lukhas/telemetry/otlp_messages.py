"""Spans and metrics as messages of OTLP; importing it needs the extra `otel`."""

from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2 as trace

from lukhas.telemetry.exponential import exponential_of
from lukhas.telemetry.families import DurationFamily, Family, Labels
from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.spans import Attribute, Span, SpanKind
from lukhas.units import SECOND_NS

__all__ = ("OtlpMessages",)

_SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
_MOST_BUCKETS = 160
_KINDS: Mapping[SpanKind, trace.Span.SpanKind.ValueType] = {
    "server": trace.Span.SPAN_KIND_SERVER,
    "client": trace.Span.SPAN_KIND_CLIENT,
    "internal": trace.Span.SPAN_KIND_INTERNAL,
}
_REMOTENESS_KNOWN = trace.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_IS_REMOTE = trace.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK


class OtlpMessages:
    """Writes messages of one process.

    Args:
        resource: attributes of the process, such as `service.name`.
        version: of the product.
    """

    def __init__(self, resource: Mapping[str, str], version: str) -> None:
        self._resource = Resource(attributes=_pairs(resource.items()))
        self._scope = InstrumentationScope(name="lukhas", version=version)

    def spans(self, spans: Iterable[Span]) -> bytes:
        """Spans; several of these after one another are one message too."""
        scoped = trace.ScopeSpans(scope=self._scope, spans=map(_span, spans), schema_url=_SCHEMA)
        return ExportTraceServiceRequest(
            resource_spans=[
                trace.ResourceSpans(
                    resource=self._resource, scope_spans=[scoped], schema_url=_SCHEMA
                )
            ]
        ).SerializeToString()

    def metrics(
        self, families: Iterable[Family | DurationFamily], *, started_ns: int, now_ns: int
    ) -> bytes:
        """Metrics, sums since a moment.

        Args:
            families: what there is.
            started_ns: since when (Unix time).
            now_ns: the time of the values.
        """
        made = [_metric(family, started_ns, now_ns) for family in families]
        scoped = metrics.ScopeMetrics(
            scope=self._scope, metrics=filter(None, made), schema_url=_SCHEMA
        )
        return ExportMetricsServiceRequest(
            resource_metrics=[
                metrics.ResourceMetrics(
                    resource=self._resource, scope_metrics=[scoped], schema_url=_SCHEMA
                )
            ]
        ).SerializeToString()

    @staticmethod
    def rejected_spans(answer: bytes) -> int:
        """How many spans of a message that it took the collector has thrown away."""
        try:
            found = ExportTraceServiceResponse.FromString(answer)
        except DecodeError:
            return 0
        return max(0, found.partial_success.rejected_spans)

    @staticmethod
    def rejected_points(answer: bytes) -> int:
        """How many values of metrics."""
        try:
            found = ExportMetricsServiceResponse.FromString(answer)
        except DecodeError:
            return 0
        return max(0, found.partial_success.rejected_data_points)


def _span(span: Span) -> trace.Span:
    remote = _IS_REMOTE if span.is_parent_remote else 0
    return trace.Span(
        trace_id=bytes.fromhex(span.trace_id.decode("ascii")),
        span_id=bytes.fromhex(span.span_id.decode("ascii")),
        parent_span_id=bytes.fromhex(span.parent_id.decode("ascii")),
        trace_state=span.state.decode("ascii"),
        flags=span.trace_flags | _REMOTENESS_KNOWN | remote,
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.began_ns,
        end_time_unix_nano=max(span.began_ns, span.ended_ns),
        attributes=_pairs(span.attributes),
        status=trace.Status(code=trace.Status.STATUS_CODE_ERROR) if span.failed else None,
    )


def _metric(family: Family | DurationFamily, started_ns: int, now_ns: int) -> metrics.Metric | None:
    """A metric under its name without the endings that Prometheus adds; None without a value."""
    if not family.rows:
        return None
    if isinstance(family, DurationFamily):
        return metrics.Metric(
            name=family.name.removesuffix("_seconds"),
            description=family.help,
            unit="s",
            exponential_histogram=metrics.ExponentialHistogram(
                aggregation_temporality=metrics.AGGREGATION_TEMPORALITY_CUMULATIVE,
                data_points=[
                    _distribution(labels, sketch, started_ns, now_ns)
                    for labels, sketch in family.rows
                ],
            ),
        )
    points = list(_numbers(family, started_ns, now_ns))
    if family.kind == "gauge":
        return metrics.Metric(
            name=family.name,
            description=family.help,
            unit="1",
            gauge=metrics.Gauge(data_points=points),
        )
    return metrics.Metric(
        name=family.name.removesuffix("_total"),
        description=family.help,
        unit="1",
        sum=metrics.Sum(
            data_points=points,
            aggregation_temporality=metrics.AGGREGATION_TEMPORALITY_CUMULATIVE,
            is_monotonic=True,
        ),
    )


def _numbers(family: Family, started_ns: int, now_ns: int) -> Iterator[metrics.NumberDataPoint]:
    for labels, value in family.rows:
        point = metrics.NumberDataPoint(attributes=_pairs(labels), time_unix_nano=now_ns)
        if family.kind == "counter":
            point.start_time_unix_nano = started_ns
        if value == int(value):
            point.as_int = int(value)
        else:
            point.as_double = value
        yield point


def _distribution(
    labels: Labels, sketch: LatencySketch, started_ns: int, now_ns: int
) -> metrics.ExponentialHistogramDataPoint:
    found = exponential_of(sketch, most_buckets=_MOST_BUCKETS)
    first, last = min(found.counts, default=0), max(found.counts, default=-1)
    return metrics.ExponentialHistogramDataPoint(
        attributes=_pairs(labels),
        start_time_unix_nano=started_ns,
        time_unix_nano=now_ns,
        count=sketch.count,
        sum=sketch.total_ns / SECOND_NS,
        min=sketch.min_ns / SECOND_NS,
        max=sketch.max_ns / SECOND_NS,
        scale=found.scale,
        positive=metrics.ExponentialHistogramDataPoint.Buckets(
            offset=first,
            bucket_counts=[found.counts.get(index, 0) for index in range(first, last + 1)],
        ),
    )


def _pairs(attributes: Iterable[Attribute]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_value(value)) for name, value in attributes]


def _value(value: str | float | bool) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)
