"""Answers that take a while to make, kept for a while, and made once however many ask."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from lukhas.clock import Clock
from lukhas.units import SECOND_NS

__all__ = ("KeptAnswers",)

_T = TypeVar("_T")


class KeptAnswers(Generic[_T]):
    """Keeps the last answers.

    Args:
        clock: the time.
        most: how many different questions are remembered.
    """

    def __init__(self, clock: Clock, *, most: int = 16) -> None:
        self._clock = clock
        self._most = most
        self._answers: OrderedDict[Hashable, tuple[int, _T]] = OrderedDict()
        self._turn = asyncio.Lock()

    async def get(
        self, question: Hashable, make: Callable[[], Awaitable[_T]], *, fresh_s: float
    ) -> _T:
        """The answer, made now unless there is one that is not older than `fresh_s`.

        Only one is made at a time. A failure is passed on and not kept.
        """
        kept = self._kept(question, fresh_s)
        if kept is not None:
            return kept[1]
        async with self._turn:
            kept = self._kept(question, fresh_s)
            if kept is None:
                kept = (self._clock.now_ns(), await make())
                self._answers[question] = kept
                self._answers.move_to_end(question)
                if len(self._answers) > self._most:
                    self._answers.popitem(last=False)
            return kept[1]

    def _kept(self, question: Hashable, fresh_s: float) -> tuple[int, _T] | None:
        kept = self._answers.get(question)
        if kept is None or self._clock.now_ns() - kept[0] > fresh_s * SECOND_NS:
            return None
        return kept
