"""lukhas.pipeline.stages.fallback: what stands in where the upstream cannot answer."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from lukhas.errors import HandlerError, UpstreamConnectError, UpstreamProtocolError
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.driving import complete
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.fallback import FallbackStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.routing.fallbacks import Fallback, StandIn
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.units import MIB
from tests.unit.pipeline.stages.cache_kit import Clock, pieces

READY = StandIn(200, Headers([(b"content-length", b"5")]), b"ready")
UNSENT = UpstreamConnectError("main", "no connection", sent=False)
SENT = UpstreamProtocolError("main", "closed the connection", sent=True)
Said = Response | Exception


def answer(status: int = 200, body: bytes = b"ok", *fields: tuple[bytes, bytes]) -> Response:
    return Response(status, Headers(list(fields)), body)


FRESH = (b"cache-control", b"public, max-age=60")


class Kit:
    """Upstreams that say what they are told to, behind a fallback and a cache."""

    def __init__(self, fallback: Fallback | None, **said: Said) -> None:
        self.said: dict[str, Said] = said
        self.asked: list[str] = []
        self.clock = Clock()
        self.rule = RouteRule(
            name="r", template="*", cache=CachePolicy(), upstream="main", fallback=fallback
        )
        cache = CacheStage(MemoryEntryStore(MIB), self.clock)
        self.run = Pipeline([FallbackStage(), cache], lambda _, error: None).around(self._handle)

    async def _handle(self, exchange: Exchange) -> Response:
        self.asked.append(exchange.upstream_name)
        said = self.said[exchange.upstream_name]
        if isinstance(said, Exception):
            raise said
        return Response(said.status, said.headers, said.body)

    async def ask(self, method: str = "GET", body: object = None) -> tuple[Response, Exchange]:
        head = RequestHead(method, "http", b"a.example", b"/x", b"", Headers([]))
        exchange = Exchange(head, "10.0.0.1", self.clock.now_ns(), b"id", cast("Any", body))
        exchange.route = RouteMatch(self.rule)
        return cast("Response", await complete(self.run(exchange))), exchange

    async def body(self, method: str = "GET", body: object = None) -> bytes:
        return cast("bytes", (await self.ask(method, body))[0].body)


def reasons(exchange: Exchange) -> list[str]:
    verdicts = [each.verdict() for each in exchange.verdicts]
    return [verdict.reason for verdict in verdicts if verdict.stage == "fallback"]


async def test_without_one_and_without_need_nothing_happens() -> None:
    kit = Kit(None, main=UNSENT)
    with pytest.raises(HandlerError):
        await kit.ask()
    kit = Kit(Fallback("spare", READY), main=answer())
    response, exchange = await kit.ask()
    assert (response.body, reasons(exchange)) == (b"ok", [])
    assert (await kit.ask("POST"))[0].body == b"ok"


@pytest.mark.parametrize("said", [UNSENT, SENT, answer(503), answer(502), answer(504)])
async def test_another_upstream_is_asked(said: Said) -> None:
    kit = Kit(Fallback("spare"), main=said, spare=answer(200, b"spare"))
    response, exchange = await kit.ask()
    assert response.body == b"spare"
    assert kit.asked == ["main", "spare"]
    (reason,) = reasons(exchange)
    assert reason.startswith("asks spare: the upstream main failed (")


async def test_only_one_cache_status_is_told() -> None:
    """What the cache said of the first answer is not said of the second."""
    kit = Kit(Fallback("spare"), main=answer(503), spare=answer(200, b"spare", FRESH))
    _, exchange = await kit.ask()
    assert [name for name, _ in exchange.added].count(b"cache-status") == 1


async def test_what_it_answers_is_kept_apart() -> None:
    """When the first is well again, its clients get its answers."""
    kit = Kit(Fallback("spare"), main=UNSENT, spare=answer(200, b"spare", FRESH))
    assert await kit.body() == b"spare"
    assert await kit.body() == b"spare"
    assert kit.asked == ["main", "spare", "main"]  # The spare's answer was stored.
    kit.said["main"] = answer(200, b"main", FRESH)
    assert await kit.body() == b"main"
    assert await kit.body() == b"main"


async def test_a_stale_response_comes_first() -> None:
    """Where it may serve: that is the true thing, only older."""
    terms = (b"cache-control", b"public, max-age=60, stale-if-error=600")
    kit = Kit(Fallback("spare", READY), main=answer(200, b"main", terms), spare=answer())
    assert await kit.body() == b"main"
    kit.clock.move(100)
    kit.said["main"] = UNSENT
    response, exchange = await kit.ask()
    assert (response.body, exchange.cache_result) == (b"main", "stale")
    assert kit.asked == ["main", "main"]


@pytest.mark.parametrize("said", [UNSENT, answer(503)])
async def test_a_ready_answer(said: Said) -> None:
    kit = Kit(Fallback(answer=READY), main=said)
    response, exchange = await kit.ask()
    assert (response.status, response.body) == (200, b"ready")
    assert reasons(exchange)[0].startswith("gives a ready answer: the upstream main failed (")
    assert exchange.cache_result == ""
    assert b"cache-status" not in dict(exchange.added)


@pytest.mark.parametrize("said", [UNSENT, answer(503)])
async def test_where_both_fail_the_ready_answer_is_given(said: Said) -> None:
    kit = Kit(Fallback("spare", READY), main=UNSENT, spare=said)
    response, exchange = await kit.ask()
    assert response.body == b"ready"
    assert len(reasons(exchange)) == 2


async def test_where_both_fail_and_nothing_is_ready() -> None:
    kit = Kit(Fallback("spare"), main=UNSENT, spare=SENT)
    with pytest.raises(HandlerError) as failed:
        await kit.ask()
    assert failed.value.cause is SENT
    kit = Kit(Fallback("spare"), main=UNSENT, spare=answer(503, b"busy"))
    assert await kit.body() == b"busy"


async def test_only_answers_that_are_named_count() -> None:
    kit = Kit(
        Fallback("spare", statuses=frozenset((500,))), main=answer(503, b"no"), spare=answer()
    )
    assert await kit.body() == b"no"
    kit.said["main"] = answer(500, b"no")
    assert await kit.body() == b"ok"


async def test_what_was_sent_and_changes_something_is_not_sent_again() -> None:
    """RFC 9110 section 9.2.2. A ready answer sends nothing."""
    kit = Kit(Fallback("spare"), main=SENT, spare=answer())
    with pytest.raises(HandlerError):
        await kit.ask("POST")
    kit.said["main"] = answer(503, b"no")
    assert await kit.body("POST") == b"no"
    kit.said["main"] = UNSENT
    assert await kit.body("POST") == b"ok"
    kit = Kit(Fallback("spare", READY), main=SENT, spare=answer())
    assert await kit.body("POST") == b"ready"
    assert kit.asked == ["main"]


async def test_a_body_that_is_gone_is_not_sent_again() -> None:
    async def flowing() -> AsyncIterator[bytes]:
        yield b"x"

    kit = Kit(Fallback("spare"), main=SENT, spare=answer())
    assert await kit.body("PUT", b"whole") == b"ok"
    with pytest.raises(HandlerError):
        await kit.ask("PUT", flowing())
    kit.said["main"] = UNSENT
    assert await kit.body("PUT", pieces(b"not touched yet")) == b"ok"


async def test_a_failure_of_our_own_stays_one() -> None:
    """What is no upstream's failure is nothing to hide."""
    kit = Kit(Fallback("spare", READY), main=RuntimeError("ours"), spare=answer())
    with pytest.raises(HandlerError):
        await kit.ask()
    kit = Kit(Fallback("spare", READY), main=UNSENT, spare=RuntimeError("ours"))
    with pytest.raises(HandlerError):
        await kit.ask()


async def test_without_a_route_nothing_stands_in() -> None:
    kit = Kit(Fallback(answer=READY), default=answer())
    head = RequestHead("GET", "http", b"a.example", b"/x", b"", Headers([]))
    response = await complete(kit.run(Exchange(head, "10.0.0.1", 0, b"id")))
    assert cast("Response", response).body == b"ok"
