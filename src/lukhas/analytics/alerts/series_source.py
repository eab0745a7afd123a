"""Where the values of rules come from."""

from typing import Protocol

from lukhas.errors import LukhasError
from lukhas.policy.alerting.conditions import Ask, Filters, Series

__all__ = ("SeriesSource", "SeriesUnavailableError", "answers_to")


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

    async def values(
        self, metric: str, filters: Filters, *, start_ns: int, end_ns: int, step_s: int
    ) -> Series:
        """One value for each step, the oldest first; None where nothing is known.

        Args:
            metric: a name of `lukhas.policy.alerting.metrics.METRICS`.
            filters: labels that what is counted must have.
            start_ns: the begin of the first step (Unix time).
            end_ns: the end of the last step: a whole number of steps later.
            step_s: the length of a step.

        Raises:
            SeriesUnavailableError: they cannot be told now.
        """
        ...


async def answers_to(source: SeriesSource, asks: tuple[Ask, ...]) -> list[Series]:
    """The series for what a condition asks.

    Raises:
        SeriesUnavailableError: the source cannot tell one of them now.
    """
    return [
        await source.values(
            ask.metric, ask.filters, start_ns=ask.start_ns, end_ns=ask.end_ns, step_s=ask.step_s
        )
        for ask in asks
    ]
