"""Copies of requests: sent to another upstream, their answers read and forgotten."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import cast

from lukhas.errors import LukhasError
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import close, discard
from lukhas.pipeline.stage import Handler
from lukhas.policy.routing.mirroring import Mirror

__all__ = ("Mirrors",)

_MARK = (b"x-mirrored", b"1")
_MOST_UNDER_WAY = 100
_LONGEST_S = 30.0


class Mirrors:
    """Sends copies. They never delay or change what the client gets.

    A copy is sent when the API has answered, or failed; with the fields of the client, credentials
    included, and `X-Mirrored: 1`. A body that was not there whole when it was sent to the API is
    not copied, nor the request that has it. While too many copies are under way, none are made.

    Args:
        handlers: the upstreams by name.

    Attributes:
        sent: copies so far.
        dropped: requests that were not copied.
        failed: copies that got no answer.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._tasks: set[asyncio.Task[None]] = set()
        self.sent = 0
        self.dropped = 0
        self.failed = 0

    def send(self, exchange: Exchange, mirror: Mirror) -> None:
        """Sends a copy of a request."""
        body: object = exchange.body
        if len(self._tasks) >= _MOST_UNDER_WAY or not isinstance(body, bytes | None):
            self.dropped += 1
            return
        self.sent += 1
        task = asyncio.get_running_loop().create_task(
            self._sent(self._handlers[mirror.upstream], _copy(exchange, body, mirror.upstream))
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Ends what is under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _sent(self, handler: Handler, copy: Exchange) -> None:
        response: Response | None = None
        try:
            async with asyncio.timeout(_LONGEST_S):
                response = await handler(copy)
                await _read(response)
        except (LukhasError, TimeoutError, OSError):
            self.failed += 1
            if response is not None:
                discard(response)


async def _read(response: Response) -> None:
    # An upstream gives no other kind of body.
    body = cast("bytes | AsyncIterator[bytes]", response.body)
    if not isinstance(body, bytes):
        async for _ in body:
            pass
    close(response)


def _copy(exchange: Exchange, body: bytes | None, upstream: str) -> Exchange:
    head = exchange.head
    copy = Exchange(
        RequestHead(
            head.method,
            head.scheme,
            head.authority,
            head.path,
            head.query,
            Headers([*head.headers.raw, _MARK]),
        ),
        exchange.peer,
        exchange.now_ns,
        exchange.request_id,
        cast("AsyncIterator[bytes] | None", body),
    )
    copy.client, copy.consumer, copy.route = exchange.client, exchange.consumer, exchange.route
    copy.upstream = upstream
    return copy
