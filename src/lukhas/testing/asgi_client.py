"""Asks an ASGI app in process, from tests that are not async."""

import asyncio
import json as json_text
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from lukhas.http.headers import HeaderPairs, Headers
from lukhas.testing.answers import Answer

__all__ = ("ASGIApp", "AsgiClient")

Message = MutableMapping[str, Any]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
Fields = Mapping[str, str] | Iterable[tuple[str, str]]

_CLIENT = "192.0.2.1"
_PORT = 40_000
_TIMEOUT_S = 30.0


class AsgiClient:
    """A client of one app: `client.get("/books")`. The app's lifespan is run around it.

    It has an event loop of its own, so use it in tests that are not async; in async tests use
    `httpx.ASGITransport`.

    Args:
        app: the app.
        client: the address that requests come from.
    """

    def __init__(self, app: ASGIApp, *, client: str = _CLIENT) -> None:
        self._app = app
        self._client = client
        self._runner = asyncio.Runner()
        self._lifespan = _Lifespan(app)
        try:
            self._runner.run(self._lifespan.start())
        except BaseException:
            self._runner.close()
            raise

    def get(self, path: str, headers: Fields = ()) -> Answer:
        """Asks with GET; see `request`."""
        return self.request("GET", path, headers=headers)

    def post(self, path: str, *, json: object = None, headers: Fields = ()) -> Answer:
        """Asks with POST and, unless it is None, a value as JSON; see `request`."""
        if json is None:
            return self.request("POST", path, headers=headers)
        body = json_text.dumps(json).encode()
        fields = [("content-type", "application/json"), *_pairs(headers)]
        return self.request("POST", path, headers=fields, body=body)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Fields = (),
        body: bytes = b"",
        client: str | None = None,
    ) -> Answer:
        """Asks once and gives the whole answer.

        Args:
            method: the method.
            path: path and query.
            headers: the fields, beside Host and Content-Length; as pairs, or as a mapping.
            body: the body.
            client: the address it comes from, in place of that of this client.

        Raises:
            Exception: what the app raised.
            TimeoutError: it did not answer.
        """
        pairs: HeaderPairs = [(b"host", b"test")]
        if body:
            pairs.append((b"content-length", b"%d" % len(body)))
        pairs += [
            (name.lower().encode("ascii"), text.encode("latin-1")) for name, text in _pairs(headers)
        ]
        target, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(target),
            "raw_path": target.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
            "headers": pairs,
            "client": (client or self._client, _PORT),
            "server": ("test", 80),
            "state": dict(self._lifespan.state),
        }
        return self._runner.run(_ask(self._app, scope, body))

    def close(self) -> None:
        """Ends the app."""
        try:
            self._runner.run(self._lifespan.stop())
        finally:
            self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _pairs(fields: Fields) -> Iterable[tuple[str, str]]:
    return fields.items() if isinstance(fields, Mapping) else fields


async def _ask(app: ASGIApp, scope: dict[str, Any], body: bytes) -> Answer:
    status = 0
    headers: HeaderPairs = []
    pieces: list[bytes] = []
    received = [{"type": "http.request", "body": body, "more_body": False}]
    done = asyncio.Event()

    async def receive() -> Message:
        if received:
            return received.pop()
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            headers.extend((bytes(name), bytes(value)) for name, value in message["headers"])
        elif message["type"] == "http.response.body":
            pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                done.set()

    async with asyncio.timeout(_TIMEOUT_S):
        await app(scope, receive, send)
    return Answer(status, Headers.of(headers), b"".join(pieces))


class _Lifespan:
    """The lifespan of an app; one that knows none does without."""

    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        self._task = asyncio.ensure_future(self._run(scope))
        await self._step(self._task, "startup")

    async def stop(self) -> None:
        if self._task is not None and not self._task.done():
            await self._step(self._task, "shutdown")
            await asyncio.wait({self._task}, timeout=_TIMEOUT_S)

    async def _run(self, scope: dict[str, Any]) -> None:
        await self._app(scope, self._told.get, self._heard.put)

    async def _step(self, task: "asyncio.Task[None]", name: str) -> None:
        await self._told.put({"type": f"lifespan.{name}"})
        heard = asyncio.ensure_future(self._heard.get())
        await asyncio.wait({task, heard}, timeout=_TIMEOUT_S, return_when="FIRST_COMPLETED")
        if not heard.done():
            heard.cancel()
            if not task.done():
                raise TimeoutError(f"the {name} of the app did not end")
            # An app that raises at once, or returns, has no lifespan.
            task.exception()
        elif heard.result()["type"] == f"lifespan.{name}.failed":
            await asyncio.wait({task}, timeout=_TIMEOUT_S)
            raise RuntimeError(f"the {name} of the app failed: {heard.result().get('message', '')}")
