"""What a rule would have said about the past."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from lukhas.analytics.alerts.series_source import SeriesSource, answers_to
from lukhas.policy.alerting.alerts import Alert, AlertState, observed
from lukhas.policy.alerting.conditions import Reading, asks, reading
from lukhas.policy.alerting.rules import Rule
from lukhas.units import SECOND_NS

__all__ = ("MOST_LOOKS", "BackTest", "back_tested")

MOST_LOOKS = 50_000
"""How many times a back-test looks at most."""

_BREATHES_EVERY = 100


@dataclass(frozen=True, slots=True)
class BackTest:
    """What came of it.

    Attributes:
        looks: how many times the rule was looked at.
        breached: how many times it was breached.
        alerts: the alerts that would have fired, the oldest first. The last may not be over.
    """

    looks: int
    breached: int
    alerts: tuple[Alert, ...]

    @property
    def firing_s(self) -> float:
        """How long alerts would have fired, those that are over."""
        return sum((alert.resolve_ns or 0) for alert in self.alerts) / SECOND_NS


async def back_tested(
    rule: Rule, source: SeriesSource, *, start_ns: int, end_ns: int, every_s: int
) -> BackTest:
    """Runs a rule over a stretch of the past, with `for` and keep-firing as they would be.

    Args:
        rule: the rule.
        source: where the values come from.
        start_ns: the first look (Unix time).
        end_ns: no look after this.
        every_s: how long between two looks.

    Raises:
        SeriesUnavailableError: the source cannot tell.
    """
    looks = breached = 0
    alert: Alert | None = None
    fired: list[Alert] = []
    async for now_ns, found in _looked(
        rule, source, range(start_ns, end_ns + 1, every_s * SECOND_NS)
    ):
        looks += 1
        breached += found.breached
        alert = observed(alert, rule, found, now_ns)
        if alert is not None and alert.state is AlertState.RESOLVED:
            fired.append(replace(alert))
            alert = None
    if alert is not None and alert.is_active:
        fired.append(alert)
    return BackTest(looks, breached, tuple(fired))


async def _looked(
    rule: Rule, source: SeriesSource, moments: range
) -> AsyncIterator[tuple[int, Reading]]:
    for index, now_ns in enumerate(moments):
        answers = await answers_to(source, asks(rule.condition, now_ns))
        yield now_ns, reading(rule.condition, answers, now_ns)
        if index % _BREATHES_EVERY == 0:
            # Sources that answer from memory never wait, and others want to be served.
            await asyncio.sleep(0)
