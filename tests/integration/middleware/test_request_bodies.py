"""Compressed request bodies in front of a FastAPI app."""

import json
from pathlib import Path
from random import Random

import httpx
import pytest
from fastapi import FastAPI, Request

from lukhas.config.settings import Settings
from lukhas.middleware import OptimizerMiddleware
from lukhas.policy.decompression import DECODABLE
from tests.unit.pipeline.test_decoders import encoded

MIB = 1024 * 1024
ITEMS = b"[%b]" % b",".join(b"%d" % Random(number).randrange(10**9) for number in range(20_000))


@pytest.mark.parametrize("coding", DECODABLE)
async def test_the_app_gets_plain_bodies(tmp_path: Path, coding: bytes) -> None:
    """Small and large ones; a bomb or a broken one gets its problem, whatever the app answers."""
    app = FastAPI()
    settings = {"state_dir": tmp_path, "request_decompression": {"enabled": True}}
    app.add_middleware(OptimizerMiddleware, settings=Settings.model_validate(settings))
    whole = 0

    @app.post("/sum")
    async def total(numbers: list[int]) -> int:
        return sum(numbers)

    @app.post("/size")
    async def size(request: Request) -> dict[str, object]:
        nonlocal whole
        body = await request.body()
        whole += 1
        return {"size": len(body), "coding": request.headers.get("content-encoding")}

    transport = httpx.ASGITransport(app=app)
    fields = {"content-encoding": coding.decode(), "content-type": "application/json"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:

        async def post(path: str, body: bytes) -> httpx.Response:
            return await http.post(path, content=body, headers=fields)

        assert (await post("/sum", encoded(b"[1,2]", coding))).json() == 3
        assert (await post("/sum", encoded(ITEMS, coding))).json() == sum(json.loads(ITEMS))
        answer = await post("/size", encoded(ITEMS, coding))
        assert answer.json() == {"size": len(ITEMS), "coding": None}
        for path in ("/sum", "/size"):
            bomb = await post(path, encoded(bytes(10 * MIB), coding))
            assert (bomb.status_code, bomb.json()["limit"]) == (413, "ratio")
            broken = await post(path, encoded(ITEMS, coding)[:-4])
            assert broken.status_code == 400
            assert broken.json()["type"] == "urn:lukhas:problem:content-coding-broken"
        plain = await http.post("/sum", json=[1, 2, 3])
        assert plain.json() == 6
        assert whole == 1
