"""An origin that breaks every rule of HTTP, one for each path; a process that prints its port."""

import asyncio
import contextlib
import socket
import struct
import sys

_GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood"
_ANSWERS = {
    b"/good": _GOOD,
    b"/close": b"",
    b"/garbage": b"\x16\x03\x01 this is no HTTP at all\r\n\r\n",
    b"/half-head": b"HTTP/1.1 200 OK\r\ncontent-le",
    b"/half-body": b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this",
    b"/half-chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n20\r\nonly this",
    b"/two-lengths": (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\ngood"),
}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1]
            if path == b"/hang":
                await reader.read()
                break
            if path == b"/reset":
                linger = struct.pack("ii", 1, 0)
                connected: socket.socket = writer.get_extra_info("socket")
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                break
            writer.write(_ANSWERS[path])
            await writer.drain()
            if path != b"/good":
                break
    writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    sys.stdout.write(f"port {server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
