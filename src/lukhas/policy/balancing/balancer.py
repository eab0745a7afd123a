"""The port of all ways to choose a target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lukhas.policy.balancing.loads import Load

__all__ = ("Balancer", "Candidate", "ChoiceFacts")


@dataclass(slots=True)
class Candidate:
    """A target that may be chosen.

    Not frozen: it lives as long as its target, and its share moves while the target warms up.

    Attributes:
        key: what tells it from others, and stays the same over reloads, such as `10.0.0.1:8080`.
        load: how it does.
        weight: how much of the requests it is to get, in relation to the others; at least 1.
        share: the part of its weight that it gets now: less than 1 while it starts slowly.
    """

    key: str
    load: Load
    weight: int = 1
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class ChoiceFacts:
    """What a choice is made by, besides the targets.

    Attributes:
        first: a number drawn for this choice, from 0 to 1, 1 not included.
        second: another one.
        sticky: what binds a caller to a target, such as the value of a cookie; empty for nothing.
        is_prior: whether the request is in the priority lane.
    """

    first: float
    second: float
    sticky: bytes = b""
    is_prior: bool = False


class Balancer(Protocol):
    """Chooses one of the targets that are fit to be chosen.

    A balancer may keep a memory of its choices; each worker has its own.
    """

    def choose(self, candidates: Sequence[Candidate], facts: ChoiceFacts, now_ns: int) -> int:
        """The index of the target.

        Args:
            candidates: at least one.
            facts: see there.
            now_ns: the time.
        """
        ...
