"""What a worker tells others of requests, as the settings have it."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from lukhas.config.settings import Settings
from lukhas.errors import ConfigError
from lukhas.gateway.reporting import Reporting
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.http.trace_context import TraceContext
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.request_trace import RequestTrace
from lukhas.telemetry.recorder import Recorder
from tests.unit.telemetry.otlp_receiver import OtlpReceiver, attributes_of


def reporting(**tree: Any) -> Reporting:
    return Reporting(Settings.model_validate(tree), "worker-1.1")


def exchange() -> Exchange:
    fields = Headers([(b"user-agent", b"curl/8")])
    made = Exchange(RequestHead("GET", "http", b"a", b"/a", b"page=2&b=3", fields), "::1", 5, b"i")
    made.trace = RequestTrace(TraceContext(b"4" * 32, b"", 1), b"5" * 16)
    return made


async def test_what_is_off_does_not_exist() -> None:
    """No report, no job, no part of the health, no figure."""
    found = reporting()
    assert (found.reports(), found.jobs(), found.parts()) == ((), (), [])
    assert not found.sends_spans
    recorder = Recorder()
    found.show(recorder)
    assert set(recorder.gauges()) == {"requests_in_flight"}
    await found.close()


async def test_log_and_spans_are_told_of_a_request(tmp_path: Path) -> None:
    """Each by its own rules; the rest goes out at the end."""
    receiver = OtlpReceiver()
    await receiver.start()
    file = tmp_path / "access.log"
    found = reporting(
        access_log={
            "format": "json", "output": "file", "file": str(file), "query_parameters": ["*"],
            "fields": ["user-agent"], "client": "network",
        },
        telemetry={
            "tracing": {"mode": "start", "query_parameters": ["page"]},
            "otlp": {"endpoint": receiver.url},
        },
    )  # fmt: skip
    assert found.sends_spans
    assert [part.name for part in found.parts()] == ["access-log", "otlp-traces"]
    jobs = [asyncio.create_task(job) for job in found.jobs()]
    assert len(jobs) == 2
    for report in found.reports():
        report(exchange(), 200, 7, 9)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    await found.close()
    line = json.loads(file.read_text())
    assert (line["query"], line["client"]) == ("page=2&b=3", "::/48")
    assert line["fields"] == {"user-agent": "curl/8"}
    (span,) = receiver.spans
    assert attributes_of(span.attributes)["url.query"] == "page=2&b=***"
    said = attributes_of(receiver.resources[0].attributes)
    assert str(said["service.instance.id"]).endswith("/worker-1.1")
    recorder = Recorder()
    found.show(recorder)
    assert recorder.gauges() == {
        "requests_in_flight": 0,
        "access_log_lines": 1,
        "access_log_lines_dropped": 0,
        "spans_sent": 1,
        "spans_dropped": 0,
    }
    await receiver.stop()


@pytest.mark.parametrize(
    ("tracing", "otlp"),
    [
        ("off", {"endpoint": "http://localhost:9"}),
        ("start", {"endpoint": "http://localhost:9", "traces": False}),
        ("start", {}),
    ],
)
async def test_spans_need_traces_and_a_collector(tracing: str, otlp: dict[str, object]) -> None:
    """One of them alone makes none."""
    assert not reporting(telemetry={"tracing": {"mode": tracing}, "otlp": otlp}).sends_spans


async def test_a_file_that_cannot_be_written_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    """Told at the start, not with the first request."""
    log = {"format": "common", "output": "file", "file": str(tmp_path / "missing" / "a.log")}
    with pytest.raises(ConfigError, match=r"a\.log cannot be written: No such file") as told:
        reporting(access_log=log)
    assert told.value.where == "access_log.file"


@pytest.mark.parametrize("output", ["stdout", "stderr"])
async def test_lines_go_to_a_stream_that_is_there(output: str) -> None:
    """A service may be started without one."""
    found = reporting(access_log={"format": "common", "output": output})
    assert [part.name for part in found.parts()] == ["access-log"]
    await found.close()

    def fail(_descriptor: int) -> None:
        raise OSError("bad descriptor")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fstat", fail)
        with pytest.raises(ConfigError, match=f"there is no {output}"):
            reporting(access_log={"format": "common", "output": output})
