"""What the middleware's tests share: a clock to turn by hand, pipelines, and direct ASGI calls."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from lukhas.http.client_address import TrustedProxies
from lukhas.middleware.asgi import OptimizerMiddleware
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stage import Stage
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.identify import IdentifyStage, IdentitySettings
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.limit_rules import LimitFields, LimitRules
from lukhas.pipeline.stages.route import RouteStage
from lukhas.policy.caching.keys import CacheKey
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteRule, RouteTable
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.storage.memory_entries import MemoryEntryStore

START_NS = 1_700_000_000 * 10**9


class HandClock:
    """Time that moves only when told."""

    def __init__(self) -> None:
        self.ns = START_NS

    def now_ns(self) -> int:
        return self.ns


class FailingEntries(MemoryEntryStore):
    """A store that fails when it is told to."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.fails = False
        found = self.get

        def get(key: CacheKey) -> Any:
            if self.fails:
                raise OSError("no store")
            return found(key)

        self.get: Any = get


def fail_on_containment(stage: str, error: Exception) -> None:
    raise AssertionError(f"stage {stage} failed") from error


def make_pipeline(
    clock: HandClock,
    *,
    free: str = "",
    rules: Sequence[RouteRule] = (),
    policies: Sequence[LimitPolicy] = (),
    extra: Sequence[Stage] = (),
    inner: Sequence[Stage] = (),
    trusted: Sequence[str] = (),
    legacy: bool = False,
    entries: MemoryEntryStore | None = None,
) -> Pipeline:
    """Route, identify, limit and cache, in memory; the cache only where a route asks for it."""
    default = RouteRule(name="default", template="*", cache=CachePolicy(mode=Mode.OFF))
    limits = {Tier.FREE: parse_limits(free, policy="free")} if free else {}
    return Pipeline(
        (
            *extra,
            RouteStage(RouteTable(rules, default=default)),
            IdentifyStage(IdentitySettings(trusted=TrustedProxies(trusted)), None),
            LimitStage(
                MemoryCounters(),
                LimitRules(limits, tuple(policies), fields=LimitFields(legacy=legacy)),
                clock=clock,
            ),
            CacheStage(entries or MemoryEntryStore(1 << 20), clock),
            *inner,
        ),
        fail_on_containment,
    )


def optimized(app: Any, **options: Any) -> OptimizerMiddleware:
    """The middleware around an app, over a pipeline in memory."""
    clock = options.pop("clock", None) or HandClock()
    return OptimizerMiddleware(app, pipeline=make_pipeline(clock, **options), clock=clock)


def add(app: Any, **options: Any) -> None:
    """`app.add_middleware` with a pipeline in memory."""
    clock = options.pop("clock", None) or HandClock()
    app.add_middleware(OptimizerMiddleware, pipeline=make_pipeline(clock, **options), clock=clock)


@asynccontextmanager
async def client(
    app: Any, *, address: str = "192.0.2.1", root_path: str = "", raises: bool = True
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the app at that address."""
    transport = httpx.ASGITransport(
        app=app, client=(address, 1234), root_path=root_path, raise_app_exceptions=raises
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as found:
        yield found


async def statuses(app: Any, target: str, count: int, **options: Any) -> list[int]:
    """The statuses of that many requests, one after the other."""
    method = options.pop("method", "GET")
    headers = options.pop("headers", None)
    async with client(app, **options) as http:
        return [
            (await http.request(method, target, headers=headers)).status_code for _ in range(count)
        ]


def http_scope(path: str = "/", **changes: Any) -> dict[str, Any]:
    """An HTTP scope as a server makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"test")],
        "client": ("192.0.2.1", 1234),
        "server": ("test", 80),
        **changes,
    }


class Wire:
    """The server's end of one request: an empty request body, and all messages sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self._received = False

    async def receive(self) -> dict[str, Any]:
        if self._received:
            await asyncio.Event().wait()
        self._received = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    @property
    def kinds(self) -> list[str]:
        return [message["type"].removeprefix("http.response.") for message in self.sent]

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        headers: list[tuple[bytes, bytes]] = self.sent[0]["headers"]
        return headers

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


async def call(app: Any, scope: dict[str, Any] | None = None) -> Wire:
    """One direct ASGI call."""
    wire = Wire()
    await app(scope or http_scope(), wire.receive, wire.send)
    return wire
