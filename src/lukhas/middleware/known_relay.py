"""Between the app and the server, for a request and an answer that are like some before."""

from collections.abc import Awaitable
from typing import Final

from lukhas.middleware.relay import Message, Send
from lukhas.middleware.short_relay import ShortRelay
from lukhas.pipeline.passages import UNKNOWN, Passed
from lukhas.pipeline.short_way import ShortWay

__all__ = ("KnownRelay",)

_HANDED_ON: Final = -2


class KnownRelay(Passed):
    """Stands in for the `send` of one request that goes on without an exchange.

    It expects a head like the last one, and all of the body at once. Whatever else comes goes to a
    `ShortRelay`, with the exchange that there would have been.

    Attributes:
        server_send: the server's `send`; set by who has it.
        way: which the request goes; set likewise.
    """

    __slots__ = ("_relay", "server_send", "way")

    server_send: Send
    way: ShortWay
    _relay: ShortRelay

    def send(self, message: Message) -> Awaitable[None]:
        """Takes a message of the app; to be awaited at once, as every `send`."""
        kind = message["type"]
        body_bytes = self.body_bytes
        if body_bytes >= 0:
            if not self.is_open:
                return self.server_send(message)
            if kind == "http.response.body" and not message.get("more_body", False):
                # It ends when it is handed to the server.
                self.finish()
                return self.server_send(message)
        elif kind == "http.response.start" and body_bytes == UNKNOWN:
            fields = message.get("headers")
            if type(fields) is list and self.is_like(message["status"], fields):
                return self.server_send({**message, "headers": fields + self.added})
        return self._relayed().send(message)

    def _relayed(self) -> ShortRelay:
        """The relay that takes over from here."""
        body_bytes = self.body_bytes
        if body_bytes != _HANDED_ON:
            is_headed = body_bytes != UNKNOWN
            exchange = self.answered_exchange() if is_headed else self.exchange()
            relay = ShortRelay(self.server_send, self.way, exchange, self.passage.onward)
            if is_headed:
                relay.resume(self.passage.status, body_bytes)
            self._relay = relay
            self.body_bytes = _HANDED_ON
        return self._relay

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
