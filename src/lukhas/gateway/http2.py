"""HTTP/2 from clients: each stream is an exchange of the same pipeline (RFC 9113)."""

import logging
from asyncio import Protocol, Transport
from typing import Any, Final, cast

from lukhas.errors import BodyAbortedError
from lukhas.gateway.framing import Fault, MalformedRequestError
from lukhas.gateway.front_answers import FrontAnswers
from lukhas.gateway.front_request import (
    FrontRequest,
    problem_of,
)
from lukhas.gateway.front_state import peer_address
from lukhas.gateway.http2_input import FrameReader
from lukhas.gateway.http2_requests import BODY_TOO_SLOW, RequestIntake, is_awaited_whole, late_body
from lukhas.gateway.http2_shared import FloodBudget, Http2Shared
from lukhas.gateway.http2_stream import Http2Stream
from lukhas.gateway.http2_windows import STREAM_WINDOW, ReceiveWindows, SendWindows
from lukhas.gateway.response_writer import ResponseWriter
from lukhas.http.headers import HeaderPairs
from lukhas.http.hpack import HpackDecoder, HpackError
from lukhas.http.http2_frames import (
    ErrorCode,
    FrameType,
    Http2Error,
    StreamError,
    frame,
    goaway,
    rst_stream,
    settings_frame,
)
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.refusals import problem_response

__all__ = ("Http2Connection",)

_log = logging.getLogger("lukhas.gateway")

_MAX_STREAMS, _MAX_LIST = 0x3, 0x6  # SETTINGS_MAX_CONCURRENT_STREAMS, ..._HEADER_LIST_SIZE
_LAST_STREAM = 2**31 - 1
_GRACE_S = 0.5
_CLOSE_S = 2.0
_REMEMBERED_RESETS = 256
# What frames cost of `FloodBudget`, beside what they do.
_RESET_COST: Final = 8.0
_SETTINGS_COST: Final = 10.0
_TRIFLE_COST: Final = 1.0
_WINDOW_COST: Final = 0.05


class Http2Connection(Protocol):
    """One client connection.

    Args:
        shared: what connections share.
        peer: the client's address; empty for that of the transport.
        intake: makes its exchanges.
    """

    def __init__(self, shared: Http2Shared, peer: str, intake: Intake) -> None:
        state = shared.state
        self._shared = shared
        self._state = state
        self._intake = intake
        self._peer = peer
        self._transport = cast("Transport", None)
        self._answers = cast("FrontAnswers", None)
        self._reader = FrameReader(self, state.limits.header_bytes)
        self._decoder = HpackDecoder(state.limits.header_bytes)
        self._budget = FloodBudget(state.now_s)
        self._windows = cast("SendWindows", None)
        self._streams: dict[int, Http2Stream] = {}
        self._given_up: dict[int, None] = {}
        self._last = 0
        self._room = cast("ReceiveWindows", None)
        self._requests = cast("RequestIntake", None)
        self._closing = False
        self._leaving_s = 0.0
        self._final = False
        self.deadline = state.now_s + state.limits.header_timeout_s

    # -- transport -------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        state = self._state
        self._transport = transport
        self._peer = self._peer or peer_address(transport)
        self._answers = FrontAnswers(state, transport, ResponseWriter(state.loop, transport))
        self._windows = SendWindows(self.send, self._ended)
        self._room = ReceiveWindows(self.send)
        self._requests = RequestIntake(self._shared, self._intake, self._peer)
        state.connections.add(self)
        ours = {_MAX_STREAMS: self._shared.max_streams, _MAX_LIST: state.limits.header_bytes}
        self.send(settings_frame(ours) + self._room.opening())

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol; whatever is under way is cancelled, so upstream calls end too."""
        self._closing = True
        self._state.connections.discard(self)
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.cancel("the client went away")

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._closing:
            return
        try:
            self._reader.feed(data)
        except (Http2Error, HpackError) as error:
            code = error.code if isinstance(error, Http2Error) else ErrorCode.COMPRESSION_ERROR
            self._state.malformed += 1
            _log.debug("an HTTP/2 connection is ended: %s", error)
            self._end(code)
            return
        if not self._streams and self._reader.in_head:
            soon_s = self._state.now_s + self._state.limits.header_timeout_s
            self.deadline = min(self.deadline, soon_s)

    def pause_writing(self) -> None:
        """See asyncio.Protocol: the client does not take its responses."""
        self._windows.paused = True

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._windows.paused = False
        self._windows.flush_all(self._state.now_s)

    # -- frames of the client (FrameSink) --------------------------------------------------------

    def on_headers(self, stream: int, block: bytes, *, end_stream: bool) -> None:
        """See `FrameSink`."""
        decoded = self._decoder.decode(block)
        known = self._streams.get(stream)
        if known is not None:
            self._trailers(known, end_stream=end_stream)
        elif stream <= self._last and stream in self._given_up:
            return
        elif stream <= self._last:
            raise Http2Error(ErrorCode.STREAM_CLOSED, "headers on a stream that has ended")
        elif stream % 2 == 0:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a stream with an even number")
        else:
            self._last = stream
            if self._final:
                return  # Told by the GOAWAY; the client may send it elsewhere.
            if len(self._streams) >= self._shared.max_streams:
                self._spend(_RESET_COST)
                self._give_up(stream, ErrorCode.REFUSED_STREAM)
                return
            self._open(stream, decoded, end_stream=end_stream)

    def _trailers(self, stream: Http2Stream, *, end_stream: bool) -> None:
        """Fields behind the body are dropped by rule; they have to end it."""
        if stream.remote_closed:
            raise Http2Error(ErrorCode.STREAM_CLOSED, "headers behind the end of a stream")
        if end_stream:
            self._close_body(stream)
        else:
            self._fail(stream, ErrorCode.PROTOCOL_ERROR, "headers within a body")

    def _open(self, number: int, decoded: HeaderPairs | None, *, end_stream: bool) -> None:
        room = self._windows.initial
        stream = Http2Stream(self, self._shared, self._answers, number=number, send_window=room)
        stream.remote_closed = end_stream
        self._streams[number] = stream
        self.deadline = min(self.deadline, self._state.now_s + 1.0)
        try:
            stream.request = self._requests.request(stream, decoded, end_stream=end_stream)
        except StreamError as fault:
            _log.debug("an HTTP/2 stream is refused: %s", fault)
            self._state.malformed += 1
            del self._streams[number]
            self._spend(_RESET_COST)
            self._give_up(number, fault.code)
            return
        except MalformedRequestError as error:
            self._refuse(stream, error.fault)
            return
        if not is_awaited_whole(stream.request):
            stream.begin()

    def _refuse(self, stream: Http2Stream, fault: Fault) -> None:
        """Answers what is no request without the pipeline."""
        self._state.malformed += 1
        stream.request = FrontRequest(None, None, version="2", keep_alive=True)
        response = problem_response(problem_of(fault))
        stream.respond(response, cast("bytes", response.body))

    def on_data(self, stream: int, data: bytes, size: int, *, end_stream: bool) -> None:
        """See `FrameSink`."""
        if not data and not end_stream:
            self.on_trifle()
        self._room.received(size)
        known = self._streams.get(stream)
        if known is None or known.remote_closed:
            if stream > self._last or (known is None and stream not in self._given_up):
                raise Http2Error(ErrorCode.STREAM_CLOSED, "data on a stream that is not open")
            if known is not None:
                raise Http2Error(ErrorCode.STREAM_CLOSED, "data behind the end of a stream")
            self._room.owe(size)
            return
        known.owed += size
        if known.owed > STREAM_WINDOW:
            self._fail(known, ErrorCode.FLOW_CONTROL_ERROR, "more data than there was room for")
            return
        if not self._requests.take(known.request, data):
            self._fail(known, ErrorCode.PROTOCOL_ERROR, "a body longer than its length")
            return
        if end_stream:
            self._close_body(known)
        if not known.held:
            self.credit(known)

    def _close_body(self, stream: Http2Stream) -> None:
        stream.remote_closed = True
        request = stream.request
        body = request.body
        if body is None:
            return
        if body.length is not None and body.received != body.length:
            self._fail(stream, ErrorCode.PROTOCOL_ERROR, "a body shorter than its length")
            return
        body.finish()
        if not request.begun:
            stream.begin()

    def on_reset(self, stream: int) -> None:
        """See `FrameSink`."""
        if stream > self._last:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a reset of a stream that never was")
        known = self._streams.pop(stream, None)
        self._spend(_RESET_COST)
        if known is not None:
            self._drop(known, "the client gave up")

    def on_window(self, stream: int, increment: int) -> None:
        """See `FrameSink`."""
        self._spend(_WINDOW_COST)
        if stream > self._last:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "room on a stream that never was")
        known = self._streams.get(stream)
        if stream and known is None:
            return
        if not increment and known is not None:
            self._fail(known, ErrorCode.PROTOCOL_ERROR, "no room")
        elif not self._windows.widen(known, increment, self._state.now_s):
            if known is None:
                raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "a window that is too large")
            self._fail(known, ErrorCode.FLOW_CONTROL_ERROR, "a window that is too large")

    def on_settings(self, pairs: list[tuple[int, int]]) -> None:
        """See `FrameSink`."""
        self._spend(_SETTINGS_COST)
        self._windows.settings(pairs, self._streams.values())
        self.send(frame(FrameType.SETTINGS, 0x1, 0))
        self._rest()
        self._windows.flush_all(self._state.now_s)

    def on_ping(self, payload: bytes) -> None:
        """See `FrameSink`."""
        self._spend(_TRIFLE_COST)
        self.send(frame(FrameType.PING, 0x1, 0, payload))

    def on_goaway(self) -> None:
        """See `FrameSink`."""
        self._final = True
        self._rest()

    def on_trifle(self) -> None:
        """See `FrameSink`."""
        self._spend(_TRIFLE_COST)

    def _spend(self, cost: float) -> None:
        if self._budget.spend(cost, self._state.now_s):
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "a flood of frames that bring nothing")

    # -- streams (StreamOwner) -------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """See `StreamOwner`."""
        if not self._transport.is_closing():
            self._state.outbox.send(self._transport, data)

    def flush(self, stream: Http2Stream) -> None:
        """See `StreamOwner`."""
        if stream.number in self._streams:
            self._windows.flush(stream, self._state.now_s)

    def credit(self, stream: Http2Stream) -> None:
        """See `StreamOwner`."""
        self._room.credit(stream, is_open=stream.number in self._streams)

    def reset(self, stream: Http2Stream, code: ErrorCode) -> None:
        """See `StreamOwner`."""
        if self._streams.pop(stream.number, None) is not None:
            self._give_up(stream.number, code)
            self._drop(stream, "the stream was reset")

    def _fail(self, stream: Http2Stream, code: ErrorCode, what: str) -> None:
        """The client broke a rule on this stream."""
        _log.debug("an HTTP/2 stream is reset: %s", what)
        self._state.malformed += 1
        self._spend(_RESET_COST)
        self.reset(stream, code)

    def _give_up(self, number: int, code: ErrorCode) -> None:
        """Resets a stream; what is on its way for it is not held against the client."""
        self.send(rst_stream(number, code))
        self._given_up[number] = None
        if len(self._given_up) > _REMEMBERED_RESETS:
            del self._given_up[next(iter(self._given_up))]

    def _drop(self, stream: Http2Stream, why: str) -> None:
        self._windows.forget(stream)
        self._room.forget(stream)
        stream.cancel(why)
        self._rest()

    def _ended(self, stream: Http2Stream) -> None:
        """The response is out."""
        if self._streams.pop(stream.number, None) is None:
            return
        if not stream.remote_closed:
            # The rest of the request is not wanted (RFC 9113 section 8.1).
            self._give_up(stream.number, ErrorCode.NO_ERROR)
        self._room.forget(stream)
        body = stream.request.body
        if body is not None and not body.complete:
            body.abort(BodyAbortedError("the request was answered without the rest of its body"))
        self._rest()

    def _rest(self) -> None:
        if self._streams:
            return
        if self._final:
            self._end(ErrorCode.NO_ERROR)
        else:
            self.deadline = self._state.now_s + self._state.limits.keep_alive_s

    # -- endings (Connection) --------------------------------------------------------------------

    def _end(self, code: ErrorCode) -> None:
        if self._closing:
            return
        self._closing = True
        self.send(goaway(self._last, code))
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.cancel("the connection was ended")
        self._state.outbox.flush()
        self.deadline = self._state.now_s + _CLOSE_S
        self._transport.close()

    def check_deadline(self, now_s: float) -> None:
        """See `Connection`."""
        if self._closing:
            self._transport.abort()
        elif not self._streams:
            self._end(ErrorCode.NO_ERROR)
        else:
            self.deadline = now_s + 1.0
            for stream in tuple(self._streams.values()):
                self._check_stream(stream, now_s)

    def _check_stream(self, stream: Http2Stream, now_s: float) -> None:
        limits = self._state.limits
        if stream.blocked_s and now_s - stream.blocked_s > limits.write_timeout_s:
            self.reset(stream, ErrorCode.CANCEL)
            return
        late = late_body(stream, limits, now_s)
        if late is None:
            return
        stream.request.fault = BODY_TOO_SLOW
        if stream.request.begun:
            late.abort(BodyAbortedError(BODY_TOO_SLOW.detail))
        else:
            self._refuse(stream, BODY_TOO_SLOW)

    def end_if_idle(self) -> None:
        """See `Connection`: says that it goes away, and goes when no stream is left."""
        now_s = self._state.loop.time()
        if self._closing:
            return
        if not self._leaving_s:
            # First without a last stream: what is on its way here still counts (section 6.8).
            self._leaving_s = now_s
            self.send(goaway(_LAST_STREAM, ErrorCode.NO_ERROR))
        elif not self._final and now_s - self._leaving_s > _GRACE_S:
            self._final = True
            self.send(goaway(self._last, ErrorCode.NO_ERROR))
        if self._final:
            self._rest()

    def abort(self) -> None:
        """See `Connection`."""
        self._closing = True
        self._transport.abort()
