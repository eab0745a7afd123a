"""A client of HTTP/2 that sends whatever it is told, frame by frame; it reads with `hpack`."""

import asyncio
import contextlib
import struct
from dataclasses import dataclass, field

from hpack import Decoder, Encoder

from tests.integration.gateway.kit import WAIT_S, Gateway

__all__ = ("PREFACE", "Http2Client", "StreamReply", "packed")

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REQUEST = [(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", "/fine")]


def packed(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


@dataclass
class StreamReply:
    """What came on one stream."""

    heads: list[list[tuple[str, str]]] = field(default_factory=list)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(dict(self.heads[-1])[":status"])

    @property
    def fields(self) -> dict[str, str]:
        return dict(self.heads[-1])


class Http2Client:
    """One connection; frames are read by a task."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.streams: dict[int, StreamReply] = {}
        self.goaway: tuple[int, int] | None = None
        self.goaways: list[tuple[int, int]] = []
        self.settings: dict[int, int] = {}
        self.pongs: list[bytes] = []
        self.windows: dict[int, int] = {}
        self.acknowledged = 0
        self.closed = False
        self.credits = True
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def connected(cls, gate: Gateway, *, preface: bytes | None = None) -> "Http2Client":
        """A connection with its preface sent."""
        client = await gate.client()
        http2 = cls(client.reader, client.writer)
        await http2.send(PREFACE + packed(4, 0, 0) if preface is None else preface)
        return http2

    async def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    def headers(
        self, stream: int, *more: tuple[str, str], end: bool = True, **pseudo: str
    ) -> bytes:
        """A request with some of its pseudo-header fields changed."""
        fields = [(name, pseudo.get(name[1:], value)) for name, value in REQUEST]
        block = self.encoder.encode([*fields, *more], huffman=stream % 4 == 1)
        return packed(1, 0x4 | end, stream, block)

    def raw(self, stream: int, fields: list[tuple[str, str]], *, end: bool = True) -> bytes:
        """These fields and no others."""
        return packed(1, 0x4 | end, stream, self.encoder.encode(fields))

    async def ended(self, stream: int) -> StreamReply:
        """What a stream got, once it has ended."""
        async with asyncio.timeout(WAIT_S):
            while not (
                (reply := self.streams.get(stream)) and (reply.ended or reply.reset is not None)
            ):
                assert not self.closed, f"the connection ended: {self.goaway}"
                await asyncio.sleep(0.002)
        return reply

    async def ask(self, stream: int, *more: tuple[str, str], **pseudo: str) -> StreamReply:
        await self.send(self.headers(stream, *more, end=True, **pseudo))
        return await self.ended(stream)

    async def end(self) -> int | None:
        """The code of the GOAWAY, once the connection has ended."""
        await asyncio.wait_for(self._reading, WAIT_S)
        return self.goaway[1] if self.goaway else None

    def close(self) -> None:
        self._reading.cancel()
        self.writer.close()

    async def _read(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await self.reader.readexactly(9)
                size = int.from_bytes(head[:3], "big")
                stream = int.from_bytes(head[5:], "big")
                self._frame(head[3], head[4], stream, await self.reader.readexactly(size))
        self.closed = True

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind < 4:
            self._of_stream(kind, flags, self.streams.setdefault(stream, StreamReply()), payload)
            if kind == 0 and self.credits and payload:
                room = struct.pack("!I", len(payload))
                self.writer.write(packed(8, 0, 0, room) + packed(8, 0, stream, room))
        elif kind == 4 and flags & 1:
            self.acknowledged += 1
        elif kind == 4:
            self.settings.update(struct.iter_unpack("!HI", payload))
        elif kind == 6 and flags & 1:
            self.pongs.append(payload)
        elif kind == 7:
            self.goaway = struct.unpack("!II", payload[:8])
            self.goaways.append(self.goaway)
        elif kind == 8:
            self.windows[stream] = self.windows.get(stream, 0) + int.from_bytes(payload, "big")

    def _of_stream(self, kind: int, flags: int, reply: StreamReply, payload: bytes) -> None:
        if kind == 0:
            reply.body += payload
        elif kind == 1:
            reply.heads.append([(str(n), str(v)) for n, v in self.decoder.decode(payload)])
        elif kind == 3:
            reply.reset = int.from_bytes(payload, "big")
        if kind < 2 and flags & 1:
            reply.ended = True
