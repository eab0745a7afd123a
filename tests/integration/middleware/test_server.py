"""The middleware under a real server, over a loopback socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.responses import StreamingResponse

from lukhas.config.settings import Settings
from lukhas.middleware import OptimizerMiddleware, cache, limit


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a FastAPI app under uvicorn."""
    app = FastAPI()
    app.add_middleware(OptimizerMiddleware, settings=Settings(state_dir=tmp_path))
    router = APIRouter(prefix="/v1")
    calls = 0

    @router.get("/limited/{name}")
    @limit("2/minute")
    def limited(name: str) -> dict[str, str]:
        return {"name": name}

    @router.get("/cached")
    @cache(ttl_s=60)
    async def cached() -> dict[str, int]:
        nonlocal calls
        calls += 1
        return {"calls": calls}

    @router.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"data: %d\n\n" % number

        return StreamingResponse(pieces(), media_type="text/event-stream")

    app.include_router(router)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
    serving = asyncio.create_task(server.serve([listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving


async def test_limits_caching_and_streams_under_uvicorn(url: str) -> None:
    """Limits, the cache, conditional requests and streams work over a socket."""
    async with httpx.AsyncClient(base_url=url) as http:
        answers = [await http.get(f"/v1/limited/{name}") for name in "abc"]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert int(answers[2].headers["retry-after"]) >= 1
        assert answers[0].headers["ratelimit"].startswith('"free-minute";r=59')

        first = await http.get("/v1/cached")
        second = await http.get("/v1/cached")
        assert (first.json(), second.json()) == ({"calls": 1}, {"calls": 1})
        assert second.headers["cache-status"].startswith("lukhas; hit")
        assert "age" in second.headers
        unchanged = await http.get("/v1/cached", headers={"if-none-match": second.headers["etag"]})
        assert (unchanged.status_code, unchanged.content) == (304, b"")

        async with http.stream("GET", "/v1/stream") as streamed:
            assert b"".join([piece async for piece in streamed.aiter_bytes()]) == (
                b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
            )
