"""A collector for tests: takes OTLP over HTTP on a real socket and decodes what comes."""

import asyncio
import gzip
import ssl
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

__all__ = ("OtlpReceiver", "answer", "attributes_of")


def attributes_of(pairs: Iterable[KeyValue]) -> dict[str, object]:
    """Attributes as a dict."""
    found: dict[str, object] = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        assert kind is not None
        found[pair.key] = getattr(pair.value, kind)
    return found


@dataclass
class OtlpReceiver:
    """A collector.

    Attributes:
        answers: whole answers to give, in this order; when there are none left, 200.
        heads: the request heads that came.
        spans: all spans that came.
        metrics: the metrics of the last message that had some.
        resources: what the messages said of their process.
        port: where it listens; kept when it is started again.
    """

    answers: deque[bytes] = field(default_factory=deque)
    heads: list[bytes] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, Metric] = field(default_factory=dict)
    resources: list[Resource] = field(default_factory=list)
    port: int = 0
    tls: ssl.SSLContext | None = None
    _server: asyncio.Server | None = None
    _serving: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'http' if self.tls is None else 'https'}://localhost:{self.port}"

    async def start(self) -> None:
        """Listens, on a free port at first."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listens no more."""
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        tasks = dict(self._serving)
        for writer in tasks.values():
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The loop tells transports that they are closed at its next turns.
        for _ in range(3):
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if b"content-encoding: gzip" in head:
                body = gzip.decompress(body)
            said = self.answers.popleft() if self.answers else answer(200)
            if said.startswith(b"HTTP/1.1 200"):
                self._take(head.split(b" ")[1], body)
            writer.write(said)
            await writer.drain()
            if said and writer.can_write_eof():
                writer.write_eof()
            # The client ends the connection when it has its answer, or enough of waiting.
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._serving.pop(task, None)
            writer.transport.abort()

    def _take(self, path: bytes, body: bytes) -> None:
        if path.endswith(b"/v1/traces"):
            for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(resource_spans.resource)
                for scope in resource_spans.scope_spans:
                    self.spans.extend(scope.spans)
            return
        assert path.endswith(b"/v1/metrics")
        for resource_metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            self.resources.append(resource_metrics.resource)
            for group in resource_metrics.scope_metrics:
                self.metrics = {metric.name: metric for metric in group.metrics}


def answer(status: int, *lines: bytes, body: bytes = b"") -> bytes:
    head = b"".join(line + b"\r\n" for line in lines)
    return b"HTTP/1.1 %d X\r\n%bcontent-length: %d\r\n\r\n%b" % (status, head, len(body), body)
