"""Spans on their way to a collector."""

import asyncio

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from lukhas.telemetry.collector import Collector
from lukhas.telemetry.otlp_messages import OtlpMessages
from lukhas.telemetry.span_export import SpanExport
from lukhas.telemetry.spans import Span
from tests.unit.telemetry.otlp_receiver import OtlpReceiver, answer


def spans(number: int, *, first: int = 1) -> list[Span]:
    return [
        Span(
            b"4bf92f3577b34da6a3ce929d0e0e4736", b"%016x" % each, b"", False, b"", 3,
            "GET", "server", 5, 9, (), False,
        )
        for each in range(first, first + number)
    ]  # fmt: skip


def export_to(receiver: OtlpReceiver, *, most: int = 10_000, **options: float) -> SpanExport:
    collector = Collector(receiver.url, compressed=False, **options)  # type: ignore[arg-type]
    messages = OtlpMessages({"service.name": "shop"}, "1")
    return SpanExport(collector, messages, interval_s=0.01, most=most)


def state(export: SpanExport) -> tuple[str, str]:
    (part,) = export.parts()
    assert part.name == "otlp-traces"
    return part.state, part.detail


async def test_spans_are_sent_in_order() -> None:
    """While it runs, many in one message."""
    receiver = OtlpReceiver()
    await receiver.start()
    export = export_to(receiver)
    job = asyncio.create_task(export.run())
    export.take(spans(700))
    async with asyncio.timeout(20):
        while export.sent < 700:  # noqa: ASYNC110 - sent over a real socket
            await asyncio.sleep(0.01)
    job.cancel()
    assert [int.from_bytes(span.span_id) for span in receiver.spans] == list(range(1, 701))
    assert len(receiver.heads) == 2
    assert state(export) == ("ok", "")
    await receiver.stop()


async def test_a_collector_that_is_down_gets_them_later(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is lost while the queue has room; health and log tell of it, once."""
    receiver = OtlpReceiver()
    await receiver.start()
    await receiver.stop()
    export = export_to(receiver)
    export.take(spans(3))
    assert not await export.flush()
    export.take(spans(2, first=4))
    assert not await export.flush()
    found, why = state(export)
    assert found == "degraded"
    assert why.startswith("localhost: ")
    assert len(caplog.records) == 1
    await receiver.start()
    with caplog.at_level("INFO"):
        assert await export.flush()
    assert [int.from_bytes(span.span_id) for span in receiver.spans] == [1, 2, 3, 4, 5]
    assert (export.sent, export.dropped) == (5, 0)
    assert state(export) == ("ok", "")
    assert caplog.records[-1].message == "spans are taken again"
    await receiver.stop()


async def test_pauses_grow_while_it_is_down() -> None:
    """Up to a minute; a collector that says how long gets at least that."""
    receiver = OtlpReceiver()
    await receiver.start()
    receiver.answers.extend([answer(503)] * 8)
    receiver.answers.append(answer(429, b"Retry-After: 7"))
    export = export_to(receiver)
    export.take(spans(1))
    pauses = []
    for _ in range(8):
        await export.flush()
        pauses.append(export._pause_s)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    export._pause_s = 1.0
    await export.flush()
    assert export._pause_s == 7.0
    assert await export.flush()
    assert export._pause_s == 0.0
    await receiver.stop()


async def test_what_is_too_much_is_dropped_and_counted() -> None:
    """All spans of a request or none: half a trace misleads."""
    receiver = OtlpReceiver(port=9)
    export = export_to(receiver, most=5)
    export.take(spans(4))
    export.take(spans(2))
    export.take(spans(1))
    assert export.dropped == 2
    assert state(export) == ("degraded", "2 spans were dropped")
    assert state(export) == ("ok", "")


async def test_what_is_refused_is_not_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    """It would be refused again."""
    receiver = OtlpReceiver()
    await receiver.start()
    receiver.answers.extend([answer(400), answer(400)])
    export = export_to(receiver)
    for _ in range(2):
        export.take(spans(3))
        assert await export.flush()
    assert export.dropped == 6
    assert state(export) == ("degraded", "it answers with status 400; 6 spans were dropped")
    assert len(caplog.records) == 1
    export.take(spans(1))
    assert await export.flush()
    assert state(export) == ("ok", "")
    await receiver.stop()


async def test_what_the_collector_throws_away_counts_as_dropped() -> None:
    """It says so in its answer (partial success)."""
    receiver = OtlpReceiver()
    await receiver.start()
    partial = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=2, error_message="full")
    )
    receiver.answers.append(answer(200, body=partial.SerializeToString()))
    receiver.answers.append(answer(200, body=b"\xff"))
    export = export_to(receiver)
    export.take(spans(5))
    await export.flush()
    assert (export.sent, export.dropped) == (3, 2)
    export.take(spans(5))
    await export.flush()
    assert (export.sent, export.dropped) == (8, 2)
    await receiver.stop()


async def test_the_rest_is_sent_at_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """For a short time; what is left then counts as dropped."""
    monkeypatch.setattr("lukhas.telemetry.span_export._LAST_S", 0.3)
    receiver = OtlpReceiver()
    await receiver.start()
    export = export_to(receiver)
    export.take(spans(3))
    await export.close()
    assert (len(receiver.spans), export.dropped) == (3, 0)
    receiver.answers.append(b"")
    export.take(spans(3))
    await export.close()
    assert export.dropped == 3
    assert "too slow" in caplog.text
    await receiver.stop()
    export.take(spans(2))
    await export.close()
    assert export.dropped == 5


async def test_an_end_while_a_message_is_made_counts_it_as_dropped() -> None:
    """Nothing goes missing uncounted."""
    export = export_to(OtlpReceiver(port=9))
    export.take(spans(100))
    job = asyncio.create_task(export.flush())
    await asyncio.sleep(0)
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    await export.close()
    assert export.dropped == 100
