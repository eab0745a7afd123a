"""Which protocol a new connection speaks, and what brings connections in."""

import ssl
from asyncio import Protocol
from collections.abc import Coroutine
from typing import Any

from lukhas.clock import Clock
from lukhas.config.settings import Settings
from lukhas.gateway.client_certificates import CertificateIdentity
from lukhas.gateway.entrance import Entrance
from lukhas.gateway.front import FrontConnection
from lukhas.gateway.front_state import FrontState
from lukhas.gateway.tls import ServedCertificates
from lukhas.gateway.websocket_tunnel import TunnelFigures
from lukhas.gateway.websocket_upgrade import UpgradeTarget, WebSockets
from lukhas.http.client_address import TrustedProxies
from lukhas.hub.policies import certificate_rules
from lukhas.pipeline.pipeline import Pipeline
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.recorder import Recorder
from lukhas.units import SECOND_NS

__all__ = ("FrontDoors", "served_certificates")

_HTTP1 = "http/1.1"


def served_certificates(settings: Settings) -> ServedCertificates | None:
    """What TLS is spoken with; None where it is not spoken.

    Raises:
        ConfigError: a file cannot be used.
    """
    if settings.tls.certificate is None:
        return None
    return ServedCertificates(settings.tls, (_HTTP1,))


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
        self._entrance = self._new_entrance()
        self._websockets: WebSockets | None = None
        self.figures = TunnelFigures()

    def take_websockets(self, pipeline: Pipeline, target: UpgradeTarget) -> None:
        """Lets WebSocket connections in where a route takes them.

        Args:
            pipeline: that of all requests.
            target: where the handshakes go.
        """
        if any(route.websocket for route in self._settings.routes):
            self._websockets = WebSockets(
                pipeline, self._state, target, self._settings.websocket, self.figures
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
        return FrontConnection(self._state, source, self._identity.intake_for(handshake))
