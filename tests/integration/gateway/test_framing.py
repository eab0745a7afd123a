"""Strict framing: what is believed, and that nothing else ever reaches the origin."""

import pytest

from tests.integration.gateway.framing_cases import CASES, Case
from tests.integration.gateway.kit import Gateway, until


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_framing(gate: Gateway, case: Case) -> None:
    """A request is believed or refused as the table says, and the next client is served."""
    client = await gate.client()
    await client.send(case.raw)
    statuses = tuple([(await client.reply()).status for _ in case.statuses])
    assert statuses == case.statuses
    assert tuple(gate.origin.whole) == case.reached
    if case.closed:
        assert await client.rest() == b""
    else:
        assert (await client.get(b"/again")).status == 200
    assert (await gate.get(b"/health")).status == 200
    assert gate.origin.whole[-1] == b"GET /health"
    assert gate.state.unhandled == 0
    assert gate.state.malformed == sum(status != 200 for status in case.statuses)


# What stands behind a last request may meet a closed connection, and then a reset.
@pytest.mark.parametrize(
    "case",
    [case for case in CASES if not case.name.startswith("behind")],
    ids=lambda case: case.name,
)
@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_framing_in_small_pieces(gate: Gateway, case: Case) -> None:
    """It makes no difference in how many pieces the bytes come."""
    client = await gate.client()
    step = 7 if len(case.raw) < 5000 else 11_003
    for start in range(0, len(case.raw), step):
        await client.send(case.raw[start : start + step])
        await until(lambda: True)
    statuses = tuple([(await client.reply()).status for _ in case.statuses])
    assert statuses == case.statuses
    assert tuple(gate.origin.whole) == case.reached


async def test_missing_last_chunk(gate: Gateway) -> None:
    """A chunked body without its end is no request for the origin (RFC 9112 section 8)."""
    client = await gate.client()
    await client.send(
        b"POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    )
    await until(lambda: gate.origin.seen)
    client.close()
    await until(lambda: not gate.origin.open)
    assert gate.origin.whole == []


async def test_trailers_never_become_headers(gate: Gateway) -> None:
    """A trailer is counted and dropped, whatever its name (RFC 9110 section 6.5.1)."""
    client = await gate.client()
    reply = await client.ask(
        b"POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-Admin\r\n"
        b"\r\n2\r\nhi\r\n0\r\nX-Admin: yes\r\nAuthorization: secret\r\n\r\n"
    )
    assert reply.status == 200
    names = {name for name, _ in gate.origin.seen[0].fields}
    assert not names & {b"x-admin", b"authorization", b"trailer"}
    assert gate.origin.seen[0].body == b"hi"


async def test_many_tiny_chunks_pass(gate: Gateway) -> None:
    """Chunks of one byte are a poor style but no attack."""
    client = await gate.client()
    chunks = b"1\r\nx\r\n" * 50_000
    await client.send(
        b"POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    )
    reply = await client.ask(b"0\r\n\r\n")
    assert reply.status == 200
    assert gate.origin.seen[0].body == b"x" * 50_000


async def test_refusals_are_problems_and_close(gate: Gateway) -> None:
    """A refusal before the pipeline is problem+json that names the reason (RFC 9457)."""
    client = await gate.client()
    reply = await client.ask(b"GET /x HTTP/1.1\r\n\r\n")
    assert reply.values(b"content-type") == [b"application/problem+json"]
    assert reply.values(b"connection") == [b"close"]
    assert b"urn:lukhas:problem:malformed-request" in reply.body
    assert b"Host" in reply.body
