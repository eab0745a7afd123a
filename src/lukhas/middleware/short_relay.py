"""Between the app and the server, where nobody wants to change what the app sends."""

from collections.abc import Awaitable
from typing import Final

from lukhas.http.headers import Headers
from lukhas.middleware.relay import Message, Relay, Send
from lukhas.pipeline.driving import Parked, start
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.short_way import ShortWay
from lukhas.pipeline.stages.cache_plain import Onward

__all__ = ("ShortRelay",)

# What the app has sent so far.
_NOTHING: Final = 0
_COMPLETE: Final = 1
_RELAYED: Final = 2  # a relay with a run of its own sees everything
_HEADED: Final = 3  # its head
_STREAMING: Final = 4  # its head, and a piece of its body


class ShortRelay:
    """Stands in for the `send` of one request that came the short way.

    It adds fields to the head and sees the body to its end. Whatever is out of the ordinary, such
    as a body of unknown length, something to store, or a failure, goes to a `Relay` with a late
    run, which is made for that.

    Args:
        send: the server's.
        way: which the request came.
        exchange: the request.
        onward: how it passed the cache.

    Attributes:
        is_open: whether the app may still owe a part of its response.
    """

    __slots__ = (
        "_body_bytes",
        "_exchange",
        "_headers",
        "_onward",
        "_relay",
        "_send",
        "_state",
        "_status",
        "_way",
        "is_open",
    )

    def __init__(self, send: Send, way: ShortWay, exchange: Exchange, onward: Onward) -> None:
        self._send = send
        self._way = way
        self._exchange = exchange
        self._onward = onward
        self._state = _NOTHING
        self._status = 0
        self._body_bytes = 0
        # Those of an answer that may be like the next one.
        self._headers: Headers | None = None
        self._relay: Relay | None = None
        self.is_open = True

    def resume(self, status: int, body_bytes: int) -> None:
        """Goes on behind the head of an answer, which went out already."""
        self._state = _HEADED
        self._status = status
        self._body_bytes = body_bytes

    def send(self, message: Message) -> Awaitable[None]:
        """Takes a message of the app; to be awaited at once, as every `send`."""
        kind = message["type"]
        state = self._state
        if kind == "http.response.body" and state >= _HEADED:
            if message.get("more_body", False):
                self._state = _STREAMING
                return self._send(message)
            if state == _STREAMING:
                return self._send_last(message)
            # All of the body at once: it ends when it is handed to the server.
            self._state = _COMPLETE
            self.is_open = False
            if self._headers is not None and self._way.known is not None:
                headers = self._headers
                self._way.known.learn_passage(self._exchange, self._onward, self._status, headers)
            self._way.ended(self._exchange, self._status, self._body_bytes)
            return self._send(message)
        if kind == "http.response.start" and state == _NOTHING:
            return self._start(message)
        if self._relay is not None:
            return self._relay(message)
        return self._pass_other(kind, message)

    def _start(self, message: Message) -> Awaitable[None]:
        raw = message.get("headers", ())
        if type(raw) is not list:
            raw = list(raw)
        headers = Headers(raw)
        fields = headers.index()
        # One look at all names together is cheaper than one at each; most are in lower case.
        if not b"".join(fields).islower():
            headers = Headers([(name.lower(), value) for name, value in raw])
            fields = headers.index()
        length = fields.get(b"content-length")
        status = message["status"]
        exchange = self._exchange
        if (
            length is None
            or not length.isdigit()
            or not self._way.headed(exchange, self._onward, status, headers)
        ):
            return self._relayed()(message)
        self._state = _HEADED
        self._status = status
        self._body_bytes = int(length)
        if exchange.admitted and headers.raw is raw:
            self._headers = headers
        return self._send({**message, "headers": headers.raw + exchange.added})

    def _pass_other(self, kind: str, message: Message) -> Awaitable[None]:
        """Passes what is no part of the body, or a body that the server reads from a file."""
        if self._state < _HEADED:
            return self._send(message)
        if kind == "http.response.pathsend":
            return self._send_last(message)
        if kind == "http.response.zerocopysend" and not message.get("more_body", False):
            return self._send_last(message)
        return self._send(message)

    async def _send_last(self, message: Message) -> None:
        self._state = _COMPLETE
        self.is_open = False
        try:
            await self._send(message)
        finally:
            self._way.ended(self._exchange, self._status, self._body_bytes)

    def _relayed(self) -> Relay:
        """The relay that takes over from here, before the app has sent anything."""
        relay = self._relay
        if relay is None:
            run = self._way.late(self._exchange, self._onward)
            if not isinstance(start(run), Parked):
                raise RuntimeError("a late run parks at once")
            relay = Relay(self._send, run, exchange=self._exchange, tagged=frozenset())
            self._relay = relay
            self._state = _RELAYED
        return relay

    async def failed(self, error: Exception) -> bool:
        """The app raised; see `Relay.failed`."""
        if self._state in {_NOTHING, _RELAYED}:
            return await self._relayed().failed(error)
        self.abandon()
        return False

    async def ended(self) -> None:
        """The app returned."""
        if self._state >= _HEADED:
            self.abandon()
            return
        relay = self._relayed()
        if relay.is_open:
            await relay.ended()

    def abandon(self) -> None:
        """Nobody waits for the rest."""
        if self._state >= _HEADED:
            self._state = _COMPLETE
            self._way.ended(self._exchange, self._status, self._body_bytes)
        elif self._state != _COMPLETE:
            self._relayed().abandon()
