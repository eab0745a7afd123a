"""Validation by a description in front of a FastAPI app: its own."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from lukhas.config.settings import Settings
from lukhas.middleware import OptimizerMiddleware
from tests.unit.pipeline.test_decoders import encoded


class Item(BaseModel):
    name: str
    price: float


def app_of(calls: list[object]) -> FastAPI:
    app = FastAPI()

    @app.post("/items")
    async def items(items: list[Item]) -> int:
        calls.append(items)
        return len(items)

    @app.get("/items/{number}")
    async def item(number: int, limit: int = 5) -> dict[str, int]:
        calls.append(number)
        return {"number": number, "limit": limit}

    return app


@pytest.mark.parametrize("compressed", [False, True])
async def test_the_app_hears_only_of_what_fits(tmp_path: Path, *, compressed: bool) -> None:
    """By the description that FastAPI makes; also of bodies that came compressed, or in pieces."""
    calls: list[object] = []
    app = app_of(calls)
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(app.openapi()))
    settings = {
        "state_dir": tmp_path,
        "openapi": {"file": file},
        "request_decompression": {"enabled": True},
    }
    app.add_middleware(OptimizerMiddleware, settings=Settings.model_validate(settings))
    transport = httpx.ASGITransport(app=app)
    fields = {"content-type": "application/json"}
    if compressed:
        fields["content-encoding"] = "gzip"

    async def pieces(body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        for value, status in (
            ([{"name": "lamp", "price": 1}] * 3, 200),
            ([{"name": "lamp", "price": 1}, {"name": "x", "price": "dear"}], 400),
        ):
            body = json.dumps(value).encode()
            body = encoded(body, b"gzip") if compressed else body
            for content in (body, pieces(body)):
                answer = await http.post("/items", content=content, headers=fields)
                assert answer.status_code == status
                if status == 400:
                    assert answer.json()["faults"][0]["pointer"] == "/1/price"
        assert len(calls) == 2
        assert (await http.get("/items/7", params={"limit": 3})).json()["limit"] == 3
        bad = await http.get("/items/seven")
        assert (bad.status_code, bad.json()["faults"][0]["name"]) == (400, "number")
        assert len(calls) == 3
