"""Health of parts and of the whole."""

import pytest

from lukhas.telemetry.health import PartHealth, PartState, overall, worst_of_each


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((), "ok"),
        (("ok", "not_available"), "ok"),
        (("ok", "degraded"), "degraded"),
        (("degraded", "failed", "ok"), "failed"),
    ],
)
def test_the_whole_is_as_well_as_its_worst_part(
    states: tuple[PartState, ...], expected: str
) -> None:
    """What is not available was not promised and does not count."""
    assert overall(PartHealth(str(n), state) for n, state in enumerate(states)) == expected


def test_the_worst_report_of_each_part_is_kept() -> None:
    """Several workers report the same part; order of first appearance stays."""
    reports = [
        PartHealth("cache", "ok"),
        PartHealth("limits", "not_available"),
        PartHealth("cache", "degraded", "slow"),
        PartHealth("limits", "ok"),
        PartHealth("cache", "ok"),
    ]
    assert worst_of_each(reports) == [
        PartHealth("cache", "degraded", "slow"),
        PartHealth("limits", "ok"),
    ]
