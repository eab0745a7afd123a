"""What stands on the shelves of a node's file, for people."""

from dataclasses import dataclass
from heapq import nlargest

from lukhas.storage.entries import StoredResponse
from lukhas.storage.node_entry_file import NodeEntryFile

__all__ = ("MOST_LOOKED_AT", "ListedEntry", "largest_entries")

MOST_LOOKED_AT = 20_000
"""Entries that are looked at, the newest first: it takes some milliseconds, and no longer."""


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """A stored response and what it takes.

    Attributes:
        response: the response; its body is not read where it is a file.
        taken_bytes: what it takes on disk, about.
    """

    response: StoredResponse
    taken_bytes: int


def largest_entries(file: NodeEntryFile, most: int) -> list[ListedEntry]:
    """The largest of the newest entries, the largest first; what is damaged is left out.

    Args:
        file: opened in this process.
        most: how many.

    Raises:
        StoreError: the file cannot be read.
    """
    listed = []
    with file.reading() as transaction:
        placed = file.newest(transaction, MOST_LOOKED_AT)
        for one in nlargest(most, placed, key=lambda each: each.taken_bytes):
            found = file.load(transaction, one.key)
            if found is not None and found.serial == one.serial:
                response = found.known.response((*found.known.resource, ""))
                listed.append(ListedEntry(response, one.taken_bytes))
    return listed
