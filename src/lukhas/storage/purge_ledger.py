"""The last purges, by number: whether what was asked for before them may still be stored."""

from collections import OrderedDict

from lukhas.policy.caching.keys import ResourceKey
from lukhas.policy.caching.purges import Purge
from lukhas.policy.caching.tags import Tags

__all__ = ("MAX_NARROW_PURGES", "PurgeLedger")

MAX_NARROW_PURGES = 4096
"""Resources and tags whose last purge is told apart; older ones count as one for everything."""


class PurgeLedger:
    """Remembers purges; a ticket is the number of the last one before something was asked for.

    Attributes:
        sequence: the number of the last purge.
    """

    __slots__ = ("_floor", "_invalidated", "sequence")

    def __init__(self) -> None:
        self.sequence = 0
        self._floor = 0
        self._invalidated: OrderedDict[ResourceKey | str, int] = OrderedDict()

    def note(self, purge: Purge, sequence: int) -> None:
        """Remembers a purge.

        Args:
            purge: what it took.
            sequence: its number, higher than those before.
        """
        self.sequence = sequence
        invalidated = self._invalidated
        # A tag may be of another origin than the purge: refusing what it need not refuse is safe.
        narrow = purge.resource if purge.resource is not None else purge.tag
        if narrow is None:
            self.forget(sequence)
            return
        invalidated[narrow] = sequence
        invalidated.move_to_end(narrow)
        if len(invalidated) > MAX_NARROW_PURGES:
            _, self._floor = invalidated.popitem(last=False)

    def forget(self, sequence: int) -> None:
        """Takes everything asked for before this number as purged: what happened is not known."""
        self.sequence = self._floor = sequence
        self._invalidated.clear()

    def admits(self, resource: ResourceKey, ticket: int, tags: Tags = frozenset()) -> bool:
        """Whether no purge since this ticket was about this resource or these tags."""
        invalidated = self._invalidated
        if ticket < self._floor or ticket < invalidated.get(resource, 0):
            return False
        return not tags or all(ticket >= invalidated.get(tag, 0) for tag in tags)
