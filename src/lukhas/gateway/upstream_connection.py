"""One HTTP/1.1 connection to an upstream, carrying one exchange at a time."""

from asyncio import AbstractEventLoop, Future, Protocol, Task, Transport
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httptools

from lukhas.errors import LukhasError, UpstreamError, UpstreamProtocolError, UpstreamTimeoutError
from lukhas.gateway.body_stream import BodyStream, StreamedBody
from lukhas.gateway.direct_call import DirectCall, Sender
from lukhas.gateway.outbox import Outbox
from lukhas.gateway.plain_answers import NOT_RELAYED, PlainAnswers
from lukhas.http.headers import HeaderPairs, Headers, connection_options
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange

__all__ = ("UpstreamConnection", "UpstreamTimeouts")

_NEVER_S = float("inf")
# The time of a request begins with the next look at it: most are answered by then.
_FROM_TICK_S = -_NEVER_S
_MAX_HEAD_BYTES = 256 * 1024
_MAX_FIELDS = 1000
_PLAIN_CONNECTION = frozenset((b"keep-alive", b"close"))


@dataclass(frozen=True, slots=True)
class UpstreamTimeouts:
    """How long to wait for an upstream.

    Attributes:
        connect_s: for a connection, a free place in the pool included.
        response_s: for the head of a response, after the request was sent.
        idle_s: for the next piece of a body, in either direction.
    """

    connect_s: float = 5.0
    response_s: float = 30.0
    idle_s: float = 60.0


class UpstreamConnection(Protocol):
    """A connection of a pool.

    Args:
        loop: the running loop.
        name: the name of the upstream, for errors.
        timeouts: how long to wait.
        outbox: what is written to upstreams.
        answers: reads plain responses.
        on_free: called when the connection can carry another exchange...
        on_gone: ...and once when it is gone for good.

    Attributes:
        loop: as given.
        is_closing: whether it carries nothing more.
        deadline_s: when what it carries is overdue (the loop's time).
        exchanges: how many it was asked to carry; the last of them `got_bytes`, or nothing yet.
        idle_since_s: since when it carries nothing, as the pool notes it.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        name: str,
        timeouts: UpstreamTimeouts,
        outbox: Outbox,
        answers: PlainAnswers,
        *,
        on_free: "Callable[[UpstreamConnection], None]",
        on_gone: "Callable[[UpstreamConnection], None]",
    ) -> None:
        self.loop = loop
        self._name = name
        self._timeouts = timeouts
        self._outbox = outbox
        self._read_plain = answers.read
        self._on_free = on_free
        self._on_gone = on_gone
        self._parser: Any = None
        self._transport = cast("Transport", None)
        # The transport's own: it is asked for each request, and a call costs.
        self.is_closing: Callable[[], bool] = bool
        self._call: DirectCall | None = None
        self._upload: Task[None] | None = None
        self._room: Future[None] | None = None
        self._is_head = False
        self._status = 0
        self._raw: HeaderPairs = []
        self._dropped: frozenset[bytes] = NOT_RELAYED
        self._head_bytes = 0
        self._body: BodyStream | None = None
        self._pieces: list[bytes] = []
        self._head_done = self._message_done = self._until_close = False
        self._reusable = True
        self.deadline_s = _NEVER_S
        self.exchanges = 0
        self.idle_since_s = 0.0
        self.got_bytes = False

    # -- carrying an exchange --------------------------------------------------------------------

    def begin(
        self,
        exchange: Exchange,
        head: bytes,
        body: bytes | StreamedBody | None,
        sender: Sender,
    ) -> DirectCall:
        """Sends a request; the call that is given is told what comes of it.

        Args:
            exchange: what is sent on.
            head: the request head as bytes, empty line included.
            body: nothing, a whole body as it is, or one to stream (chunked if it has no length).
            sender: who sends it.
        """
        self._call = call = DirectCall()
        call.exchange = exchange
        call.head = head
        call.connection = self
        call.sender = sender
        self.exchanges += 1
        self._is_head = exchange.head.method == "HEAD"
        self.got_bytes = False
        if body is not None:
            if isinstance(body, bytes):
                head += body
            else:
                self._upload = self.loop.create_task(self._send_body(body))
        self._outbox.send(self._transport, head)
        self.deadline_s = _FROM_TICK_S
        return call

    def was_stale(self) -> bool:
        """Whether it looks as if it was closed before the last request came to the upstream."""
        return self.exchanges > 1 and not self.got_bytes

    def release(self, call: DirectCall) -> bool:
        """The call is done with; gives whether it was still carried, and not another one."""
        is_carried = self._call is call
        if is_carried:
            self._call = None
        return is_carried

    async def _send_body(self, body: StreamedBody) -> None:
        chunked = body.length is None
        write = self._transport.write
        self._outbox.flush()
        try:
            async for piece in body:
                write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                self.deadline_s = self.loop.time() + self._timeouts.idle_s
                if self._room is not None:
                    await self._room
            if chunked:
                write(b"0\r\n\r\n")
        except LukhasError as error:
            # Not from this task: whoever waits goes on in the very call, and would be inside it.
            self.loop.call_soon(self._fail, error)
            return
        self.deadline_s = self.loop.time() + self._timeouts.response_s
        self._upload = None

    def abort(self) -> None:
        """Drops the connection; what it carries is lost."""
        self._reusable = False
        if self._upload is not None:
            self._upload.cancel()
            self._upload = None
        self._transport.abort()

    def check_deadline(self, now_s: float) -> None:
        """Ends the exchange if the upstream is overdue; called ten times a second."""
        if now_s < self.deadline_s:
            return
        if self.deadline_s == _FROM_TICK_S:
            self.deadline_s = now_s + self._timeouts.response_s
            return
        if self._body is not None and self._body.flow_stopped:
            # Our reader is the slow one; its own time limit is the front server's business.
            self.deadline_s = now_s + self._timeouts.idle_s
            return
        begun = self.got_bytes and self._head_done
        what = "the response stopped" if begun else "no response in time"
        self._fail(UpstreamTimeoutError(self._name, what, sent=True))

    # -- transport callbacks ---------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        self._transport = transport
        self.is_closing = transport.is_closing

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._room = self.loop.create_future()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._reusable = False
        self.resume_writing()
        if self._call is not None or self._body is not None:
            if self._until_close and exc is None:
                self._complete()
            else:
                what = "closed the connection" if exc is None else f"broke the connection: {exc}"
                self._fail(UpstreamProtocolError(self._name, what, sent=True))
        self._parser = None  # It holds us; together they would wait for the garbage collector.
        self._on_gone(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        call = self._call
        if call is None:
            if self._body is None:
                # Nothing was asked, so this answers nothing and the connection cannot be trusted.
                self.abort()
                return
        elif not self.got_bytes:
            self.got_bytes = True
            if self._upload is None and not self._is_head:
                plain = self._read_plain(data)
                if plain is not None:
                    # The parser sees nothing of it, and goes on waiting for the next.
                    self.deadline_s = _NEVER_S
                    self._free_or_close()
                    call.answer_whole(plain, data[plain.size :])
                    return
            if self._parser is None:
                self._parser = httptools.HttpResponseParser(self)
            self._raw, self._pieces, self._head_bytes = [], [], 0
            self._head_done = self._message_done = self._until_close = False
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            cause = error.__context__
            if self._message_done:
                self._drop_behind_message()
            elif isinstance(cause, UpstreamError):
                self._fail(cause)
            else:
                self._fail(UpstreamProtocolError(self._name, f"not HTTP/1.1: {error}", sent=True))
            return
        if not self._head_done:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self._fail(self._broken("the response head is too large"))
        elif self._call is not None and not self._call.is_done:
            self._give_answer(self._call)

    # -- parser callbacks ------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or after the head a trailer field, which is dropped."""
        if not self._head_done:
            self._raw.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """A head is whole; an interim one (1xx) is passed on, and never counts as the answer."""
        if self._message_done:
            raise self._broken("a response nobody asked for")
        self._status = status = self._parser.get_status_code()
        if 100 <= status < 200:
            return
        if status < 100:
            raise self._broken("no valid status code")
        if len(self._raw) > _MAX_FIELDS:
            raise self._broken("too many header fields")
        self._head_done = True
        headers = Headers(self._raw)
        index = headers.index()
        connection = index.get(b"connection")
        once = len(index) == len(self._raw)
        if once and (connection is None or connection.lower() in _PLAIN_CONNECTION):
            self._dropped = NOT_RELAYED
        else:
            self._dropped = NOT_RELAYED | connection_options(headers)
        coding = index.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise self._broken("an unknown transfer coding")
        bodiless = self._is_head or status in {204, 304}
        self._until_close = not bodiless and coding is None and b"content-length" not in index
        if self._until_close or not self._parser.should_keep_alive():
            self._reusable = False
        if self._is_head:
            self._message_done = True
            # An upstream that sends a body all the same would have it read as the answer to
            # somebody else's request; it would show too late, so the connection is not used again.
            self._reusable = False

    def on_body(self, piece: bytes) -> None:
        """A piece of the response body."""
        if self._is_head:
            self._reusable = False
            return
        if self._body is None:
            self._pieces.append(piece)
        else:
            self._body.feed(piece)
            self.deadline_s = self.loop.time() + self._timeouts.idle_s

    def on_message_complete(self) -> None:
        """A message is whole."""
        if 100 <= self._status < 200:
            if self._status == 101:
                raise self._broken("switched protocols unasked")
            # A 100 is between the two ends of this connection only.
            if self._call is not None and self._status > 100 and len(self._raw) <= _MAX_FIELDS:
                self._call.relay_interim(self._status, Headers(self._raw))
            self._raw = []
            return
        self._message_done = True
        if self._body is not None:
            self._complete()

    # -- endings ---------------------------------------------------------------------------------

    def _drop_behind_message(self) -> None:
        """What follows a whole response is nobody's: the response counts, the connection ends."""
        self._reusable = False
        if self._call is not None and not self._call.is_done:
            self._give_answer(self._call)
        else:
            self.abort()

    def _give_answer(self, call: DirectCall) -> None:
        raw = self._raw
        dropped = self._dropped
        if self._status == 204:
            # RFC 9110 section 8.6; a client that believed it would wait for a body.
            dropped = dropped | {b"content-length"}
        headers = Headers([pair for pair in raw if pair[0] not in dropped])
        if self._message_done:
            body = b"".join(self._pieces)
            call.answer_whole(Response(self._status, headers, body), body)
            self._complete()
            return
        self._body = stream = BodyStream(
            self.loop, pause=self._transport.pause_reading, resume=self._resume
        )
        for piece in self._pieces:
            stream.feed(piece)
        self.deadline_s = self.loop.time() + self._timeouts.idle_s
        call.answer(
            Response(self._status, headers, stream, on_close=lambda: self._given_up(stream))
        )

    def _resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _given_up(self, body: BodyStream) -> None:
        """The response is done with; if its body is not whole, neither is the connection."""
        if self._body is body:
            self.abort()

    def _complete(self) -> None:
        """The response is whole, so the connection is free, whoever still reads the body."""
        self.deadline_s = _NEVER_S
        body, self._body = self._body, None
        if body is not None:
            body.finish()
        if self._upload is not None:
            # It answered before it had the whole request; what it would read next is unclear.
            self._upload.cancel()
            self._upload = None
            self._reusable = False
        self._free_or_close()

    def _free_or_close(self) -> None:
        """The response is whole: the connection is there for others, or ends."""
        if self._reusable:
            self._call = None
            self._on_free(self)
        else:
            self._transport.close()

    def _fail(self, error: LukhasError) -> None:
        self.deadline_s = _NEVER_S
        body, self._body = self._body, None
        if body is not None:
            body.abort(error)
        elif self._call is not None and not self._call.is_done:
            self._call.fail(error)
        self.abort()

    def _broken(self, what: str) -> UpstreamProtocolError:
        return UpstreamProtocolError(self._name, what, sent=True)
