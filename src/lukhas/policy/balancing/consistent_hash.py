"""The same target for the same caller, as far as it can take it.

Rendezvous hashing (Thaler and Ravishankar, 1998): each target scores the caller, the highest
score wins; where a target comes or goes, only its own callers move. Loads are bounded (Mirrokni,
Thorup and Zadimoghaddam, 2016): a target that has much more than its share in flight is
passed over, and the caller goes to the one with the next score.
"""

import math
from collections.abc import Sequence
from hashlib import blake2b

from lukhas.policy.balancing.balancer import Balancer, Candidate, ChoiceFacts

__all__ = ("ConsistentHash",)

_BOUND = 1.25
_SPAN = float(1 << 64)


class ConsistentHash:
    """See `Balancer`.

    Args:
        otherwise: chooses for callers that nothing is known of to bind them by.
    """

    __slots__ = ("_otherwise",)

    def __init__(self, otherwise: Balancer) -> None:
        self._otherwise = otherwise

    def choose(self, candidates: Sequence[Candidate], facts: ChoiceFacts, now_ns: int) -> int:
        """See `Balancer`."""
        if not facts.sticky:
            return self._otherwise.choose(candidates, facts, now_ns)
        weights = [candidate.weight * candidate.share for candidate in candidates]
        in_flight = sum([candidate.load.in_flight for candidate in candidates]) + 1
        most = _BOUND * in_flight / sum(weights)
        scores = [
            _score(candidate.key, facts.sticky, weight)
            for candidate, weight in zip(candidates, weights, strict=True)
        ]
        order = sorted(range(len(candidates)), key=scores.__getitem__, reverse=True)
        for index in order:
            if candidates[index].load.in_flight + 1 <= math.ceil(most * weights[index]):
                return index
        return order[0]  # pragma: no cover - not all can have more than their share


def _score(key: str, sticky: bytes, weight: float) -> float:
    digest = blake2b(sticky, digest_size=8, key=key.encode()[:64]).digest()
    # Weighted rendezvous (Schindelhauer and Schomaker, 2005).
    part = (int.from_bytes(digest, "big") + 1) / (_SPAN + 1)
    return weight / -math.log(part) if part < 1 else math.inf
