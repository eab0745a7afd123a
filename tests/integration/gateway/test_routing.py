"""Several APIs behind one gateway: which of them a request goes to, over real sockets."""

import json
from collections import Counter
from pathlib import Path

import pytest

from lukhas.errors import UpstreamConnectError
from lukhas.pipeline.stages.admit import AdmitStage
from tests.integration.gateway.upstream_kit import Api, Served, saying, served, whole_body


def cached(name: str) -> Api:
    """Answers with its name, and for a minute."""
    return Api(saying(name.encode(), 200, b"cache-control: max-age=60"), name=name)


async def ask(
    found: Served, path: bytes, *fields: tuple[bytes, bytes], method: str = "GET"
) -> tuple[bytes, str]:
    """The body, and what the cache did."""
    exchange = found.exchange(path, *fields, method=method)
    return await whole_body(await found.answer(exchange)), exchange.cache_result


def named(*apis: Api) -> list[dict[str, object]]:
    return [{"name": api.name, "url": api.url} for api in apis]


def in_halves(by: str, **more: object) -> list[dict[str, object]]:
    """A route whose requests go to both, as many to one as to the other."""
    split = {"default": 50, "canary": 50}
    return [{"name": "items", "path": "/items", "split": split, "split_by": by} | more]


async def test_routes_go_to_their_upstream(tmp_path: Path) -> None:
    """By path or method; all others to `upstream`."""
    async with cached("shop") as shop, cached("billing") as billing:
        routes = [
            {"name": "bills", "path": "/bills/{rest:path}", "upstream": "billing"},
            {"name": "orders", "path": "/orders", "methods": ["POST"], "upstream": "billing"},
        ]
        async with served(
            tmp_path, upstream=shop.url, upstreams=named(billing), routes=routes
        ) as found:
            assert (await ask(found, b"/bills/7"))[0] == b"billing"
            assert (await ask(found, b"/orders", method="POST"))[0] == b"billing"
            assert (await ask(found, b"/orders"))[0] == b"shop"
            assert (await ask(found, b"/"))[0] == b"shop"
    assert (len(shop.heads), len(billing.heads)) == (2, 2)


async def test_without_upstream_the_first_of_them_gets_the_rest(tmp_path: Path) -> None:
    """Whatever it is called: over the same connections, with one set of slots and of counters."""
    async with cached("one") as one, cached("two") as two:
        routes = [
            {"name": "own", "path": "/own", "upstream": "one"},
            {"name": "rest", "path": "/rest", "upstream": "default"},
            {"name": "part", "path": "/part", "split": {"default": 1, "two": 0}},
        ]
        limits = [{"name": "all", "by": "upstream", "limits": "4/minute"}]
        overload = {"mode": "enforce"}
        async with served(
            tmp_path,
            upstreams=named(one, two),
            routes=routes,
            limits=limits,
            overload=overload,
        ) as found:
            paths = (b"/own", b"/rest", b"/part", b"/x")
            assert [(await ask(found, path))[0] for path in paths] == [b"one"] * 4
            assert b"quota-exceeded" in (await ask(found, b"/own", (b"a", b"b")))[0]
            found.upstreams.show(found.hub.recorder)
            assert found.hub.recorder.gauges()["upstream_connections"] == 1.0
            admit = next(s for s in found.hub.pipeline.stages if isinstance(s, AdmitStage))
            assert len(admit.doors) == 1


async def test_a_failure_names_its_upstream(tmp_path: Path) -> None:
    """In the error and in the metrics."""
    async with cached("shop") as shop:
        dead = {"name": "dead", "url": "http://127.0.0.1:1"}
        routes = [{"name": "bills", "path": "/bills", "upstream": "dead"}]
        async with served(tmp_path, upstream=shop.url, upstreams=[dead], routes=routes) as found:
            body, _ = await ask(found, b"/bills")
            assert json.loads(body)["upstream"] == "dead"
            assert found.hub.recorder.snapshot().upstream_errors == {("dead", "connect"): 1}


async def test_a_split_keeps_callers_and_caches_apart(tmp_path: Path) -> None:
    """What the canary said is served to nobody who belongs to the other part."""
    async with cached("stable") as stable, cached("canary") as canary:
        routes = in_halves("header:x-user")
        async with served(
            tmp_path, upstream=stable.url, upstreams=named(canary), routes=routes
        ) as found:
            users = [(b"x-user", b"u%d" % number) for number in range(20)]
            # A route that is not split keeps its upstream.
            assert (await ask(found, b"/other"))[0] == b"stable"
            first = [(await ask(found, b"/items", user))[0] for user in users]
            again = [await ask(found, b"/items", user) for user in users]
    assert Counter(first).keys() == {b"stable", b"canary"}
    assert again == [(body, "hit") for body in first]
    assert (len(stable.heads), len(canary.heads)) == (2, 1)


async def test_an_unknown_caller_is_drawn_for(tmp_path: Path) -> None:
    """Each request on its own, so both parts are asked."""
    async with cached("stable") as stable, cached("canary") as canary:
        routes = in_halves("cookie:user", cache_mode="off")
        async with served(
            tmp_path, upstream=stable.url, upstreams=named(canary), routes=routes
        ) as found:
            bodies = Counter([(await ask(found, b"/items"))[0] for _ in range(40)])
    assert bodies.keys() == {b"stable", b"canary"}


async def test_weights_and_drained_servers(tmp_path: Path) -> None:
    """Three times as much for one, nothing for another."""
    async with cached("a") as a, cached("b") as b, cached("c") as c:
        upstream = {
            "url": a.url,
            "targets": [b.url, c.url],
            "weights": {a.url: 3, c.url: 0},
            "balancing": {"balancer": "round_robin"},
        }
        async with served(tmp_path, upstream=upstream, cache={"mode": "off"}) as found:
            bodies = Counter([(await ask(found, b"/x"))[0] for _ in range(40)])
            handshakes = {
                found.upstreams.upgrade(found.exchange(b"/chat")).dial.place for _ in range(9)
            }
    assert bodies == {b"a": 30, b"b": 10}
    assert handshakes == {at.removeprefix("http://") for at in (a.url, b.url)}


async def test_handshakes_go_to_the_upstream_of_their_route(tmp_path: Path) -> None:
    """And to nobody where all servers are drained by a reload that left none."""
    async with cached("shop") as shop, cached("chat") as chat:
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
    async with cached("a") as a, cached("b") as b:
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
    async with cached("a") as a, served(tmp_path, upstream={"url": a.url, "host": host}) as found:
        await ask(found, b"/x")
    assert b"\r\nhost: %b\r\n" % sent in a.heads[0]
