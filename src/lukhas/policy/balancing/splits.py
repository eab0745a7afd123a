"""Which part of the requests goes to which upstream: canaries, and mirrors."""

from collections.abc import Sequence
from hashlib import blake2b

__all__ = ("chosen_share", "place_of")

_SPAN = float(1 << 64)


def place_of(salt: str, caller: bytes) -> float:
    """Where a caller stands, from 0 to 1, 1 not included: the same for the same salt, everywhere.

    Args:
        salt: tells one split from another, so that not the same callers are always first.
        caller: who it is, such as the key of a consumer.
    """
    digest = blake2b(caller, digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest, "big") / _SPAN


def chosen_share(weights: Sequence[float], place: float) -> int:
    """The index of the part that a place falls into.

    Args:
        weights: of the parts, at least one of them above 0.
        place: from 0 to 1. A caller whose place stays the same only moves when weights do, and
            only from a part that shrinks to one that grows.

    Raises:
        ValueError: no weight is above 0.
    """
    total = sum(weights)
    if total <= 0:
        raise ValueError("no part has a weight above 0")
    left = min(max(place, 0.0), 1.0) * total
    last = 0
    for index, weight in enumerate(weights):
        if weight > 0:
            last = index
            if left < weight:
                return index
            left -= weight
    return last
