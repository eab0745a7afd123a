"""What happens next in a simulation."""

import heapq
from collections.abc import Callable

__all__ = ("Agenda",)


class Agenda:
    """Events by their time; those of the same moment in the order they were entered in."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = 0

    def at(self, when_ns: int, happen: Callable[[int], None]) -> None:
        """Enters an event; it is told the time when it happens."""
        self._order += 1
        heapq.heappush(self._heap, (when_ns, self._order, happen))

    def run(self) -> None:
        """Lets everything happen, and what comes of it."""
        while self._heap:
            now_ns, _order, happen = heapq.heappop(self._heap)
            happen(now_ns)
