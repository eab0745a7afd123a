"""Targets drawn at random."""

from collections.abc import Sequence

from lukhas.policy.balancing.balancer import Candidate, ChoiceFacts

__all__ = ("drawn_pair",)


def drawn_pair(candidates: Sequence[Candidate], facts: ChoiceFacts) -> tuple[int, int]:
    """The indexes of two different targets; of the only one twice."""
    count = len(candidates)
    one = int(facts.first * count)
    if count == 1:
        return 0, 0
    other = int(facts.second * (count - 1))
    return one, other + (other >= one)
