"""Metrics in protobuf, decoded by another implementation."""

import random
from typing import Any

import pytest

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.histograms import RELATIVE_ERROR, LatencySketch
from lukhas.telemetry.prometheus import BOUNDS_NS, NodeFigures, render
from lukhas.telemetry.prometheus_protobuf import PROTOBUF_TYPE, asks_for_protobuf, render_protobuf
from lukhas.telemetry.totals import Totals
from lukhas.units import MILLISECOND_NS, SECOND_NS
from tests.unit.telemetry.prometheus_schema import decoded
from tests.unit.telemetry.test_prometheus import filled

PROMETHEUS = (
    b"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
    b"application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


def histogram_of(values_ns: list[int]) -> Any:
    sketch = LatencySketch()
    sketch.add_many(values_ns)
    page = decoded(render_protobuf(Totals(Delta(latencies={"/a": sketch}), {}, 1)))
    (metric,) = page["lukhas_request_duration_seconds"].metric
    return metric.histogram


def buckets_of(histogram: Any) -> dict[int, int]:
    """The sparse buckets, as Prometheus reads them."""
    deltas = iter(histogram.positive_delta)
    found: dict[int, int] = {}
    index = count = 0
    for span in histogram.positive_span:
        index += span.offset
        for _ in range(span.length):
            count += next(deltas)
            found[index] = count
            index += 1
    assert next(deltas, None) is None
    return found


def test_all_metrics_of_the_text_are_there() -> None:
    """Names, kinds, labels and values; a family without a value is left out."""
    page = decoded(render_protobuf(filled(), NodeFigures(2, 3, 4)))
    kinds = {0: "counter", 1: "gauge", 4: "histogram"}
    lines = render(filled(), NodeFigures(2, 3, 4)).decode().splitlines()
    described = {line.split(" ")[2]: line.split(" ")[3] for line in lines if "# TYPE" in line}
    assert {name: kinds[family.type] for name, family in page.items()} == described
    shown = {
        f"{name}{{{labels}}}" if labels else name: value
        for name, family in page.items()
        if family.type != 4
        for metric in family.metric
        for labels in [",".join(f'{pair.name}="{pair.value}"' for pair in metric.label)]
        for value in [metric.counter.value if family.type == 0 else metric.gauge.value]
    }
    expected = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if not line.startswith(("#", "lukhas_request_duration"))
    }
    assert shown == expected
    assert "lukhas_requests_total" not in decoded(render_protobuf(Totals(Delta(), {}, 1)))


def test_classic_buckets_are_those_of_the_text() -> None:
    """For scrapers that keep these as well, or only these."""
    values = [MILLISECOND_NS * each for each in (1, 3, 3, 70, 20_000)]
    histogram = histogram_of(values)
    sketch = LatencySketch()
    sketch.add_many(values)
    assert [each.cumulative_count for each in histogram.bucket] == sketch.cumulative(BOUNDS_NS)
    assert [each.upper_bound for each in histogram.bucket] == [
        bound / SECOND_NS for bound in BOUNDS_NS
    ]
    assert histogram.sample_count == 5
    assert histogram.sample_sum == pytest.approx(20.077)


def test_native_buckets_hold_every_value() -> None:
    """Each within the error that the sketch has (`schema` 4: 4.4 % wide)."""
    draw = random.Random(38)
    values = sorted(round(draw.lognormvariate(16, 3)) + 1 for _ in range(2000))
    histogram = histogram_of(values)
    assert (histogram.schema, histogram.zero_count) == (4, 0)
    found = buckets_of(histogram)
    assert sum(found.values()) == 2000
    base = 2.0 ** (2.0**-histogram.schema)
    slack = 1 + RELATIVE_ERROR + 1e-9
    rank = 0
    for index in sorted(found):
        for value in values[rank : rank + found[index]]:
            assert base ** (index - 1) / slack <= value / SECOND_NS <= base**index * slack
        rank += found[index]


def test_buckets_that_follow_each_other_share_a_span() -> None:
    """And only those."""
    histogram = histogram_of([SECOND_NS, SECOND_NS * 105 // 100, SECOND_NS * 4])
    assert [(span.offset, span.length) for span in histogram.positive_span] == [(1, 2), (30, 1)]
    assert list(histogram.positive_delta) == [1, 0, 0]


def test_a_histogram_without_values_is_still_a_native_one() -> None:
    """An empty span says so, as the client libraries do it."""
    histogram = histogram_of([])
    assert (histogram.schema, histogram.sample_count) == (4, 0)
    assert [(span.offset, span.length) for span in histogram.positive_span] == [(0, 0)]


@pytest.mark.parametrize(
    ("accept", "asked"),
    [
        (None, False),
        (b"*/*", False),
        (b"text/plain", False),
        (PROMETHEUS, True),
        (PROTOBUF_TYPE.encode(), True),
        (PROMETHEUS.replace(b"delimited", b"delimited;q=0.4"), False),
        (PROMETHEUS.replace(b"delimited", b"text"), False),
        (b"application/vnd.google.protobuf;proto=other;encoding=delimited", False),
        (b"application/vnd.google.protobuf", True),
    ],
)
def test_protobuf_is_for_those_who_prefer_it(accept: bytes | None, asked: bool) -> None:
    """Everybody else gets text."""
    assert asks_for_protobuf(accept) is asked
