"""What can be asked of the history, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lukhas.analytics.crowds import Crowd
from lukhas.analytics.figures import Figures
from lukhas.telemetry.series import SeriesLabels

__all__ = ("LABELS", "Answer", "AnswerGroup", "AsksHistory", "Question", "ReadsHistory")

LABELS: tuple[str, ...] = SeriesLabels._fields
"""What can be filtered and grouped by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question about a window of time.

    Attributes:
        from_s: the first second (Unix time).
        to_s: the first second after it.
        step_s: seconds between two values; None for one value over the whole window.
        group_by: names of labels; each combination of their values gets an answer of its own.
        only: values by name of label; only requests that have one of them count.
    """

    from_s: int
    to_s: int
    step_s: int | None = None
    group_by: tuple[str, ...] = ()
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AnswerGroup:
    """The figures of one group.

    Attributes:
        labels: the values that its requests share, in the order of `group_by`.
        total: over the whole window.
        steps: by the first second of each step in which there were requests.
    """

    labels: tuple[str, ...]
    total: Figures
    steps: dict[int, Figures]


@dataclass(frozen=True, slots=True)
class Answer:
    """The figures of a window, which may be a little larger than asked for: whole rows are read.

    Attributes:
        from_s: the first second.
        to_s: the first second after it.
        step_s: seconds between two values.
        groups: the busiest first.
    """

    from_s: int
    to_s: int
    step_s: int
    groups: list[AnswerGroup]


class AsksHistory(Protocol):
    """What alerts and reports need of the history."""

    async def ask(self, question: Question) -> Answer:
        """The figures of a window.

        Raises:
            StoreError: the database does not answer.
        """
        ...


class ReadsHistory(AsksHistory, Protocol):
    """What the admin API needs of the history."""

    async def crowd(self, from_s: int, to_s: int) -> tuple[int, int, Crowd]:
        """The window as it was read, and who called in it.

        Raises:
            StoreError: the database does not answer.
        """
        ...
