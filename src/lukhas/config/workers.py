"""How many processes serve, as it is written in settings."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from lukhas.config.fields import CONFIG_FAULT

__all__ = ("MOST_WORKERS", "WorkerBounds", "Workers", "worker_bounds")

MOST_WORKERS = 64
"""The most processes that may serve."""

_AUTO = "auto"
_RANGE = re.compile(r"auto:([0-9]{1,3})-([0-9]{1,3})")
_HINT = 'use a number of processes, "auto" for one a CPU, or "auto:1-8" to follow the load'


@dataclass(frozen=True, slots=True)
class WorkerBounds:
    """Between which numbers the workers may be.

    Attributes:
        least: never fewer.
        most: never more.
    """

    least: int
    most: int

    @property
    def follow_load(self) -> bool:
        """Whether their number follows the load."""
        return self.least < self.most

    def clamped(self, count: int) -> int:
        """The number within them that is nearest to another one."""
        return min(max(count, self.least), self.most)


def worker_bounds(workers: int | str, *, cpus: int) -> WorkerBounds:
    """What a setting means on a machine.

    `auto` is one worker a CPU, 64 at most. A range that goes beyond the CPUs ends there: a worker
    is one thread that computes, and more of them than CPUs would only wait for each other.

    Args:
        workers: a checked value of the setting.
        cpus: how many CPUs may be used, at least 1.
    """
    if isinstance(workers, int):
        return WorkerBounds(workers, workers)
    found = _RANGE.fullmatch(workers)
    if found is None:
        count = min(cpus, MOST_WORKERS)
        return WorkerBounds(count, count)
    least, most = int(found[1]), int(found[2])
    return WorkerBounds(least, max(least, min(most, cpus)))


def _workers(value: object) -> object:
    if value == _AUTO:
        return value
    if isinstance(value, str) and (found := _RANGE.fullmatch(value)):
        least, most = int(found[1]), int(found[2])
        if 1 <= least <= most <= MOST_WORKERS:
            return f"auto:{least}-{most}"
        what = f"{value!r} is no range from 1 to {MOST_WORKERS}"
    elif isinstance(value, bool) or not isinstance(value, int):
        what = f'{value!r} is neither a whole number nor "auto"'
    elif not 1 <= value <= MOST_WORKERS:
        what = f"{value} is not between 1 and {MOST_WORKERS}"
    else:
        return value
    raise PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", {"what": what, "hint": _HINT})


Workers = Annotated[int | str, BeforeValidator(_workers)]
