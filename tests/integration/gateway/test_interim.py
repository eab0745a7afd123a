"""Interim responses through the gateway: rule R13, RFC 9110 section 15.2."""

from pathlib import Path

from tests.integration.gateway.kit import Turn, gateway, whole

HINTS = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x-hop\r\n"
    b"X-Hop: 1\r\nContent-Length: 5\r\n\r\n"
)
FINAL = whole(b"done", b"Cache-Control: max-age=60")


async def hinting(turn: Turn) -> None:
    await turn.body()
    await turn.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + HINTS)
    await turn.send(FINAL)


async def test_r13_rfc_9110_15_2_interim_responses_reach_the_client(tmp_path: Path) -> None:
    """102 and 103 in their order, without hop-by-hop fields; a 100 is between two ends only."""
    async with gateway(tmp_path) as gate:
        gate.origin.scripts[b"/x"] = hinting
        client = await gate.client()
        await client.send(b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n")
        replies = [await client.reply() for _ in range(3)]
        assert [reply.status for reply in replies] == [102, 103, 200]
        assert replies[1].fields == [(b"link", b"</a.css>; rel=preload")]
        assert replies[2].body == b"done"
        assert replies[2].values(b"link") == []


async def test_r13_interim_responses_are_never_stored(tmp_path: Path) -> None:
    """A hit has the final response only."""
    async with gateway(tmp_path) as gate:
        gate.origin.scripts[b"/x"] = hinting
        client = await gate.client()
        await client.send(b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n")
        for _ in range(3):
            await client.reply()
        hit = await client.get(b"/x")
        assert (hit.status, hit.body) == (200, b"done")
        assert hit.values(b"cache-status")[0].startswith(b"lukhas; hit")


async def test_r13_old_clients_get_no_interim_responses(tmp_path: Path) -> None:
    """HTTP/1.0 does not know them (RFC 9110 section 15.2)."""
    async with gateway(tmp_path) as gate:
        gate.origin.scripts[b"/x"] = hinting
        client = await gate.client()
        await client.send(b"GET /x HTTP/1.0\r\nHost: a.example\r\n\r\n")
        assert (await client.reply()).status == 200


async def test_r13_a_pipelined_client_gets_them_in_order(tmp_path: Path) -> None:
    """Behind the answer to the request before, before the one they belong to."""
    async with gateway(tmp_path) as gate:
        gate.origin.scripts[b"/x"] = hinting
        client = await gate.client()
        request = b"GET %b HTTP/1.1\r\nHost: a.example\r\n\r\n"
        await client.send(request % b"/first" + request % b"/x" + request % b"/last")
        replies = [await client.reply() for _ in range(5)]
        assert [reply.status for reply in replies] == [200, 102, 103, 200, 200]
        assert [reply.body for reply in replies] == [b"ok", b"", b"", b"done", b"ok"]
