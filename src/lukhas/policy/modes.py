"""How far a policy may act."""

from enum import Enum

__all__ = ("FailureMode", "Mode")


class Mode(Enum):
    """Whether a policy acts on its verdict."""

    ENFORCE = "enforce"
    SHADOW = "shadow"
    """Decide and record, but change nothing that the client can see."""
    OFF = "off"


class FailureMode(Enum):
    """What happens to a request when a stage itself fails."""

    OPEN = "open"
    """Go on as if the stage were not there."""
    CLOSED = "closed"
    """Refuse the request with 503."""
