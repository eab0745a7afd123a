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
from lukhas.http.headers import HeaderPairs, connection_options
from lukhas.http.messages import RequestHead
from lukhas.pipeline.intake import Intake

__all__ = ("RequestParser", "RequestSink")

# A body up to this length is read before its request begins: then it travels on with the head in
# one piece, and may be sent a second time.
_WHOLE_BODY_BYTES = 64 * 1024

# What chunk sizes, their extensions and trailers may take beside the data: so much for each byte of
# data, enough for chunks of one byte, and as much as a head on top.
_CHUNK_OVERHEAD = 8

_CHUNKS_TOO_LARGE = Fault(431, "header-too-large", "Chunk extensions or trailers are too large.")
# Heads with these do something to the connection besides asking.
_NOT_REMEMBERED = frozenset((b"upgrade", b"expect", b"connection"))

_LENIENT_LINE = Fault(
    400, "malformed-request", "Not a valid request: a request line has two single spaces."
)
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
        intake: makes its exchanges.

    Attributes:
        incoming: the request whose body is still to come.
        in_head: whether a head has begun and is not whole.
    """

    def __init__(self, state: FrontState, sink: RequestSink, peer: str, intake: Intake) -> None:
        self._state = state
        self._intake = intake
        self._sink = sink
        self._peer = peer
        self._parser: Any = httptools.HttpRequestParser(self)
        self._target = b""
        # What there is of a request line that is not whole.
        self._line: bytes | None = None
        # The last bytes that were fed, as far as an empty line may begin in them.
        self._tail = b""
        self._raw: HeaderPairs = []
        # Bytes taken since before the head began, and those of them known not to be of the head.
        self._fed = 0
        self._foreign = 0
        self._overhead = 0
        self._began = False
        self._several = False
        self._first = True
        # Whether the connection goes on after the last request, and the request that the bytes
        # being fed consist of, if they are just one.
        self._goes_on = True
        self._alone: RequestHead | None = None
        self._upgrading = False
        self._priming = False
        self.in_head = False
        self.incoming: FrontRequest | None = None

    @property
    def at_rest(self) -> bool:
        """Whether nothing has begun, so that what comes next is the start of a request."""
        return not self._fed and self._goes_on and self.incoming is None

    def feed(self, data: bytes) -> Fault | None:
        """Takes the next bytes.

        Returns:
            Why nothing more on this connection can be believed, or None.
        """
        before = self.incoming
        if before is None and not self._fed and self._goes_on:
            head = self._state.known_heads.get(data)
            if head is not None:
                exchange = self._intake.exchange(head, self._peer)
                self._sink.arrived(FrontRequest(exchange, None, version="1.1", keep_alive=True))
                return None
        quiet = before is None and not self.in_head
        received = before.body.received if before is not None and before.body is not None else 0
        self._began = self._several = False
        self._first = True
        self._alone = None
        self._fed += len(data)
        fault = self._parse(data)
        if fault is not None:
            return fault
        limit = self._state.limits.header_bytes
        if self.in_head:
            if self._began and not (quiet and self._first):
                # What stands before the head in the same piece does not count against it.
                self._foreign = self._fed - len(self._target) - head_size(self._raw)
            return HEAD_TOO_LARGE if self._fed - self._foreign > limit else None
        if quiet and not self._began:
            # Only empty lines, which may stand before a request (RFC 9112 section 2.2).
            return HEAD_TOO_LARGE if self._fed > limit else None
        if quiet and self._alone is not None and self._fed == len(data):
            # Quiet: the end of a body before it is no part of a request.
            self._state.known_heads.remember(data, self._alone)
        self._fed = self._foreign = 0
        if before is not None and before is self.incoming:
            return self._check_overhead(before, len(data), received)
        return None

    def close(self) -> None:
        """The connection is gone: lets go of the parser below and of the connection."""
        # They hold us, so that without this all three would wait for the garbage collector.
        self._parser = self.incoming = None
        del self._sink

    def _parse(self, data: bytes) -> Fault | None:
        while data:
            if not self._goes_on and self.incoming is None:
                # Behind the last request of a connection nothing counts (RFC 9112 section 9.6).
                return None
            in_line = self._line is not None or not (self.in_head or self.incoming is not None)
            part = self._line_part(data) if in_line else self._part(data)
            data = data[len(part) :]
            try:
                self._parser.feed_data(part)
            except httptools.HttpParserUpgrade as upgrade:
                # An Upgrade may be ignored (RFC 9110 section 7.8), so HTTP/1.1 goes on behind it.
                # WebSocket will branch off here.
                self._parser = httptools.HttpRequestParser(self)
                self._resume_body()
                data = part[upgrade.args[0] :] + data
            except httptools.HttpParserCallbackError as error:
                if isinstance(error.__context__, MalformedRequestError):
                    return error.__context__.fault
                raise
            except httptools.HttpParserInvalidMethodError:
                return _UNKNOWN_METHOD
            except httptools.HttpParserError as error:
                return Fault(400, "malformed-request", f"Not a valid request: {error}.")
            if in_line and not self._is_strict(part):
                return _LENIENT_LINE
        return None

    def _line_part(self, data: bytes) -> bytes:
        """The bytes up to the end of a request line, empty lines before it included."""
        start = 0 if self._line else len(data) - len(data.lstrip(b"\r\n"))
        end = data.find(b"\n", start)
        part = data if end < 0 else data[: end + 1]
        self._tail = part[-3:]
        return part

    def _part(self, data: bytes) -> bytes:
        """The bytes up to where a message may end, so that the next one begins a part."""
        body = self.incoming.body if self.incoming is not None else None
        if body is not None and body.length is not None:
            return data[: max(body.length - body.received, 1)]
        # A head ends so, and a chunked body.
        tail = self._tail
        end = (tail + data).find(b"\r\n\r\n") if tail else data.find(b"\r\n\r\n")
        if end < 0:
            self._tail = (tail + data[-3:])[-3:]
            return data
        self._tail = b""
        return data[: end + 4 - len(tail)]

    def _is_strict(self, part: bytes) -> bool:
        """Whether a request line that may end in these bytes has one space between its parts.

        The parser below takes any number, as RFC 9112 section 3 lets it; but who reads a line
        otherwise than the next one may be made to read another request.
        """
        line = ((self._line or b"") + part).lstrip(b"\r\n")
        is_whole = line.endswith(b"\n")
        self._line = None if is_whole else line
        return not is_whole or line.count(b" ") <= 2

    def _resume_body(self) -> None:
        """Tells a fresh parser of the body whose beginning the last one took for an upgrade.

        What follows such a head is its body. Read as a request of its own, it would be smuggled.
        """
        request = self.incoming
        if not self._upgrading or request is None or request.body is None:
            return
        self._upgrading = False
        length = request.body.length
        framing = (
            b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
        )
        self._priming = True
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)

    def _check_overhead(self, request: FrontRequest, length: int, received: int) -> Fault | None:
        """Bounds what a chunked body may bring beside its data."""
        body = request.body
        if body is None or body.length is not None:
            return None
        self._overhead += length - (body.received - received)
        most = self._state.limits.header_bytes + _CHUNK_OVERHEAD * body.received
        return _CHUNKS_TOO_LARGE if self._overhead > most else None

    # -- callbacks of the parser below -----------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request starts."""
        if self._began:
            self._several = True
            self._alone = None
        self.in_head = self._began = True
        self._target = b""
        self._raw = []

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or after the head a trailer field, which is counted and dropped."""
        # The parser leaves the space behind a value, which is no part of it (RFC 9110 section 5.5).
        self._raw.append((name.lower(), value.rstrip(b" \t")))
        if not self.in_head and len(self._raw) > self._state.limits.header_count:
            raise MalformedRequestError(HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        state = self._state
        raw = self._raw
        self.in_head = False
        # What comes from now on under this name is trailers, and must not reach the head.
        self._raw = []
        if self._priming:
            self._priming = False
            return
        limit = state.limits.header_bytes
        if self._fed > limit and len(self._target) + head_size(raw) > limit:
            raise MalformedRequestError(HEAD_TOO_LARGE)
        parser = self._parser
        version = parser.get_http_version()
        head = state.reader.read(parser.get_method(), self._target, version, raw)
        index = head.headers.index()
        body: RequestBody | None = None
        if b"content-length" in index or b"transfer-encoding" in index:
            # An expectation in HTTP/1.0 is none (RFC 9110 section 10.1.1).
            body = self._body(head, expects=b"expect" in index and version == "1.1")
        if b"expect" in index:
            check_expectation(index[b"expect"])
        exchange = self._intake.exchange(head, self._peer, body=body)
        if version == "1.0":
            exchange.protocol = "HTTP/1.0"
        request = FrontRequest(
            exchange, body, version=version, keep_alive=_keeps_alive(parser, head)
        )
        self.incoming = request
        self._goes_on = request.keep_alive
        self._overhead = 0
        # The parser ends such a request here, body or not.
        self._upgrading = body is not None and b"upgrade" in index and parser.should_upgrade()
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
        self._first = False
        if self._upgrading:
            return
        request = self.incoming
        self.incoming = None
        if request is None:
            return
        if request.body is not None:
            request.body.finish()
        elif request.plain and not self._several and request.exchange is not None:
            head = request.exchange.head
            self._alone = head if _NOT_REMEMBERED.isdisjoint(head.headers.index()) else None
        if request.begun:
            self._sink.whole(request)
        else:
            request.begun = True
            self._sink.arrived(request)

    def _body(self, head: RequestHead, *, expects: bool) -> RequestBody | None:
        index = head.headers.index()
        text = index.get(b"content-length")
        length = int(text) if text is not None else None
        if length == 0:
            return None
        # The route is not known yet, and may take more than others.
        limit = self._state.limits.most_body_bytes
        if length is not None and limit and length > limit:
            raise MalformedRequestError(body_too_large(limit))
        return RequestBody(
            self._state.loop,
            length,
            pause=self._sink.pause_reading,
            resume=self._sink.resume_reading,
            on_first_read=self._sink.send_continue if expects else None,
        )

    def _body_limit(self, request: FrontRequest) -> int:
        exchange = request.exchange
        if exchange is not None and exchange.route is not None:
            own = exchange.route.rule.body_bytes
            return self._state.limits.body_bytes if own is None else own
        return self._state.limits.most_body_bytes


def _keeps_alive(parser: Any, head: RequestHead) -> bool:
    """Whether the connection goes on (RFC 9112 section 9.3): not where any line says `close`."""
    headers = head.headers
    if b"connection" in headers.index() and b"close" in connection_options(headers):
        return False
    return bool(parser.should_keep_alive())
