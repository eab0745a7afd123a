"""Series that somebody has written down, to try rules on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lukhas.policy.alerting.conditions import Ask, Series
from lukhas.policy.alerting.metrics import metric_named
from lukhas.units import SECOND_NS

__all__ = ("RecordedSeries",)


@dataclass(frozen=True, slots=True)
class RecordedSeries:
    """A source of given values. Labels are not known to it: filters are passed over.

    Attributes:
        start_ns: the begin of the first value (Unix time).
        step_s: how long each value is for.
        series: values by metric, the oldest first; None where nothing is known.
    """

    start_ns: int
    step_s: int
    series: Mapping[str, Sequence[float | None]]

    async def values(self, ask: Ask) -> Series:
        """Sums of counts, and means of other values; None where nothing was written down."""
        known = self.series.get(ask.metric, ())
        found = metric_named(ask.metric)
        is_count = found is not None and found.is_count
        answers: list[float | None] = []
        step_ns = ask.step_s * SECOND_NS
        for begin_ns in range(ask.start_ns, ask.end_ns, step_ns):
            first, last = self._position(begin_ns), self._position(begin_ns + step_ns)
            inside = [value for value in known[max(0, first) : max(0, last)] if value is not None]
            total = sum(inside)
            answers.append((total if is_count else total / len(inside)) if inside else None)
        return answers

    async def values_by(self, ask: Ask, _label: str) -> Mapping[str, Series]:
        """The same, under the value `*`: what was written down is of all of them together."""
        return {"*": await self.values(ask)}

    def _position(self, time_ns: int) -> int:
        """The first value that begins at this time or later."""
        return -((self.start_ns - time_ns) // (self.step_s * SECOND_NS))
