"""Upstreams are told of the trace that a request belongs to."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lukhas.config.settings import Settings
from lukhas.errors import HandlerError, UpstreamError
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.traced_forwarding import CallTracing, TracedForwarding
from lukhas.gateway.upstreams import Upstreams
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.hub.hub import Hub
from lukhas.pipeline.driving import finish, start
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.pipeline.tracing import TracingIntake, trace_of
from tests.integration.gateway.kit import Answer, Origin, whole

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = b"00-%b-00f067aa0ba902b7-01" % TRACE


class Traced:
    """A hub before upstreams, and the origin behind them."""

    def __init__(self, hub: Hub, upstreams: Upstreams, origin: Origin) -> None:
        self.hub = hub
        self.upstreams = upstreams
        self.origin = origin
        self.handler = hub.pipeline.around(upstreams.handler)

    def exchange(self, path: bytes, *fields: tuple[bytes, bytes]) -> Exchange:
        head = RequestHead("GET", "http", b"shop.test", path, b"", Headers(list(fields)))
        return self.hub.intake.exchange(head, "192.0.2.1")

    async def ask(self, exchange: Exchange) -> Response:
        run = self.handler(exchange)
        step: Any = start(run)
        answer = step if isinstance(step, Response) else await finish(run, step)
        assert isinstance(answer, Response)
        return answer


@asynccontextmanager
async def traced(tmp_path: Path, **settings: object) -> AsyncIterator[Traced]:
    origin = Origin()
    await origin.start()
    url = f"http://127.0.0.1:{origin.port}"
    all_settings = Settings.model_validate(
        {"state_dir": tmp_path, "upstream": url, "limits": [], **settings}
    )
    hub = Hub(all_settings, forwards=True)
    await hub.start()
    tracing = None
    if all_settings.telemetry.tracing.mode != "off":
        tracing = CallTracing(hub.clock, random.getrandbits)
    upstreams = Upstreams(all_settings, hub.recorder, hub.clock, tracing=tracing)
    try:
        yield Traced(hub, upstreams, origin)
    finally:
        await upstreams.close()
        await hub.close()
        await origin.close()
        await asyncio.sleep(0.01)


def settings(mode: str, **more: object) -> dict[str, object]:
    return {"tracing": {"mode": mode, **more}}


async def test_a_trace_goes_on_at_the_upstream(tmp_path: Path) -> None:
    """In the same trace, with the call as the parent; the client's fields go out just once."""
    async with traced(tmp_path, telemetry=settings("continue")) as found:
        exchange = found.exchange(
            b"/a", (b"traceparent", PARENT), (b"tracestate", b"a=1"), (b"accept", b"*/*")
        )
        await found.ask(exchange)
        (seen,) = found.origin.seen
        trace = trace_of(exchange)
        assert trace is not None
        assert trace.calls is not None
        (call,) = trace.calls
        assert seen.values(b"traceparent") == [b"00-%b-%b-01" % (TRACE, call.span_id)]
        assert seen.values(b"tracestate") == [b"a=1"]
        assert seen.values(b"accept") == [b"*/*"]
        assert call.span_id not in {trace.span_id, b"00f067aa0ba902b7"}
        assert (call.status, call.failure, call.upstream) == (200, "", "default")
        assert (call.host, call.port) == ("127.0.0.1", found.origin.port)
        assert exchange.now_ns <= call.began_ns <= call.ended_ns


async def test_what_is_no_trace_is_not_passed_on(tmp_path: Path) -> None:
    """Neither is one that nobody believes."""
    async with traced(tmp_path, telemetry=settings("continue")) as found:
        await found.ask(found.exchange(b"/a", (b"traceparent", b"00-x"), (b"tracestate", b"a=1")))
        (seen,) = found.origin.seen
        assert seen.values(b"traceparent") == seen.values(b"tracestate") == []
    telemetry = settings("start", trust="none", ratio=0)
    async with traced(tmp_path, telemetry=telemetry) as found:
        await found.ask(found.exchange(b"/a", (b"traceparent", PARENT)))
        ((parent,),) = [seen.values(b"traceparent") for seen in found.origin.seen]
        assert TRACE not in parent
        assert parent.endswith(b"-02")


async def test_every_try_is_a_span_of_its_own(tmp_path: Path) -> None:
    """So that the upstream's spans hang below the try that they belong to."""
    async with traced(tmp_path, telemetry=settings("start", ratio=1)) as found:
        found.origin.scripts[b"/busy"] = Answer(whole(b"no", status=b"503 Busy"))
        exchange = found.exchange(b"/busy")
        await found.ask(exchange)
        await found.upstreams.handler(exchange)
        trace = trace_of(exchange)
        assert trace is not None
        assert trace.calls is not None
        assert [call.status for call in trace.calls] == [503, 503]
        sent = [seen.values(b"traceparent")[0].split(b"-")[2] for seen in found.origin.seen]
        assert sent == [call.span_id for call in trace.calls]
        assert len(set(sent)) == 2


async def test_a_failure_is_noted(tmp_path: Path) -> None:
    """With its kind; and the number of tries that are noted is bounded."""
    async with traced(tmp_path, telemetry=settings("start", ratio=1)) as found:
        await found.origin.close()
        exchange = found.exchange(b"/a")
        for _ in range(20):
            with pytest.raises((UpstreamError, HandlerError)):
                await found.upstreams.handler(exchange)
        trace = trace_of(exchange)
        assert trace is not None
        assert trace.calls is not None
        assert [call.failure for call in trace.calls] == ["connect"] * 16
        assert all(call.ended_ns and not call.status for call in trace.calls)
        await found.origin.start()


async def test_a_handshake_is_told_too(tmp_path: Path) -> None:
    """The head of a WebSocket connection's request is made by the same."""
    async with traced(tmp_path, telemetry=settings("continue")) as found:
        exchange = found.exchange(b"/a", (b"traceparent", PARENT))
        head = found.upstreams.upgrade(exchange).head(exchange)
        assert head.count(b"traceparent: 00-%b-" % TRACE) == 1


async def test_without_tracing_the_fields_pass(tmp_path: Path) -> None:
    """As all others do, and exchanges know of no trace."""
    async with traced(tmp_path) as found:
        exchange = found.exchange(b"/a", (b"traceparent", PARENT), (b"tracestate", b"A=?"))
        await found.ask(exchange)
        (seen,) = found.origin.seen
        assert seen.values(b"traceparent") == [PARENT]
        assert seen.values(b"tracestate") == [b"A=?"]
        assert trace_of(exchange) is None


async def test_what_is_off_costs_nothing(tmp_path: Path) -> None:
    """Nothing asks for each request: the plain objects stand where those that trace would."""
    async with traced(tmp_path) as found:
        assert type(found.hub.intake) is Intake
        assert type(found.hub.pipeline.stages[0]) is ObserveStage
        assert type(found.upstreams.handler) is Forwarding
    async with traced(tmp_path, telemetry=settings("start")) as found:
        assert type(found.hub.intake) is TracingIntake
        assert type(found.upstreams.handler) is TracedForwarding


async def test_where_nothing_is_forwarded_no_trace_begins(tmp_path: Path) -> None:
    """Nobody else would know of it; one that is there is taken up for the records."""
    all_settings = Settings.model_validate(
        {"state_dir": tmp_path, "telemetry": settings("start", ratio=1)}
    )
    hub = Hub(all_settings)
    head = RequestHead("GET", "http", b"shop.test", b"/a", b"", Headers([]))
    assert trace_of(hub.intake.exchange(head, "192.0.2.1")) is None
    fields = Headers([(b"traceparent", PARENT)])
    head = RequestHead("GET", "http", b"shop.test", b"/a", b"", fields)
    trace = trace_of(hub.intake.exchange(head, "192.0.2.1"))
    assert trace is not None
    assert trace.trace_id == TRACE
    hub = Hub(
        Settings.model_validate(
            {"state_dir": tmp_path, "telemetry": settings("start", trust="none")}
        )
    )
    assert type(hub.intake) is Intake
