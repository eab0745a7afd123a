"""A WebSocket connection through the gateway: two ends, and the frames between them."""

from asyncio import Protocol, Task, Transport
from typing import Any, Final, cast

from lukhas.gateway.front_state import FrontState
from lukhas.http.messages import Response
from lukhas.http.websocket_frames import FrameScanner, close_frame
from lukhas.pipeline.pipeline import close
from lukhas.pipeline.stages.message_limit import MessageLimit

__all__ = ("TunnelFigures", "UpstreamEnd", "WebSocketTunnel")

# RFC 6455 section 7.4.1; 1014 is "bad gateway" in the IANA registry.
_GOING_AWAY: Final = 1001
_BAD_GATEWAY: Final = 1014
_CLOSING_S = 2.0


class TunnelFigures:
    """What a worker's WebSocket connections have carried.

    Attributes:
        open: connections that are open.
        messages_in: messages of clients.
        messages_out: messages to clients.
        bytes_in: bytes of clients, frame heads included.
        bytes_out: bytes to clients.
    """

    __slots__ = ("bytes_in", "bytes_out", "messages_in", "messages_out", "open")

    def __init__(self) -> None:
        self.open = 0
        self.messages_in = self.messages_out = 0
        self.bytes_in = self.bytes_out = 0


class UpstreamEnd(Protocol):
    """The end towards the upstream, once the handshake is done.

    Args:
        tunnel: what it belongs to.
    """

    def __init__(self, tunnel: "WebSocketTunnel") -> None:
        self._tunnel = tunnel

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._tunnel.from_upstream(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._tunnel.upstream_lost()

    def pause_writing(self) -> None:
        """See asyncio.Protocol: the upstream does not take what the client sends."""
        self._tunnel.hold_client()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._tunnel.release_client()


class WebSocketTunnel(Protocol):
    """The end towards the client, and what holds both together.

    Frames pass as they are, still masked. Each chunk is passed on in one write, up to the last
    frame whose head has come.

    Args:
        state: what all connections share.
        upstream: the transport of the other end.
        response: the accepted handshake; closed with the connection.
        limit: counts the client's messages; None where they are not limited.
        extended: whether an extension was negotiated.
        message_bytes: the longest message; 0 for no limit.
        idle_s: how long both may be silent.
        figures: where it counts.
    """

    def __init__(
        self,
        state: FrontState,
        upstream: Transport,
        response: Response,
        *,
        limit: MessageLimit | None,
        extended: bool,
        message_bytes: int,
        idle_s: float,
        figures: TunnelFigures,
    ) -> None:
        self._state = state
        self._upstream = upstream
        self._response: Response | None = response
        self._limit = limit
        self._idle_s = idle_s
        self._figures = figures
        self._in = FrameScanner(masked=True, extended=extended, message_bytes=message_bytes)
        self._out = FrameScanner(masked=False, extended=extended, message_bytes=message_bytes)
        self._in_rest = self._out_rest = b""
        self._client = cast("Transport", None)
        self._charging: Task[None] | None = None
        self._held: list[bytes] = []
        self._client_holds = 0
        self._closing = False
        self._stuck = False
        self.deadline = state.now_s + idle_s

    def begin(self, client: Transport, head: bytes, early: bytes) -> None:
        """Takes over the client's connection.

        Args:
            client: the transport.
            head: the head of the 101 to send to it.
            early: what the upstream has sent behind its own.
        """
        self._client = client
        self._figures.open += 1
        self._state.connections.add(self)
        client.set_protocol(self)
        self._upstream.set_protocol(UpstreamEnd(self))
        client.write(head)
        if early:
            self.from_upstream(early)
        client.resume_reading()
        self._upstream.resume_reading()

    # -- from the client -------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._closing:
            self._scan_for_answer(data)
        elif self._charging is not None:
            self._held.append(data)
        else:
            self._from_client(data)

    def _from_client(self, data: bytes) -> None:
        self._alive()
        data = self._in_rest + data
        begun: list[int] = []
        length = self._in.scan(data, begun)
        self._in_rest = data[length:]
        if self._limit is None or not begun:
            self._pass_in(data[:length], len(begun))
            self._check(self._in)
            return
        charge = self._charge(self._limit, data[:length], begun)
        if not self._limit.is_remote:
            try:
                charge.send(None)
            except StopIteration:
                return
            raise RuntimeError("counters in memory made a message wait")
        self.hold_client()
        self._charging = self._state.loop.create_task(charge)

    async def _charge(self, limit: MessageLimit, data: bytes, begun: list[int]) -> None:
        """Passes on what the limits allow; the first message that they do not ends it."""
        refused: tuple[int, str] | None = None
        end, allowed = len(data), 0
        for start in begun:
            refused = await limit.close_code()
            if refused is not None:
                end = start
                break
            allowed += 1
        waited, self._charging = self._charging, None
        if self._closing:
            return
        self._pass_in(data[:end], allowed)
        if refused is not None:
            # What was let through ends with a whole frame.
            self._end(*refused, upstream_mid_frame=False)
            return
        self._check(self._in)
        if waited is not None:
            held, self._held = self._held, []
            self.release_client()
            for piece in held:
                self.data_received(piece)

    def _pass_in(self, data: bytes, messages: int) -> None:
        figures = self._figures
        figures.messages_in += messages
        figures.bytes_in += len(data)
        if data:
            self._upstream.write(data)

    def _scan_for_answer(self, data: bytes) -> None:
        data = self._in_rest + data
        length = self._in.scan(data, [])
        self._in_rest = data[length:]
        if self._in.closing or self._in.violation is not None:
            self._client.close()

    def hold_client(self) -> None:
        """Nothing more is read from the client for now; several parties may ask for it."""
        self._client_holds += 1
        if self._client_holds == 1 and not self._client.is_closing():
            self._client.pause_reading()

    def release_client(self) -> None:
        """One of them needs it no more."""
        self._client_holds = max(0, self._client_holds - 1)
        if not self._client_holds and not self._client.is_closing():
            self._client.resume_reading()

    # -- from the upstream -----------------------------------------------------------------------

    def from_upstream(self, data: bytes) -> None:
        """Takes the next bytes of the upstream."""
        if self._closing:
            return
        self._alive()
        data = self._out_rest + data
        begun: list[int] = []
        length = self._out.scan(data, begun)
        self._out_rest = data[length:]
        figures = self._figures
        figures.messages_out += len(begun)
        figures.bytes_out += length
        if length:
            self._client.write(data[:length])
        self._check(self._out)

    def upstream_lost(self) -> None:
        """The upstream has ended its connection."""
        if self._closing:
            return
        if self._out.closing or self._in.closing:
            self._closing = True
            self._client.close()
        else:
            self._end(_BAD_GATEWAY, "the upstream ended the connection")

    def pause_writing(self) -> None:
        """See asyncio.Protocol: the client does not take what the upstream sends."""
        self._stuck = True
        self.deadline = self._state.now_s + self._state.limits.write_timeout_s
        if not self._upstream.is_closing():
            self._upstream.pause_reading()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._stuck = False
        self._alive()
        if not self._upstream.is_closing():
            self._upstream.resume_reading()

    # -- endings ---------------------------------------------------------------------------------

    def _alive(self) -> None:
        if not (self._stuck or self._closing):
            self.deadline = self._state.now_s + self._idle_s

    def _check(self, scanner: FrameScanner) -> None:
        if scanner.violation is not None:
            self._end(*scanner.violation)

    def _end(self, code: int, reason: str, *, upstream_mid_frame: bool | None = None) -> None:
        """Ends both sides for a reason of ours."""
        if self._closing:
            return
        self._closing = True
        self.deadline = self._state.now_s + _CLOSING_S
        if upstream_mid_frame is None:
            upstream_mid_frame = not self._in.between_frames
        # A frame in the middle of another would be taken for its payload.
        if not (upstream_mid_frame or self._in.closing or self._upstream.is_closing()):
            self._upstream.write(close_frame(code, reason, masked=True))
        self._upstream.close()
        if self._client.is_closing():
            return
        if self._out.between_frames and not self._out.closing:
            self._client.write(close_frame(code, reason, masked=False))
            if not self._in.violation:
                # Its answer is waited for, lest a reset overtakes what it is told.
                self._client.resume_reading()
                return
        self._client.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._closing = True
        self._figures.open -= 1
        self._state.connections.discard(self)
        if self._charging is not None:
            self._charging.cancel()
        self._upstream.close()
        response, self._response = self._response, None
        if response is not None:
            close(response)

    def check_deadline(self, now_s: float) -> None:
        """See `Connection`."""
        if self._closing or self._stuck:
            self._client.abort()
        else:
            self._end(_GOING_AWAY, "nothing was said for too long")

    def end_if_idle(self) -> None:
        """See `Connection`: an open connection is under way until the time to drain is over."""

    def abort(self) -> None:
        """See `Connection`; both sides are told that this end goes away."""
        if self._closing:
            self._client.abort()
            return
        self._end(_GOING_AWAY, "the gateway ends")
        self._client.close()

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol; not called, since the connection was made before."""
