"""What the series of a block add up to, by group; kept, since the same is asked again and again."""

from threading import Lock

from lukhas.analytics.figures import Figures
from lukhas.analytics.levels import FIVE_MINUTES_S
from lukhas.analytics.packing import points_of
from lukhas.analytics.questions import Question
from lukhas.analytics.series_book import SeriesBook
from lukhas.telemetry.series import SeriesLabels

__all__ = ("BlockSums", "Group", "Grouping", "Sums")

Group = tuple[str, ...]
"""The values of the labels that a question groups by."""

Sums = dict[Group, Figures]
"""The figures of each group."""

_Key = tuple[int, int, Group, frozenset[tuple[str, frozenset[str]]]]


class Grouping:
    """Which series count for a question, and in which group.

    Args:
        book: the numbers of the series.
        question: what is asked.

    Attributes:
        question: what is asked.
        missed: whether a number came up that the book does not know. Another process may have
            given it just now; it counts as soon as this one has read of it.
    """

    __slots__ = ("_book", "_groups", "missed", "question")

    def __init__(self, book: SeriesBook, question: Question) -> None:
        self.question = question
        self.missed = False
        self._book = book
        self._groups: dict[int, tuple[SeriesLabels, Group] | None] = {}

    def of(self, number: int) -> tuple[SeriesLabels, Group] | None:
        """The labels of a series, and its group; None for what does not count."""
        if number not in self._groups:
            self._groups[number] = self._found(number)
        return self._groups[number]

    def _found(self, number: int) -> tuple[SeriesLabels, Group] | None:
        if not self._book.knows(number):
            self.missed = True
            return None
        labels = self._book.labels(number)
        only = self.question.only
        if not all(getattr(labels, name) in values for name, values in only.items()):
            return None
        return labels, tuple(getattr(labels, name) for name in self.question.group_by)


class BlockSums:
    """Sums of blocks; may be asked in several threads.

    Blocks of five minutes and more do not change once they are there, so their sums are kept, the
    newest of them: of a day by the hour, one hour is new where a page asks the next time.

    Args:
        most: how many figures of groups are kept, of some kilobytes each.
    """

    def __init__(self, *, most: int = 2000) -> None:
        self._most = most
        self._sums: dict[_Key, Sums] = {}
        self._size = 0
        self._lock = Lock()

    def of(self, level: int, start_s: int, content: bytes, grouping: Grouping) -> Sums:
        """The sums of a block, not to be changed.

        Args:
            level: seconds of the block.
            start_s: the first of them.
            content: as `pack_block` made it.
            grouping: what is asked.
        """
        question = grouping.question
        key = (level, start_s, question.group_by, frozenset(question.only.items()))
        sums = self._sums.get(key)
        if sums is None:
            sums = _summed(content, grouping)
            if level >= FIVE_MINUTES_S and not grouping.missed:
                self._keep(key, sums)
        return sums

    def _keep(self, key: _Key, sums: Sums) -> None:
        with self._lock:
            if key in self._sums or _size(sums) > self._most:
                return
            self._sums[key] = sums
            self._size += _size(sums)
            while self._size > self._most:
                self._size -= _size(self._sums.pop(next(iter(self._sums))))


def _size(sums: Sums) -> int:
    # A block in which nothing counts takes up room as well.
    return len(sums) + 1


def _summed(content: bytes, grouping: Grouping) -> Sums:
    sums: Sums = {}
    durations: dict[Group, list[bytes]] = {}
    for number, requests, bytes_out, latency in points_of(content):
        found = grouping.of(number)
        if found is None:
            continue
        labels, group = found
        figures = sums.get(group)
        if figures is None:
            figures = sums[group] = Figures()
            durations[group] = []
        figures.count(labels, requests, bytes_out)
        durations[group].append(latency)
    for group, packed in durations.items():
        sums[group].add_all_packed(packed)
    return sums
