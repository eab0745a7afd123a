"""The busiest of many: counts by key in bounded memory, with a bound on what they miss."""

from collections.abc import Mapping

import msgspec

__all__ = ("LEADERS", "Leaders", "Tally")

LEADERS = 1000
"""How many keys are kept."""


class Tally(msgspec.Struct, array_like=True):
    """What one key did.

    Attributes:
        requests: finished requests.
        errors: of these, answered with 5xx.
        limited: of these, refused by a limit.
    """

    requests: int = 0
    errors: int = 0
    limited: int = 0

    def merge(self, other: "Tally") -> None:
        """Adds what another tally has counted."""
        self.requests += other.requests
        self.errors += other.errors
        self.limited += other.limited


class Leaders(msgspec.Struct, array_like=True):
    """Tallies of the busiest keys; exact while there were no more than `LEADERS`.

    When twice as many keys are in, the smaller half goes into `rest`. A key can come back after
    that, so its requests may be counted too low, by at most `missed`; never too high.
    The sum over all keys and `rest` is always exact. Source: Misra and Gries 1982, in batches.

    Attributes:
        tallies: what each key did.
        rest: what keys did that are not kept.
        missed: by how many requests a key may be counted too low.
    """

    tallies: dict[str, Tally] = msgspec.field(default_factory=dict)
    rest: Tally = msgspec.field(default_factory=Tally)
    missed: int = 0

    def add_counts(self, requests: Mapping[str, int]) -> None:
        """Counts requests by key."""
        tallies = self.tallies
        for key, number in requests.items():
            tally = tallies.get(key)
            if tally is None:
                tallies[key] = Tally(number)
            else:
                tally.requests += number

    def merge(self, other: "Leaders") -> None:
        """Adds what others have counted; exact in any order while all keys have room."""
        tallies = self.tallies
        for key, tally in other.tallies.items():
            known = tallies.get(key)
            if known is None:
                tallies[key] = Tally(tally.requests, tally.errors, tally.limited)
            else:
                known.merge(tally)
        self.rest.merge(other.rest)
        self.missed += other.missed
        self.prune()

    def prune(self) -> None:
        """Lets go of the smaller half once there are too many."""
        if len(self.tallies) <= 2 * LEADERS:
            return
        ranked = sorted(self.tallies.items(), key=lambda item: (-item[1].requests, item[0]))
        self.missed += ranked[LEADERS][1].requests
        for _, tally in ranked[LEADERS:]:
            self.rest.merge(tally)
        self.tallies = dict(ranked[:LEADERS])

    def total(self) -> Tally:
        """Everything together, exact."""
        everything = Tally(self.rest.requests, self.rest.errors, self.rest.limited)
        for tally in self.tallies.values():
            everything.merge(tally)
        return everything
