"""Who tells the date of an answer: the server, which adds it to whatever it sends."""

import httpx
from fastapi import FastAPI
from fastapi.responses import Response

from lukhas.middleware.fastapi import cache
from tests.unit.middleware.kit import add, client


def _app() -> FastAPI:
    app = FastAPI()

    @app.get("/a")
    @cache(ttl_s=30)
    async def one() -> int:
        return 1

    @app.get("/dated")
    async def dated() -> Response:
        return Response("2", headers={"date": "Thu, 01 Jan 2026 00:00:00 GMT"})

    add(app)
    return app


async def test_a_hit_has_no_date_that_the_app_did_not_send() -> None:
    """A second one is no valid field (RFC 9110 section 6.6.1)."""
    async with client(_app()) as http:
        for result in ("fwd=uri-miss", "hit", "hit", "hit"):
            answer: httpx.Response = await http.get("/a")
            assert result in answer.headers["cache-status"]
            assert "date" not in answer.headers
        revalidated = await http.get("/a", headers={"if-none-match": answer.headers["etag"]})
        assert revalidated.status_code == 304
        assert "date" not in revalidated.headers


async def test_the_date_of_the_app_itself_passes() -> None:
    """What it sends is not ours to change."""
    async with client(_app()) as http:
        assert (await http.get("/dated")).headers["date"].startswith("Thu, 01 Jan 2026")
