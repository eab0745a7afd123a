"""Who called in some stretch of time."""

import zlib

import msgspec

from lukhas.telemetry.leaders import Leaders
from lukhas.telemetry.series import HistoryDelta
from lukhas.telemetry.uniques import Uniques

__all__ = ("Crowd", "packed_crowd", "unpacked_crowd")


class Crowd(msgspec.Struct, array_like=True):
    """Who called in some stretch of time.

    Attributes:
        consumers: the busiest consumers.
        agents: the busiest user agents.
        unique_consumers: all consumers.
    """

    consumers: Leaders = msgspec.field(default_factory=Leaders)
    agents: Leaders = msgspec.field(default_factory=Leaders)
    unique_consumers: Uniques = msgspec.field(default_factory=Uniques)

    def merge(self, other: "Crowd | HistoryDelta") -> None:
        """Adds who called in another stretch."""
        self.consumers.merge(other.consumers)
        self.agents.merge(other.agents)
        self.unique_consumers.merge(other.unique_consumers)


def packed_crowd(crowd: Crowd) -> bytes:
    """A crowd as bytes."""
    return zlib.compress(msgspec.msgpack.encode(crowd), 1)


def unpacked_crowd(packed: bytes) -> Crowd:
    """A crowd from bytes."""
    return msgspec.msgpack.decode(zlib.decompress(packed), type=Crowd)
