"""What breaks the rules of HTTP/2, and what each of it is answered with."""

import struct
from pathlib import Path

import pytest

from tests.integration.gateway.http2_client import PREFACE, REQUEST, Http2Client, packed
from tests.integration.gateway.kit import gateway
from tests.integration.gateway.test_http2 import CLEARTEXT, speaking

NO_ERROR, PROTOCOL, FLOW, CLOSED, SIZE, REFUSED, COMPRESSION, CALM = 0, 1, 3, 5, 6, 7, 9, 11
GOOD = dict(REQUEST)


def changed(**pseudo: str | None) -> list[tuple[str, str]]:
    """The usual request with pseudo-header fields changed, or left out."""
    fields = {**GOOD, **{f":{name}": value for name, value in pseudo.items()}}
    return [(name, value) for name, value in fields.items() if value is not None]


MALFORMED = {
    "no method": changed(method=None),
    "no scheme": changed(scheme=None),
    "no path": changed(path=None),
    "no authority": changed(authority=None),
    "empty path": changed(path=""),
    "absolute path": changed(path="http://a.example/fine"),
    "another scheme": changed(scheme="ftp"),
    "the scheme of TLS": changed(scheme="https"),
    "method twice": [*REQUEST, (":method", "GET")],
    "unknown pseudo": [*REQUEST, (":protocol", "websocket")],
    "response pseudo": [*REQUEST, (":status", "200")],
    "late pseudo": [*REQUEST[:3], ("x-a", "1"), REQUEST[3]],
    "upper case": [*REQUEST, ("X-A", "1")],
    "space in name": [*REQUEST, ("x a", "1")],
    "empty name": [*REQUEST, ("", "1")],
    "line feed in value": [*REQUEST, ("x-a", "1\nhost: b")],
    "NUL in value": [*REQUEST, ("x-a", "1\0")],
    "line feed in path": changed(path="/a\nb"),
    "space before value": [*REQUEST, ("x-a", " 1")],
    "connection": [*REQUEST, ("connection", "close")],
    "transfer-encoding": [*REQUEST, ("transfer-encoding", "chunked")],
    "upgrade": [*REQUEST, ("upgrade", "websocket")],
    "keep-alive": [*REQUEST, ("keep-alive", "1")],
    "te": [*REQUEST, ("te", "gzip")],
    "another host": [*REQUEST, ("host", "b.example")],
    "two hosts": [*REQUEST, ("host", "a.example"), ("host", "a.example")],
    "length without a body": [*REQUEST, ("content-length", "5")],
    "length that is none": [*REQUEST, ("content-length", "+5")],
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_requests_are_reset(tmp_path: Path, fields: list[tuple[str, str]]) -> None:
    """PROTOCOL_ERROR on the stream; the origin never sees it, and the connection goes on."""
    async with speaking(tmp_path) as (gate, client):
        await client.send(client.raw(1, fields))
        reply = await client.ended(1)
        assert (reply.reset, reply.heads) == (PROTOCOL, [])
        assert gate.origin.seen == []
        assert (await client.ask(3)).status == 200


REFUSED_REQUESTS = {
    "CONNECT": (changed(method="CONNECT"), 405),
    "TRACE": (changed(method="TRACE"), 405),
    "bad host": (changed(authority="a/b"), 400),
    "user in the authority": (changed(authority="u@a.example"), 400),
    "encoded slash": (changed(path="/a%2fb"), 400),
    "two lengths": ([*REQUEST, ("content-length", "0"), ("content-length", "0")], 400),
    "expectation": ([*REQUEST, ("expect", "miracles")], 417),
    "large": ([*REQUEST, ("x-a", "x" * 33_000)], 431),
    "many fields": ([*REQUEST, *((f"x-{n}", "1") for n in range(100))], 431),
}


@pytest.mark.parametrize(("fields", "status"), REFUSED_REQUESTS.values(), ids=REFUSED_REQUESTS)
async def test_refusals_are_those_of_http1(
    tmp_path: Path, fields: list[tuple[str, str]], status: int
) -> None:
    """What the strict layer refuses gets the same answer; compression goes on behind it."""
    async with speaking(tmp_path) as (gate, client):
        block = client.encoder.encode(fields)
        parts = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
        frames = packed(1, 0x1 | 0x4 * (len(parts) == 1), 1, parts[0])
        for number, part in enumerate(parts[1:], 2):
            frames += packed(9, 0x4 * (number == len(parts)), 1, part)
        await client.send(frames)
        reply = await client.ended(1)
        assert reply.status == status
        assert gate.origin.seen == []
        assert (await client.ask(3)).status == 200


def headers(client: Http2Client, stream: int, *, end: bool = True) -> bytes:
    return client.headers(stream, end=end, method="GET" if end else "POST")


LENGTH = [*changed(method="POST"), ("content-length", "5")]
FATAL = {
    "even stream": (lambda c: headers(c, 2), PROTOCOL),
    "stream 0": (lambda c: headers(c, 0), PROTOCOL),
    "older stream": (lambda c: headers(c, 5) + headers(c, 3), CLOSED),
    "data on stream 0": (lambda c: packed(0, 0, 0, b"x"), PROTOCOL),
    "data on no stream": (lambda c: packed(0, 0, 1, b"x"), CLOSED),
    "data behind the end": (
        lambda c: headers(c, 1, end=False) + packed(0, 1, 1) + packed(0, 0, 1, b"x"),
        CLOSED,
    ),
    "large frame": (lambda c: packed(0, 0, 1, bytes(16_385)), SIZE),
    "settings on a stream": (lambda c: packed(4, 0, 1), PROTOCOL),
    "settings cut off": (lambda c: packed(4, 0, 0, b"123"), SIZE),
    "ack with a payload": (lambda c: packed(4, 1, 0, bytes(6)), SIZE),
    "push on and a half": (lambda c: packed(4, 0, 0, struct.pack("!HI", 2, 2)), PROTOCOL),
    "small frames": (lambda c: packed(4, 0, 0, struct.pack("!HI", 5, 100)), PROTOCOL),
    "initial window": (lambda c: packed(4, 0, 0, struct.pack("!HI", 4, 2**31)), FLOW),
    "window": (lambda c: packed(8, 0, 0, struct.pack("!I", 2**31 - 1)), FLOW),
    "no room": (lambda c: packed(8, 0, 0, bytes(4)), FLOW),
    "room on no stream": (lambda c: packed(8, 0, 9, struct.pack("!I", 1)), PROTOCOL),
    "short window": (lambda c: packed(8, 0, 0, b"123"), SIZE),
    "short ping": (lambda c: packed(6, 0, 0, b"123"), SIZE),
    "ping on a stream": (lambda c: packed(6, 0, 1, bytes(8)), PROTOCOL),
    "reset of no stream": (lambda c: packed(3, 0, 9, bytes(4)), PROTOCOL),
    "push": (lambda c: packed(5, 4, 1, bytes(4)), PROTOCOL),
    "continuation of nothing": (lambda c: packed(9, 4, 1), PROTOCOL),
    "interrupted headers": (
        lambda c: packed(1, 1, 1, c.encoder.encode(REQUEST)) + packed(6, 0, 0, bytes(8)),
        PROTOCOL,
    ),
    "padding": (lambda c: packed(1, 0xD, 1, b"\xff" + c.encoder.encode(REQUEST)), PROTOCOL),
    "broken compression": (lambda c: packed(1, 5, 1, b"\xff\xff\xff\xff\xff\xff"), COMPRESSION),
    "index that is not there": (lambda c: packed(1, 5, 1, b"\xff\x7f"), COMPRESSION),
    "own dependency": (lambda c: packed(2, 0, 1, struct.pack("!IB", 1, 0)), PROTOCOL),
    "continuation flood": (
        lambda c: packed(1, 1, 1, b"\x00") + packed(9, 0, 1, b"") * 40,
        CALM,
    ),
    "header block without an end": (
        lambda c: packed(1, 1, 1, bytes(16_000)) + packed(9, 0, 1, bytes(16_000)) * 3,
        CALM,
    ),
    "rapid reset": (
        lambda c: b"".join(
            headers(c, n) + packed(3, 0, n, struct.pack("!I", 8)) for n in range(1, 401, 2)
        ),
        CALM,
    ),
    "pings": (lambda c: packed(6, 0, 0, bytes(8)) * 1100, CALM),
    "settings": (lambda c: packed(4, 0, 0) * 150, CALM),
    "empty data": (
        lambda c: headers(c, 1, end=False) + packed(0, 0, 1) * 1100,
        CALM,
    ),
    "priorities": (lambda c: packed(2, 0, 1, bytes(5)) * 1100, CALM),
    "unknown frames": (lambda c: packed(99, 0, 0) * 1100, CALM),
}


@pytest.mark.parametrize(("frames", "code"), FATAL.values(), ids=FATAL)
async def test_what_ends_the_connection(tmp_path: Path, frames: object, code: int) -> None:
    """A GOAWAY with the code, and the end."""
    async with speaking(tmp_path) as (gate, client):
        await client.send(frames(client))  # type: ignore[operator]
        assert await client.end() == code
        assert gate.state.malformed >= 1


@pytest.mark.parametrize(
    "sent",
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", PREFACE + packed(6, 0, 0, bytes(8))],
    ids=["preface", "first frame"],
)
async def test_a_bad_beginning(tmp_path: Path, sent: bytes) -> None:
    """Without preface and settings nothing is spoken."""
    async with gateway(tmp_path, http2=CLEARTEXT) as gate:
        client = await Http2Client.connected(gate, preface=sent)
        if sent.startswith(PREFACE):
            assert await client.end() == PROTOCOL
        else:
            client.close()
        assert gate.origin.seen == []


RESETS = {
    "longer body": (lambda c: c.raw(1, LENGTH, end=False) + packed(0, 1, 1, b"123456"), PROTOCOL),
    "shorter body": (lambda c: c.raw(1, LENGTH, end=False) + packed(0, 1, 1, b"1234"), PROTOCOL),
    "trailers within": (
        lambda c: headers(c, 1, end=False) + c.raw(1, [("x", "y")], end=False),
        PROTOCOL,
    ),
    "no room at all": (
        lambda c: headers(c, 1, end=False) + packed(8, 0, 1, bytes(4)),
        PROTOCOL,
    ),
    "too much room": (
        lambda c: headers(c, 1, end=False) + packed(8, 0, 1, struct.pack("!I", 2**31 - 1)),
        FLOW,
    ),
}


@pytest.mark.parametrize(("frames", "code"), RESETS.values(), ids=RESETS)
async def test_what_ends_a_stream(tmp_path: Path, frames: object, code: int) -> None:
    """The stream is reset with the code; the connection goes on."""
    async with speaking(tmp_path) as (_, client):
        await client.send(frames(client))  # type: ignore[operator]
        assert (await client.ended(1)).reset == code
        assert (await client.ask(3)).status == 200


async def test_more_than_the_streams_that_may_be(tmp_path: Path) -> None:
    """REFUSED_STREAM, so that the client may try again; the others run."""
    settings = {"cleartext": True, "max_streams": 2}
    async with gateway(tmp_path, http2=settings) as gate:
        client = await Http2Client.connected(gate)
        for stream in (1, 3, 5):
            await client.send(headers(client, stream, end=False))
        assert (await client.ended(5)).reset == REFUSED
        await client.send(packed(0, 1, 1) + packed(0, 1, 3))
        assert [(await client.ended(stream)).status for stream in (1, 3)] == [200, 200]
        client.close()


async def test_cookies_in_parts_are_one_field(tmp_path: Path) -> None:
    """RFC 9113 section 8.2.3."""
    async with speaking(tmp_path) as (gate, client):
        assert (await client.ask(1, ("cookie", "a=1"), ("cookie", "b=2"))).status == 200
        assert gate.origin.seen[0].values(b"cookie") == [b"a=1; b=2"]


async def test_a_host_field_may_stand_for_the_authority(tmp_path: Path) -> None:
    """As gateways from HTTP/1.1 send it (RFC 9113 section 8.3.1)."""
    async with speaking(tmp_path) as (gate, client):
        await client.send(client.raw(1, [*changed(authority=None), ("host", "b.example")]))
        assert (await client.ended(1)).status == 200
        assert gate.origin.seen[0].values(b"host") == [b"b.example"]
