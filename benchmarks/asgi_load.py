"""Calls ASGI apps in process: the same request, over and over, with no sockets between."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ("ASGIApp", "Answer", "ask", "caller", "get_scope")

Message = MutableMapping[str, Any]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]


class Answer:
    """Collects what an app sends."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def __call__(self, message: Message) -> None:
        """Takes a message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", ()))
        else:
            self.body += message.get("body", b"")

    def values(self, name: bytes) -> list[bytes]:
        """All values of a field."""
        return [value for key, value in self.headers if key.lower() == name]


def get_scope(path: str) -> dict[str, Any]:
    """What a server makes of an ordinary GET."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1:8000"),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"gzip, deflate"),
            (b"user-agent", b"bench/1.0"),
        ],
        "client": ("203.0.113.7", 40_000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_message: Message) -> None:
    pass


async def _call(app: ASGIApp, scope: dict[str, Any], calls: int) -> None:
    for _ in range(calls):
        # A server makes a new scope and new header pairs for each request.
        await app({**scope, "headers": [*scope["headers"]], "state": {}}, _receive, _send)


def caller(loop: asyncio.AbstractEventLoop, app: ASGIApp, path: str) -> Callable[[int], None]:
    """A function that makes so many calls of an app."""
    scope = get_scope(path)

    def run(calls: int) -> None:
        loop.run_until_complete(_call(app, scope, calls))

    return run


def ask(loop: asyncio.AbstractEventLoop, app: ASGIApp, path: str) -> Answer:
    """One call whose answer is looked at."""
    answer = Answer()

    async def once() -> None:
        await app(get_scope(path), _receive, answer)

    loop.run_until_complete(once())
    return answer
