"""Copies of requests that go to another upstream, whose answers nobody sees."""

from dataclasses import dataclass

__all__ = ("Mirror",)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Which part of the requests of a route is copied.

    Attributes:
        upstream: where the copies go.
        share: how many of the requests, 0 to 1.
    """

    upstream: str
    share: float = 1.0

    def takes(self, drawn: float) -> bool:
        """Whether a request is copied.

        Args:
            drawn: from 0 to 1, 1 not included.
        """
        return drawn < self.share
