"""Failures of the upstream, reuse of its connections, and what is passed on either way."""

import asyncio
from pathlib import Path

import pytest

from lukhas.gateway.upstream_connection import UpstreamTimeouts
from tests.integration.gateway.kit import (
    Answer,
    Client,
    Gateway,
    Reply,
    Turn,
    gateway,
    until,
    whole,
)

HOST = b"Host: a.example\r\n"
SHORT = UpstreamTimeouts(connect_s=0.3, response_s=0.3, idle_s=0.3)


def closing(data: bytes) -> Answer:
    return Answer(data, close=True)


BAD_ANSWERS = {
    "garbage": b"\x00\x01garbage\r\n\r\n",
    "nothing": b"",
    "half-head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "not-http": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "http-0.9": b"<html>hello</html>",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "length-and-coding": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nok\r\n0\r\n\r\n"
    ),
    "bad-length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "unknown-coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "bad-chunk-size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nok\r\n",
    "folded-field": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "nul-in-field": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "status-99": b"HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok",
    "status-letters": b"HTTP/1.1 abc Odd\r\nContent-Length: 2\r\n\r\nok",
    "switching-protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nbytes",
    "only-interim": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "huge-head": b"HTTP/1.1 200 OK\r\nX: " + b"v" * 300_000,
    "many-fields": b"HTTP/1.1 200 OK\r\n" + b"X: v\r\n" * 1001 + b"Content-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_bad_answers(gate: Gateway, name: str) -> None:
    """What is no whole HTTP/1.1 response becomes a 502, and the connection is not used again."""
    gate.origin.scripts[b"/bad"] = closing(BAD_ANSWERS[name])
    client = await gate.client()
    reply = await final(client, await client.get(b"/bad"))
    assert reply.status == 502
    assert reply.values(b"content-type") == [b"application/problem+json"]
    assert b"urn:lukhas:problem:upstream-failed" in reply.body
    assert (await client.get()).status == 200
    assert gate.origin.connections == 2


async def test_reset(gate: Gateway) -> None:
    """A reset instead of an answer is a 502."""

    async def reset(turn: Turn) -> None:
        turn.reset()

    gate.origin.scripts[b"/reset"] = reset
    client = await gate.client()
    assert (await client.get(b"/reset")).status == 502
    assert (await client.get()).status == 200


async def test_refused(tmp_path: Path) -> None:
    """An upstream that refuses connections is a 502, and the gateway lives."""
    async with gateway(tmp_path) as other:
        free_port = other.origin.port
    async with gateway(tmp_path, upstream_port=free_port) as gate:
        client = await gate.client()
        for _ in range(2):
            reply = await client.get()
            assert reply.status == 502
            assert b"cannot connect" in reply.body


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"]
)
async def test_hanging(tmp_path: Path, sent: bytes) -> None:
    """No whole head in time is a 504, and the upstream is let go."""
    let_go = []

    async def hang(turn: Turn) -> None:
        await turn.send(sent)
        let_go.append(await turn.gone())

    async with gateway(tmp_path, timeouts=SHORT) as gate:
        gate.origin.scripts[b"/hang"] = hang
        client = await gate.client()
        reply = await final(client, await client.get(b"/hang"))
        assert reply.status == 504
        assert b"urn:lukhas:problem:upstream-timeout" in reply.body
        await until(lambda: let_go)
        assert (await client.get()).status == 200


@pytest.mark.parametrize("status", [200, 299, 418, 499, 599, 600, 999])
async def test_statuses_are_relayed(gate: Gateway, status: int) -> None:
    """A status is the origin's business, registered or not (RFC 9110 section 15)."""
    gate.origin.scripts[b"/odd"] = Answer(whole(b"odd", status=b"%d Odd" % status))
    reply = await gate.get(b"/odd")
    assert (reply.status, reply.body) == (status, b"odd")


async def final(client: Client, reply: Reply) -> Reply:
    """The final response; interim ones may come before it."""
    while reply.status < 200:
        reply = await client.reply()
    return reply


async def test_head_in_pieces(gate: Gateway) -> None:
    """A head may come byte by byte."""

    async def slowly(turn: Turn) -> None:
        for byte in whole(b"hello"):
            await turn.send(bytes((byte,)))
            await asyncio.sleep(0)

    gate.origin.scripts[b"/slowly"] = slowly
    reply = await gate.get(b"/slowly")
    assert (reply.status, reply.body) == (200, b"hello")


@pytest.mark.parametrize(
    "behind",
    [b"garbage", whole(b"poison", status=b"404 Not Found"), b"HTTP/1.1 500 X\r\n\r\nmore"],
    ids=["garbage", "a-second-response", "a-second-head"],
)
async def test_bytes_behind_a_response(gate: Gateway, behind: bytes) -> None:
    """What follows a whole response is nobody's: it changes no response and ends the connection."""
    gate.origin.scripts[b"/two"] = Answer(whole(b"first") + behind)
    client = await gate.client()
    reply = await client.get(b"/two")
    assert (reply.status, reply.body) == (200, b"first")
    reply = await client.get()
    assert (reply.status, reply.body) == (200, b"ok")
    assert gate.origin.connections == 2


async def test_bytes_behind_a_streamed_response(gate: Gateway) -> None:
    """So it is where the response came in several pieces."""
    last = asyncio.Event()

    async def two(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none")
        await last.wait()
        await turn.send(b"two" + whole(b"poison"))
        await turn.gone()

    gate.origin.scripts[b"/two"] = two
    client = await gate.client()
    await client.send(b"GET /two HTTP/1.1\r\n%b\r\n" % HOST)
    await client.head()
    last.set()
    assert await client.reader.readexactly(6) == b"onetwo"
    assert (await client.get()).body == b"ok"
    assert gate.origin.connections == 2


async def test_unsolicited_bytes(gate: Gateway) -> None:
    """Bytes on an idle connection answer nothing, so the connection is dropped."""
    more = asyncio.Event()
    dropped = []

    async def later(turn: Turn) -> None:
        await turn.send(whole(b"fine"))
        await more.wait()
        await turn.send(whole(b"poison"))
        dropped.append(await turn.gone())

    gate.origin.scripts[b"/later"] = later
    client = await gate.client()
    assert (await client.get(b"/later")).body == b"fine"
    more.set()
    await until(lambda: dropped)
    assert gate.pool.counts() == (0, 0)
    assert (await client.get()).body == b"ok"


async def test_head_with_a_body(gate: Gateway) -> None:
    """A body in the answer to HEAD is not one, and ends the connection (RFC 9110 section 9.3.2)."""
    gate.origin.scripts[b"/wrong"] = Answer(whole(b"hello"))
    client = await gate.client()
    reply = await client.ask(b"HEAD /wrong HTTP/1.1\r\n%b\r\n" % HOST)
    assert (reply.status, reply.values(b"content-length")) == (200, [b"5"])
    assert (await client.get()).body == b"ok"
    assert gate.origin.connections == 2


# -- reuse ---------------------------------------------------------------------------------------


async def test_connections_are_reused(gate: Gateway) -> None:
    """Requests of several clients, one after the other, share one connection."""
    for _ in range(5):
        assert (await gate.get()).status == 200
    assert gate.origin.connections == 1
    assert gate.pool.counts() == (1, 1)


@pytest.mark.parametrize(
    "answer",
    [
        whole(b"bye", b"Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nbye",
    ],
)
async def test_close_is_heard(gate: Gateway, answer: bytes) -> None:
    """A connection that the upstream wants to close is not used again."""

    async def bye(turn: Turn) -> None:
        await turn.send(answer)
        await turn.gone()

    gate.origin.scripts[b"/bye"] = bye
    assert (await gate.get(b"/bye")).body == b"bye"
    assert (await gate.get()).status == 200
    assert gate.origin.connections == 2


def dying_at_second(gate: Gateway, path: bytes) -> list[bytes]:
    """Makes the origin drop the second request on its first connection unanswered."""
    bodies: list[bytes] = []

    async def script(turn: Turn) -> None:
        bodies.append(await turn.body())
        if turn.seen.connection == 1 and len(bodies) == 2:
            turn.writer.close()
            return
        await turn.send(whole(b"done"))

    gate.origin.scripts[path] = script
    return bodies


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"DELETE"])
async def test_stale_connection_is_tried_again(gate: Gateway, method: bytes) -> None:
    """A request that may be repeated survives an upstream that closes just then (9.2.2)."""
    bodies = dying_at_second(gate, b"/x")
    client = await gate.client()
    request = b"%b /x HTTP/1.1\r\n%bContent-Length: 5\r\n\r\nhello" % (method, HOST)
    assert (await client.ask(request)).status == 200
    assert (await client.ask(request)).status == 200
    assert bodies == [b"hello"] * 3
    assert gate.origin.connections == 2


async def test_post_is_not_sent_twice(gate: Gateway) -> None:
    """A POST that may have been worked on is a 502 instead."""
    bodies = dying_at_second(gate, b"/x")
    client = await gate.client()
    request = b"POST /x HTTP/1.1\r\n%bContent-Length: 5\r\n\r\nhello" % HOST
    assert (await client.ask(request)).status == 200
    assert (await client.ask(request)).status == 502
    assert bodies == [b"hello"] * 2


async def test_streamed_body_is_not_sent_twice(gate: Gateway) -> None:
    """A body that is gone cannot be sent again, whatever the method."""
    bodies = dying_at_second(gate, b"/x")
    client = await gate.client()
    request = b"PUT /x HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" % HOST
    assert (await client.ask(request)).status == 200
    assert (await client.ask(request)).status == 502
    assert bodies == [b"hi"] * 2


async def test_first_use_is_not_tried_again(gate: Gateway) -> None:
    """An upstream that closes a fresh connection unanswered is not asked again."""
    gate.origin.scripts[b"/bad"] = closing(b"")
    assert (await gate.get(b"/bad")).status == 502
    assert len(gate.origin.seen) == 1


async def test_post_avoids_connections_that_may_be_stale(gate: Gateway) -> None:
    """What may not be sent twice goes over a fresh connection if the idle one is old."""
    await gate.get()
    (connection,) = gate.pool._idle
    connection.idle_since_s -= 2.0
    client = await gate.client()
    request = b"POST /x HTTP/1.1\r\n%bContent-Length: 0\r\n\r\n" % HOST
    assert (await client.ask(request)).status == 200
    assert gate.origin.connections == 2


async def test_idle_connections_expire(gate: Gateway) -> None:
    """A connection that nobody used for a while is closed by us, before the origin does."""
    await gate.get()
    (connection,) = gate.pool._idle
    connection.idle_since_s -= 60.0
    await until(lambda: gate.pool.counts() == (0, 0))
    await until(lambda: not gate.origin.open)


async def test_closed_idle_connections_are_noticed(gate: Gateway) -> None:
    """A connection that the origin closed while idle is not used."""
    gate.origin.scripts[b"/bye"] = closing(whole(b"bye"))
    assert (await gate.get(b"/bye")).body == b"bye"
    await until(lambda: gate.pool.counts() == (0, 0))
    assert (await gate.get()).status == 200


# -- the pool's limit ----------------------------------------------------------------------------


class Gatekeeper:
    """Holds answers back until `go` is set."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, turn: Turn) -> None:
        await self.go.wait()
        await turn.send(whole(b"held"))


async def test_full_pool_waits(tmp_path: Path) -> None:
    """Requests beyond the limit wait for their turn, in order, on the connection that gets free."""
    async with gateway(tmp_path, connections=2) as gate:
        gate.origin.scripts[b"/held"] = held = Gatekeeper()
        tasks = [asyncio.create_task(gate.get(b"/held?%d" % number)) for number in range(12)]
        await until(lambda: len(gate.origin.seen) == 2 and len(gate.pool._waiting) == 10)
        assert gate.pool.counts() == (2, 0)
        held.go.set()
        assert [(await task).body for task in tasks] == [b"held"] * 12
        assert gate.origin.connections == 2
        assert gate.pool.counts() == (2, 2)


async def test_full_pool_in_the_end_is_a_503(tmp_path: Path) -> None:
    """Who gets no place in time is told so; those before are served."""
    async with gateway(tmp_path, connections=1, timeouts=UpstreamTimeouts(connect_s=0.2)) as gate:
        gate.origin.scripts[b"/held"] = held = Gatekeeper()
        first = asyncio.create_task(gate.get(b"/held"))
        await until(lambda: gate.origin.seen)
        busy = await gate.get()
        assert (busy.status, busy.values(b"retry-after")) == (503, [b"1"])
        held.go.set()
        assert (await first).body == b"held"
        assert (await gate.get()).status == 200


async def test_a_waiter_that_gives_up_leaves_its_place(tmp_path: Path) -> None:
    """A client that goes away while it waits takes no place from those behind it."""
    async with gateway(tmp_path, connections=1) as gate:
        gate.origin.scripts[b"/held"] = held = Gatekeeper()
        first = asyncio.create_task(gate.get(b"/held?1"))
        await until(lambda: gate.origin.seen)
        impatient = await gate.client()
        await impatient.send(b"GET /held?2 HTTP/1.1\r\n%b\r\n" % HOST)
        await until(lambda: len(gate.pool._waiting) == 1)
        last = asyncio.create_task(gate.get(b"/held?3"))
        await until(lambda: len(gate.pool._waiting) == 2)
        impatient.abort()
        await until(lambda: len(gate.pool._waiting) == 1)
        held.go.set()
        assert (await first).body == (await last).body == b"held"
        assert len(gate.origin.seen) == 2


async def test_full_of_idle_ones_makes_room(tmp_path: Path) -> None:
    """An old idle connection gives way where a fresh one is needed."""
    async with gateway(tmp_path, connections=1) as gate:
        await gate.get()
        (connection,) = gate.pool._idle
        connection.idle_since_s -= 2.0
        client = await gate.client()
        request = b"POST /x HTTP/1.1\r\n%bContent-Length: 0\r\n\r\n" % HOST
        assert (await client.ask(request)).status == 200
        assert gate.pool.counts() == (1, 1)


# -- fields --------------------------------------------------------------------------------------


async def test_requests_are_written_anew(tmp_path: Path) -> None:
    """Only what was understood goes on; what names another host, address or method does not."""
    async with gateway(tmp_path, prefix=b"/base") as gate:
        client = await gate.client()
        dropped = (
            b"Connection: X-Private, close",
            b"X-Private: y",
            b"Keep-Alive: timeout=5",
            b"Proxy-Connection: keep-alive",
            b"TE: trailers",
            b"Trailer: X-T",
            b"Forwarded: for=6.6.6.6",
            b"X-Forwarded-For: 6.6.6.6",
            b"X-Forwarded-Host: evil.example",
            b"X-Forwarded-Port: 1",
            b"X-Forwarded-Prefix: /evil",
            b"X-Forwarded-Proto: https",
            b"X-Forwarded-Scheme: https",
            b"X-Real-IP: 6.6.6.6",
            b"X-Original-URL: /admin",
            b"X-Rewrite-URL: /admin",
            b"X-HTTP-Method-Override: DELETE",
            b"X-Host: evil.example",
        )
        kept = (b"X-Request-ID: abc-123", b"Cookie: a=b", b"X-Twice: 1", b"X-Twice: 2")
        reply = await client.get(b"/x/../y?q=1&r=%2f", *dropped, *kept)
        assert reply.values(b"x-request-id") == [b"abc-123"]
        (seen,) = gate.origin.seen
        assert seen.line == b"GET /base/y?q=1&r=%2f HTTP/1.1"
        assert sorted(seen.fields) == [
            (b"cookie", b"a=b"),
            (b"host", b"a.example"),
            (b"via", b"1.1 lukhas"),
            (b"x-forwarded-for", b"127.0.0.1"),
            (b"x-forwarded-host", b"a.example"),
            (b"x-forwarded-proto", b"http"),
            (b"x-request-id", b"abc-123"),
            (b"x-twice", b"1"),
            (b"x-twice", b"2"),
        ]


async def test_trusted_proxies_are_heard(tmp_path: Path) -> None:
    """What a trusted proxy says about the client is kept, and the proxy added."""
    async with gateway(tmp_path, trusted_proxies=["127.0.0.0/8"]) as gate:
        await gate.get(b"/x", b"X-Forwarded-For: 192.0.2.7")
        assert gate.origin.seen[0].values(b"x-forwarded-for") == [b"192.0.2.7, 127.0.0.1"]


async def test_options_of_the_server(tmp_path: Path) -> None:
    """`OPTIONS *` goes on as it is, without the prefix."""
    async with gateway(tmp_path, prefix=b"/base") as gate:
        client = await gate.client()
        await client.ask(b"OPTIONS * HTTP/1.1\r\n%b\r\n" % HOST)
        assert gate.origin.whole == [b"OPTIONS *"]


async def test_lengths_are_exact(gate: Gateway) -> None:
    """A whole body goes on with its length, a chunked one chunked."""
    client = await gate.client()
    await client.ask(b"POST /x HTTP/1.1\r\n%bContent-Length: 0005\r\n\r\nhello" % HOST)
    await client.ask(
        b"POST /x HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" % HOST
    )
    await client.ask(b"POST /x HTTP/1.1\r\n%bContent-Length: 70000\r\n\r\n" % HOST + b"x" * 70_000)
    first, second, third = gate.origin.seen
    assert first.values(b"content-length") == [b"5"]
    assert not first.values(b"transfer-encoding")
    assert (second.body, second.values(b"content-length")) == (b"hi", [])
    assert (third.values(b"content-length"), len(third.body or b"")) == ([b"70000"], 70_000)


async def test_responses_lose_what_is_for_one_hop(gate: Gateway) -> None:
    """Hop-by-hop fields of the origin stop here, those named in Connection too; others do not."""
    gate.origin.scripts[b"/x"] = Answer(
        whole(
            b"body",
            b"Connection: keep-alive, X-Hop",
            b"Keep-Alive: timeout=5",
            b"X-Hop: y",
            b"Proxy-Connection: close",
            b"Upgrade: h2c",
            b"X-Request-ID: theirs",
            b"Set-Cookie: a=1",
            b"Set-Cookie: b=2",
            b"Date: Mon, 01 Jan 2024 00:00:00 GMT",
        )
    )
    reply = await gate.get(b"/x", b"X-Request-ID: ours-1")
    assert reply.body == b"body"
    gone = (b"connection", b"keep-alive", b"x-hop", b"proxy-connection", b"upgrade")
    assert not any(reply.values(name) for name in gone)
    assert reply.values(b"set-cookie") == [b"a=1", b"b=2"]
    assert reply.values(b"x-request-id") == [b"ours-1"]
    assert reply.values(b"date") == [b"Mon, 01 Jan 2024 00:00:00 GMT"]
    assert reply.values(b"content-length") == [b"4"]


async def test_date_is_added(gate: Gateway) -> None:
    """A response without Date gets one (RFC 9110 section 6.6.1)."""
    reply = await gate.get()
    assert len(reply.values(b"date")) == 1
