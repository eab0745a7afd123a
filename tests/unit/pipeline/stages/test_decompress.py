"""The decompress stage."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator
from random import Random
from typing import Any, cast

import pytest

from lukhas.errors import BodyAbortedError, HandlerError
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.decompress import DecompressStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.decompression import DECODABLE, DecompressionPolicy
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from tests.unit.pipeline.kit import NOW_NS
from tests.unit.pipeline.test_decoders import encoded

MIB = 1024 * 1024
ON = DecompressionPolicy(enabled=True)
TEXT = Random(5).randbytes(200_000).hex().encode()


async def pieces(body: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def exchange(body: object, *codings: bytes, policy: DecompressionPolicy | None = ON) -> Exchange:
    fields = [(b"content-encoding", coding) for coding in codings]
    head = RequestHead("POST", "http", b"api.test", b"/", b"", Headers(fields))
    head.forwarded = (b"", "", b"noted", b"noted")
    one = Exchange(head, "192.0.2.1", NOW_NS, b"id-1", cast("Any", body))
    if policy is not None:
        one.route = RouteMatch(RouteRule("all", "*", CachePolicy(), decompression=policy))
    return one


class Origin:
    """A handler that reads all of the body."""

    def __init__(self) -> None:
        self.body: bytes | None = None
        self.head: RequestHead | None = None
        self.got = 0
        self.most = 0

    async def __call__(self, one: Exchange) -> Response:
        body = cast("Any", one.body)
        self.head = one.head
        if body is not None and not isinstance(body, bytes):
            read = []
            try:
                async for piece in body:
                    self.got += len(piece)
                    self.most = max(self.most, len(piece))
                    read.append(piece)
            except Exception as error:
                raise HandlerError(error) from error
            body = b"".join(read)
        self.body = body
        return Response(200, Headers([]), b"ok")


async def asked(one: Exchange, origin: Origin) -> tuple[Response, dict[str, object]]:
    head = one.head
    response = await DecompressStage()(one, origin)
    assert one.head is head, "for everybody outside, the request is what the client sent"
    body = cast("bytes", response.body)
    return response, json.loads(body) if response.status != 200 else {}


@pytest.mark.parametrize("coding", DECODABLE)
@pytest.mark.parametrize("size", [7, len(TEXT)])
async def test_the_origin_gets_the_decoded_body(coding: bytes, size: int) -> None:
    """A small one with its length, a larger one as it comes; and no word of the coding."""
    text = TEXT[:size]
    origin = Origin()
    await asked(exchange(pieces(encoded(text, coding)), coding), origin)
    assert origin.body == text
    assert origin.head is not None
    assert origin.head.forwarded is None
    assert origin.head.headers.raw == ([(b"content-length", b"7")] if size == 7 else [])


async def test_without_the_rule_nothing_is_decoded() -> None:
    """Nor where there is no coding."""
    body = encoded(TEXT, b"gzip")
    for one in (
        exchange(body, b"gzip", policy=DecompressionPolicy()),
        exchange(body, b"gzip", policy=None),
        exchange(body, policy=ON),
    ):
        origin = Origin()
        await asked(one, origin)
        assert origin.body == body
        assert origin.head is one.head


async def test_identity_is_no_coding() -> None:
    """The field goes, the body stays; and one without a body has nothing to decode."""
    for body, coding in ((b"plain", b"identity"), (None, b"gzip")):
        origin = Origin()
        await asked(exchange(body, coding), origin)
        assert origin.body == body
        assert origin.head is not None
        assert origin.head.headers.raw == []


@pytest.mark.parametrize("codings", [(b"compress",), (b"gzip, gzip",), (b"gzip", b"br")])
async def test_an_unknown_coding_is_refused_with_the_known_ones(codings: tuple[bytes, ...]) -> None:
    """Several are unknown as well: nested bombs multiply (RFC 7694)."""
    origin = Origin()
    response, problem = await asked(exchange(b"x", *codings), origin)
    assert (response.status, problem["type"]) == (415, "urn:lukhas:problem:content-coding-unknown")
    assert response.headers.get(b"accept-encoding") == b"gzip, br, zstd, deflate"
    assert origin.head is None


@pytest.mark.parametrize("coding", DECODABLE)
async def test_a_bomb_is_defused_in_little_memory(coding: bytes) -> None:
    """Ten megabytes of zeros never exist, and the origin gets no whole body."""
    bomb = encoded(bytes(10 * MIB), coding)
    origin = Origin()
    tracemalloc.start()
    try:
        response, problem = await asked(exchange(pieces(bomb), coding), origin)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (response.status, problem["limit"], problem["value"]) == (413, "ratio", 100)
    assert problem["type"] == "urn:lukhas:problem:decoded-body-too-large"
    assert origin.body is None
    assert origin.got <= 100 * len(bomb) + 64 * 1024
    assert peak < 6 * MIB


async def test_a_bomb_in_a_bomb_is_decoded_once() -> None:
    """What lies inside is data, which nobody here decodes."""
    inner = gzip.compress(bytes(MIB))
    origin = Origin()
    await asked(exchange(pieces(gzip.compress(inner)), b"gzip"), origin)
    assert origin.body == inner


async def test_the_absolute_limit_counts_decoded_bytes() -> None:
    """However well it fits the ratio."""
    policy = DecompressionPolicy(enabled=True, body_bytes=len(TEXT) - 1)
    response, problem = await asked(
        exchange(pieces(encoded(TEXT, b"gzip")), b"gzip", policy=policy), Origin()
    )
    assert (response.status, problem["limit"]) == (413, "body_bytes")
    assert str(len(TEXT) - 1) in str(problem["detail"])
    policy = DecompressionPolicy(enabled=True, body_bytes=len(TEXT))
    origin = Origin()
    await asked(exchange(pieces(encoded(TEXT, b"gzip")), b"gzip", policy=policy), origin)
    assert origin.body == TEXT


@pytest.mark.parametrize("text", [b"short", TEXT])
async def test_a_broken_body_is_the_clients_fault(text: bytes) -> None:
    """Whether the origin has begun to read or not, and whatever it says."""
    body = encoded(text, b"gzip")[:-3]
    response, problem = await asked(exchange(pieces(body), b"gzip"), Origin())
    assert (response.status, problem["type"]) == (400, "urn:lukhas:problem:content-coding-broken")


async def test_an_answer_to_a_broken_body_is_dropped() -> None:
    """The handler took what it had for the whole; what it answered is wrong, and is freed."""
    closed: list[int] = []

    async def rash(one: Exchange) -> Response:
        try:
            async for _ in cast("Any", one.body):
                pass
        except Exception:  # noqa: BLE001 - as many frameworks do
            return Response(500, Headers([]), b"", on_close=lambda: closed.append(1))
        raise AssertionError

    one = exchange(pieces(encoded(TEXT, b"gzip")[:-3]), b"gzip")
    response = await DecompressStage()(one, rash)
    assert (response.status, closed) == (400, [1])


async def test_other_failures_of_the_handler_stay_as_they_are() -> None:
    """They are no matter of the body's."""

    async def failing(_: Exchange) -> Response:
        raise HandlerError(RuntimeError("broken"))

    with pytest.raises(HandlerError):
        await DecompressStage()(exchange(encoded(b"x", b"br"), b"br"), failing)


async def test_a_client_that_goes_away_is_no_failure_of_the_stage() -> None:
    """It is carried out as a failure of the handler is, which nobody contains."""

    async def cut() -> AsyncIterator[bytes]:
        yield b""
        raise BodyAbortedError("gone")

    with pytest.raises(HandlerError) as caught:
        await DecompressStage()(exchange(cut(), b"gzip"), Origin())
    assert isinstance(caught.value.cause, BodyAbortedError)


async def test_others_get_their_turn_while_a_large_body_is_decoded() -> None:
    """The loop is not held."""
    turns = 0
    done = False

    async def other() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    watching = asyncio.create_task(other())
    policy = DecompressionPolicy(enabled=True, ratio=10_000)
    await asked(exchange(encoded(bytes(8 * MIB), b"gzip"), b"gzip", policy=policy), Origin())
    done = True
    await watching
    assert turns >= 20


async def test_garbage_is_refused_at_its_first_step() -> None:
    """It is in no coding at all."""
    response, _ = await asked(exchange(pieces(b"no such coding"), b"zstd"), Origin())
    assert response.status == 400
