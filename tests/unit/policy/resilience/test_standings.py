"""How a target stands, worst reason first."""

import pytest

from lukhas.policy.resilience.outliers import TargetHealth
from lukhas.policy.resilience.probes import PROBED_FIT, ProbeState
from lukhas.policy.resilience.standings import STANDINGS, Standing, standing_of

OUT = TargetHealth(0, 1, 100)
UNFIT = ProbeState(is_fit=False)


@pytest.mark.parametrize(
    ("health", "probe", "weight", "share", "is_spare", "standing"),
    [
        (TargetHealth(), PROBED_FIT, 1, 1.0, False, "healthy"),
        (TargetHealth(), PROBED_FIT, 3, 0.99, False, "starting"),
        (TargetHealth(), PROBED_FIT, 1, 0.5, True, "standby"),
        (TargetHealth(), UNFIT, 1, 0.5, True, "unfit"),
        (OUT, UNFIT, 1, 0.5, True, "ejected"),
        (OUT, UNFIT, 0, 0.5, True, "draining"),
    ],
)
def test_the_reason_that_decides(
    *,
    health: TargetHealth,
    probe: ProbeState,
    weight: int,
    share: float,
    is_spare: bool,
    standing: Standing,
) -> None:
    """Where several hold, that which would have to go first."""
    found = standing_of(health, probe, 99, weight=weight, share=share, is_spare=is_spare)
    assert found == standing


def test_a_pause_that_is_over_is_none() -> None:
    """At its very end."""
    assert standing_of(OUT, PROBED_FIT, 100, weight=1, share=0.1, is_spare=False) == "starting"


def test_all_standings_are_in_order() -> None:
    """The best first, the worst last, each once."""
    assert STANDINGS[0] == "healthy"
    assert STANDINGS[-1] == "ejected"
    assert len(set(STANDINGS)) == len(STANDINGS) == 6
