"""Compressed request bodies over sockets: what the origin gets, and bombs."""

import json
from pathlib import Path
from random import Random

import pytest

from lukhas.policy.decompression import DECODABLE
from tests.integration.gateway.kit import Answer, Gateway, gateway, whole
from tests.unit.pipeline.test_decoders import encoded

MIB = 1024 * 1024
TEXT = Random(5).randbytes(200_000).hex().encode()
ROUTES = [{"name": "plain", "path": "/plain", "decompress_request": False}]


async def post(gate: Gateway, path: bytes, body: bytes, coding: bytes) -> tuple[int, bytes]:
    client = await gate.client()
    await client.send(
        b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (path, coding, len(body), body)
    )
    reply = await client.reply()
    client.close()
    return reply.status, reply.body


@pytest.mark.parametrize("coding", DECODABLE)
async def test_the_origin_gets_plain_bodies(tmp_path: Path, coding: bytes) -> None:
    """Small and large; a route may leave them as they are."""
    async with gateway(tmp_path, request_decompression={"enabled": True}, routes=ROUTES) as gate:
        gate.origin.scripts[b"/x"] = gate.origin.scripts[b"/plain"] = Answer(whole(b"ok"))
        for text in (b"short", TEXT):
            assert await post(gate, b"/x", encoded(text, coding), coding) == (200, b"ok")
            seen = gate.origin.seen[-1]
            assert seen.body == text
            assert seen.values(b"content-encoding") == []
        assert await post(gate, b"/plain", encoded(b"short", coding), coding) == (200, b"ok")
        assert gate.origin.seen[-1].body == encoded(b"short", coding)
        bomb = encoded(bytes(10 * MIB), coding)
        status, body = await post(gate, b"/x", bomb, coding)
        assert (status, json.loads(body)["limit"]) == (413, "ratio")
        status, _ = await post(gate, b"/x", encoded(TEXT, coding)[:-4], coding)
        assert status == 400
        taken = [seen for seen in gate.origin.seen if seen.body is not None]
        assert len(taken) == 3, "the origin has taken none of these for whole"
        assert gate.state.unhandled == 0
