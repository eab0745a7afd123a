"""WebSocket by hand, as far as the tests need it (RFC 6455): a server for ASGI apps, and a client.

Frames are text and close, 125 bytes at most.
"""

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

__all__ = ("Client", "serving")

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE = 1, 8


async def _read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    mask = await reader.readexactly(4) if second & 0x80 else bytes(4)
    data = await reader.readexactly(second & 0x7F)
    return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


def _frame(kind: int, data: bytes, *, masked: bool = False) -> bytes:
    assert len(data) <= 125
    head = bytes((0x80 | kind, (0x80 if masked else 0) | len(data)))
    if not masked:
        return head + data
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


class _Served:
    """One connection of the server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: bytes
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._key = key
        self._begun = False

    async def receive(self) -> dict[str, Any]:
        if not self._begun:
            self._begun = True
            return {"type": "websocket.connect"}
        try:
            kind, data = await _read_frame(self._reader)
        except asyncio.IncompleteReadError:
            return {"type": "websocket.disconnect", "code": 1006}
        if kind == _CLOSE:
            return {"type": "websocket.disconnect", "code": int.from_bytes(data[:2], "big")}
        return {"type": "websocket.receive", "text": data.decode()}

    async def send(self, message: Any) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            accept = base64.b64encode(
                hashlib.sha1(self._key + _GUID, usedforsecurity=False).digest()
            )
            fields = [(b"sec-websocket-accept", accept), *message.get("headers", ())]
            self._write_head(b"101 Switching Protocols", fields)
        elif kind == "websocket.http.response.start":
            self._write_head(b"%d Denied" % message["status"], message["headers"])
        elif kind == "websocket.http.response.body":
            self._writer.write(message["body"])
        elif kind == "websocket.send":
            self._writer.write(_frame(_TEXT, message["text"].encode()))
        else:
            reason = message["code"].to_bytes(2, "big") + message.get("reason", "").encode()
            self._writer.write(_frame(_CLOSE, reason))
        await self._writer.drain()

    def _write_head(self, status: bytes, fields: list[tuple[bytes, bytes]]) -> None:
        lines = [b"HTTP/1.1 " + status, *(b"%b: %b" % pair for pair in fields), b"", b""]
        self._writer.write(b"\r\n".join(lines))


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[tuple[str, int]]:
    """Serves WebSocket connections of an app on a loopback port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
        headers = [
            (name.lower(), value.strip())
            for name, _, value in (line.partition(b":") for line in lines)
        ]
        path = first.split()[1].decode()
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": writer.get_extra_info("peername"),
            "server": writer.get_extra_info("sockname"),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        served = _Served(reader, writer, dict(headers)[b"sec-websocket-key"])
        await app(scope, served.receive, served.send)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield host, port
    finally:
        server.close()
        await server.wait_closed()


class Client:
    """A client's connection.

    Attributes:
        status: of the answer to the handshake.
        headers: its fields, in lower case.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}

    @classmethod
    @asynccontextmanager
    async def connect(cls, address: tuple[str, int], path: str) -> AsyncIterator["Client"]:
        """Connects, and closes at the end."""
        client = cls(*await asyncio.open_connection(*address))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            f"GET {path} HTTP/1.1",
            f"Host: {address[0]}:{address[1]}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "\r\n",
        )
        client._writer.write("\r\n".join(lines).encode())
        head = (await client._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        client.status = int(head[0].split()[1])
        for line in head[1:-2]:
            name, _, value = line.partition(": ")
            client.headers[name.lower()] = value
        try:
            yield client
        finally:
            client._writer.close()
            await client._writer.wait_closed()

    async def say(self, text: str) -> str | tuple[int, str]:
        """The answer to a message: a text, or the code and the reason of a close."""
        self._writer.write(_frame(_TEXT, text.encode(), masked=True))
        kind, data = await _read_frame(self._reader)
        if kind == _CLOSE:
            return int.from_bytes(data[:2], "big"), data[2:].decode()
        return data.decode()

    async def body(self) -> bytes:
        """The rest of a refusal."""
        return await self._reader.read()
