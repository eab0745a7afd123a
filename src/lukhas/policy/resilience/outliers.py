"""Targets that fail their callers are left out for a while (passive health).

As Envoy's outlier detection: after so many failures in a row a target is ejected, each time
for longer; never more than a part of the targets at once, but always one if need be.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lukhas.units import SECOND_NS

__all__ = ("OutlierSettings", "TargetHealth", "ejected", "may_eject", "reported")


@dataclass(frozen=True, slots=True)
class OutlierSettings:
    """When a target is left out. The defaults are Envoy's.

    Attributes:
        failures: so many in a row.
        pause_ns: how long the first time; the n-th time in a row n times as long.
        longest_pause_ns: no pause is longer.
        most_share: the largest part of the targets that is left out at once, 0 to 1; one may
            always be.
    """

    failures: int = 5
    pause_ns: int = 30 * SECOND_NS
    longest_pause_ns: int = 300 * SECOND_NS
    most_share: float = 0.1

    def __post_init__(self) -> None:
        if self.failures < 1 or not 0 < self.pause_ns <= self.longest_pause_ns:
            raise ValueError(f"these settings eject nothing sensibly: {self}")
        if not 0 <= self.most_share <= 1:
            raise ValueError(f"{self.most_share} is no share of the targets")


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """What is known of one target.

    Attributes:
        streak: failures since the last success.
        ejections: how often it was ejected; fewer after each pause that it did well.
        until_ns: until when it is left out; then, since when it does well; 0 if it never was out.
    """

    streak: int = 0
    ejections: int = 0
    until_ns: int = 0

    def is_out(self, now_ns: int) -> bool:
        """Whether it is left out now."""
        return now_ns < self.until_ns


def may_eject(
    healths: Mapping[str, TargetHealth], count: int, settings: OutlierSettings, now_ns: int
) -> bool:
    """Whether one more target may be left out.

    Args:
        healths: what is known of the targets.
        count: how many targets there are.
        settings: see there.
        now_ns: the time.
    """
    out = sum(health.is_out(now_ns) for health in healths.values())
    return out < max(1, int(count * settings.most_share)) and count > 1


def reported(
    health: TargetHealth, settings: OutlierSettings, now_ns: int, *, failed: bool, may_eject: bool
) -> TargetHealth:
    """After an answer of the target, or its failure.

    Args:
        health: what was known before.
        settings: see there.
        now_ns: the time.
        failed: whether it failed: no answer, or a 5xx.
        may_eject: whether it may be left out for that; see `may_eject`.
    """
    if health.is_out(now_ns):
        return health  # It began before, and says nothing about now.
    if not failed:
        ejections, until_ns = health.ejections, health.until_ns
        if ejections and now_ns - until_ns >= settings.pause_ns:
            # One step down for each such time of doing well.
            ejections, until_ns = ejections - 1, now_ns
        elif not health.streak:
            return health
        return TargetHealth(0, ejections, until_ns)
    streak = health.streak + 1
    if streak < settings.failures or not may_eject:
        return TargetHealth(streak, health.ejections, health.until_ns)
    return ejected(health, settings, now_ns)


def ejected(health: TargetHealth, settings: OutlierSettings, now_ns: int) -> TargetHealth:
    """The target is left out from now on, each time in a row for longer."""
    ejections = health.ejections + 1
    pause_ns = min(settings.pause_ns * ejections, settings.longest_pause_ns)
    return TargetHealth(0, ejections, now_ns + pause_ns)
