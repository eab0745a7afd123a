"""Requests that a lifetime would have let the cache answer: how many, for which addresses."""

import hashlib

import msgspec

__all__ = ("RepeatLog", "RouteTally")

_MOST_ROUTES = 200


class RouteTally(msgspec.Struct, array_like=True):
    """Such requests of one route over some stretch of time.

    Attributes:
        requests: how many.
        addresses: 64-bit hashes of the addresses that they asked for.
        unseen: of the requests, those whose addresses are not among these, since there were too
            many; each may have asked for another one.
    """

    requests: int = 0
    addresses: set[int] = msgspec.field(default_factory=set)
    unseen: int = 0

    def merge(self, other: "RouteTally") -> None:
        """Adds other requests."""
        self.requests += other.requests
        self.addresses |= other.addresses
        self.unseen += other.unseen


class RepeatLog:
    """Collects them in one process between two reports; for one thread.

    A request costs a look into a dict and into a set. Addresses are hashed when they are handed
    over, each once, and never more than `most` of them, so that this takes a millisecond or so.

    Args:
        most: how many different addresses are told apart between two reports, of all routes.
    """

    __slots__ = ("_most", "_room", "_routes", "_unseen")

    def __init__(self, *, most: int = 1000) -> None:
        self._most = most
        self._room = most
        self._routes: dict[str, dict[tuple[bytes, ...], int]] = {}
        self._unseen: dict[str, int] = {}

    def note(self, route: str, address: tuple[bytes, ...]) -> None:
        """Takes a request.

        Args:
            route: the template; requests of more than 200 are not counted at all.
            address: what tells one address from another.
        """
        addresses = self._routes.get(route)
        if addresses is None:
            if len(self._routes) >= _MOST_ROUTES:
                return
            addresses = self._routes[route] = {}
        if address in addresses:
            addresses[address] += 1
        elif self._room:
            self._room -= 1
            addresses[address] = 1
        else:
            self._unseen[route] = self._unseen.get(route, 0) + 1

    def drain(self) -> dict[str, RouteTally]:
        """What was collected since the last time, by route."""
        routes, self._routes = self._routes, {}
        unseen, self._unseen = self._unseen, {}
        self._room = self._most
        return {
            route: RouteTally(
                sum(addresses.values()) + unseen.get(route, 0),
                set(map(_hash, addresses)),
                unseen.get(route, 0),
            )
            for route, addresses in routes.items()
        }


def _hash(address: tuple[bytes, ...]) -> int:
    # The same in every process, which the built-in hash is not.
    joined = b"\0".join(address)
    return int.from_bytes(hashlib.blake2b(joined, digest_size=8).digest())
