"""Compression around a FastAPI app, with settings as anybody would have them."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware

from lukhas.config.settings import Settings
from lukhas.middleware import OptimizerMiddleware, cache


@pytest.mark.parametrize("codings", ["gzip", "br;q=0.5", "zstd, gzip;q=0.1"])
async def test_marked_and_other_routes_are_compressed(tmp_path: Path, codings: str) -> None:
    """A marked route is stored encoded, and a confirmed copy costs no call of the app."""
    app = FastAPI()
    settings = {"state_dir": tmp_path, "compression": {"mode": "enforce"}}
    app.add_middleware(OptimizerMiddleware, settings=Settings.model_validate(settings))
    calls = 0

    @app.get("/cached")
    @cache(ttl_s=60)
    async def cached() -> list[str]:
        nonlocal calls
        calls += 1
        return ["lamp"] * 1000

    @app.get("/plain")
    async def plain() -> list[str]:
        return ["chair"] * 1000

    transport = httpx.ASGITransport(app=app)
    coding = codings.partition(",")[0].partition(";")[0]
    fields = {"accept-encoding": codings}
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        first = await http.get("/cached", headers=fields)
        second = await http.get("/cached", headers={"accept-encoding": f"deflate, {coding}"})
        for answer in (first, second):
            assert answer.headers["content-encoding"] == coding
            assert answer.json() == ["lamp"] * 1000
        asked = {**fields, "if-none-match": first.headers["etag"]}
        assert (await http.get("/cached", headers=asked)).status_code == 304
        assert calls == 1
        other = await http.get("/plain", headers=fields)
        assert (other.headers["content-encoding"], other.json()) == (coding, ["chair"] * 1000)


async def test_an_app_that_compresses_sees_the_one_coding(tmp_path: Path) -> None:
    """What it makes for one client must be right for all that share the entry."""
    app = FastAPI()
    app.add_middleware(GZipMiddleware, minimum_size=100)
    settings = {"state_dir": tmp_path, "compression": {"mode": "enforce"}}
    app.add_middleware(OptimizerMiddleware, settings=Settings.model_validate(settings))

    @app.get("/cached")
    @cache(ttl_s=60)
    async def cached() -> list[str]:
        return ["lamp"] * 1000

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        for asked, coding in (("gzip, br", "br"), ("br", "br"), ("gzip", "gzip")):
            answer = await http.get("/cached", headers={"accept-encoding": asked})
            assert (answer.headers["content-encoding"], len(answer.json())) == (coding, 1000)
