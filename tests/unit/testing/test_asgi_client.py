"""A client of an ASGI app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, Request

from lukhas.testing.asgi_client import AsgiClient


def app_with_lifespan(told: list[str]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, str]]:
        told.append("begun")
        yield {"colour": "blue"}
        told.append("ended")

    app = FastAPI(lifespan=lifespan)

    @app.post("/echo/{name}")
    async def echo(name: str, request: Request) -> dict[str, Any]:
        return {
            "name": name,
            "query": request.url.query,
            "body": (await request.body()).decode(),
            "field": request.headers.get("x-note"),
            "client": request.client.host if request.client else None,
            "state": request.state.colour,
        }

    return app


def test_a_request_reaches_the_app_whole() -> None:
    """Path, query, fields, body, address, and the state of the lifespan, which ends at the end."""
    told: list[str] = []
    with AsgiClient(app_with_lifespan(told), client="192.0.2.9") as client:
        answer = client.request("POST", "/echo/a%20b?c=d", headers=[("X-Note", "n")], body=b"whole")
        assert answer.status == 200
        assert answer.json() == {
            "name": "a b",
            "query": "c=d",
            "body": "whole",
            "field": "n",
            "client": "192.0.2.9",
            "state": "blue",
        }
        other = client.request("POST", "/echo/x", client="192.0.2.10")
        assert other.json()["client"] == "192.0.2.10"
        assert client.get("/nothing").status == 404
        posted = client.post("/echo/x", json={"a": 1}, headers={"X-Note": "n"}).json()
        assert (posted["body"], posted["field"]) == ('{"a": 1}', "n")
        assert client.post("/echo/x").json()["body"] == ""
        assert told == ["begun"]
    assert told == ["begun", "ended"]


async def bare(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await receive()
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    assert (await receive())["type"] == "http.disconnect"


def test_an_app_without_lifespan_is_served() -> None:
    """It raises when it is asked for one, and that is allowed."""
    with AsgiClient(bare) as client:
        assert client.get("/").status == 204


def test_an_app_that_cannot_start_is_told() -> None:
    """With what it says."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        raise OSError("no disk")
        yield

    with pytest.raises(RuntimeError, match=r"(?s)the startup of the app failed: .*no disk"):
        AsgiClient(FastAPI(lifespan=lifespan))


def test_what_the_app_raises_comes_out() -> None:
    """A test wants to see it."""

    async def broken(scope: Any, _receive: Any, _send: Any) -> None:
        if scope["type"] == "http":
            raise KeyError("gone")

    with AsgiClient(broken) as client, pytest.raises(KeyError, match="gone"):
        client.get("/")
