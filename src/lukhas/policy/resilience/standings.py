"""How a target stands: whether it gets requests now, and if not, why."""

from typing import Final, Literal

from lukhas.policy.resilience.outliers import TargetHealth
from lukhas.policy.resilience.probes import ProbeState

__all__ = ("STANDINGS", "Standing", "standing_of")

Standing = Literal["healthy", "starting", "standby", "draining", "unfit", "ejected"]
"""healthy: gets its part; starting: gets it by and by (slow start); standby: gets requests when
none with a lower priority is fit; draining: gets no new ones; unfit: does not answer probes as it
should; ejected: left out for a while, as it failed its callers."""

STANDINGS: Final[tuple[Standing, ...]] = (
    "healthy",
    "starting",
    "standby",
    "draining",
    "unfit",
    "ejected",
)
"""All of them, the best first."""


def standing_of(
    health: TargetHealth,
    probe: ProbeState,
    now_ns: int,
    *,
    weight: int,
    share: float,
    is_spare: bool,
) -> Standing:
    """How a target stands.

    Args:
        health: what its answers told.
        probe: what its answers to probes told.
        now_ns: the time.
        weight: its weight; 0 drains it.
        share: the part of its weight that it gets now; see `share_of`.
        is_spare: whether a target with a lower priority is fit.
    """
    if not weight:
        return "draining"
    if health.is_out(now_ns):
        return "ejected"
    if not probe.is_fit:
        return "unfit"
    if is_spare:
        return "standby"
    return "starting" if share < 1.0 else "healthy"
