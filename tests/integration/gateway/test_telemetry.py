"""A gateway as a process: its access log, its traces and what its collector gets."""

import asyncio
import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.integration.gateway.load import loaded
from tests.integration.gateway.process_kit import Served, get, serving, until
from tests.unit.telemetry.otlp_receiver import OtlpReceiver, attributes_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SETTINGS = """
[access_log]
format = "json"
output = "file"
file = "{folder}/access.log"

[telemetry.tracing]
mode = "start"
ratio = 0

[telemetry.otlp]
endpoint = "http://127.0.0.1:{port}"
traces_interval_s = 0.2
metrics_interval_s = 0.5
"""


class Collector:
    """A receiver on a loop of its own."""

    def __init__(self) -> None:
        self.receiver = OtlpReceiver()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self) -> None:
        self._run(self.receiver.start)

    def stop(self) -> None:
        self._run(self.receiver.stop)

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, job: Callable[[], Any]) -> None:
        asyncio.run_coroutine_threadsafe(job(), self._loop).result(10)


@contextmanager
def collector() -> Iterator[Collector]:
    made = Collector()
    made.start()
    try:
        yield made
    finally:
        made.close()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def part(served: Served, name: str) -> str:
    parts = json.loads(served.ask_admin("/health")[1])["parts"]
    return str(next(each["state"] for each in parts if each["name"] == name))


def ask(served: Served, path: str) -> None:
    assert get(served.port, path, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")[0] == 200


def test_what_others_are_told_of_requests(tmp_path: Path) -> None:
    """Lines that survive a rotation and a reload; spans and metrics, also after the collector was
    away.
    """
    log = tmp_path / "access.log"
    with loaded() as load, collector() as found:
        receiver = found.receiver
        file = tmp_path / "g.toml"
        file.write_text(SETTINGS.format(folder=tmp_path, port=receiver.port))
        flags = ("--upstream", f"http://127.0.0.1:{load.origin_port}", "--config", str(file))
        with serving(*flags, state_dir=tmp_path / "state") as served:
            ask(served, "/a?token=s3cret")
            assert get(served.port, "/b")[0] == 200
            until(lambda: len(lines(log)) == 2)
            first, second = lines(log)
            assert (first["path"], first["query"], first["trace_id"]) == ("/a", "token=***", TRACE)
            assert len(second["trace_id"]) == 32
            # Only the first is recorded: its trace says so, and none that begins here is.
            until(lambda: len(receiver.spans) > 3)
            by_kind = {int(span.kind): span for span in receiver.spans}
            server, call = by_kind[Span.SPAN_KIND_SERVER], by_kind[Span.SPAN_KIND_CLIENT]
            assert server.parent_span_id.hex() == "00f067aa0ba902b7"
            assert {span.trace_id.hex() for span in receiver.spans} == {TRACE}
            assert attributes_of(server.attributes)["url.path"] == "/a"
            names = {span.span_id: span.name for span in receiver.spans}
            assert names[call.parent_span_id] == "handler"
            until(lambda: "lukhas_requests" in receiver.metrics)

            log.rename(tmp_path / "access.log.1")
            ask(served, "/c")
            until(lambda: [line["path"] for line in lines(log)] == ["/c"])

            found.stop()
            ask(served, "/d")
            until(lambda: part(served, "otlp-traces") == "degraded")
            until(lambda: part(served, "otlp-metrics") == "degraded")
            found.start()
            until(lambda: "/d" in paths(receiver))
            until(lambda: part(served, "otlp-traces") == "ok")

            served.tell(signal.SIGHUP, "reload done")
            ask(served, "/e")
            until(lambda: "/e" in [line["path"] for line in lines(log)])
    assert "s3cret" not in log.read_text() + (tmp_path / "access.log.1").read_text()
    assert [line["path"] for line in lines(tmp_path / "access.log.1")] == ["/a", "/b"]


def paths(receiver: OtlpReceiver) -> set[object]:
    return {attributes_of(span.attributes).get("url.path") for span in receiver.spans}
