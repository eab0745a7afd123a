"""Several APIs behind one gateway: which of them a request goes to, over real sockets."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lukhas.config.settings import Settings
from lukhas.errors import UpstreamConnectError
from lukhas.gateway.faults import FaultStage
from lukhas.gateway.upstreams import Upstreams
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.hub.hub import Hub
from lukhas.pipeline.driving import finish, start
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.short_way import ShortWay


class Api:
    """Answers with its name, and for a minute."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heads: list[bytes] = []
        self.url = ""
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Api":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: %d\r\n\r\n%b"
        while True:
            try:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            body = self.name.encode()
            writer.write(answer % (len(body), body))
        writer.close()


class Served:
    """A hub before upstreams, without the server in front."""

    def __init__(self, hub: Hub, upstreams: Upstreams) -> None:
        self.hub = hub
        self.upstreams = upstreams
        self.way = ShortWay(hub.pipeline, upstreams.handler)

    def exchange(self, path: bytes, *fields: tuple[bytes, bytes], method: str = "GET") -> Exchange:
        head = RequestHead(method, "http", b"shop.test", path, b"", Headers(list(fields)))
        return self.hub.intake.exchange(head, "192.0.2.1")

    async def ask(
        self, path: bytes, *fields: tuple[bytes, bytes], method: str = "GET"
    ) -> tuple[bytes, str]:
        """The body, and what the cache did."""
        exchange = self.exchange(path, *fields, method=method)
        step: Any = self.way.take(exchange)
        if not isinstance(step, Response):
            run = step
            step = start(run)
            if not isinstance(step, Response):
                step = await finish(run, step)
        assert isinstance(step, Response)
        body = step.body
        if not isinstance(body, bytes):
            body = b"".join([piece async for piece in body])  # type: ignore[union-attr]
        return body, exchange.cache_result


@asynccontextmanager
async def served(tmp_path: Path, **tree: object) -> AsyncIterator[Served]:
    settings = Settings.model_validate({"state_dir": tmp_path} | tree)
    hub = Hub(settings, under_observe=(FaultStage(),))
    upstreams = Upstreams(settings, hub.recorder, hub.clock)
    try:
        yield Served(hub, upstreams)
    finally:
        await upstreams.close()
        await hub.close()
        await asyncio.sleep(0.01)


def named(*apis: Api) -> list[dict[str, object]]:
    return [{"name": api.name, "url": api.url} for api in apis]


async def test_routes_go_to_their_upstream(tmp_path: Path) -> None:
    """By path or method; all others to `upstream`."""
    async with Api("shop") as shop, Api("billing") as billing:
        routes = [
            {"name": "bills", "path": "/bills/{rest:path}", "upstream": "billing"},
            {"name": "orders", "path": "/orders", "methods": ["POST"], "upstream": "billing"},
        ]
        async with served(
            tmp_path, upstream=shop.url, upstreams=named(billing), routes=routes
        ) as found:
            assert (await found.ask(b"/bills/7"))[0] == b"billing"
            assert (await found.ask(b"/orders", method="POST"))[0] == b"billing"
            assert (await found.ask(b"/orders"))[0] == b"shop"
            assert (await found.ask(b"/"))[0] == b"shop"
    assert (len(shop.heads), len(billing.heads)) == (2, 2)


async def test_without_upstream_the_first_of_them_gets_the_rest(tmp_path: Path) -> None:
    """Under its own name, over the same connections."""
    async with Api("one") as one, Api("two") as two:
        routes = [{"name": "own", "path": "/own", "upstream": "one"}]
        async with served(tmp_path, upstreams=named(one, two), routes=routes) as found:
            assert [(await found.ask(path))[0] for path in (b"/own", b"/x")] == [b"one", b"one"]
            found.upstreams.show(found.hub.recorder)
            assert found.hub.recorder.gauges()["upstream_connections"] == 1.0


async def test_a_failure_names_its_upstream(tmp_path: Path) -> None:
    """In the error and in the metrics."""
    async with Api("shop") as shop:
        dead = {"name": "dead", "url": "http://127.0.0.1:1"}
        routes = [{"name": "bills", "path": "/bills", "upstream": "dead"}]
        async with served(tmp_path, upstream=shop.url, upstreams=[dead], routes=routes) as found:
            body, _ = await found.ask(b"/bills")
            assert json.loads(body)["upstream"] == "dead"
            assert found.hub.recorder.snapshot().upstream_errors == {("dead", "connect"): 1}


async def test_a_split_keeps_callers_and_caches_apart(tmp_path: Path) -> None:
    """What the canary said is served to nobody who belongs to the other part."""
    async with Api("stable") as stable, Api("canary") as canary:
        routes = [
            {
                "name": "items",
                "path": "/items",
                "split": {"default": 1, "canary": 1},
                "split_by": "header:x-user",
            }
        ]
        async with served(
            tmp_path, upstream=stable.url, upstreams=named(canary), routes=routes
        ) as found:
            users = [(b"x-user", b"u%d" % number) for number in range(20)]
            # A route that is not split keeps its upstream.
            assert (await found.ask(b"/other"))[0] == b"stable"
            first = [(await found.ask(b"/items", user))[0] for user in users]
            again = [await found.ask(b"/items", user) for user in users]
    assert Counter(first).keys() == {b"stable", b"canary"}
    assert again == [(body, "hit") for body in first]
    assert (len(stable.heads), len(canary.heads)) == (2, 1)


async def test_an_unknown_caller_is_drawn_for(tmp_path: Path) -> None:
    """Each request on its own, so both parts are asked."""
    async with Api("stable") as stable, Api("canary") as canary:
        routes = [
            {
                "name": "items",
                "path": "/items",
                "split": {"default": 50, "canary": 50},
                "split_by": "cookie:user",
                "cache_mode": "off",
            }
        ]
        async with served(
            tmp_path, upstream=stable.url, upstreams=named(canary), routes=routes
        ) as found:
            bodies = Counter([(await found.ask(b"/items"))[0] for _ in range(40)])
    assert bodies.keys() == {b"stable", b"canary"}


async def test_weights_and_drained_servers(tmp_path: Path) -> None:
    """Three times as much for one, nothing for another."""
    async with Api("a") as a, Api("b") as b, Api("c") as c:
        upstream = {
            "url": a.url,
            "targets": [b.url, c.url],
            "weights": {a.url: 3, c.url: 0},
            "balancing": {"balancer": "round_robin"},
        }
        async with served(tmp_path, upstream=upstream, cache={"mode": "off"}) as found:
            bodies = Counter([(await found.ask(b"/x"))[0] for _ in range(40)])
            handshakes = {
                found.upstreams.upgrade(found.exchange(b"/chat")).dial.place for _ in range(9)
            }
    assert bodies == {b"a": 30, b"b": 10}
    assert handshakes == {at.removeprefix("http://") for at in (a.url, b.url)}


async def test_handshakes_go_to_the_upstream_of_their_route(tmp_path: Path) -> None:
    """And to nobody where all servers are drained by a reload that left none."""
    async with Api("shop") as shop, Api("chat") as chat:
        routes = [{"name": "chat", "path": "/chat", "websocket": True, "upstream": "chat"}]
        async with served(
            tmp_path, upstream=shop.url, upstreams=named(chat), routes=routes
        ) as found:
            exchange = found.exchange(b"/chat")
            exchange.upstream = "chat"
            assert found.upstreams.upgrade(exchange).dial.place in chat.url
            assert found.upstreams.upgrade(found.exchange(b"/")).dial.place in shop.url


async def test_no_handshake_where_every_server_is_drained(tmp_path: Path) -> None:
    """It is refused as any request there would be."""
    upstream = {
        "url": "http://127.0.0.1:1",
        "targets": ["http://127.0.0.1:2"],
        "weights": {"http://127.0.0.1:1": 0, "http://127.0.0.1:2": 0},
    }
    async with served(tmp_path, upstream=upstream) as found:
        with pytest.raises(UpstreamConnectError, match="no target"):
            found.upstreams.upgrade(found.exchange(b"/chat"))


async def test_each_server_has_its_own_path_and_host(tmp_path: Path) -> None:
    """The same request goes out anew for each, with what belongs there."""
    async with Api("a") as a, Api("b") as b:
        upstream = {
            "url": f"{a.url}/one",
            "targets": [f"{b.url}/two"],
            "host": "target",
            "balancing": {"balancer": "round_robin"},
        }
        async with served(tmp_path, upstream=upstream, cache={"mode": "off"}) as found:
            exchange = found.exchange(b"/x")
            for _ in range(4):
                await found.upstreams.handler(exchange)
    for api, start_line in ((a, b"GET /one/x"), (b, b"GET /two/x")):
        host = api.url.removeprefix("http://").encode()
        assert len(api.heads) == 2
        for head in api.heads:
            assert head.startswith(start_line)
            assert b"\r\nhost: %b\r\n" % host in head
            assert b"\r\nx-forwarded-host: shop.test\r\n" in head


@pytest.mark.parametrize(("host", "sent"), [("client", b"shop.test"), ("api.test", b"api.test")])
async def test_the_host_that_is_asked_for(tmp_path: Path, host: str, sent: bytes) -> None:
    """That of the client unless another is set."""
    async with Api("a") as a, served(tmp_path, upstream={"url": a.url, "host": host}) as found:
        await found.ask(b"/x")
    assert b"\r\nhost: %b\r\n" % sent in a.heads[0]
