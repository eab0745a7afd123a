"""A small bounded map for look-ups on the request path."""

from typing import Generic, TypeVar

__all__ = ("RecentMap",)

K = TypeVar("K")
V = TypeVar("V")


class RecentMap(Generic[K, V]):
    """Keeps what was used recently, at most `capacity` entries, at the price of a dict look-up.

    Two dicts, a young and an old one: a new entry goes into the young one; when that holds half
    of the capacity, it becomes the old one and what was old is dropped. An entry used while old
    becomes young again, so what is in use stays. No entry is ever searched for or moved one by
    one, so a flood of new keys costs nobody else a pause.

    Values are never None.
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, capacity: int) -> None:
        if capacity < 2:
            raise ValueError("a map needs a capacity of 2 or more")
        self._half = capacity // 2
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The value, or None."""
        value = self._young.get(key)
        if value is not None:
            return value
        value = self._old.get(key)
        if value is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Keeps a value; the least recently used half may go."""
        young = self._young
        if len(young) >= self._half and key not in young:
            self._old = young
            young = self._young = {}
        young[key] = value

    def clear(self) -> None:
        """Forgets everything."""
        self._young = {}
        self._old = {}

    def __len__(self) -> int:
        # An entry that became young again is still in the old dict.
        return len(self._young.keys() | self._old.keys())
