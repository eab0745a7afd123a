"""What goes wrong with other rate limiters and caches for FastAPI, and must not here.

Each test is named after the report it stands for.
"""

import asyncio
import subprocess
import sys
from contextvars import ContextVar
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Header, Request
from fastapi.responses import StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware

from lukhas.middleware import OptimizerMiddleware, cache, exempt, limit
from tests.unit.middleware.kit import (
    HandClock,
    Wire,
    add,
    call,
    client,
    http_scope,
    make_pipeline,
    optimized,
    statuses,
)


async def test_slowapi_281_routes_of_included_routers_are_limited() -> None:
    """Limits of the tier and of marks hold for routes added with include_router, however deep."""
    inner = APIRouter(prefix="/inner")
    outer = APIRouter(prefix="/outer")

    @inner.get("/marked/{name}")
    @limit("1/minute")
    async def marked(name: str) -> str:
        return name

    @inner.get("/plain")
    async def plain() -> str:
        return "plain"

    outer.include_router(inner, prefix="/deep")
    app = FastAPI()
    add(app, free="3/minute")
    app.include_router(outer, prefix="/v1")
    assert await statuses(app, "/v1/outer/deep/inner/marked/a", 2) == [200, 429]
    assert await statuses(app, "/v1/outer/deep/inner/plain", 3) == [200, 200, 429]


async def test_slowapi_283_a_router_can_have_a_default_limit() -> None:
    """A limit among a router's dependencies holds for each of its routes apart, and no others."""
    router = APIRouter(dependencies=[Depends(limit("2/minute"))])

    @router.get("/a")
    async def a() -> str:
        return "a"

    @router.get("/b")
    def b() -> str:
        return "b"

    app = FastAPI()
    add(app)
    app.include_router(router, prefix="/limited")
    app.include_router(router, prefix="/also", dependencies=[Depends(limit("1/minute"))])

    @app.get("/free")
    async def free() -> str:
        return "free"

    assert await statuses(app, "/limited/a", 3) == [200, 200, 429]
    assert await statuses(app, "/limited/b", 3) == [200, 200, 429]
    assert await statuses(app, "/also/a", 2) == [200, 429]
    assert await statuses(app, "/free", 5) == [200] * 5


async def test_app_wide_dependencies_limit_every_route() -> None:
    """A limit among the app's own dependencies holds for every route."""
    app = FastAPI(dependencies=[Depends(limit("1/minute"))])
    router = APIRouter()
    add(app)

    @router.get("/routed")
    async def routed() -> str:
        return "routed"

    @app.get("/direct")
    async def direct() -> str:
        return "direct"

    app.include_router(router)
    assert await statuses(app, "/direct", 2) == [200, 429]
    assert await statuses(app, "/routed", 2) == [200, 429]


async def test_slowapi_headers_on_a_handler_that_returns_a_dict() -> None:
    """The limit fields are sent whatever the handler returns."""
    app = FastAPI()
    add(app, free="5/minute", legacy=True)

    @app.get("/")
    async def index() -> dict[str, int]:
        return {"answer": 42}

    async with client(app) as http:
        answer = await http.get("/")
    assert answer.json() == {"answer": 42}
    assert answer.headers["ratelimit-policy"] == '"free-minute";q=5;w=60'
    assert answer.headers["ratelimit"].startswith('"free-minute";r=4;t=')
    assert answer.headers["x-ratelimit-remaining"] == "4"


async def test_slowapi_177_a_handler_needs_no_request_argument() -> None:
    """A limited handler may have any arguments: none, or a request under any name."""
    app = FastAPI()
    add(app)

    @app.get("/none")
    @limit("1/minute")
    def none() -> str:
        return "none"

    @app.get("/other/{number}")
    @limit("1/minute")
    async def other(number: int, r: Request) -> str:
        return f"{number} {r.method}"

    assert await statuses(app, "/none", 2) == [200, 429]
    assert await statuses(app, "/other/1", 2) == [200, 429]


async def test_fastapi_limiter_include_router_does_not_answer_500() -> None:
    """`Depends(limit(...))` on a route of an included router limits it."""
    router = APIRouter()

    @router.get("/items", dependencies=[Depends(limit("2/minute"))])
    async def items() -> list[str]:
        return []

    app = FastAPI()
    add(app)
    app.include_router(router)
    assert await statuses(app, "/items", 3) == [200, 200, 429]


async def test_fastapi_limiter_each_client_has_a_bucket_of_its_own() -> None:
    """One client's requests never use up another's limit."""
    app = FastAPI()
    add(app)

    @app.get("/")
    @limit("2/minute")
    async def index() -> str:
        return "ok"

    for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"):
        assert await statuses(app, "/", 3, address=address) == [200, 200, 429]


async def test_slowapi_429_has_retry_after() -> None:
    """A refusal says when to come back, and why, as problem+json."""
    clock = HandClock()
    app = FastAPI()
    add(app, clock=clock)

    @app.get("/")
    @limit("1/minute", name="demo")
    async def index() -> str:
        return "ok"

    async with client(app) as http:
        await http.get("/")
        refused = await http.get("/")
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["policy"] == "demo"
        wait_s = int(refused.headers["retry-after"])
        assert 1 <= wait_s <= 63
        clock.ns += wait_s * 10**9
        assert (await http.get("/")).status_code == 200


async def test_fastapi_limiter_11_forwarded_for_is_not_believed() -> None:
    """X-Forwarded-For of somebody who is no trusted proxy changes nothing."""
    app = FastAPI()
    add(app, free="2/minute")

    @app.get("/")
    async def index() -> str:
        return "ok"

    found = [
        (await statuses(app, "/", 1, headers={"x-forwarded-for": f"198.51.100.{number}"}))[0]
        for number in range(4)
    ]
    assert found == [200, 200, 429, 429]


async def test_a_trusted_proxy_is_believed() -> None:
    """Behind a trusted proxy each client has its own bucket."""
    app = FastAPI()
    add(app, free="1/minute", trusted=("192.0.2.1",))

    @app.get("/")
    async def index() -> str:
        return "ok"

    for number in range(3):
        headers = {"x-forwarded-for": f"198.51.100.{number}"}
        assert await statuses(app, "/", 2, headers=headers) == [200, 429]


async def test_fastapi_cache_103_no_answer_for_another_user() -> None:
    """What was made for one Authorization is never given to another."""
    app = FastAPI()
    add(app)

    @app.get("/shared")
    @cache(ttl_s=60)
    async def shared(authorization: Annotated[str, Header()]) -> str:
        return authorization

    @app.get("/private")
    @cache(ttl=60, private=True)
    async def private(authorization: Annotated[str, Header()]) -> str:
        return authorization

    async with client(app) as http:
        for path in ("/shared", "/private"):
            for user in ("Bearer a", "Bearer b", "Bearer a"):
                answer = await http.get(path, headers={"authorization": user})
                assert answer.json() == user, path


async def test_fastapi_cache_203_a_stampede_calls_the_handler_once() -> None:
    """Twenty requests at once for what is not stored run the handler once."""
    app = FastAPI()
    add(app)
    calls = 0
    called = asyncio.Event()
    go_on = asyncio.Event()

    @app.get("/slow")
    @cache(ttl_s=60)
    async def slow() -> str:
        nonlocal calls
        calls += 1
        called.set()
        await go_on.wait()
        return "slow"

    async with client(app) as http:
        requests = [asyncio.create_task(http.get("/slow")) for _ in range(20)]
        await called.wait()
        for _ in range(50):
            await asyncio.sleep(0)
        go_on.set()
        answers = await asyncio.gather(*requests)
    assert {answer.text for answer in answers} == {'"slow"'}
    assert calls == 1


_ETAG_PROGRAM = """
import asyncio
from fastapi import FastAPI
from lukhas.middleware import cache
from tests.unit.middleware.kit import add, client
app = FastAPI()
add(app)
@app.get("/")
@cache(ttl_s=60)
async def index():
    return {"some": "thing"}
async def main():
    async with client(app) as http:
        print((await http.get("/")).headers["etag"])
asyncio.run(main())
"""


def test_fastapi_cache_unstable_etag() -> None:
    """The ETag of the same body is the same in every process, whatever its hash seed."""
    tags = {
        subprocess.run(
            [sys.executable, "-c", _ETAG_PROGRAM],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ".:src"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(tags) == 1
    assert tags.pop().startswith('W/"')


async def test_fastapi_cache_32_no_cache_is_honoured() -> None:
    """A request with no-cache is answered by the handler; a plain one from the store."""
    app = FastAPI()
    add(app)
    calls = 0

    @app.get("/")
    @cache(ttl_s=60)
    async def index() -> int:
        nonlocal calls
        calls += 1
        return calls

    async with client(app) as http:
        assert (await http.get("/")).json() == 1
        stored = await http.get("/")
        assert stored.json() == 1
        assert stored.headers["cache-status"].startswith("lukhas; hit")
        fresh = await http.get("/", headers={"cache-control": "no-cache"})
        assert fresh.json() == 2


async def test_fastapi_limiter_25_methods_do_not_share_a_key() -> None:
    """GET and POST of one path, marked apart, are counted apart."""
    app = FastAPI()
    add(app)

    @app.get("/items")
    @limit("1/minute")
    async def read() -> str:
        return "read"

    @app.post("/items")
    @limit("2/minute")
    async def write() -> str:
        return "write"

    assert await statuses(app, "/items", 2) == [200, 429]
    assert await statuses(app, "/items", 3, method="POST") == [200, 200, 429]


async def test_limits_of_two_windows_are_charged_all_or_none() -> None:
    """A request refused by one window uses nothing of the other."""
    clock = HandClock()
    app = FastAPI()
    add(app, clock=clock)

    @app.get("/")
    @limit("2/minute; 4/hour")
    async def index() -> str:
        return "ok"

    assert await statuses(app, "/", 20) == [200, 200] + [429] * 18
    clock.ns += 70 * 10**9
    assert await statuses(app, "/", 3) == [200, 200, 429]
    clock.ns += 70 * 10**9
    assert await statuses(app, "/", 1) == [429]


async def test_starlette_919_background_tasks_run_after_the_response() -> None:
    """A background task runs when the answer is out, and its exception does not spoil it."""
    app = FastAPI()
    add(app, free="5/minute")
    done: list[str] = []

    @app.get("/")
    async def index(tasks: BackgroundTasks) -> str:
        tasks.add_task(done.append, "done")
        return "ok"

    async with client(app) as http:
        assert (await http.get("/")).status_code == 200
    assert done == ["done"]


async def test_starlette_1678_context_variables_pass_both_ways() -> None:
    """What the handler sees and sets is what surrounds the middleware, as without it."""
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    seen: list[str] = []
    inner = FastAPI()
    add(inner)

    @inner.get("/")
    async def index() -> str:
        seen.append(variable.get())
        variable.set("by the handler")
        return "ok"

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        variable.set("by the outer app")
        await inner(scope, receive, send)
        seen.append(variable.get())

    await call(outer)
    assert seen == ["by the outer app", "by the handler"]


async def test_server_sent_events_arrive_one_by_one() -> None:
    """Each piece of a stream goes out before the next is made, from a cached route too."""
    app = FastAPI()
    add(app, free="5/minute")
    sent: list[str] = []
    steps: list[str] = []

    @app.get("/events")
    @cache(ttl_s=60)
    async def events() -> StreamingResponse:
        async def pieces() -> Any:
            for number in range(3):
                steps.append(f"made {number}")
                yield f"data: {number}\n\n"

        return StreamingResponse(pieces(), media_type="text/event-stream")

    async def send(message: Any) -> None:
        sent.append(message["type"])
        if message.get("body"):
            steps.append(f"sent {message['body'].decode()[6]}")

    await app(http_scope("/events"), Wire().receive, send)
    assert steps == ["made 0", "sent 0", "made 1", "sent 1", "made 2", "sent 2"]
    assert sent[0] == "http.response.start"


async def test_connections_of_other_kinds_pass_untouched() -> None:
    """What is neither HTTP nor WebSocket reaches the app with the server's own callables."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    async def receive() -> Any: ...

    async def send(message: Any) -> None: ...

    scope = {"type": "webtransport", "path": "/", "headers": []}
    middleware = optimized(app, free="1/minute")
    for _ in range(3):
        await middleware(scope, receive, send)
    assert seen == [(scope, receive, send)] * 3


async def test_two_apps_in_one_process_share_nothing() -> None:
    """The counters of one app say nothing about another."""
    apps = []
    for _ in range(2):
        app = FastAPI()
        add(app, free="2/minute")
        app.get("/")(lambda: "ok")
        apps.append(app)
    for app in apps:
        assert await statuses(app, "/", 3) == [200, 200, 429]


async def test_two_apps_over_one_pipeline_keep_their_own_routes() -> None:
    """Apps that share a pipeline share its counters, but not each other's routes."""
    clock = HandClock()
    pipeline = make_pipeline(clock)
    apps = []
    for quota in (1, 2):
        app = FastAPI()
        app.add_middleware(OptimizerMiddleware, pipeline=pipeline, clock=clock)
        app.get(f"/{quota}")(limit(f"{quota}/minute")(lambda: "ok"))
        apps.append(app)
    assert await statuses(apps[0], "/1", 2) == [200, 429]
    assert await statuses(apps[1], "/2", 3) == [200, 200, 429]
    assert await statuses(apps[0], "/1", 1) == [429]


async def test_sync_handlers_are_limited_and_cached() -> None:
    """A plain function is treated like a coroutine."""
    app = FastAPI()
    add(app)
    calls = 0

    @app.get("/")
    @limit("2/minute")
    @cache(ttl_s=60)
    def index() -> int:
        nonlocal calls
        calls += 1
        return calls

    async with client(app) as http:
        assert [(await http.get("/")).text for _ in range(2)] == ["1", "1"]
        assert (await http.get("/")).status_code == 429


async def test_exempt_takes_the_limits_of_the_tier_off_too() -> None:
    """`exempt` leaves a route without any limit, as a decorator and as a dependency."""
    app = FastAPI()
    add(app, free="1/minute")

    @app.get("/health")
    @exempt
    async def health() -> str:
        return "ok"

    @app.get("/ready", dependencies=[Depends(exempt)])
    async def ready() -> str:
        return "ok"

    assert await statuses(app, "/health", 3) == [200] * 3
    assert await statuses(app, "/ready", 3) == [200] * 3
    assert await statuses(app, "/none", 2) == [404, 429]


@pytest.mark.parametrize("first", ["mark", "route"])
async def test_the_order_of_decorators_does_not_matter(first: str) -> None:
    """A mark counts whether it stands above or below the route's decorator."""
    app = FastAPI()
    add(app)
    mark = limit("1/minute")

    def endpoint() -> str:
        return "ok"

    if first == "mark":
        app.get("/")(mark(endpoint))
    else:
        mark(app.get("/")(endpoint))
    assert await statuses(app, "/", 2) == [200, 429]


async def test_beside_other_middleware_limits_still_hold() -> None:
    """Other middleware inside ours hides neither the routes nor the marks."""
    app = FastAPI()

    class Inner(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            return await call_next(request)

    app.add_middleware(Inner)
    add(app)

    @app.get("/")
    @limit("1/minute")
    async def index() -> str:
        return "ok"

    assert await statuses(app, "/", 2) == [200, 429]
