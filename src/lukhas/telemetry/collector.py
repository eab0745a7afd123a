"""A collector of OpenTelemetry data: bytes are posted to it (OTLP over HTTP)."""

import asyncio
import gzip
import ssl
from asyncio import StreamReader
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import httptools

from lukhas.errors import ConfigError

__all__ = ("Collector", "Outcome", "Receipt")

_PORTS = {"http": 80, "https": 443}
_READ_BYTES = 16 * 1024
_MOST_ANSWER_BYTES = 64 * 1024
_LONGEST_PAUSE_S = 60.0
# To be tried again, by the specification of OTLP; everything else will not get better.
_BUSY = frozenset((429, 502, 503, 504))


class Outcome(Enum):
    """What became of a message."""

    TAKEN = "taken"
    BUSY = "busy"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a message.

    Attributes:
        outcome: taken; or not now, and to be tried again; or never.
        why: why it was not taken, for people; never a secret.
        pause_s: how long to wait before the next try, if the collector has said so.
        body: what it said; empty where it was not taken.
    """

    outcome: Outcome
    why: str = ""
    pause_s: float = 0.0
    body: bytes = b""


@dataclass(slots=True)
class _Answer:
    """Takes an answer in, as the parser reads it."""

    status: int = 0
    pause_s: float = 0.0
    pieces: list[bytes] = field(default_factory=list)
    done: bool = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after" and value.isdigit():
            self.pause_s = min(float(value), _LONGEST_PAUSE_S)

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        self.done = self.status >= 200


class Collector:
    """Where data goes.

    Args:
        url: without the path of the signal, such as `http://localhost:4318`.
        headers: further fields to send.
        timeout_s: how long one message may take, from the look-up of the name to the answer.
        compressed: whether messages are compressed.
        ca_file: the authorities that may have signed its certificate; those of the system if None.

    Raises:
        ConfigError: the file cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        timeout_s: float = 5.0,
        compressed: bool = True,
        ca_file: Path | None = None,
    ) -> None:
        self._parts = urlsplit(url)
        self._headers = headers
        self._timeout_s = timeout_s
        self._compressed = compressed
        self._context = _context(self._parts, ca_file)

    async def post(self, path: str, message: bytes) -> Receipt:
        """Sends a message; never raises for what others do.

        Args:
            path: of the signal, such as `/v1/traces`.
            message: in protobuf.
        """
        host = self._parts.hostname or ""
        try:
            async with asyncio.timeout(self._timeout_s):
                if self._compressed:
                    # Several milliseconds for a large one, and it lets the loop run.
                    message = await asyncio.to_thread(gzip.compress, message, 1)
                return _receipt(await self._answer(host, path, message))
        except TimeoutError:
            why = f"{host} has not answered within {self._timeout_s:g} s"
        except ssl.SSLCertVerificationError as error:
            why = f"the certificate of {host}: {error.verify_message}"
        except OSError as error:
            why = f"{host}: {error.strerror or type(error).__name__}"
        except httptools.HttpParserError:
            why = f"{host} does not speak HTTP"
        return Receipt(Outcome.BUSY, why)

    async def _answer(self, host: str, path: str, message: bytes) -> _Answer:
        reader, writer = await asyncio.open_connection(
            host,
            self._parts.port or _PORTS[self._parts.scheme],
            ssl=self._context,
            server_hostname=host if self._context is not None else None,
        )
        try:
            writer.write(self._head(path, len(message)) + message)
            await writer.drain()
            return await _read(reader)
        finally:
            # Not closed in peace: nobody waits for a collector that does not end the connection.
            writer.transport.abort()

    def _head(self, path: str, length: int) -> bytes:
        fields = [
            ("host", self._parts.netloc),
            ("user-agent", "lukhas-otlp"),
            ("content-type", "application/x-protobuf"),
            ("content-length", str(length)),
            ("connection", "close"),
            *self._headers,
        ]
        if self._compressed:
            fields.append(("content-encoding", "gzip"))
        lines = [f"POST {self._parts.path}{path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields]
        return "\r\n".join((*lines, "", "")).encode("latin-1")


async def _read(reader: StreamReader) -> _Answer:
    answer = _Answer()

    class Events:
        """The parser looks its callbacks up by name."""

        on_header = answer.on_header
        on_body = answer.on_body
        on_message_complete = answer.on_message_complete

        def on_headers_complete(self) -> None:
            answer.status = parser.get_status_code()

    parser = httptools.HttpResponseParser(Events())
    received = 0
    while not answer.done:
        data = await reader.read(_READ_BYTES)
        received += len(data)
        if not data or received > _MOST_ANSWER_BYTES:
            break
        parser.feed_data(data)
    return answer


def _receipt(answer: _Answer) -> Receipt:
    if answer.status < 200:
        return Receipt(Outcome.BUSY, "it has sent no whole answer")
    if answer.status < 300:
        return Receipt(Outcome.TAKEN, body=b"".join(answer.pieces))
    outcome = Outcome.BUSY if answer.status in _BUSY else Outcome.REFUSED
    return Receipt(outcome, f"it answers with status {answer.status}", answer.pause_s)


def _context(parts: SplitResult, ca_file: Path | None) -> ssl.SSLContext | None:
    if parts.scheme != "https":
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(
            f"{ca_file} holds no certificates that can be used: {error.strerror or error}",
            where="telemetry.otlp.ca_file",
            hint="name a PEM file with the authorities",
        ) from None
