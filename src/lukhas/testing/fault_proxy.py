"""A TCP proxy that does to connections what bad networks and bad servers do."""

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from enum import Enum
from typing import Self

__all__ = ("Fault", "FaultProxy")

_CHUNK_BYTES = 64 * 1024
_GARBAGE = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"


class Fault(Enum):
    """What goes wrong. All but REFUSE and RESET let connections be made."""

    PASS = "pass"  # noqa: S105 - no password
    """Nothing."""
    REFUSE = "refuse"
    """Connections are refused; those that exist are closed."""
    HANG = "hang"
    """Connections are accepted, and nothing comes through in either direction."""
    DELAY = "delay"
    """Every piece of an answer comes `delay_s` late."""
    CUT = "cut"
    """After `after_bytes` of answers a connection is closed."""
    GARBAGE = "garbage"
    """Answers are replaced by something else."""
    RESET = "reset"
    """Connections are accepted and reset; so are those that exist."""
    THROTTLE = "throttle"
    """Answers come with `bytes_per_s` at most."""


@dataclass(slots=True)
class _Figures:
    delay_s: float = 0.0
    after_bytes: int = 0
    bytes_per_s: int = 0


class FaultProxy:
    """Stands before a server on 127.0.0.1; what it does can be switched at any time.

    ```python
    async with FaultProxy(server.port) as proxy:
        connect_to(proxy.port)
        await proxy.switch(Fault.HANG)
    ```

    Args:
        target_port: the port of the server.

    Attributes:
        port: the port of the proxy.
        pieces: what came from clients, as it was read: to see what was sent together.
        connections: how many were accepted.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._fault = Fault.PASS
        self._figures = _Figures()
        self._switched = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.pieces: list[bytes] = []
        self.connections = 0

    async def switch(
        self,
        fault: Fault,
        *,
        delay_s: float = 0.0,
        after_bytes: int = 0,
        bytes_per_s: int = 1024,
    ) -> None:
        """From now on does this, also to connections that exist."""
        self._fault = fault
        self._figures = _Figures(delay_s, after_bytes, bytes_per_s)
        switched, self._switched = self._switched, asyncio.Event()
        switched.set()
        if fault is Fault.REFUSE:
            await self._stop_listening()
        elif self._server is None:
            await self._listen()
        if fault in {Fault.REFUSE, Fault.RESET}:
            for writer in tuple(self._writers):
                _reset(writer)

    async def close(self) -> None:
        """Ends it and all its connections."""
        await self._stop_listening()
        for writer in tuple(self._writers):
            writer.transport.abort()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault is Fault.RESET:
            _reset(writer)
            return
        try:
            back, onward = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            _reset(writer)
            return
        self._writers |= {writer, onward}
        ways = [
            asyncio.create_task(self._carry(reader, onward)),
            asyncio.create_task(self._carry_back(back, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, onward):
                self._writers.discard(end)
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                self.pieces.append(data)
                await self._while_hanging()
                writer.write(data)
                await writer.drain()

    async def _carry_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                await self._while_hanging()
                match self._fault:
                    case Fault.DELAY:
                        await asyncio.sleep(self._figures.delay_s)
                    case Fault.GARBAGE:
                        data = _GARBAGE
                    case Fault.CUT:
                        left = self._figures.after_bytes - passed
                        if len(data) >= left:
                            writer.write(data[: max(left, 0)])
                            await writer.drain()
                            return
                    case Fault.THROTTLE:
                        await self._trickle(data, writer)
                        continue
                    case _:
                        pass
                passed += len(data)
                writer.write(data)
                await writer.drain()

    async def _while_hanging(self) -> None:
        while self._fault is Fault.HANG:
            await self._switched.wait()

    async def _trickle(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        for place in range(len(data)):
            writer.write(data[place : place + 1])
            await asyncio.sleep(1 / self._figures.bytes_per_s)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes with RST, as a crashed host or a firewall does."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()
