"""The totals as Prometheus has them in protobuf, with native histograms.

The form is that of `io.prometheus.client.MetricFamily`. Durations have both the classic buckets of
the text format and the sparse ones of a native histogram; a scraper keeps what it is set to keep.
"""

from collections.abc import Iterator

from lukhas.http.content_negotiation import media_type_weight
from lukhas.telemetry.exponential import exponential_of
from lukhas.telemetry.families import DurationFamily, Family, Labels, NodeFigures, families_of
from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.prometheus import BOUNDS_NS
from lukhas.telemetry.protobuf_writer import delimited, double, message, signed, text, unsigned
from lukhas.telemetry.totals import Totals
from lukhas.units import SECOND_NS

__all__ = ("PROTOBUF_TYPE", "asks_for_protobuf", "render_protobuf")

PROTOBUF_TYPE = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)

_COUNTER, _GAUGE, _HISTOGRAM = 0, 1, 4
# Where there are no durations yet, a span without length still says that this is a native one.
_NO_BUCKETS = message(12, signed(1, 0) + unsigned(2, 0))
_ZERO_THRESHOLD_S = 1e-9


def asks_for_protobuf(accept: bytes | None) -> bool:
    """Whether a scraper wants protobuf rather than text; who does not say gets text.

    Args:
        accept: all lines of Accept joined, or None where it is absent.
    """
    wanted = media_type_weight(accept, PROTOBUF_TYPE.encode("ascii"))
    return wanted > media_type_weight(accept, b"text/plain;version=0.0.4")


def render_protobuf(totals: Totals, node: NodeFigures | None = None) -> bytes:
    """Every metric, each family with its length before it; arguments as of `render`."""
    return b"".join(
        delimited(_family(family)) for family in families_of(totals, node) if family.rows
    )


def _family(family: Family | DurationFamily) -> bytes:
    head = text(1, family.name) + text(2, family.help)
    if isinstance(family, DurationFamily):
        return b"".join((head, unsigned(3, _HISTOGRAM), *_durations(family)))
    is_counter = family.kind == "counter"
    return b"".join(
        (
            head,
            unsigned(3, _COUNTER if is_counter else _GAUGE),
            *(
                # Metric: label = 1, gauge = 2, counter = 3; their value = 1.
                message(4, _labels(labels) + message(3 if is_counter else 2, double(1, value)))
                for labels, value in family.rows
            ),
        )
    )


def _durations(family: DurationFamily) -> Iterator[bytes]:
    for labels, sketch in family.rows:
        yield message(4, _labels(labels) + message(7, _histogram(sketch)))


def _histogram(sketch: LatencySketch) -> bytes:
    found = exponential_of(sketch)
    pieces = [
        unsigned(1, sketch.count),
        double(2, sketch.total_ns / SECOND_NS),
        *(
            message(3, unsigned(1, number) + double(2, bound_ns / SECOND_NS))
            for bound_ns, number in zip(BOUNDS_NS, sketch.cumulative(BOUNDS_NS), strict=True)
        ),
        signed(5, found.scale),
        double(6, _ZERO_THRESHOLD_S),
        unsigned(7, 0),
        # A bucket of Prometheus is named by its upper limit, one of `Exponential` by its lower.
        *_sparse({index + 1: number for index, number in sorted(found.counts.items())}),
    ]
    return b"".join(pieces)


def _sparse(counts: dict[int, int]) -> Iterator[bytes]:
    """Spans of buckets that follow each other, and each count less the one before it."""
    if not counts:
        yield _NO_BUCKETS
        return
    begun = ended = 0
    spans: list[tuple[int, int]] = []
    for index in counts:
        if not spans or index != ended:
            spans.append((index - ended, 1))
            begun = index
        else:
            spans[-1] = (spans[-1][0], index - begun + 1)
        ended = index + 1
    for offset, length in spans:
        yield message(12, signed(1, offset) + unsigned(2, length))
    before = 0
    for number in counts.values():
        yield signed(13, number - before)
        before = number


def _labels(labels: Labels) -> bytes:
    return b"".join(message(1, text(1, name) + text(2, value)) for name, value in labels)
