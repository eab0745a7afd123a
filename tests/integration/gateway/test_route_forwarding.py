"""Time limits, copies, stand-ins and second tries of routes and upstreams, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lukhas.errors import UpstreamError
from lukhas.gateway.hedging import raced
from lukhas.gateway.mirrors import Mirrors
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.routing.mirroring import Mirror
from tests.integration.gateway.kit import until
from tests.integration.gateway.upstream_kit import Api, Served, forwarding, hanging_up, saying


def more_than(count: int, found: list[bytes]) -> bool:
    return len(found) > count


def route(**more: object) -> list[dict[str, object]]:
    return [{"name": "x", "path": "/x"} | more]


# -- time limits -----------------------------------------------------------------------------------


async def test_a_route_has_its_own_time_limit(tmp_path: Path) -> None:
    """504 that says so, and the connection is given up; other routes wait."""
    never = asyncio.Event()
    async with Api(saying(b"late", after=never)) as api:
        upstream = {"url": api.url, "response_timeout_s": 30}
        routes = [*route(timeout_s=0.05), {"name": "y", "path": "/y", "timeout_s": 0}]
        async with forwarding(tmp_path, upstream=upstream, routes=routes) as found:
            response = await found.ask()
            assert response.status == 504
            assert isinstance(response.body, bytes)
            problem = json.loads(response.body)
            assert "no response within 0.05 s" in problem["detail"]
            assert found.hub.recorder.snapshot().upstream_errors == {("default", "timeout"): 1}
            await until(lambda: found.gauge("upstream_connections") == 0)
            waiting = asyncio.ensure_future(found.ask(b"/y"))
            await until(lambda: len(api.heads) == 2)
            never.set()
            assert (await waiting).body == b"late"


async def test_an_upstream_has_a_time_limit_over_all_tries(tmp_path: Path) -> None:
    """However many tries that are; a route may have another one, or none."""
    async with Api(hanging_up) as one, Api(hanging_up) as two:
        retries = {"tries": 10, "least_per_second": 1000, "first_pause_s": 5, "longest_pause_s": 9}
        upstream = {
            "url": one.url,
            "targets": [two.url],
            "timeout_s": 0.5,
            "balancing": {"retries": retries},
        }
        async with forwarding(tmp_path, upstream=upstream) as found:
            response = await found.ask()
            assert response.status == 504
            assert 2 <= len(one.heads) + len(two.heads) < 10


async def test_what_comes_in_time_is_not_touched(tmp_path: Path) -> None:
    """Nor is its body, however long that takes."""
    more = asyncio.Event()

    async def slowly(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab")
        await more.wait()
        writer.write(b"cd")

    async with (
        Api(slowly) as api,
        forwarding(tmp_path, upstream=api.url, routes=route(timeout_s=0.05)) as found,
    ):
        response = await found.ask()
        body = response.body
        assert not isinstance(body, bytes)
        await asyncio.sleep(0.1)
        more.set()
        assert b"".join([piece async for piece in body]) == b"abcd"  # type: ignore[union-attr]


# -- stand-ins -------------------------------------------------------------------------------------


async def test_another_upstream_stands_in(tmp_path: Path) -> None:
    """For one that refuses connections, hangs up, answers 503 or is too late."""
    never = asyncio.Event()
    spare = {"name": "spare", "url": ""}
    fallback = {"fallback": {"upstream": "spare", "status": 200, "body": "closed"}}
    for say in (hanging_up, saying(b"busy", 503), saying(b"late", after=never)):
        async with Api(say) as main, Api(saying(b"spare")) as other:
            spare["url"] = other.url
            routes = route(timeout_s=0.1, **fallback)
            async with forwarding(
                tmp_path, upstream=main.url, upstreams=[spare], routes=routes
            ) as found:
                assert (await found.ask()).body == b"spare"
                other.say = hanging_up
                ready = await found.ask()
                assert (ready.status, ready.body) == (200, b"closed")
                assert ready.headers.get(b"cache-control") == b"no-store"
                assert ready.headers.get(b"content-type") == b"text/plain; charset=utf-8"


# -- copies ----------------------------------------------------------------------------------------


async def test_copies_change_nothing(tmp_path: Path) -> None:
    """They come marked, with fields and body; what becomes of them nobody sees."""
    never = asyncio.Event()
    async with Api(saying(b"main")) as main, Api(saying(b"x" * 300_000)) as shadow:
        upstreams = [{"name": "shadow", "url": shadow.url}]
        routes = route(mirror={"upstream": "shadow"})
        async with forwarding(
            tmp_path, upstream=main.url, upstreams=upstreams, routes=routes
        ) as found:
            for method, body in (("GET", None), ("POST", b"hello")):
                response = await found.ask(b"/x", (b"a", b"1"), method=method, body=body)
                assert response.body == b"main"
            await until(lambda: len(shadow.heads) == 2)
            assert shadow.bodies == [b"hello"]
            for head in shadow.heads:
                assert b"\r\nx-mirrored: 1\r\n" in head
                assert b"\r\na: 1\r\n" in head
            assert not any(b"x-mirrored" in head for head in main.heads)
            await found.ask(b"/elsewhere")
            for say in (hanging_up, saying(b"no", 500), saying(b"late", after=never)):
                shadow.say, copies = say, found.gauge("mirrored_requests")
                before = len(shadow.heads)
                # One that may not be sent twice, so that a lost copy stays lost.
                assert (await found.ask(method="POST", body=b"x")).body == b"main"
                assert found.gauge("mirrored_requests") == copies + 1
                await until(partial(more_than, before, shadow.heads))
            await until(lambda: found.gauge("mirrored_requests_failed") == 1)
            assert found.gauge("mirrored_requests") == 5
            assert found.gauge("mirrored_requests_dropped") == 0
            # The last one is still under way: it ends with the gateway.


async def test_what_failed_is_copied_too(tmp_path: Path) -> None:
    """To see whether the other one does better is what copies are for."""
    async with Api(hanging_up) as main, Api(saying(b"well")) as shadow:
        upstreams = [{"name": "shadow", "url": shadow.url}]
        routes = route(mirror={"upstream": "shadow", "percent": 100})
        async with forwarding(
            tmp_path, upstream=main.url, upstreams=upstreams, routes=routes
        ) as found:
            assert (await found.ask()).status == 502
            await until(lambda: len(shadow.heads) == 1)


async def test_too_many_copies_and_bodies_under_way_are_dropped() -> None:
    """So that a slow shadow costs no more than so much memory."""
    release = asyncio.Event()

    async def slow(_exchange: Exchange) -> Response:
        await release.wait()
        return Response(200, Headers([]), b"")

    async def flowing() -> AsyncIterator[bytes]:
        yield b""

    mirrors = Mirrors({"shadow": slow})
    head = RequestHead("GET", "http", b"a", b"/", b"", Headers([]))
    for _ in range(105):
        mirrors.send(Exchange(head, "192.0.2.1", 0, b"id"), Mirror("shadow"))
    assert (mirrors.sent, mirrors.dropped) == (100, 5)
    release.set()
    await until(lambda: not mirrors._tasks)
    mirrors.send(Exchange(head, "192.0.2.1", 0, b"id", flowing()), Mirror("shadow"))
    assert (mirrors.sent, mirrors.dropped) == (100, 6)
    await mirrors.close()


async def test_a_copy_that_breaks_off_is_let_go() -> None:
    """Its answer was begun."""
    closed: list[bool] = []

    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise UpstreamError("shadow", "broke off", sent=True)

    async def handler(_exchange: Exchange) -> Response:
        return Response(200, Headers([]), broken(), on_close=lambda: closed.append(True))

    mirrors = Mirrors({"shadow": handler})
    head = RequestHead("GET", "http", b"a", b"/", b"", Headers([]))
    mirrors.send(Exchange(head, "192.0.2.1", 0, b"id"), Mirror("shadow"))
    await until(lambda: mirrors.failed == 1)
    assert closed == [True]


# -- second tries ----------------------------------------------------------------------------------


@asynccontextmanager
async def hedged(tmp_path: Path, **more: object) -> AsyncIterator[tuple[Served, Api, Api]]:
    """Two servers that have answered often enough for it to be known what is late."""
    hedging = {"percentile": 90, "least_s": 0.02, "budget_percent": 100} | more
    balancing = {"balancer": "round_robin", "hedging": hedging}
    async with Api(saying(b"one")) as one, Api(saying(b"two")) as two:
        upstream = {"url": one.url, "targets": [two.url], "balancing": balancing}
        async with forwarding(tmp_path, upstream=upstream) as found:
            for _ in range(60):
                assert (await found.ask()).body in {b"one", b"two"}
            yield found, one, two


def asked(*apis: Api) -> int:
    """How many requests they have had."""
    return sum(len(api.heads) for api in apis)


async def test_a_late_answer_is_overtaken(tmp_path: Path) -> None:
    """By the other target; the connection of the slower try is given up, and nothing leaks."""
    never = asyncio.Event()
    async with hedged(tmp_path) as (found, one, _two):
        # On a busy machine some were late already.
        hedges = found.gauge("upstream_hedges")
        one.say = saying(b"late", after=never)
        before = asked(one)
        bodies = [(await found.ask()).body for _ in range(10)]
        assert set(bodies) == {b"two"}
        assert asked(one) - before >= 4
        assert found.gauge("upstream_hedges") - hedges >= 4
        await until(lambda: found.gauge("upstream_connections") <= 1)


async def test_second_tries_have_a_budget(tmp_path: Path) -> None:
    """Five of a hundred requests, however late all are."""
    late = asyncio.Event()
    async with hedged(tmp_path, budget_percent=5, least_s=0.0) as (found, one, two):
        one.say, two.say = saying(b"one", after=late), saying(b"two", after=late)
        waiting = [asyncio.ensure_future(found.ask()) for _ in range(100)]
        await until(lambda: asked(one, two) >= 160)
        await asyncio.sleep(0.2)
        late.set()
        assert {reply.body for reply in await asyncio.gather(*waiting)} <= {b"one", b"two"}
        assert asked(one, two) <= 160 + 8


async def test_only_what_changes_nothing_is_sent_twice(tmp_path: Path) -> None:
    """A POST waits for its one answer."""
    late = asyncio.Event()
    async with hedged(tmp_path) as (found, one, two):
        before = asked(one, two)
        one.say, two.say = saying(b"one", after=late), saying(b"two", after=late)
        posted = asyncio.ensure_future(found.ask(method="POST", body=b"x"))
        await asyncio.sleep(0.1)
        late.set()
        assert (await posted).status == 200
        assert asked(one, two) == before + 1


async def test_a_client_that_goes_away_ends_both_tries(tmp_path: Path) -> None:
    """Nobody waits for what nobody wants."""
    never = asyncio.Event()
    async with hedged(tmp_path) as (found, one, two):
        one.say, two.say = saying(b"one", after=never), saying(b"two", after=never)
        before = asked(one, two)
        waiting = asyncio.ensure_future(found.ask())
        await until(lambda: asked(one, two) == before + 2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await until(lambda: found.gauge("upstream_connections") == 0)


def after(event: asyncio.Event | None, response: Response | Exception) -> Any:
    async def run() -> Response:
        if event is not None:
            await event.wait()
        if isinstance(response, Exception):
            raise response
        return response

    return run


def soon(after_s: float = 0.01) -> asyncio.Event:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(after_s, event.set)
    return event


async def race(*tries: Any) -> Response:
    runs = iter(tries)
    return await raced(
        lambda: next(runs)(),  # noqa: PLW0108 - each call begins the next one
        late_s=0.0,
        may_begin=lambda: len(tries) > 1,
        is_good=lambda response: response.status < 500,
    )


async def test_a_bad_answer_waits_for_the_other_try() -> None:
    """And counts if that one is no better; what is not used is let go."""
    gone: list[str] = []
    bad = Response(503, Headers([]), b"bad", on_close=lambda: gone.append("bad"))
    good = Response(200, Headers([]), b"good", on_close=lambda: gone.append("good"))
    failed = UpstreamError("x", "failed", sent=True)
    assert await race(after(soon(), bad), after(soon(0.05), good)) is good
    assert gone == ["bad"]
    assert await race(after(soon(), failed), after(None, good)) is good
    assert await race(after(soon(), bad), after(None, failed)) is bad
    assert await race(after(None, bad), after(None, good)) is bad  # It was not late.
    with pytest.raises(UpstreamError):
        await race(after(None, failed))


# -- comparison of targets -------------------------------------------------------------------------


async def test_a_target_that_answers_worse_than_its_likes_is_left_out(tmp_path: Path) -> None:
    """Though it never fails five times in a row."""

    async def flaky(_head: bytes, writer: asyncio.StreamWriter) -> None:
        status = 500 if asked(bad) % 4 else 200
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)

    async with AsyncExitStack() as stack:
        bad, *good = [
            await stack.enter_async_context(Api(say)) for say in (flaky, *[saying(b"")] * 4)
        ]
        upstream = {
            "url": bad.url,
            "targets": [api.url for api in good],
            "balancing": {
                "balancer": "round_robin",
                "retries": {"tries": 1},
                "outliers": {"success_rate": {"interval_s": 0.1, "least_answers": 8}},
            },
        }
        async with forwarding(tmp_path, upstream=upstream) as found:
            for _ in range(20_000):
                await found.ask()
                if found.gauge("upstream_targets_left_out"):
                    break
            assert found.gauge("upstream_targets_left_out") == 1
            before = len(bad.heads)
            for _ in range(20):
                assert (await found.ask()).status == 200
            assert len(bad.heads) == before
