"""Series that somebody has written down."""

from lukhas.analytics.alerts.recorded_series import RecordedSeries
from lukhas.policy.alerting.conditions import Ask
from lukhas.units import SECOND_NS

SERIES = RecordedSeries(
    start_ns=100 * SECOND_NS,
    step_s=10,
    series={"requests": [1, 2, None, 4], "p99_ms": [10.0, 20.0, None, None]},
)


async def asked(metric: str, start_s: int, end_s: int, step_s: int) -> list[float | None]:
    ask = Ask(metric, (), start_s * SECOND_NS, end_s * SECOND_NS, step_s)
    return list(await SERIES.values(ask))


async def test_counts_add_up_and_values_are_means() -> None:
    """Over the steps that begin in the one asked for."""
    assert await asked("requests", 100, 140, 20) == [3, 4]
    assert await asked("p99_ms", 100, 140, 20) == [15.0, None]


async def test_outside_nothing_is_known() -> None:
    """Before the first value, after the last one, and of other metrics."""
    assert await asked("requests", 60, 110, 10) == [None, None, None, None, 1]
    assert await asked("requests", 130, 160, 10) == [4, None, None]
    assert await asked("errors", 100, 110, 10) == [None]
    assert await asked("no-metric", 100, 110, 10) == [None]
