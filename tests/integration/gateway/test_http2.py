"""HTTP/2 from clients, through the pipeline to an origin that speaks HTTP/1.1."""

import asyncio
import contextlib
import hashlib
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from lukhas.http.messages import Response
from lukhas.pipeline.driving import Run
from lukhas.pipeline.exchange import Exchange
from tests.integration.gateway.certificates import Authority
from tests.integration.gateway.http2_client import PREFACE, Http2Client, packed
from tests.integration.gateway.kit import Gateway, Turn, gateway, until, whole

CLEARTEXT = {"cleartext": True}


@contextlib.asynccontextmanager
async def speaking(
    tmp_path: Path, **settings: object
) -> AsyncIterator[tuple[Gateway, Http2Client]]:
    """A gateway and a connection to it."""
    async with gateway(tmp_path, http2=CLEARTEXT, **settings) as gate:  # type: ignore[arg-type]
        client = await Http2Client.connected(gate)
        yield gate, client
        client.close()
        assert gate.state.unhandled == 0


async def echo(turn: Turn) -> None:
    body = await turn.body()
    await turn.send(whole(body))


async def test_httpx_over_tls(tmp_path: Path) -> None:
    """A client of its own kind: requests at once, bodies both ways, hits and errors."""
    authority = Authority(tmp_path)
    certificate, key = authority.pair("127.0.0.1")
    async with gateway(tmp_path, tls={"certificate": certificate, "key": key}) as gate:
        gate.origin.scripts[b"/echo"] = echo
        gate.origin.scripts[b"/fresh"] = echo_fresh
        url = f"https://127.0.0.1:{gate.port}"
        async with httpx.AsyncClient(
            http2=True, verify=authority.client(alpn=("h2",)), trust_env=False, base_url=url
        ) as client:
            replies = await asyncio.gather(*(client.get(f"/fine?{n}") for n in range(50)))
            assert {(each.status_code, each.http_version) for each in replies} == {(200, "HTTP/2")}
            sent = bytes(range(256)) * 4096
            got = await client.post("/echo", content=sent)
            assert hashlib.sha256(got.content).digest() == hashlib.sha256(sent).digest()
            hits = [await client.get("/fresh") for _ in range(2)]
            assert hits[1].headers["cache-status"].startswith("lukhas; hit")
            assert (await client.head("/fine")).content == b""
            assert (await client.get("/a%2fb")).status_code == 400
        seen = gate.origin.seen[0]
        assert seen.values(b"x-forwarded-proto") == [b"https"]
        assert len(gate.state.connections) <= 1


async def echo_fresh(turn: Turn) -> None:
    await turn.body()
    await turn.send(whole(b"fresh", b"Cache-Control: max-age=60"))


async def test_http1_clients_are_served_on_the_same_port(tmp_path: Path) -> None:
    """Prior knowledge shows in the first bytes; whoever has none speaks HTTP/1.1."""
    async with gateway(tmp_path, http2=CLEARTEXT) as gate:
        client = await gate.client()
        for _ in range(2):
            assert (await client.get()).status == 200
        http2 = await Http2Client.connected(gate, preface=PREFACE[:10])
        await http2.send(PREFACE[10:] + packed(4, 0, 0))
        assert (await http2.ask(1)).status == 200
        http2.close()


async def test_without_the_setting_the_preface_is_no_request(tmp_path: Path) -> None:
    """By default a plain listener speaks HTTP/1.1 only."""
    async with gateway(tmp_path) as gate:
        client = await gate.client()
        reply = await client.ask(PREFACE)
        assert reply.status in {400, 501, 505}


async def test_requests_of_one_connection_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """A slow one does not hold up those behind it; fields and settings are as they should be."""
    go = asyncio.Event()

    async def slow(turn: Turn) -> None:
        await turn.body()
        await go.wait()
        await turn.send(whole(b"slow"))

    async with speaking(tmp_path) as (gate, client):
        gate.origin.scripts[b"/slow"] = slow
        await client.send(client.headers(1, path="/slow"))
        reply = await client.ask(3, ("x-mine", "1"))
        assert (reply.status, reply.body) == (200, b"ok")
        assert reply.fields["content-length"] == "2"
        assert {"date", "x-request-id"} <= reply.fields.keys()
        assert gate.origin.seen[-1].values(b"x-mine") == [b"1"]
        assert gate.origin.seen[-1].values(b"host") == [b"a.example"]
        assert not client.streams.get(1)
        go.set()
        assert (await client.ended(1)).body == b"slow"
        assert (client.settings[3], client.settings[6]) == (128, 32768)
        assert client.acknowledged == 1


async def test_bodies_respect_the_windows_of_the_client(tmp_path: Path) -> None:
    """Not a byte more than there is room for; more room brings more."""
    async with speaking(tmp_path) as (gate, client):
        gate.origin.scripts[b"/large"] = large
        client.credits = False
        await client.send(client.headers(1, path="/large"))
        await until(lambda: client.streams.get(1) and len(client.streams[1].body) == 65_535)
        await client.send(packed(8, 0, 0, struct.pack("!I", 10_000_000)))
        await client.send(packed(8, 0, 1, struct.pack("!I", 1)))
        await until(lambda: len(client.streams[1].body) == 65_536)
        await client.send(packed(4, 0, 0, struct.pack("!HI", 4, 10_000_000)))
        reply = await client.ended(1)
        assert reply.body == bytes(1_000_000)


async def large(turn: Turn) -> None:
    await turn.body()
    await turn.send(whole(bytes(1_000_000)))


async def test_a_body_that_is_not_taken_holds_up_its_own_stream_only(tmp_path: Path) -> None:
    """The client gets no more room than what somebody reads; others go on."""
    go = asyncio.Event()

    async def lazy(turn: Turn) -> None:
        await go.wait()
        turn.seen.body = await turn.body()
        await turn.send(whole(b"%d" % len(turn.seen.body)))

    async with speaking(tmp_path) as (gate, client):
        gate.origin.scripts[b"/lazy"] = lazy
        size = 32 * 1024 * 1024
        await client.send(
            client.headers(1, ("content-length", str(size)), end=False, path="/lazy", method="POST")
        )
        sent = 65_535
        await client.send(b"".join(packed(0, 0, 1, bytes(13_107)) for _ in range(5)))

        async def upload() -> None:
            nonlocal sent
            room = 0
            while sent < size:
                if room == client.windows.get(1, 0):
                    await asyncio.sleep(0.001)
                    continue
                part = min(16_384, client.windows[1] - room, size - sent)
                room += part
                sent += part
                await client.send(packed(0, int(sent == size), 1, bytes(part)))

        uploading = asyncio.create_task(upload())
        assert (await client.ask(3)).status == 200
        # The buffers of both ends and of the kernel are full long before.
        assert sent < size
        go.set()
        reply = await client.ended(1)
        await uploading
        assert reply.body == b"%d" % size


async def test_streamed_responses_and_trailers(tmp_path: Path) -> None:
    """Chunks pass as they come; trailers of both sides are dropped."""
    go = asyncio.Event()

    async def dripping(turn: Turn) -> None:
        turn.seen.body = await turn.body()
        await turn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await go.wait()
        await turn.send(b"3\r\ntwo\r\n0\r\nX-Trailer: 1\r\n\r\n")

    async with speaking(tmp_path) as (gate, client):
        gate.origin.scripts[b"/drip"] = dripping
        await client.send(client.headers(1, end=False, path="/drip", method="POST"))
        await client.send(packed(0, 0x8, 1, b"\x03abc" + bytes(3)))
        await client.send(client.raw(1, [("x-trailer", "1")]))
        await until(lambda: client.streams.get(1) and client.streams[1].body == b"one")
        assert gate.origin.seen[0].body == b"abc"
        assert gate.origin.seen[0].values(b"x-trailer") == []
        go.set()
        reply = await client.ended(1)
        assert (reply.body, len(reply.heads)) == (b"onetwo", 1)


async def test_interim_responses(tmp_path: Path) -> None:
    """103 and 100 come before the final head."""

    async def hinting(turn: Turn) -> None:
        await turn.body()
        await turn.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + whole(b"x"))

    async with speaking(tmp_path) as (gate, client):
        gate.origin.scripts[b"/hint"] = hinting
        gate.origin.scripts[b"/echo"] = echo
        reply = await client.ask(1, path="/hint")
        assert [dict(head)[":status"] for head in reply.heads] == ["103", "200"]
        await client.send(
            client.headers(3, ("expect", "100-continue"), end=False, path="/echo", method="POST")
        )
        await until(lambda: client.streams.get(3) and client.streams[3].heads)
        await client.send(packed(0, 1, 3, b"body"))
        reply = await client.ended(3)
        assert [dict(head)[":status"] for head in reply.heads] == ["100", "200"]
        assert reply.body == b"body"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_answers_without_a_body(tmp_path: Path, status: bytes) -> None:
    """The head ends the stream; so it does for HEAD."""

    async def bare(turn: Turn) -> None:
        await turn.body()
        await turn.send(b"HTTP/1.1 %b\r\n\r\n" % status)

    async with speaking(tmp_path) as (gate, client):
        gate.origin.scripts[b"/bare"] = bare
        reply = await client.ask(1, path="/bare")
        assert (reply.status, reply.body) == (int(status[:3]), b"")
        reply = await client.ask(3, method="HEAD")
        assert (reply.fields["content-length"], reply.body) == ("2", b"")


async def test_limits_count_streams(tmp_path: Path) -> None:
    """The same pipeline: the third request of a client with two is refused."""
    async with speaking(tmp_path, tiers={"free": "2/minute"}) as (_, client):
        statuses = [(await client.ask(stream)).status for stream in (1, 3, 5)]
        assert statuses == [200, 200, 429]


async def test_a_client_that_gives_up_ends_the_call(tmp_path: Path) -> None:
    """A reset stream ends what is done for it at the origin; the connection goes on."""
    gone = asyncio.Event()

    async def hanging(turn: Turn) -> None:
        await turn.body()
        await turn.gone()
        gone.set()

    async with speaking(tmp_path) as (gate, client):
        gate.origin.scripts[b"/hang"] = hanging
        await client.send(client.headers(1, path="/hang"))
        await until(lambda: gate.origin.seen)
        await client.send(packed(3, 0, 1, struct.pack("!I", 8)))
        await asyncio.wait_for(gone.wait(), 10)
        assert (await client.ask(3)).status == 200


async def test_a_response_that_breaks_off_is_reset(tmp_path: Path) -> None:
    """INTERNAL_ERROR tells that the body is cut."""

    async def breaking(turn: Turn) -> None:
        await turn.body()
        await turn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal")
        turn.reset()

    async with speaking(tmp_path) as (gate, client):
        gate.origin.scripts[b"/break"] = breaking
        reply = await client.ask(1, path="/break")
        assert (reply.reset, reply.ended) in {(2, False), (None, True)}
        assert reply.reset == 2 or reply.status == 502
        assert (await client.ask(3)).status == 200


async def test_an_answer_before_the_body_was_whole(tmp_path: Path) -> None:
    """The answer ends the stream, and NO_ERROR tells to stop sending."""
    async with speaking(tmp_path, server={"body_bytes": 1000}) as (_, client):
        await client.send(client.headers(1, ("content-length", "2000"), end=False, method="POST"))
        await until(lambda: client.streams.get(1) and client.streams[1].reset is not None)
        reply = client.streams[1]
        assert (reply.status, reply.ended, reply.reset) == (413, True, 0)
        await client.send(packed(0, 1, 1, bytes(2000)))
        await client.send(
            client.headers(3, end=False, method="POST") + packed(0, 0, 3, bytes(1001))
        )
        reply = await client.ended(3)
        assert reply.status == 413
        assert (await client.ask(5)).status == 200


async def test_drain_says_goaway_and_finishes(tmp_path: Path) -> None:
    """What runs is answered, new streams are told to go elsewhere, then the connection ends."""
    go = asyncio.Event()

    async def slow(turn: Turn) -> None:
        await turn.body()
        await go.wait()
        await turn.send(whole(b"slow"))

    async with speaking(tmp_path) as (gate, client):
        gate.origin.scripts[b"/slow"] = slow
        await client.send(client.headers(1, path="/slow"))
        await until(lambda: gate.origin.seen)
        draining = asyncio.create_task(gate.server.drain())
        await until(lambda: len(client.goaways) >= 2)
        assert client.goaways == [(2**31 - 1, 0), (1, 0)]
        go.set()
        assert (await client.ended(1)).body == b"slow"
        await client.end()
        await draining


async def test_idle_connections_end(tmp_path: Path) -> None:
    """After the time of keep-alive, with a GOAWAY."""
    async with speaking(tmp_path, server={"keep_alive_s": 0.3}) as (_, client):
        assert (await client.ask(1)).status == 200
        assert await client.end() == 0


async def test_a_head_that_stalls_ends_the_connection(tmp_path: Path) -> None:
    """Half a frame is waited for as long as half a head."""
    async with speaking(tmp_path, server={"header_timeout_s": 0.3}) as (_, client):
        await client.send(client.headers(1)[:12])
        assert await client.end() == 0


async def test_a_slow_body_is_refused(tmp_path: Path) -> None:
    """408, as in HTTP/1.1."""
    settings = {"body_grace_s": 0.5}
    async with speaking(tmp_path, server=settings) as (_, client):
        await client.send(client.headers(1, ("content-length", "9000"), end=False, method="POST"))
        assert (await client.ended(1)).status == 408


async def test_requests_know_their_version_of_http(tmp_path: Path) -> None:
    """For logs; what says nothing is HTTP/1.1."""
    async with gateway(tmp_path, http2=CLEARTEXT) as gate:
        seen: list[str] = []
        take = gate.state.take

        def noted(exchange: Exchange) -> Response | Run:
            seen.append(getattr(exchange, "protocol", ""))
            return take(exchange)

        gate.state.take = noted
        async with httpx.AsyncClient(
            http2=True, http1=False, trust_env=False, base_url=f"http://127.0.0.1:{gate.port}"
        ) as client:
            assert (await client.get("/a")).http_version == "HTTP/2"
        raw = await gate.client()
        for version in (b"1.1", b"1.0"):
            assert (await raw.ask(b"GET /a HTTP/%b\r\nhost: a\r\n\r\n" % version)).status == 200
        assert seen == ["HTTP/2.0", "", "HTTP/1.0"]
