"""Metrics on their way to a collector."""

import asyncio

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)

from lukhas.telemetry.collector import Collector
from lukhas.telemetry.families import families_of
from lukhas.telemetry.metric_export import MetricExport
from lukhas.telemetry.otlp_messages import OtlpMessages
from tests.unit.telemetry.otlp_receiver import OtlpReceiver, answer
from tests.unit.telemetry.test_prometheus import filled


def export_to(receiver: OtlpReceiver) -> MetricExport:
    messages = OtlpMessages({"service.name": "shop"}, "1")
    return MetricExport(
        Collector(receiver.url),
        lambda: messages.metrics(families_of(filled()), started_ns=1, now_ns=2),
        messages,
        interval_s=0.01,
    )


async def test_metrics_are_sent_once_an_interval() -> None:
    """And once more at the end."""
    receiver = OtlpReceiver()
    await receiver.start()
    export = export_to(receiver)
    job = asyncio.create_task(export.run())
    async with asyncio.timeout(20):
        while export.sent < 2:  # noqa: ASYNC110 - sent over a real socket
            await asyncio.sleep(0.01)
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    before = export.sent
    await export.close()
    assert export.sent == before + 1
    assert "lukhas_requests" in receiver.metrics
    assert export.part().state == "ok"
    await receiver.stop()


async def test_a_collector_that_is_down_shows_until_it_is_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is kept for it: the next message says more."""
    receiver = OtlpReceiver()
    await receiver.start()
    await receiver.stop()
    export = export_to(receiver)
    assert not await export.send()
    assert not await export.send()
    assert (export.sent, export.failed) == (0, 2)
    assert export.part().state == "degraded"
    assert len(caplog.records) == 1
    await receiver.start()
    with caplog.at_level("INFO"):
        assert await export.send()
    assert (export.part().state, export.part().detail) == ("ok", "")
    assert caplog.records[-1].message == "metrics are taken again"
    await receiver.stop()


async def test_what_it_throws_away_shows() -> None:
    """It says so in its answer (partial success)."""
    receiver = OtlpReceiver()
    await receiver.start()
    partial = ExportMetricsServiceResponse(
        partial_success=ExportMetricsPartialSuccess(rejected_data_points=4)
    )
    receiver.answers.append(answer(200, body=partial.SerializeToString()))
    receiver.answers.append(answer(200, body=b"\xff"))
    export = export_to(receiver)
    assert not await export.send()
    assert export.part().detail == "it throws 4 values away"
    assert await export.send()
    await receiver.stop()


async def test_the_end_waits_for_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A collector that says nothing gets a short time."""
    monkeypatch.setattr("lukhas.telemetry.metric_export._LAST_S", 0.1)
    receiver = OtlpReceiver()
    await receiver.start()
    receiver.answers.append(b"")
    await export_to(receiver).close()
    assert "too slow" in caplog.text
    await receiver.stop()
