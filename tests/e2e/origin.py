"""An origin of our own under uvicorn: counts what reaches it, and waits for signals; a process."""

import asyncio
import hashlib
import json
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Fields = list[tuple[bytes, bytes]]

_PIECE = bytes(2**20)
_EVENTS = 4


class Origin:
    """The app. Paths below `/control` are for the test itself and are not counted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.signals: dict[str, asyncio.Semaphore] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        _, name, *rest = scope["path"].split("/", 2)
        argument = rest[0] if rest else ""
        if name == "control":
            await self._control(argument, send)
            return
        self.counts[scope["path"]] += 1
        if name == "events":
            await self._events(argument, receive, send)
        elif name == "zeros":
            await self._zeros(int(argument), receive, send)
        elif name == "echo":
            await _echo(scope, receive, send)
        elif name == "held":
            await self._signal(argument).acquire()
            await _answer(send, b"released", [])
        elif name == "fresh":
            fields = [(b"cache-control", b"public, max-age=60")]
            await _answer(send, f"call {self.counts[scope['path']]}".encode(), fields)
        else:
            await _answer(send, f"call {self.counts[scope['path']]}".encode(), [])

    def _signal(self, name: str) -> asyncio.Semaphore:
        return self.signals.setdefault(name, asyncio.Semaphore(0))

    async def _control(self, argument: str, send: Send) -> None:
        what, _, name = argument.partition("/")
        if what == "signal":
            self._signal(name).release()
        await _answer(send, json.dumps(self.counts).encode(), [])

    async def _events(self, name: str, receive: Receive, send: Send) -> None:
        """The first event at once, each further one after a signal."""
        fields = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        gone = asyncio.ensure_future(_gone(receive))
        for number in range(_EVENTS):
            event = b"id: %d\ndata: event %d\n\n" % (number, number)
            await send({"type": "http.response.body", "body": event, "more_body": True})
            self.counts[f"sent {name}"] = number
            allowed = asyncio.ensure_future(self._signal(name).acquire())
            await asyncio.wait((allowed, gone), return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                allowed.cancel()
                self.counts[f"left {name}"] += 1
                return
        gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _zeros(self, length: int, receive: Receive, send: Send) -> None:
        fields = [
            (b"content-length", b"%d" % length),
            (b"content-type", b"application/octet-stream"),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        gone = asyncio.ensure_future(_gone(receive))
        left = length
        while left and not gone.done():
            piece = _PIECE[: min(left, len(_PIECE))]
            left -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": bool(left)})
        self.counts["zeros cut off"] += bool(left)
        gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _echo(scope: Message, receive: Receive, send: Send) -> None:
    size, digest, more = 0, hashlib.sha256(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body = message.get("body", b"")
        size += len(body)
        digest.update(body)
        more = message.get("more_body", False)
    said = {"method": scope["method"], "size": size, "sha256": digest.hexdigest()}
    await _answer(send, json.dumps(said).encode(), [(b"content-type", b"application/json")])


async def _answer(send: Send, body: bytes, fields: Fields) -> None:
    headers = [(b"content-length", b"%d" % len(body)), *fields]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serves until a signal; prints the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"port {listening.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        Origin(),
        log_level="error",
        lifespan="off",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    main()
