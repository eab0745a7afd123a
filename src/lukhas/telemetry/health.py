"""How well the parts of a process are, and the whole of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ("OverallState", "PartHealth", "PartState", "overall", "worst_of_each")

PartState = Literal["ok", "degraded", "failed", "not_available"]
OverallState = Literal["ok", "degraded", "failed"]

# What is not available was never promised, so it ranks below a part that runs.
_SEVERITY: dict[PartState, int] = {"not_available": 0, "ok": 1, "degraded": 2, "failed": 3}


@dataclass(frozen=True, slots=True)
class PartHealth:
    """The health of one part.

    Attributes:
        name: the part, e.g. `"limits"`.
        state: ok; degraded: works, with less than its promise; failed: does not work;
            not_available: switched off, or not built into this installation.
        detail: why, for a person; never a secret.
    """

    name: str
    state: PartState
    detail: str = ""


def overall(parts: Iterable[PartHealth]) -> OverallState:
    """The state of the whole: that of its worst part; ok if all parts are ok or not available."""
    states = {part.state for part in parts}
    if "failed" in states:
        return "failed"
    return "degraded" if "degraded" in states else "ok"


def worst_of_each(parts: Iterable[PartHealth]) -> list[PartHealth]:
    """One entry for each name, the worst one; in the order in which the names first appear."""
    worst: dict[str, PartHealth] = {}
    for part in parts:
        known = worst.get(part.name)
        if known is None or _SEVERITY[part.state] > _SEVERITY[known.state]:
            worst[part.name] = part
    return list(worst.values())
