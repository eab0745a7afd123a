"""Theta with a season: what repeats is taken out, the rest goes on with half its trend.

Source: Assimakopoulos and Nikolopoulos 2000, "The theta model"; the season by ratios to a centred
moving average, as in the M4 competition's benchmark.
"""

from collections.abc import Sequence
from itertools import accumulate
from statistics import fmean

from lukhas.policy.forecasting.cycles import Values, filled
from lukhas.policy.forecasting.smoothing import theta_line

__all__ = ("theta",)

# A slot with next to no traffic must not blow its values up when the season is taken out.
_LEAST_INDEX = 0.02
# The drift of a few noisy days would be a line through anything.
_LEAST_SEASONS = 2


def theta(values: Values, period: int, horizon: int) -> list[float]:
    """The values to come.

    Args:
        values: the past, with at least one known value.
        period: steps of a season.
        horizon: how many values.
    """
    whole = filled(values, period)
    seen = len(whole) >= _LEAST_SEASONS * period
    indexes = _season(whole, period) if seen else [1.0] * period
    line = theta_line([value / indexes[at % period] for at, value in enumerate(whole)])
    count = len(whole)
    return [
        max(0.0, line.at(step + 1) * indexes[(count + step) % period]) for step in range(horizon)
    ]


def _season(whole: Sequence[float], period: int) -> list[float]:
    """For each slot of a season how its values compare with those around them; 1 on average."""
    sums = [0.0, *accumulate(whole)]
    half = period // 2
    ratios: list[list[float]] = [[] for _ in range(period)]
    for at in range(half, len(whole) - half):
        around = sums[at + half + 1] - sums[at - half]
        if period % 2 == 0:
            # An even season has no middle: half of each end.
            around -= (whole[at + half] + whole[at - half]) / 2
        around /= period
        if around > 0:
            ratios[at % period].append(whole[at] / around)
    means = [fmean(found) if found else 1.0 for found in ratios]
    average = fmean(means)
    if average <= 0:
        return [1.0] * period
    return [max(_LEAST_INDEX, mean / average) for mean in means]
