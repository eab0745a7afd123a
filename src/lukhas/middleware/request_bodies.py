"""Request bodies between the server, the stages that read them, and the app."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

from lukhas.errors import BodyAbortedError
from lukhas.http.messages import RequestHead
from lukhas.middleware.relay import Message

__all__ = ("ReceivedBody", "has_body", "receiving")

Receive = Callable[[], Awaitable[Message]]

_USUAL = frozenset(("POST", "PUT", "PATCH"))


def has_body(head: RequestHead) -> bool:
    """Whether a request has a body, as far as its head tells.

    A server of HTTP/2 or HTTP/3 has no field that says so for every body.
    """
    fields = head.headers.index()
    length = fields.get(b"content-length")
    if length is not None:
        return length.strip() != b"0"
    return b"transfer-encoding" in fields or head.method in _USUAL


class ReceivedBody:
    """The pieces of a body as the server hands them out; an asynchronous iterator.

    Args:
        receive: the server's.
    """

    length: int | None = None

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    def __aiter__(self) -> "ReceivedBody":
        return self

    async def __anext__(self) -> bytes:
        while not self._ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._ended = True
                raise BodyAbortedError("the client went away")
            self._ended = not message.get("more_body", False)
            piece = message.get("body", b"")
            if piece:
                return bytes(piece)
        raise StopAsyncIteration


def receiving(body: object, receive: Receive) -> Receive:
    """A `receive` for the app that gives the body that the stages have left.

    Args:
        body: bytes, or an asynchronous iterator of them.
        receive: the server's, for what comes behind the body.
    """
    ended = False

    async def receive_left() -> Message:
        nonlocal ended
        if ended:
            return await receive()
        if isinstance(body, bytes):
            ended = True
            return {"type": "http.request", "body": body, "more_body": False}
        try:
            piece = await anext(cast("AsyncIterator[bytes]", body))
        except StopAsyncIteration:
            ended = True
            return {"type": "http.request", "body": b"", "more_body": False}
        except BodyAbortedError:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": True}

    return receive_left
