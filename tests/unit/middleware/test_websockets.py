"""WebSocket connections: limited as requests, and by the messages of the client."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from lukhas.clock import Clock
from lukhas.errors import ConfigError, CountersUnavailableError, StoreError
from lukhas.http.client_address import TrustedProxies
from lukhas.middleware import OptimizerMiddleware, cache, exempt, limit
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.limit_rules import LimitRules
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.costs import Cost, CostBasis
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteRule
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.telemetry.recorder import Recorder
from tests.unit.middleware.kit import (
    HandClock,
    add,
    fail_on_containment,
    make_pipeline,
    optimized,
    statuses,
)

DENIAL: dict[str, Any] = {"websocket.http.response": {}}
MESSAGES = Cost(CostBasis.MESSAGES)


class Socket:
    """The server's end of one connection, with the messages that the client will send."""

    def __init__(self, *messages: str) -> None:
        self.sent: list[dict[str, Any]] = []
        self._coming: list[dict[str, Any]] = [
            {"type": "websocket.connect"},
            *({"type": "websocket.receive", "text": text} for text in messages),
            {"type": "websocket.disconnect", "code": 1000},
        ]
        self.received = 0

    async def receive(self) -> dict[str, Any]:
        self.received += 1
        return self._coming.pop(0)

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    @property
    def kinds(self) -> list[str]:
        return [message["type"].removeprefix("websocket.") for message in self.sent]

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


def scope(path: str = "/ws", **changes: Any) -> dict[str, Any]:
    """A WebSocket scope as a server makes it."""
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"test")],
        "client": ("192.0.2.1", 1234),
        "server": ("test", 80),
        "subprotocols": [],
        "extensions": {},
        **changes,
    }


async def connect(app: Any, *messages: str, path: str = "/ws", **changes: Any) -> Socket:
    """One connection to its end."""
    socket = Socket(*messages)
    await app(scope(path, **changes), socket.receive, socket.send)
    return socket


async def echo(websocket: WebSocket) -> None:
    """Sends back what comes."""
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect:
        pass


def echoing(*marks: Callable[[Any], Any]) -> Any:
    """An app with one endpoint that has these marks."""

    async def endpoint(websocket: WebSocket) -> None:
        await echo(websocket)

    for mark in marks:
        mark(endpoint)
    return Starlette(routes=[WebSocketRoute("/ws", endpoint)])


async def test_a_connection_is_one_request() -> None:
    """It is counted with the requests of its consumer, and told what is left as they are."""
    app = FastAPI()
    add(app, free="2/minute", clock=HandClock())
    app.websocket("/ws")(echo)
    app.get("/")(lambda: "ok")
    assert await statuses(app, "/", 1) == [200]
    socket = await connect(app, "a", "b", "c")
    assert socket.kinds == ["accept", "send", "send", "send"]
    assert socket.headers[b"ratelimit"].startswith(b'"free-minute";r=0')
    assert b"x-request-id" in socket.headers
    assert await statuses(app, "/", 1) == [429]


async def test_a_connection_over_a_limit_gets_the_same_429_as_a_request() -> None:
    """Where the server can send a response to a handshake; the app never hears of it."""
    app = optimized(echoing(), free="1/minute")
    await connect(app)
    socket = await connect(app, extensions=DENIAL)
    start, body = socket.sent
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 429)
    headers = dict(start["headers"])
    assert headers[b"content-type"] == b"application/problem+json"
    assert int(headers[b"retry-after"]) >= 1
    assert b'"policy":"tier-free"' in body["body"]
    assert socket.received == 1


async def test_a_connection_over_a_limit_is_closed_where_no_response_can_be_sent() -> None:
    """With the code for trying again later, before it is accepted."""
    app = optimized(echoing(), free="1/minute")
    await connect(app)
    socket = await connect(app, extensions=None)
    (closed,) = socket.sent
    assert (closed["type"], closed["code"]) == ("websocket.close", 1013)
    assert closed["reason"] == "over the limit tier-free"


async def test_a_bad_host_is_refused_for_good() -> None:
    """Trying again would not help."""
    app = optimized(echoing())
    socket = await connect(app, headers=[(b"host", b"a b")])
    (closed,) = socket.sent
    assert (closed["code"], closed["reason"]) == (1008, "refused with status 400")


async def test_messages_are_counted_and_close_the_connection() -> None:
    """The first over the limit closes it with 1008 and the name of the policy."""
    clock = HandClock()
    mark = limit("2/second", cost="messages", name="chat")
    app = optimized(echoing(mark), clock=clock)
    socket = await connect(app, "a", "b", "c", "d")
    assert socket.kinds == ["accept", "send", "send", "close"]
    closed = socket.sent[-1]
    assert closed["code"] == 1008
    assert closed["reason"].startswith("over the limit chat, try again in ")
    # The next one is counted with it, by consumer.
    assert (await connect(app, "e")).kinds == ["accept", "close"]
    clock.ns += 10**10
    assert (await connect(app, "e")).kinds == ["accept", "send"]


async def test_requests_cost_nothing_of_a_limit_on_messages() -> None:
    """Nor do connections."""
    policy = LimitPolicy("talk", parse_limits("1/minute", policy="talk"), cost=MESSAGES)
    app = FastAPI()
    add(app, policies=[policy])
    app.websocket("/ws")(echo)
    app.get("/")(lambda: "ok")
    assert await statuses(app, "/", 3) == [200] * 3
    assert (await connect(app)).kinds == ["accept"]
    assert (await connect(app, "a", "b")).kinds == ["accept", "send", "close"]


async def test_the_app_sees_a_disconnect_and_cannot_send_any_more() -> None:
    """A send after the close raises an OSError, as ASGI says; a close of its own is dropped."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"x-own", b"1")]})
        seen.extend([(await receive())["type"] for _ in range(3)])
        with pytest.raises(OSError, match="because of a limit"):
            await send({"type": "websocket.send", "text": "late"})
        await send({"type": "websocket.close"})

    policy = LimitPolicy("talk", parse_limits("1/minute", policy="talk"), cost=MESSAGES)
    socket = await connect(optimized(app, policies=[policy]), "a", "b", "c")
    assert seen == ["websocket.receive", "websocket.disconnect", "websocket.disconnect"]
    assert socket.kinds == ["accept", "close"]
    assert socket.headers[b"x-own"] == b"1"


@pytest.mark.parametrize("case", ["no limit", "exempt mark", "exempt route", "exempt client"])
async def test_without_a_limit_on_messages_receive_is_the_servers_own(case: str) -> None:
    """No wrapper costs anything there."""
    seen: list[Any] = []

    async def endpoint(websocket: WebSocket) -> None:
        seen.append(websocket._receive)
        await websocket.accept()

    if case == "exempt mark":
        exempt(endpoint)
    talk = LimitPolicy("talk", parse_limits("1/minute", policy="talk"), cost=MESSAGES)
    rule = RouteRule(name="ws", template="/ws", exempt=True, cache=CachePolicy(mode=Mode.OFF))
    clock = HandClock()
    pipeline = make_pipeline(clock, rules=[rule] if case == "exempt route" else [])
    limits = next(stage for stage in pipeline.stages if isinstance(stage, LimitStage))
    limits.rules = LimitRules(
        {Tier.FREE: parse_limits("1/minute", policy="free")} if case != "no limit" else {},
        (talk,) if case != "no limit" else (),
        exempt_addresses=TrustedProxies(["192.0.2.0/24"] if case == "exempt client" else []),
    )
    app = Starlette(routes=[WebSocketRoute("/ws", endpoint)])
    app.add_middleware(OptimizerMiddleware, pipeline=pipeline, clock=clock)
    for _ in range(2):
        socket = Socket("a")
        await app(scope(), socket.receive, socket.send)
        assert socket.kinds == ["accept"]
        assert seen.pop() == socket.receive


async def test_marks_are_found_on_all_kinds_of_websocket_routes() -> None:
    """Of FastAPI, in included routers and as dependencies; of Starlette, in mounts and classes."""
    router = APIRouter(prefix="/v1")

    @router.websocket("/marked/{room}")
    @limit("1/minute")
    async def marked(websocket: WebSocket, room: str) -> None:
        await echo(websocket)

    @router.websocket("/asked", dependencies=[Depends(limit("1/minute"))])
    async def asked(websocket: WebSocket) -> None:
        await echo(websocket)

    @limit("1/minute")
    class Talk(WebSocketEndpoint):
        async def on_connect(self, websocket: WebSocket) -> None:
            await websocket.accept()

    app = FastAPI()
    app.include_router(router)
    app.routes.append(Mount("/sub", routes=[WebSocketRoute("/talk/{x:int}", Talk)]))
    add(app)
    for path in ("/v1/marked/a", "/v1/asked", "/sub/talk/7"):
        first, second = [await connect(app, path=path) for _ in range(2)]
        assert first.kinds == ["accept"], path
        assert second.kinds == ["close"], path
    # Another room is the same route.
    assert (await connect(app, path="/v1/marked/b")).kinds == ["close"]


async def test_a_request_and_a_connection_of_one_path_have_limits_of_their_own() -> None:
    """The app tells them apart, and so do its marks."""

    @limit("1/minute")
    async def page(_request: Any) -> Any:
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route("/ws", page), WebSocketRoute("/ws", echo)])
    add(app)
    assert await statuses(app, "/ws", 2) == [200, 429]
    assert (await connect(app)).kinds == ["accept"]


def test_marks_that_mean_nothing_are_refused() -> None:
    """A cache on a WebSocket route, and a limit on the messages of a request."""

    async def bound(app: Any) -> None:
        await connect(app, path="/nothing")

    with pytest.raises(ConfigError, match="caching does not apply to WebSocket routes"):
        asyncio.run(bound(optimized(echoing(cache(ttl_s=5)))))
    app = FastAPI()
    app.get("/")(limit("1/minute", cost="messages")(lambda: "ok"))
    with pytest.raises(ConfigError, match="only WebSocket routes have any"):
        asyncio.run(bound(optimized(app)))


async def test_marks_of_a_router_hold_for_what_they_can() -> None:
    """A limit on messages and a cache that all routes of a router were given."""
    marks = [Depends(limit("1/minute", cost="messages")), Depends(cache(ttl_s=5))]
    app = FastAPI(dependencies=marks)
    app.websocket("/ws")(echo)
    app.get("/")(lambda: "ok")
    add(app)
    assert await statuses(app, "/", 3) == [200] * 3
    assert (await connect(app, "a", "b")).kinds == ["accept", "send", "close"]


async def test_a_mark_as_a_dependency_notices_that_the_middleware_is_missing() -> None:
    """On WebSocket routes as on others."""
    app = FastAPI()
    app.websocket("/ws", dependencies=[Depends(limit("1/minute"))])(echo)
    with pytest.raises(ConfigError, match="nothing enforces it"):
        await connect(app)


async def test_the_apps_own_refusal_passes() -> None:
    """As a code or as a response, which gets the fields of a response."""

    async def closing(websocket: WebSocket) -> None:
        await websocket.close(4000)

    app = Starlette(routes=[WebSocketRoute("/ws", closing)])
    add(app, free="5/minute")
    socket = await connect(app)
    assert (socket.kinds, socket.sent[0]["code"]) == (["close"], 4000)

    async def denying(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        start = {"type": "websocket.http.response.start", "status": 418, "headers": []}
        await send(start)
        await send({"type": "websocket.http.response.body", "body": b"no"})

    denied = await connect(optimized(denying, free="5/minute"), extensions=DENIAL)
    assert denied.sent[0]["status"] == 418
    assert b"ratelimit" in denied.headers


async def test_a_failing_app_is_heard() -> None:
    """Its own error goes on, before and after it accepted; and so does its silence."""

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/late":
            await send({"type": "websocket.accept"})
        if scope["path"] != "/silent":
            raise ValueError("broken")

    recorder, pipeline, clock = observed(free="100/minute")
    app = OptimizerMiddleware(failing, pipeline=pipeline, clock=clock)
    for path in ("/early", "/late"):
        with pytest.raises(ValueError, match="broken"):
            await connect(app, path=path)
    assert (await connect(app, path="/silent")).sent == []
    statuses = {labels[2]: count for labels, count in recorder.drain().requests.items()}
    assert statuses == {"5xx": 1, "1xx": 1, "4xx": 1}
    assert recorder.in_flight == 0


def observed(**options: Any) -> tuple[Recorder, Pipeline, Clock]:
    """A pipeline that records."""
    clock = HandClock()
    recorder = Recorder()
    pipeline = make_pipeline(clock, extra=[ObserveStage(recorder, clock)], **options)
    return recorder, pipeline, clock


async def test_what_is_over_a_limit_is_counted() -> None:
    """Connections and messages, enforced and in shadow mode, by policy and tier."""
    policies = [
        LimitPolicy("talk", parse_limits("2/minute", policy="talk"), cost=MESSAGES),
        LimitPolicy("calm", parse_limits("1/hour", policy="calm"), cost=MESSAGES, mode=Mode.SHADOW),
    ]
    recorder, pipeline, clock = observed(free="1/minute", policies=policies)
    app = OptimizerMiddleware(echoing(), pipeline=pipeline, clock=clock)
    assert (await connect(app, "a", "b", "c")).kinds == ["accept", "send", "send", "close"]
    assert (await connect(app)).kinds == ["close"]
    delta = recorder.drain()
    assert delta.limited == {
        ("calm", "free", "shadow"): 2,
        ("talk", "free", "enforce"): 1,
        ("tier-free", "free", "enforce"): 1,
    }
    assert {labels[2]: count for labels, count in delta.requests.items()} == {"1xx": 1, "4xx": 1}


async def test_a_limit_on_what_is_in_flight_holds_a_connection_to_its_end() -> None:
    """Though it was counted and timed when it was accepted."""
    recorder, pipeline, clock = observed()
    app = OptimizerMiddleware(echoing(limit("1 concurrent")), pipeline=pipeline, clock=clock)
    accepted, end = asyncio.Event(), asyncio.Event()
    first = Socket()

    async def receive() -> dict[str, Any]:
        if first.sent:
            accepted.set()
            await end.wait()
        return await first.receive()

    serving = asyncio.create_task(app(scope(), receive, first.send))
    await accepted.wait()
    assert recorder.in_flight == 0
    assert (await connect(app)).kinds == ["close"]
    end.set()
    await serving
    assert (await connect(app)).kinds == ["accept"]


@pytest.mark.parametrize("error", [CountersUnavailableError("talk"), None])
async def test_counters_that_do_not_answer(error: CountersUnavailableError | None) -> None:
    """The policy says whether messages pass then, or the connection closes for a while."""

    class Failing(MemoryCounters):
        def decide(self, *args: Any, **kwargs: Any) -> Any:
            raise error or StoreError("gone")

    policy = LimitPolicy("talk", parse_limits("1/minute", policy="talk"), cost=MESSAGES)
    limits = LimitStage(Failing(), LimitRules({}, (policy,)))
    clock = HandClock()
    stages = [
        limits if isinstance(stage, LimitStage) else stage for stage in make_pipeline(clock).stages
    ]
    app = OptimizerMiddleware(
        echoing(), pipeline=Pipeline(stages, fail_on_containment), clock=clock
    )
    socket = await connect(app, "a")
    if error is None:
        assert socket.kinds == ["accept", "send"]
    else:
        assert socket.kinds == ["accept", "close"]
        assert socket.sent[-1]["code"] == 1013
