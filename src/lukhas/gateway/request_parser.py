"""Bytes of one client connection into requests, strictly."""

from typing import Any, Protocol

import httptools

from lukhas.gateway.body_stream import RequestBody
from lukhas.gateway.framing import Fault, MalformedRequestError
from lukhas.gateway.front_request import (
    HEAD_TOO_LARGE,
    FrontRequest,
    body_too_large,
    check_expectation,
    head_size,
)
from lukhas.gateway.front_state import FrontState
from lukhas.http.headers import HeaderPairs
from lukhas.http.messages import RequestHead

__all__ = ("RequestParser", "RequestSink")

# A body up to this length is read before its request begins: then it travels on with the head in
# one piece, and may be sent a second time.
_WHOLE_BODY_BYTES = 64 * 1024

_UNKNOWN_METHOD = Fault(501, "method-not-implemented", "This method is not known here.")


class RequestSink(Protocol):
    """What the parser needs of its connection."""

    def arrived(self, request: FrontRequest) -> None:
        """A request is ready to begin: whole, or with a body that will be streamed."""
        ...

    def whole(self, request: FrontRequest) -> None:
        """The body of a request that arrived before is complete."""
        ...

    def pause_reading(self) -> None:
        """Stops the flow of bytes from the client."""
        ...

    def resume_reading(self) -> None:
        """Lets it go on."""
        ...

    def send_continue(self) -> None:
        """The client may send the body it announced with `Expect: 100-continue`."""
        ...


class RequestParser:
    """Finds the requests in a client's bytes; the parser below it is llhttp.

    Args:
        state: what all connections share.
        sink: gets the requests.
        peer: the client's address.

    Attributes:
        incoming: the request whose body is still to come.
        in_head: whether a head has begun and is not whole.
    """

    def __init__(self, state: FrontState, sink: RequestSink, peer: str) -> None:
        self._state = state
        self._sink = sink
        self._peer = peer
        self._parser: Any = httptools.HttpRequestParser(self)
        self._target = b""
        self._raw: HeaderPairs = []
        self._fed = 0
        self.in_head = False
        self.incoming: FrontRequest | None = None

    def feed(self, data: bytes) -> Fault | None:
        """Takes the next bytes.

        Returns:
            Why nothing more on this connection can be believed, or None.
        """
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # An Upgrade may be ignored (RFC 9110 section 7.8), so HTTP/1.1 goes on behind it.
            # WebSocket will branch off here.
            self._parser = httptools.HttpRequestParser(self)
            rest = data[upgrade.args[0] :]
            self._fed = 0
            return self.feed(rest) if rest else None
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, MalformedRequestError):
                return error.__context__.fault
            raise
        except httptools.HttpParserInvalidMethodError:
            return _UNKNOWN_METHOD
        except httptools.HttpParserError as error:
            return Fault(400, "malformed-request", f"Not a valid request: {error}.")
        if not self.in_head:
            self._fed = 0
        elif self._fed > self._state.limits.header_bytes:
            return HEAD_TOO_LARGE
        return None

    # -- callbacks of the parser below -----------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request starts."""
        self.in_head = True
        self._target = b""
        self._raw = []

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or after the head a trailer field, which is counted and dropped."""
        self._raw.append((name.lower(), value))
        if not self.in_head and len(self._raw) > self._state.limits.header_count:
            raise MalformedRequestError(HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        state = self._state
        raw = self._raw
        self.in_head = False
        # What comes from now on under this name is trailers, and must not reach the head.
        self._raw = []
        limit = state.limits.header_bytes
        if self._fed > limit and len(self._target) + head_size(raw) > limit:
            raise MalformedRequestError(HEAD_TOO_LARGE)
        parser = self._parser
        version = parser.get_http_version()
        head = state.reader.read(parser.get_method(), self._target, version, raw)
        index = head.headers.index()
        body: RequestBody | None = None
        if b"content-length" in index or b"transfer-encoding" in index:
            body = self._body(head)
        if b"expect" in index:
            check_expectation(index[b"expect"])
        exchange = state.intake.exchange(head, self._peer, body=body)
        request = FrontRequest(
            exchange, body, version=version, keep_alive=parser.should_keep_alive()
        )
        self.incoming = request
        if body is not None and (
            body.length is None or body.length > _WHOLE_BODY_BYTES or body.client_waits
        ):
            request.begun = True
            self._sink.arrived(request)

    def on_body(self, piece: bytes) -> None:
        """A piece of the request body."""
        request = self.incoming
        if request is None or request.body is None:
            return
        body = request.body
        limit = self._body_limit(request)
        if limit and body.received + len(piece) > limit:
            raise MalformedRequestError(body_too_large(limit))
        body.feed(piece)

    def on_message_complete(self) -> None:
        """The request is whole."""
        request = self.incoming
        self.incoming = None
        if request is None:
            return
        if request.body is not None:
            request.body.finish()
        if request.begun:
            self._sink.whole(request)
        else:
            request.begun = True
            self._sink.arrived(request)

    def _body(self, head: RequestHead) -> RequestBody | None:
        index = head.headers.index()
        text = index.get(b"content-length")
        length = int(text) if text is not None else None
        if length == 0:
            return None
        limit = self._state.limits.body_bytes
        if length is not None and limit and length > limit:
            raise MalformedRequestError(body_too_large(limit))
        return RequestBody(
            self._state.loop,
            length,
            pause=self._sink.pause_reading,
            resume=self._sink.resume_reading,
            on_first_read=self._sink.send_continue if b"expect" in index else None,
        )

    def _body_limit(self, request: FrontRequest) -> int:
        exchange = request.exchange
        if exchange is not None and exchange.route is not None:
            own = exchange.route.rule.body_bytes
            if own is not None:
                return own
        return self._state.limits.body_bytes
