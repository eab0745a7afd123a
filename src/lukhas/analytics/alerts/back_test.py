"""What a rule would have said about the past."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from lukhas.analytics.alerts.rule_reading import read_rule
from lukhas.analytics.alerts.series_source import SeriesSource
from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.policy.alerting.conditions import Reading
from lukhas.policy.alerting.rules import Rule
from lukhas.policy.alerting.splits import Found, observed_all
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
    known: list[Alert] = []
    fired: list[Alert] = []
    async for now_ns, found in _looked(
        rule, source, range(start_ns, end_ns + 1, every_s * SECOND_NS)
    ):
        looks += 1
        together = found if isinstance(found, Reading) else found.together()
        breached += together.breached
        after = observed_all(rule, known, found, now_ns)
        fired += [alert for alert in after if alert.state is AlertState.RESOLVED]
        known = [alert for alert in after if alert.state is not AlertState.RESOLVED]
    fired += [alert for alert in known if alert.is_active]
    return BackTest(looks, breached, tuple(fired))


async def _looked(
    rule: Rule, source: SeriesSource, moments: range
) -> AsyncIterator[tuple[int, Found]]:
    for index, now_ns in enumerate(moments):
        yield now_ns, await read_rule(source, rule, now_ns)
        if index % _BREATHES_EVERY == 0:
            # Sources that answer from memory never wait, and others want to be served.
            await asyncio.sleep(0)
