"""Between the app and the server, for a request and an answer that are like some before."""

from collections.abc import Awaitable

from lukhas.middleware.relay import Message, Send
from lukhas.middleware.short_relay import ShortRelay
from lukhas.pipeline.passages import Passed
from lukhas.pipeline.short_way import ShortWay

__all__ = ("KnownRelay",)


class KnownRelay(Passed):
    """Stands in for the `send` of one request that goes on without an exchange.

    It expects a head like the last one, and all of the body at once. Whatever else comes goes to a
    `ShortRelay`, with the exchange that there would have been.

    Attributes:
        server_send: the server's `send`; set by who has it.
        way: which the request goes; set likewise.
        is_open: whether the app may still owe a part of its response.
    """

    __slots__ = ("_body_bytes", "_relay", "is_open", "server_send", "way")

    server_send: Send
    way: ShortWay

    def __init__(self) -> None:
        self.is_open = True
        # None before the head.
        self._body_bytes: int | None = None
        self._relay: ShortRelay | None = None

    def send(self, message: Message) -> Awaitable[None]:
        """Takes a message of the app; to be awaited at once, as every `send`."""
        kind = message["type"]
        body_bytes = self._body_bytes
        if body_bytes is None:
            if kind == "http.response.start" and self._relay is None:
                passage = self.passage
                fields = message.get("headers")
                if message["status"] == passage.status and type(fields) is list:
                    if fields == passage.fields:
                        self._body_bytes = passage.body_bytes
                    else:
                        self._body_bytes = self.size_of(fields)
                    if self._body_bytes is not None:
                        return self.server_send({**message, "headers": fields + self.added})
        elif not self.is_open:
            return self.server_send(message)
        elif kind == "http.response.body" and not message.get("more_body", False):
            # It ends when it is handed to the server.
            self.is_open = False
            self.finish(body_bytes)
            return self.server_send(message)
        return self._relayed().send(message)

    def _relayed(self) -> ShortRelay:
        """The relay that takes over from here."""
        relay = self._relay
        if relay is None:
            passage = self.passage
            body_bytes, self._body_bytes = self._body_bytes, None
            exchange = self.exchange() if body_bytes is None else self.answered_exchange()
            relay = ShortRelay(self.server_send, self.way, exchange, passage.onward)
            if body_bytes is not None:
                relay.resume(passage.status, body_bytes)
            self._relay = relay
        return relay

    async def failed(self, error: Exception) -> bool:
        """The app raised; see `ShortRelay.failed`."""
        return self.is_open and await self._relayed().failed(error)

    async def ended(self) -> None:
        """The app returned."""
        relay = self._relayed()
        if relay.is_open:
            await relay.ended()

    def abandon(self) -> None:
        """Nobody waits for the rest."""
        if self.is_open:
            self._relayed().abandon()
