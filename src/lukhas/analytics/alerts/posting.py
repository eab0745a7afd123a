"""Posts JSON, follows no redirect, and asks no address that nothing is sent to."""

import asyncio
import json
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

import httptools

from lukhas.analytics.alerts.delivery import DeliveryError, checked_addresses

__all__ = ("post_json",)

_PORTS = {"http": 80, "https": 443}
_READ_BYTES = 4096
_LONGEST_HEAD_BYTES = 64 * 1024


async def post_json(
    url: str,
    body: Mapping[str, object] | Sequence[object],
    *,
    headers: Iterable[tuple[str, str]] = (),
    timeout_s: float,
) -> int:
    """The status with which a receiver answers; the rest of the answer is not read.

    Args:
        url: where; it never appears in an error.
        body: what.
        headers: further fields.
        timeout_s: how long all of it may take.

    Raises:
        DeliveryError: there was no whole answer.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        async with asyncio.timeout(timeout_s):
            return await _answered(parts, _request(parts, body, headers))
    except TimeoutError:
        raise DeliveryError(f"{host} has not answered within {timeout_s:g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(f"the certificate of {host}: {error.verify_message}") from None
    except OSError as error:
        raise DeliveryError(f"{host}: {error.strerror or type(error).__name__}") from None


async def _answered(parts: SplitResult, request: bytes) -> int:
    host = parts.hostname or ""
    reader, writer = await _connected(parts, host)
    try:
        writer.write(request)
        await writer.drain()
        return await _status(reader, host)
    finally:
        # Not closed in peace: nobody waits for a receiver that does not end the connection.
        writer.transport.abort()


async def _connected(parts: SplitResult, host: str) -> tuple[StreamReader, StreamWriter]:
    """A connection to the first address that takes one."""
    port = parts.port or _PORTS[parts.scheme]
    secure = parts.scheme == "https"
    *earlier, last = await checked_addresses(host, port)

    async def connected(address: str) -> tuple[StreamReader, StreamWriter]:
        return await asyncio.open_connection(
            address,
            port,
            ssl=ssl.create_default_context() if secure else None,
            server_hostname=host if secure else None,
        )

    for address in earlier:
        with suppress(OSError):
            return await connected(address)
    return await connected(last)


def _request(
    parts: SplitResult,
    body: Mapping[str, object] | Sequence[object],
    headers: Iterable[tuple[str, str]],
) -> bytes:
    content = json.dumps(body, separators=(",", ":")).encode()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = [
        ("host", parts.netloc.rpartition("@")[2]),
        ("user-agent", "lukhas-alerts"),
        ("content-type", "application/json"),
        ("content-length", str(len(content))),
        ("connection", "close"),
        *headers,
    ]
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + content


class _Head:
    """Notes that the head of a response is whole."""

    def __init__(self) -> None:
        self.status = 0
        self.parser = httptools.HttpResponseParser(self)

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        # An interim response says nothing about the request (RFC 9110 section 15.2).
        if status >= 200:
            self.status = status


async def _status(reader: StreamReader, host: str) -> int:
    head = _Head()
    received = 0
    while not head.status:
        data = await reader.read(_READ_BYTES)
        received += len(data)
        if not data or received > _LONGEST_HEAD_BYTES:
            raise DeliveryError(f"{host} has sent no whole answer")
        try:
            head.parser.feed_data(data)
        except httptools.HttpParserError:
            if not head.status:
                raise DeliveryError(f"{host} does not speak HTTP") from None
    return head.status
