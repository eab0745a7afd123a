"""Keep-alive, pipelining, expectations and the time and size limits of a connection."""

import asyncio
import dataclasses
import os
import socket
from pathlib import Path

import pytest

from lukhas.gateway.framing import FrontLimits
from lukhas.gateway.front import FrontConnection
from tests.integration.gateway.kit import Answer, Client, Gateway, Turn, gateway, until, whole

HOST = b"Host: a.example\r\n"
CACHED = {"default_ttl_s": 60}


def the_connection(gate: Gateway) -> FrontConnection:
    """The only open connection."""
    (connection,) = gate.state.connections
    assert isinstance(connection, FrontConnection)
    return connection


def post(path: bytes, *lines: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\n%b%b\r\n" % (
        path,
        HOST,
        b"".join(line + b"\r\n" for line in lines),
    )


async def silent(client: Client) -> bool:
    """Whether nothing has come for the client yet, after the loop turned a few times."""
    for _ in range(20):
        await asyncio.sleep(0.001)
    return not client.reader._buffer  # type: ignore[attr-defined]


async def test_small_answers_do_not_wait(gate: Gateway) -> None:
    """TCP_NODELAY is on for what the front server accepts."""
    client = await gate.client()
    await client.get()
    accepted = the_connection(gate)._transport.get_extra_info("socket")
    with socket.socket(fileno=os.dup(accepted.fileno())) as same:
        assert same.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


async def test_answers_keep_the_order_of_requests(tmp_path: Path) -> None:
    """A hit behind a slow request waits for it (RFC 9112 section 9.3.2)."""
    go = asyncio.Event()

    async def slow(turn: Turn) -> None:
        await go.wait()
        await turn.send(whole(b"slow", b"Cache-Control: no-store"))

    async with gateway(tmp_path, cache=CACHED) as gate:
        gate.origin.scripts[b"/slow"] = slow
        await gate.get(b"/cached")
        client = await gate.client()
        await client.send(
            b"GET /slow HTTP/1.1\r\n%b\r\nGET /cached HTTP/1.1\r\n%b\r\n" % (HOST, HOST)
        )
        await until(lambda: len(gate.origin.seen) == 2)
        assert await silent(client)
        go.set()
        assert (await client.reply()).body == b"slow"
        assert b"hit" in (await client.reply()).values(b"cache-status")[0]
        assert gate.state.requests == 3


async def test_hits_are_whole_responses(tmp_path: Path) -> None:
    """A hit has one Date, one length and an Age, however often it is asked for."""
    async with gateway(tmp_path, cache=CACHED) as gate:
        client = await gate.client()
        for _ in range(3):
            reply = await client.get(b"/cached")
            assert reply.body == b"ok"
            assert len(reply.values(b"date")) == 1
            assert reply.values(b"content-length") == [b"2"]
        assert len(reply.values(b"age")) == 1
        reply = await client.ask(b"HEAD /cached HTTP/1.1\r\n%b\r\n" % HOST)
        assert (reply.status, reply.values(b"content-length")) == (200, [b"2"])
        reply = await client.get(b"/cached", b"Connection: close")
        assert reply.values(b"connection") == [b"close"]
        assert len(gate.origin.seen) == 1


async def test_a_reader_that_stops_stops_us(tmp_path: Path) -> None:
    """A thousand pipelined hits for a client that does not read take bounded memory."""
    body = b"x" * 20_000
    async with gateway(tmp_path, cache=CACHED) as gate:
        gate.origin.scripts[b"/big"] = Answer(whole(body))
        await gate.get(b"/big")
        await until(lambda: not gate.state.connections)
        client = await gate.client(limit=1024)
        requests = (b"GET /big HTTP/1.1\r\n%b\r\n" % HOST) * 1000
        client.writer.write(requests)
        await until(lambda: gate.state.connections and the_connection(gate)._writer.paused)
        connection = the_connection(gate)
        # The transport asks for a pause above 64 KiB; an outbox of up to 64 KiB may come on top.
        assert connection._transport.get_write_buffer_size() < 128 * 1024 + len(body)
        assert not connection._transport.is_reading()
        assert gate.state.requests < 1000
        for _ in range(1000):
            assert (await client.reply()).body == body
        assert len(gate.origin.seen) == 1
        await until(lambda: not connection._writer.paused)
        assert (await client.get(b"/big")).status == 200


async def test_repeated_batches_are_answered_whole(tmp_path: Path) -> None:
    """The same batch of requests in one piece gets all its answers each time."""
    async with gateway(tmp_path, cache=CACHED) as gate:
        await gate.get(b"/cached")
        client = await gate.client()
        for _ in range(3):
            await client.send((b"GET /cached HTTP/1.1\r\n%b\r\n" % HOST) * 3)
            for _ in range(3):
                assert (await client.reply()).status == 200
        assert await silent(client)


async def test_a_head_cut_behind_many_requests_is_not_too_large(tmp_path: Path) -> None:
    """What stands before a head in the same piece does not count against it."""
    async with gateway(tmp_path, cache=CACHED) as gate:
        await gate.get(b"/cached")
        client = await gate.client(limit=2**20)
        request = b"GET /cached HTTP/1.1\r\n%b\r\n" % HOST
        await client.send(request * 1500 + request[:-5])
        for _ in range(1500):
            assert (await client.reply()).status == 200
        assert (await client.ask(request[-5:])).status == 200


async def test_http_1_0_closes(gate: Gateway) -> None:
    """HTTP/1.0 without keep-alive gets one answer (RFC 9112 section 9.3)."""
    client = await gate.client()
    reply = await client.ask(b"GET /x HTTP/1.0\r\n%b\r\n" % HOST)
    assert (reply.status, reply.body) == (200, b"ok")
    assert reply.values(b"connection") == [b"close"]
    assert await client.rest() == b""


async def test_http_1_0_keep_alive(gate: Gateway) -> None:
    """HTTP/1.0 with keep-alive goes on, and is told so."""
    client = await gate.client()
    for _ in range(2):
        reply = await client.ask(b"GET /x HTTP/1.0\r\n%bConnection: keep-alive\r\n\r\n" % HOST)
        assert reply.status == 200
        assert reply.values(b"connection") == [b"keep-alive"]


async def test_connection_close(gate: Gateway) -> None:
    """A client that says close gets the connection closed after its answer."""
    client = await gate.client()
    reply = await client.get(b"/x", b"Connection: close")
    assert reply.values(b"connection") == [b"close"]
    assert await client.rest() == b""


async def test_head_has_no_body(gate: Gateway) -> None:
    """HEAD gets the length and no body, and the connection goes on (RFC 9110 section 9.3.2).

    That to the upstream does not: a body sent all the same must not answer somebody else.
    """
    client = await gate.client()
    for _ in range(2):
        reply = await client.ask(b"HEAD /x HTTP/1.1\r\n%b\r\n" % HOST)
        assert (reply.status, reply.values(b"content-length")) == (200, [b"2"])
    assert (await client.get()).body == b"ok"
    assert gate.origin.connections == 3


async def test_a_body_sent_to_head_answers_nobody_else(gate: Gateway) -> None:
    """Found by the soak: an origin that answers HEAD with a body, after its head."""
    late = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    gate.origin.scripts[b"/head"] = Answer(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(late), late)
    )
    client = await gate.client()
    for _ in range(3):
        assert (await client.ask(b"HEAD /head HTTP/1.1\r\n%b\r\n" % HOST)).status == 200
        assert (await client.get()).body == b"ok"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_bodiless_statuses(gate: Gateway, status: bytes) -> None:
    """204 and 304 have no body whatever their fields say (RFC 9112 section 6.3)."""
    gate.origin.scripts[b"/none"] = Answer(b"HTTP/1.1 %b\r\nETag: x\r\n\r\n" % status)
    client = await gate.client()
    reply = await client.get(b"/none")
    assert (reply.status, reply.body) == (int(status[:3]), b"")
    assert not reply.values(b"transfer-encoding")
    assert (await client.get()).body == b"ok"


async def test_204_has_no_length(gate: Gateway) -> None:
    """A length that an origin wrongly gives a 204 is not passed on (RFC 9110 section 8.6)."""
    gate.origin.scripts[b"/none"] = Answer(whole(b"hello", status=b"204 No Content"))
    client = await gate.client()
    reply = await client.get(b"/none")
    assert (reply.status, reply.values(b"content-length")) == (204, [])
    assert (await client.get()).body == b"ok"


# -- Expect: 100-continue ------------------------------------------------------------------------


async def test_continue_is_sent_when_the_body_is_read(gate: Gateway) -> None:
    """`100 Continue` comes once the upstream is to get the body (RFC 9110 section 10.1.1)."""
    client = await gate.client()
    await client.send(post(b"/x", b"Content-Length: 5", b"Expect: 100-continue"))
    assert (await client.head()).status == 100
    assert not any(name == b"expect" for name, _ in gate.origin.seen[0].fields)
    assert (await client.ask(b"hello")).status == 200
    assert gate.origin.seen[0].body == b"hello"
    assert (await client.get()).status == 200


async def test_continue_is_not_sent_for_a_body_that_came(gate: Gateway) -> None:
    """A client that does not wait needs no `100 Continue`."""
    client = await gate.client()
    reply = await client.ask(post(b"/x", b"Content-Length: 5", b"Expect: 100-continue") + b"hello")
    assert reply.status == 200


async def test_continue_is_not_for_http_1_0(gate: Gateway) -> None:
    """An expectation in HTTP/1.0 is ignored (RFC 9110 section 10.1.1)."""
    client = await gate.client()
    head = b"POST /x HTTP/1.0\r\n%bContent-Length: 5\r\nExpect: 100-continue\r\n\r\n" % HOST
    await client.send(head)
    assert await silent(client)
    assert (await client.ask(b"hello")).status == 200


async def test_no_continue_before_a_refusal(tmp_path: Path) -> None:
    """Who is refused is not asked for the body first."""
    async with gateway(tmp_path, tiers={"free": "1/hour"}) as gate:
        await gate.get()
        client = await gate.client()
        reply = await client.ask(post(b"/x", b"Content-Length: 5", b"Expect: 100-continue"))
        assert reply.status == 429
        assert reply.values(b"connection") == [b"close"]
        assert await client.rest() == b""
        assert len(gate.origin.seen) == 1


async def test_no_continue_before_too_large(gate: Gateway) -> None:
    """A body that is announced as too large is not asked for."""
    client = await gate.client()
    reply = await client.ask(post(b"/x", b"Content-Length: 9999999999", b"Expect: 100-continue"))
    assert reply.status == 413
    assert await client.rest() == b""


# -- answers before the body was whole -----------------------------------------------------------


async def test_early_answer_with_a_short_rest_goes_on(tmp_path: Path) -> None:
    """A short unread body is dropped and the connection stays."""
    async with gateway(tmp_path, tiers={"free": "1/hour"}) as gate:
        client = await gate.client()
        assert (await client.get()).status == 200
        length = 65_600
        await client.send(post(b"/x", b"Content-Length: %d" % length) + b"x" * 1000)
        reply = await client.reply()
        assert (reply.status, reply.values(b"connection")) == (429, [])
        await client.send(b"x" * (length - 1000))
        assert (await client.get()).status == 429
        assert len(gate.origin.seen) == 1


async def test_dropped_body_that_stalls_ends_the_connection(tmp_path: Path) -> None:
    """A request that has its answer gets no second one, however slow its body is."""
    async with gateway(tmp_path, tiers={"free": "1/hour"}) as gate:
        client = await gate.client()
        assert (await client.get()).status == 200
        assert (await client.ask(post(b"/x", b"Content-Length: 65600") + b"x" * 100)).status == 429
        connection = the_connection(gate)
        connection.check_deadline(gate.state.now_s)
        connection.check_deadline(gate.state.now_s + 1)
        assert await client.rest() == b""


async def test_early_answer_with_a_long_rest_closes(tmp_path: Path) -> None:
    """A long unread body is not waited for, and no reset overtakes the answer."""
    async with gateway(tmp_path, tiers={"free": "1/hour"}) as gate:
        client = await gate.client()
        assert (await client.get()).status == 200
        await client.send(post(b"/x", b"Content-Length: 10000000") + b"x" * 200_000)
        reply = await client.reply()
        assert (reply.status, reply.values(b"connection")) == (429, [b"close"])
        await client.send(b"x" * 200_000)
        assert await client.rest() == b""
        client.close()
        await until(lambda: not gate.state.connections)


async def test_lingering_ends(tmp_path: Path) -> None:
    """A client that goes on sending after its last answer is cut off."""
    async with gateway(tmp_path, tiers={"free": "1/hour"}) as gate:
        client = await gate.client()
        assert (await client.get()).status == 200
        await client.send(post(b"/x", b"Content-Length: 90000000"))
        assert (await client.reply()).status == 429
        client.writer.write(b"x" * 9_000_000)
        await until(lambda: not gate.state.connections)


async def test_lingering_ends_in_time(tmp_path: Path) -> None:
    """A client that does not close after its last answer is cut off."""
    async with gateway(tmp_path, tiers={"free": "1/hour"}) as gate:
        client = await gate.client()
        assert (await client.get()).status == 200
        assert (await client.ask(post(b"/x", b"Content-Length: 90000000"))).status == 429
        the_connection(gate).check_deadline(gate.state.now_s)
        await until(lambda: not gate.state.connections)


# -- time ----------------------------------------------------------------------------------------


def quick(limits: FrontLimits) -> FrontLimits:
    return dataclasses.replace(limits, header_timeout_s=0.3, keep_alive_s=0.3)


@pytest.mark.parametrize("half", [b"G", b"GET /x HTTP/1.1\r\nHost: a.exa"])
async def test_half_a_head_times_out(tmp_path: Path, half: bytes) -> None:
    """A head that does not become whole is answered with 408 and ended."""
    async with gateway(tmp_path, limits=quick) as gate:
        client = await gate.client()
        assert (await client.get()).status == 200
        reply = await client.ask(half)
        assert reply.status == 408
        assert await client.rest() == b""


async def test_a_trickle_does_not_extend_the_time(tmp_path: Path) -> None:
    """Each byte of a head that trickles in leaves its deadline where it was."""
    async with gateway(tmp_path) as gate:
        client = await gate.client()
        await client.send(b"GET /x HTTP/1.1\r\n")
        await until(lambda: gate.state.connections and the_connection(gate)._parser.in_head)
        deadline = the_connection(gate).deadline
        for byte in b"Host: a":
            await client.send(bytes((byte,)))
            assert await silent(client)
        assert the_connection(gate).deadline == deadline


async def test_silence_is_closed_without_a_word(tmp_path: Path) -> None:
    """A connection that never sends anything, or nothing more, is just closed."""
    async with gateway(tmp_path, limits=quick) as gate:
        fresh = await gate.client()
        used = await gate.client()
        assert (await used.get()).status == 200
        assert await fresh.rest() == b""
        assert await used.rest() == b""


async def test_a_slow_body_times_out(gate: Gateway) -> None:
    """A body below the least rate is answered with 408; the first look only notes how far it is."""
    client = await gate.client()
    await client.send(post(b"/x", b"Content-Length: 1000") + b"x" * 300)
    await until(lambda: gate.state.connections)
    connection = the_connection(gate)
    await until(lambda: connection._parser.incoming)
    connection.check_deadline(gate.state.now_s)
    assert await silent(client)
    connection.check_deadline(gate.state.now_s + 1)
    assert (await client.reply()).status == 408
    assert await client.rest() == b""
    assert gate.origin.seen == []


async def test_a_slow_streamed_body_times_out(gate: Gateway) -> None:
    """So is one that is forwarded as it comes; the origin never gets a whole request."""
    client = await gate.client()
    await client.send(post(b"/x", b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
    await until(lambda: gate.origin.seen)
    connection = the_connection(gate)
    connection.check_deadline(gate.state.now_s)
    connection.check_deadline(gate.state.now_s + 1)
    reply = await client.reply()
    assert (reply.status, reply.values(b"connection")) == (408, [b"close"])
    await until(lambda: not gate.origin.open)
    assert gate.origin.whole == []


async def test_a_body_that_keeps_its_rate_goes_on(gate: Gateway) -> None:
    """A body of the least rate or more is waited for."""
    client = await gate.client()
    await client.send(post(b"/x", b"Content-Length: 1000") + b"x" * 300)
    await until(lambda: gate.state.connections)
    connection = the_connection(gate)
    await until(lambda: connection._parser.incoming)
    body = connection._parser.incoming and connection._parser.incoming.body
    assert body
    connection.check_deadline(gate.state.now_s)
    await client.send(b"x" * 300)
    await until(lambda: body.received == 600)
    connection.check_deadline(gate.state.now_s + 1)
    assert (await client.ask(b"x" * 400)).status == 200


async def test_who_waits_for_the_upstream_is_not_timed(gate: Gateway) -> None:
    """While the gateway is the slow one, the client's deadlines do not count."""
    go = asyncio.Event()

    async def slow(turn: Turn) -> None:
        await go.wait()
        await turn.send(whole(b"slow"))

    gate.origin.scripts[b"/slow"] = slow
    client = await gate.client()
    await client.send(b"GET /slow HTTP/1.1\r\n%b\r\n" % HOST)
    await until(lambda: gate.origin.seen)
    the_connection(gate).check_deadline(gate.state.now_s + 1e6)
    go.set()
    assert (await client.reply()).body == b"slow"


# -- size ----------------------------------------------------------------------------------------


async def test_chunked_body_over_the_limit(tmp_path: Path) -> None:
    """A body without a length is cut off where it passes the limit."""
    async with gateway(tmp_path, server={"body_bytes": 1000}) as gate:
        client = await gate.client()
        await client.send(post(b"/x", b"Transfer-Encoding: chunked") + b"3e8\r\n" + b"x" * 1000)
        await until(lambda: gate.origin.seen)
        reply = await client.ask(b"\r\n1\r\nx\r\n")
        assert (reply.status, reply.values(b"connection")) == (413, [b"close"])
        assert gate.origin.whole == []
        assert gate.state.unhandled == 0


async def test_route_limits_stand_in_place_of_the_server_limit(tmp_path: Path) -> None:
    """A route may take less, more, or anything."""
    routes = [
        {"name": "small", "path": "/small", "body_bytes": 10},
        {"name": "large", "path": "/large", "body_bytes": 5000},
    ]
    async with gateway(tmp_path, server={"body_bytes": 1000}, routes=routes) as gate:
        for path, length, status in (
            (b"/small", 10, 200),
            (b"/small", 11, 413),
            (b"/other", 1000, 200),
            (b"/other", 1001, 413),
            (b"/large", 5000, 200),
            (b"/large", 5001, 413),
        ):
            client = await gate.client()
            request = post(path, b"Content-Length: %d" % length) + b"x" * length
            assert (await client.ask(request)).status == status
            client = await gate.client()
            head = post(path, b"Transfer-Encoding: chunked")
            reply = await client.ask(head + b"%x\r\n%b\r\n0\r\n\r\n" % (length, b"x" * length))
            assert reply.status == status
        assert len(gate.origin.whole) == 6


async def test_a_route_without_a_cap(tmp_path: Path) -> None:
    """A route limit of 0 is no limit, even where the server has one."""
    routes = [{"name": "any", "path": "/any", "body_bytes": 0}]
    async with gateway(tmp_path, server={"body_bytes": 1000}, routes=routes) as gate:
        client = await gate.client()
        reply = await client.ask(post(b"/any", b"Content-Length: 200000") + b"x" * 200_000)
        assert reply.status == 200
        client = await gate.client()
        reply = await client.ask(post(b"/x", b"Content-Length: 200000") + b"x" * 1000)
        assert reply.status == 413


async def test_allowed_hosts(tmp_path: Path) -> None:
    """Where hosts are named, others are misdirected (RFC 9110 section 15.5.20)."""
    async with gateway(tmp_path, server={"allowed_hosts": ["a.example"]}) as gate:
        assert (await gate.get()).status == 200
        client = await gate.client()
        reply = await client.ask(b"GET /x HTTP/1.1\r\nHost: b.example\r\n\r\n")
        assert reply.status == 421


async def test_encoded_slashes_are_kept_where_the_settings_say_so(tmp_path: Path) -> None:
    """By default they are refused, since upstreams differ in what they make of them."""
    async with gateway(tmp_path) as gate:
        assert (await gate.get(b"/a%2Fb")).status == 400
    async with gateway(tmp_path, server={"encoded_slashes": "keep"}) as gate:
        assert (await gate.get(b"/a%2fb")).status == 200
        assert gate.origin.seen[-1].what == b"GET /a%2Fb"
