"""Settings of WebSocket connections through the gateway."""

from pydantic import Field

from lukhas.config.fields import Seconds, Section, SizeBytes
from lukhas.units import MIB

__all__ = ("WebSocketSettings",)


class WebSocketSettings(Section):
    """WebSocket connections, on the routes that have `websocket = true`."""

    message_bytes: SizeBytes = Field(
        16 * MIB,
        description="How large a message may be as it is on the wire: closed with 1009 above; 0 is "
        "without a cap.",
    )
    idle_timeout_s: Seconds = Field(
        300.0, description="How long a connection may be silent in both directions; pings count."
    )
