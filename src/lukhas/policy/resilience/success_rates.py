"""Targets that answer well less often than their likes are left out for a while.

As Envoy's success rate outlier detection: once in an interval the part of good answers of each
target is compared with the mean of all; one that is further below it than so many standard
deviations is an outlier.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from lukhas.units import SECOND_NS

__all__ = ("SuccessRateSettings", "outliers_among")


@dataclass(frozen=True, slots=True)
class SuccessRateSettings:
    """When a target answers too badly. The defaults are Envoy's.

    Attributes:
        interval_ns: how often they are compared.
        least_targets: so many must have answered enough, or nobody is compared.
        least_answers: so many in an interval are enough.
        deviations: how many standard deviations below the mean is too bad.
    """

    interval_ns: int = 10 * SECOND_NS
    least_targets: int = 5
    least_answers: int = 100
    deviations: float = 1.9

    def __post_init__(self) -> None:
        if self.interval_ns <= 0 or self.least_targets < 2 or self.least_answers < 1:
            raise ValueError(f"these settings compare nothing sensibly: {self}")
        if self.deviations <= 0:
            raise ValueError(f"{self.deviations} standard deviations are no distance")


def outliers_among(
    answers: Mapping[str, tuple[int, int]], settings: SuccessRateSettings
) -> tuple[str, ...]:
    """The targets that answer too badly, the worst first.

    Args:
        answers: for each target how many answers of the interval were good, and how many it gave.
        settings: see there.
    """
    rates = {
        key: good / count
        for key, (good, count) in answers.items()
        if count >= settings.least_answers
    }
    if len(rates) < settings.least_targets:
        return ()
    mean = sum(rates.values()) / len(rates)
    deviation = sqrt(sum((rate - mean) ** 2 for rate in rates.values()) / len(rates))
    bound = mean - settings.deviations * deviation
    below = [key for key, rate in rates.items() if rate < bound]
    return tuple(sorted(below, key=lambda key: (rates[key], key)))
