"""Validation by a description over sockets."""

import json
import random
from pathlib import Path

from tests.integration.gateway.kit import Answer, Gateway, gateway, until, whole
from tests.unit.pipeline.stages.openapi_kit import GOOD, SHOP

PATH = b"/v1/items"


async def post(gate: Gateway, body: bytes, *, chunked: bool = False) -> tuple[int, bytes]:
    client = await gate.client()
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    await client.send(
        b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%b\r\n\r\n%b"
        % (PATH, framing, sent)
    )
    reply = await client.reply()
    client.close()
    return reply.status, reply.body


def described(folder: Path, **more: object) -> dict[str, object]:
    file = folder / "openapi.json"
    file.write_text(json.dumps(SHOP))
    return {"file": file, **more}


async def test_only_what_fits_reaches_the_origin(tmp_path: Path) -> None:
    """Its body unchanged, of known length or not; the rest gets the place of its fault."""
    async with gateway(tmp_path, openapi=described(tmp_path, body_bytes=200_000)) as gate:
        gate.origin.scripts[PATH] = Answer(whole(b"ok"))
        good = json.dumps(GOOD).encode()
        large = json.dumps({"items": [{"name": "lamp", "price": 1}] * 3000}).encode()
        for body in (good, large):
            for chunked in (False, True):
                assert await post(gate, body, chunked=chunked) == (200, b"ok")
                assert gate.origin.seen[-1].body == body
        bad = json.dumps({"items": [{"name": "lamp", "price": -1}]}).encode()
        for chunked in (False, True):
            status, body = await post(gate, bad, chunked=chunked)
            (fault,) = json.loads(body)["faults"]
            assert (status, fault["in"], fault["pointer"]) == (400, "body", "/items/0/price")
        assert (await post(gate, b" " * 300_000))[0] == 413
        assert (await post(gate, b" " * 300_000, chunked=True))[0] == 413
        assert (await gate.get(PATH + b"?limit=x")).status == 400
        assert len(gate.origin.seen) == 4
        assert gate.state.unhandled == 0


async def test_large_bodies_pass_where_they_may(tmp_path: Path) -> None:
    """Byte for byte, though their beginning was read."""
    openapi = described(tmp_path, body_bytes=1000, large_bodies="allow")
    async with gateway(tmp_path, openapi=openapi) as gate:
        gate.origin.scripts[PATH] = Answer(whole(b"ok"))
        body = random.Random(3).randbytes(300_000)
        for chunked in (False, True):
            assert await post(gate, body, chunked=chunked) == (200, b"ok")
            assert gate.origin.seen[-1].body == body


async def test_garbage_never_breaks_anything(tmp_path: Path) -> None:
    """Each of many mutated bodies gets an answer; none is an error of ours."""
    draw = random.Random(7)
    good = json.dumps(GOOD).encode()
    async with gateway(tmp_path, openapi=described(tmp_path)) as gate:
        gate.origin.scripts[PATH] = Answer(whole(b"ok"))
        for _ in range(150):
            body = bytearray(good)
            for _ in range(draw.randrange(1, 6)):
                body[draw.randrange(len(body))] = draw.randrange(256)
            status, _ = await post(gate, bytes(body))
            assert status in {200, 400}
        deep = b'{"items": ' + b"[" * 900 + b"]" * 900 + b"}"
        assert (await post(gate, deep))[0] == 400
        huge = b'{"items": [{"name": "a", "price": 1%b}]}' % (b"0" * 5000)
        assert (await post(gate, huge))[0] in {200, 400}
        assert gate.state.unhandled == 0
        assert all(part.state == "ok" for part in gate.hub.parts() if "openapi" in part.name)


async def test_responses_are_counted_after_they_went_out(tmp_path: Path) -> None:
    """The client gets them as they are."""
    openapi = described(tmp_path, responses="shadow", response_share=1)
    async with gateway(tmp_path, openapi=openapi) as gate:
        kind = b"Content-Type: application/json"
        gate.origin.scripts[PATH] = Answer(whole(b'[{"id": 1}]', kind))
        reply = await gate.get(PATH)
        assert (reply.status, reply.body) == (200, b'[{"id": 1}]')
        await until(lambda: gate.hub.recorder.gauges()["openapi_response_faults"] == 1)
