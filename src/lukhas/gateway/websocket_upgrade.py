"""The handshake of WebSocket connections: through the pipeline, to the upstream, and back."""

import asyncio
from asyncio import Future, Protocol, Transport
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httptools

from lukhas.config.websockets import WebSocketSettings
from lukhas.errors import (
    UpstreamConnectError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
)
from lukhas.gateway.dialling import Dial
from lukhas.gateway.front_state import FrontState
from lukhas.gateway.websocket_tunnel import TunnelFigures, WebSocketTunnel
from lukhas.http.headers import HOP_BY_HOP, HeaderPairs, Headers, connection_options
from lukhas.http.messages import Pushed, RequestHead, Response
from lukhas.http.status import status_line
from lukhas.http.websocket_frames import accept_of, is_handshake_key
from lukhas.pipeline.driving import enter_task
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.stage import Handler, Stage
from lukhas.pipeline.stages.accept import AcceptStage
from lukhas.pipeline.stages.admit import AdmitStage
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.compress import CompressStage, NegotiateStage
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.message_limit import MessageLimit
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.pipeline.stages.route import RouteStage

__all__ = ("UpgradeTarget", "Upgrading", "WebSockets")

_MOST_HEAD_BYTES = 64 * 1024
_MOST_BODY_BYTES = 1024 * 1024
_VERSION = b"13"
_NOT_FOR_CONNECTIONS = (CacheStage, CompressStage, NegotiateStage, AdmitStage)


@dataclass(frozen=True, slots=True)
class UpgradeTarget:
    """Where handshakes go.

    Attributes:
        dial: opens a connection.
        upstream: its upstream's name, for errors.
        connect_s: how long a connection may take.
        response_s: how long the answer to the handshake may take.
        head: makes the request head of an exchange, the last empty line included.
    """

    dial: Dial
    upstream: str
    connect_s: float
    response_s: float
    head: Callable[[Exchange], bytes]


class WebSockets:
    """Tells handshakes from other requests, and carries them out.

    Args:
        pipeline: that of all requests.
        state: what the connections share.
        target_of: where the handshake of an exchange goes.
        settings: limits on connections.
        figures: what the connections have carried.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        state: FrontState,
        target_of: Callable[[Exchange], UpgradeTarget],
        settings: WebSocketSettings,
        figures: TunnelFigures,
    ) -> None:
        self.state = state
        self.target_of = target_of
        self.settings = settings
        self.figures = figures
        self._routes = next(s for s in pipeline.stages if isinstance(s, RouteStage))
        self._observe = next((s for s in pipeline.stages if isinstance(s, ObserveStage)), None)
        self._limits = next((s for s in pipeline.stages if isinstance(s, LimitStage)), None)
        self._pipeline = pipeline.with_stages(_for_connections(pipeline.stages))

    def begin(self, exchange: Exchange, *, version: str) -> "Upgrading | None":
        """The way of a handshake on a route that takes it; None for any other request."""
        head = exchange.head
        if version != "1.1" or head.method != "GET" or exchange.body is not None:
            return None
        if not _asks(head):
            return None
        match = self._routes.table.match(head.method, head.authority, head.path)
        return Upgrading(self, self._pipeline) if match.rule.websocket else None

    def limit_of(self, exchange: Exchange) -> MessageLimit | None:
        """What counts the messages of a connection."""
        limits = self._limits
        plan = None if limits is None else limits.messages(exchange)
        if limits is None or plan is None:
            return None
        return MessageLimit(
            limits, plan, exchange=exchange, clock=self.state.intake, observe=self._observe
        )


class Upgrading:
    """One handshake.

    Args:
        sockets: who carries it out.
        pipeline: what it goes through.

    Attributes:
        handler: the pipeline around it.
    """

    def __init__(self, sockets: WebSockets, pipeline: Pipeline) -> None:
        self._sockets = sockets
        self._exchange: Exchange | None = None
        self._upstream: _Handshake | None = None
        self.handler: Handler = pipeline.around(self._carry)

    async def _carry(self, exchange: Exchange) -> Response:
        """The handshake at the upstream.

        Raises:
            UpstreamError: the upstream could not answer.
        """
        headers = exchange.head.headers
        key = headers.get(b"sec-websocket-key") or b""
        if headers.get_all(b"sec-websocket-version") != [_VERSION]:
            return _other_version(exchange)
        if len(headers.get_all(b"sec-websocket-key")) != 1 or not is_handshake_key(key):
            return _invalid(exchange)
        await enter_task()
        self._upstream = upstream = await _connected(self._sockets.target_of(exchange))
        try:
            response = await upstream.answer(exchange, accept_of(key), headers)
        except BaseException:
            upstream.transport.abort()
            raise
        if response.status != 101:
            upstream.transport.abort()
            return response
        self._exchange = exchange
        response.on_close = upstream.transport.abort
        return response

    def take_over(self, client: Transport, response: Response) -> None:
        """Sends the 101 and lets the two ends talk."""
        exchange, upstream, sockets = self._exchange, self._upstream, self._sockets
        if exchange is None or upstream is None:
            raise RuntimeError("a connection was accepted that nobody asked the upstream for")
        lines = [b"%b: %b\r\n" % pair for pair in (*response.headers, *exchange.added)]
        head = b"%bconnection: Upgrade\r\nupgrade: websocket\r\n%b\r\n"
        tunnel = WebSocketTunnel(
            sockets.state,
            upstream.transport,
            response,
            limit=sockets.limit_of(exchange),
            extended=b"sec-websocket-extensions" in response.headers,
            message_bytes=sockets.settings.message_bytes,
            idle_s=sockets.settings.idle_timeout_s,
            figures=sockets.figures,
        )
        tunnel.begin(client, head % (status_line(101), b"".join(lines)), upstream.early)


def _asks(head: RequestHead) -> bool:
    headers = head.headers
    upgrade = headers.joined(b"upgrade")
    return (
        upgrade is not None
        and upgrade.strip().lower() == b"websocket"
        and b"upgrade" in connection_options(headers)
    )


def _for_connections(stages: "tuple[Stage, ...]") -> "list[Stage]":
    """The stages for connections that stay open: nothing of them is cached or compressed.

    Overload protection stays out: a place among the requests in work would be taken for hours.
    """
    kept = [stage for stage in stages if not isinstance(stage, _NOT_FOR_CONNECTIONS)]
    observe = next((at for at, stage in enumerate(kept) if isinstance(stage, ObserveStage)), -1)
    return [*kept[: observe + 1], AcceptStage(), *kept[observe + 1 :]]


def _invalid(exchange: Exchange) -> Response:
    return refusal(
        exchange,
        status=400,
        slug="websocket-handshake",
        title="The WebSocket handshake is not valid",
        detail="Sec-WebSocket-Key is no valid key.",
    )


def _other_version(exchange: Exchange) -> Response:
    return refusal(
        exchange,
        status=426,
        slug="websocket-version",
        title="The version of the WebSocket protocol is not spoken here",
        detail="Only version 13 of the WebSocket protocol is spoken here.",
        headers=[(b"sec-websocket-version", _VERSION)],
    )


async def _connected(target: UpgradeTarget) -> "_Handshake":
    try:
        async with asyncio.timeout(target.connect_s):
            _, handshake = await target.dial(lambda: _Handshake(target))
    except TimeoutError as error:
        raise UpstreamTimeoutError(target.upstream, "no connection in time", sent=False) from error
    except OSError as error:
        what = f"cannot connect to {target.dial.place}: {error.strerror or error}"
        raise UpstreamConnectError(target.upstream, what, sent=False) from error
    return handshake


class _Handshake(Protocol):
    """A connection to the upstream until it has answered the handshake.

    Attributes:
        transport: the connection.
        early: what came behind the head of a 101.
    """

    def __init__(self, target: UpgradeTarget) -> None:
        self._target = target
        self._name = target.upstream
        self._parser: Any = httptools.HttpResponseParser(self)
        self._done: Future[None] = asyncio.get_running_loop().create_future()
        self._raw: HeaderPairs = []
        self._body = b""
        self._size = 0
        self._head_done = False
        self.transport = cast("Transport", None)
        self.early = b""

    async def answer(self, exchange: Exchange, accept: bytes, asked: Headers) -> Response:
        """Sends the handshake and gives the response: a 101 that is right, or a refusal.

        Raises:
            UpstreamError: there is none in time, or it is not right.
        """
        head = self._target.head(exchange)
        self.transport.write(head[:-2] + b"connection: Upgrade\r\nupgrade: websocket\r\n\r\n")
        try:
            async with asyncio.timeout(self._target.response_s):
                await self._done
        except TimeoutError as error:
            raise UpstreamTimeoutError(
                self._name, "no answer to the handshake", sent=True
            ) from error
        status = self._parser.get_status_code()
        headers = Headers(self._raw)
        dropped = HOP_BY_HOP | connection_options(headers) | {b"x-request-id", b"trailer"}
        if status == 101:
            self._check_accepted(headers, accept, asked)
            dropped |= {b"content-length"}
        kept = Headers([pair for pair in self._raw if pair[0] not in dropped])
        return Response(status, kept, Pushed() if status == 101 else self._body)

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._done.done():
            self.early += data
            return
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.early = data[upgrade.args[0] :]
            # What comes next is for the client, which may not be ready for it yet.
            self.transport.pause_reading()
            self._finish()
        except httptools.HttpParserError as error:
            self._fail(UpstreamProtocolError(self._name, f"not HTTP/1.1: {error}", sent=True))
        else:
            most = _MOST_BODY_BYTES if self._head_done else _MOST_HEAD_BYTES
            if self._size > most:
                self._fail(UpstreamProtocolError(self._name, "the answer is too large", sent=True))

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._head_done and exc is None:
            self._finish()  # A refusal without a length ends with the connection.
        else:
            self._fail(UpstreamProtocolError(self._name, "closed the connection", sent=True))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field; one after the head is a trailer, which is dropped."""
        if not self._head_done:
            self._raw.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """A head is whole."""
        status = self._parser.get_status_code()
        if status == 101 or status >= 200:
            self._head_done = True

    def on_body(self, piece: bytes) -> None:
        """A piece of the body of a refusal."""
        self._body += piece

    def on_message_complete(self) -> None:
        """A message is whole: an interim one, or a refusal; a 101 ends by the upgrade."""
        if not self._head_done:
            self._raw = []
        elif self._parser.get_status_code() != 101:
            self._finish()

    def _finish(self) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _fail(self, error: UpstreamError) -> None:
        if not self._done.done():
            self._done.set_exception(error)
        self.transport.abort()

    def _check_accepted(self, headers: Headers, accept: bytes, asked: Headers) -> None:
        """Believes a 101 only if it answers this very handshake (RFC 6455 section 4.1).

        Raises:
            UpstreamProtocolError: it does not.
        """
        wrong = ""
        if (headers.get(b"upgrade") or b"").lower() != b"websocket":
            wrong = "switched to another protocol than WebSocket"
        elif headers.get_all(b"sec-websocket-accept") != [accept]:
            wrong = "accepted another handshake than ours"
        elif not _offered(headers, asked, b"sec-websocket-protocol"):
            wrong = "chose a subprotocol that was not offered"
        elif b"sec-websocket-extensions" in headers and b"sec-websocket-extensions" not in asked:
            wrong = "chose an extension that was not offered"
        if wrong:
            raise UpstreamProtocolError(self._name, wrong, sent=True)


def _offered(headers: Headers, asked: Headers, name: bytes) -> bool:
    chosen = headers.get_all(name)
    if not chosen:
        return True
    offered = [part.strip() for part in (asked.joined(name) or b"").split(b",")]
    return len(chosen) == 1 and chosen[0] in offered
