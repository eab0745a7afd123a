"""Where the values of rules come from."""

from collections.abc import Mapping
from typing import Protocol

from lukhas.errors import LukhasError
from lukhas.policy.alerting.conditions import Ask, Series

__all__ = ("SeriesSource", "SeriesUnavailableError")


class SeriesUnavailableError(LukhasError):
    """A source cannot tell values now.

    Attributes:
        metric: what was asked for.
    """

    def __init__(self, metric: str, what: str) -> None:
        self.metric = metric
        super().__init__(f"values of {metric} cannot be read: {what}")


class SeriesSource(Protocol):
    """Tells values of metrics."""

    async def values(self, ask: Ask) -> Series:
        """One value for each step, the oldest first; None where nothing is known.

        Args:
            ask: what is asked for.

        Raises:
            SeriesUnavailableError: they cannot be told now.
        """
        ...

    async def values_by(self, ask: Ask, label: str) -> Mapping[str, Series]:
        """The same for each value of a label, the busiest first.

        Args:
            ask: what is asked for.
            label: one of the labels of its metric.

        Raises:
            SeriesUnavailableError: they cannot be told now.
        """
        ...
