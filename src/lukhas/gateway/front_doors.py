"""Which protocol a new connection speaks, and what brings connections in."""

import ssl
from asyncio import Protocol, Transport
from collections.abc import Callable, Coroutine
from typing import Any, cast

from lukhas.clock import Clock
from lukhas.config.settings import Settings
from lukhas.gateway.client_certificates import CertificateIdentity
from lukhas.gateway.entrance import Entrance
from lukhas.gateway.front import FrontConnection
from lukhas.gateway.front_state import FrontState
from lukhas.gateway.http2 import Http2Connection
from lukhas.gateway.http2_shared import Http2Shared
from lukhas.gateway.tls import ServedCertificates
from lukhas.gateway.websocket_tunnel import TunnelFigures
from lukhas.gateway.websocket_upgrade import UpgradeTarget, WebSockets
from lukhas.http.client_address import TrustedProxies
from lukhas.http.http2_frames import PREFACE
from lukhas.hub.policies import certificate_rules
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.pipeline import Pipeline
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.recorder import Recorder
from lukhas.units import SECOND_NS

__all__ = ("FrontDoors", "served_certificates")

_HTTP1, _HTTP2 = "http/1.1", "h2"


def served_certificates(settings: Settings) -> ServedCertificates | None:
    """What TLS is spoken with; None where it is not spoken.

    Raises:
        ConfigError: a file cannot be used.
    """
    if settings.tls.certificate is None:
        return None
    protocols = (_HTTP2, _HTTP1) if settings.http2.over_tls else (_HTTP1,)
    return ServedCertificates(settings.tls, protocols)


class FrontDoors:
    """Makes the protocols of new connections.

    Args:
        settings: the effective settings.
        state: what the connections share.
        certificates: what TLS is spoken with; None where it is not spoken.

    Attributes:
        figures: what the WebSocket connections have carried.
    """

    def __init__(
        self, settings: Settings, state: FrontState, certificates: ServedCertificates | None
    ) -> None:
        self._settings = settings
        self._state = state
        self._certificates = certificates
        self._identity = CertificateIdentity(certificate_rules(settings), state.intake)
        self._http2 = Http2Shared(state, settings.http2.max_streams)
        self._entrance = self._new_entrance()
        self._websockets: WebSockets | None = None
        self.figures = TunnelFigures()

    def take_websockets(
        self, pipeline: Pipeline, target_of: Callable[[Exchange], UpgradeTarget]
    ) -> None:
        """Lets WebSocket connections in where a route takes them.

        Args:
            pipeline: that of all requests.
            target_of: where the handshake of an exchange goes.
        """
        if any(route.websocket for route in self._settings.routes):
            self._websockets = WebSockets(
                pipeline, self._state, target_of, self._settings.websocket, self.figures
            )
            self._state.websockets = self._websockets

    @property
    def entrance(self) -> Entrance | None:
        """What brings connections in; None where nothing comes before HTTP."""
        return self._entrance

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """What is to run beside the server, until it is cancelled."""
        return [] if self._certificates is None else [self._certificates.follow()]

    def parts(self, clock: Clock) -> list[PartHealth]:
        """The health of what stands before HTTP."""
        if self._certificates is None:
            return []
        return [self._certificates.health(clock.now_ns() / SECOND_NS)]

    def show(self, recorder: Recorder) -> None:
        """Adds its figures to the metrics."""
        entrance, certificates = self._entrance, self._certificates
        if entrance is not None:
            recorder.watch("proxy_headers_refused", lambda: entrance.refused)
        if certificates is not None:
            recorder.watch("tls_handshakes_failed", lambda: certificates.handshakes_failed)

        if self._websockets is not None:
            figures = self.figures
            recorder.watch("websockets_open", lambda: figures.open)
            recorder.watch("websocket_messages_in", lambda: figures.messages_in)
            recorder.watch("websocket_messages_out", lambda: figures.messages_out)
            recorder.watch("websocket_bytes_in", lambda: figures.bytes_in)
            recorder.watch("websocket_bytes_out", lambda: figures.bytes_out)

    def _new_entrance(self) -> Entrance | None:
        settings = self._settings
        if self._certificates is None and not settings.server.proxy_protocol:
            return None
        return Entrance(
            self._state.loop,
            self.connect,
            proxies=TrustedProxies(settings.server.proxy_protocol),
            header_timeout_s=settings.server.header_timeout_s,
            tls=self._certificates,
            handshake_timeout_s=settings.tls.handshake_timeout_s,
        )

    def connect(self, source: str = "", handshake: ssl.SSLObject | None = None) -> Protocol:
        """The protocol of a new connection.

        Args:
            source: the client's address; empty for that of the connection.
            handshake: the finished handshake; None without TLS.
        """
        intake = self._identity.intake_for(handshake)
        if handshake is not None and handshake.selected_alpn_protocol() == _HTTP2:
            return Http2Connection(self._http2, source, intake)
        if handshake is None and self._settings.http2.cleartext:
            return _FirstBytes(self._state, self._http2, source, intake)
        return FrontConnection(self._state, source, intake)


class _FirstBytes(Protocol):
    """Stands in until the first bytes tell whether the client speaks HTTP/2 (RFC 9113 3.3).

    It waits as long as a request head may take, as a connection of HTTP/1.1 does.
    """

    def __init__(self, state: FrontState, http2: Http2Shared, source: str, intake: Intake) -> None:
        self._state = state
        self._http2 = http2
        self._source = source
        self._intake = intake
        self._seen = b""
        self._transport = cast("Transport", None)
        self.deadline = state.now_s + state.limits.header_timeout_s

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        self._transport = transport
        self._state.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._state.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._seen += data
        if PREFACE.startswith(self._seen) and len(self._seen) < len(PREFACE):
            return
        protocol: Http2Connection | FrontConnection
        if self._seen.startswith(PREFACE):
            protocol = Http2Connection(self._http2, self._source, self._intake)
        else:
            protocol = FrontConnection(self._state, self._source, self._intake)
        self._state.connections.discard(self)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._seen)

    def check_deadline(self, now_s: float) -> None:
        """See `Connection`."""
        self._transport.abort()

    def end_if_idle(self) -> None:
        """See `Connection`."""
        self._transport.close()

    def abort(self) -> None:
        """See `Connection`."""
        self._transport.abort()
