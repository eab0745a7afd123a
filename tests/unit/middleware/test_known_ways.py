"""A request that is like one before gets its answer from the cache as that one did."""

import pytest

from lukhas.middleware import OptimizerMiddleware
from lukhas.middleware.asgi import Receive, Scope
from lukhas.middleware.relay import Send
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.routing.routes import RouteRule
from lukhas.telemetry.recorder import Recorder
from tests.unit.middleware.kit import HandClock, call, http_scope, make_pipeline

_RULES = (RouteRule("all", "/{rest:path}", CachePolicy()),)


async def answering(_scope: Scope, _receive: Receive, send: Send) -> None:
    headers = [(b"cache-control", b"public, max-age=60"), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"answer"})


@pytest.mark.parametrize("free", ["", "100/minute; 1000/hour"])
async def test_it_gets_the_fields_and_the_body_of_a_hit(free: str) -> None:
    clock = HandClock()
    recorder = Recorder()
    observe = ObserveStage(recorder, clock)
    pipeline = make_pipeline(clock, free=free, rules=_RULES, extra=(observe,))
    app = OptimizerMiddleware(answering, pipeline=pipeline, clock=clock)
    wires = [await call(app, http_scope("/a")) for _ in range(6)]
    hits = wires[1:]
    assert [wire.kinds for wire in hits] == [["start", "body"]] * 5
    assert {wire.body for wire in hits} == {b"answer"}
    named = [dict(wire.headers) for wire in hits]
    ids = [fields.pop(b"x-request-id") for fields in named]
    assert len(set(ids)) == 5
    left = [fields.pop(b"ratelimit", b"").partition(b"r=")[2][:2] for fields in named]
    assert left == ([b"98", b"97", b"96", b"95", b"94"] if free else [b""] * 5)
    assert named == [named[0]] * 5
    assert named[0][b"cache-status"] == b"lukhas; hit; ttl=60"
    assert (b"ratelimit-policy" in named[0]) is bool(free)
    orders = [[name for name, _value in wire.headers] for wire in hits]
    assert orders == [orders[0]] * 5
    assert recorder.snapshot().requests[("/{rest:path}", "GET", "2xx", "free", "hit")] == 5
