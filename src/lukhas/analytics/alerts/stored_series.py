"""Values out of the history, where memory does not reach back far enough."""

from collections import OrderedDict
from collections.abc import Callable, Mapping

from lukhas.analytics.alerts.history_metrics import (
    figures_value,
    is_in_history,
    is_only_in_history,
    only_for,
)
from lukhas.analytics.alerts.live_series import LiveSeries
from lukhas.analytics.alerts.series_source import SeriesUnavailableError
from lukhas.analytics.figures import Figures
from lukhas.analytics.levels import HOUR_S, LEVELS, MINUTE_S, Retention, ceiled, floored
from lukhas.analytics.questions import Answer, AsksHistory, Question
from lukhas.clock import Clock
from lukhas.errors import StoreError
from lukhas.policy.alerting.conditions import Ask, Series
from lukhas.policy.alerting.metrics import metric_named
from lukhas.units import MINUTE_NS, SECOND_NS

__all__ = ("StoredSeries",)

# An answer by route holds a sketch for each; after a minute nobody asks for it again.
_MOST_ANSWERS = 16

_Key = tuple[int, int, int | None, tuple[str, ...], tuple[tuple[str, frozenset[str]], ...]]


class StoredSeries:
    """Answers from memory what memory knows, and everything else from the history.

    So a restart forgets nothing that the history keeps, and what is looked at every few seconds
    costs no query. A window of an hour or more that memory does not know ends with the last whole
    minute: so it is asked for once a minute.

    What the history does not keep (values of the moment, failures of upstreams and stages) is
    answered by what is remembered of it.

    Args:
        live: the memory.
        history: gives what to ask; None while there is no history.
        clock: the time.
        retention: how long the history keeps what.
    """

    def __init__(
        self,
        live: LiveSeries,
        history: Callable[[], AsksHistory | None],
        *,
        clock: Clock,
        retention: Retention,
    ) -> None:
        self._live = live
        self._history = history
        self._clock = clock
        self._retention = retention
        self._answers: OrderedDict[_Key, Answer] = OrderedDict()
        self._minute = 0

    async def values(self, ask: Ask) -> Series:
        """One value for each step; counts of a window that had to be widened are scaled to it.

        Raises:
            SeriesUnavailableError: the history does not answer.
        """
        history = self._needed(ask)
        if history is None:
            return await self._live.values(ask)
        question = self._question(ask)
        answer = await self._asked(history, ask, question)
        if question.step_s is not None:
            return _stepped(ask, answer)
        figures = answer.groups[0].total if answer.groups else Figures()
        return [self._whole(ask, answer, figures)]

    async def values_by(self, ask: Ask, label: str) -> Mapping[str, Series]:
        """The same by the values of a label, over the whole window.

        Raises:
            SeriesUnavailableError: the history does not answer.
        """
        history = self._needed(ask, label)
        if history is None:
            return await self._live.values_by(ask, label)
        answer = await self._asked(history, ask, self._question(ask, split_by=label))
        return {group.labels[0]: [self._whole(ask, answer, group.total)] for group in answer.groups}

    def _needed(self, ask: Ask, label: str = "") -> AsksHistory | None:
        """The history, where it is to answer; None where memory is."""
        history = self._history()
        if is_only_in_history(ask.metric, ask.filters, split_by=label):
            if history is None:
                raise SeriesUnavailableError(ask.metric, "by this label it needs the history")
            return history
        if not is_in_history(ask.metric, ask.filters, split_by=label):
            return None
        return None if self._live.reaches(ask, by_label=bool(label)) else history

    def _question(self, ask: Ask, *, split_by: str = "") -> Question:
        from_s, to_s = ask.start_ns // SECOND_NS, ask.end_ns // SECOND_NS
        group_by = (split_by,) if split_by else ()
        only = only_for(ask.metric, ask.filters)
        if ask.step_s * SECOND_NS < ask.end_ns - ask.start_ns:
            from_s = max(from_s, self._known_since_s(ask.step_s))
            return Question(
                from_s=from_s, to_s=to_s, step_s=ask.step_s, group_by=group_by, only=only
            )
        if to_s - from_s >= HOUR_S:
            length_s, to_s = to_s - from_s, floored(to_s, MINUTE_S)
            from_s = to_s - length_s
        return Question(from_s=from_s, to_s=to_s, group_by=group_by, only=only)

    def _known_since_s(self, step_s: int) -> int:
        """Since when the history keeps rows that steps of this length can be made of."""
        now_s = self._clock.now_ns() // SECOND_NS
        kept_s = max(self._retention.kept_s(level) for level in LEVELS if step_s % level == 0)
        return ceiled(now_s - kept_s, step_s)

    async def _asked(self, history: AsksHistory, ask: Ask, question: Question) -> Answer:
        only = tuple(sorted(question.only.items()))
        key = (question.from_s, question.to_s, question.step_s, question.group_by, only)
        minute = self._clock.now_ns() // MINUTE_NS
        if minute != self._minute:
            self._answers.clear()
            self._minute = minute
        known = self._answers.get(key)
        if known is not None:
            return known
        try:
            answer = await history.ask(question)
        except StoreError as error:
            raise SeriesUnavailableError(ask.metric, str(error)) from error
        self._answers[key] = answer
        while len(self._answers) > _MOST_ANSWERS:
            self._answers.popitem(last=False)
        return answer

    def _whole(self, ask: Ask, answer: Answer, figures: Figures) -> float | None:
        value = figures_value(ask.metric, figures)
        wanted_s = (ask.end_ns - ask.start_ns) // SECOND_NS
        # Nothing has happened yet in what lies in the future.
        read_s = min(answer.to_s, self._clock.now_ns() // SECOND_NS) - answer.from_s
        if value is None or not _is_count(ask.metric) or read_s <= wanted_s:
            return value
        return value * wanted_s / read_s


def _stepped(ask: Ask, answer: Answer) -> Series:
    """A value for each step; before the first request nothing is known, and then there are none."""
    steps = answer.groups[0].steps if answer.groups else {}
    first_s = min(steps, default=None)
    values: list[float | None] = []
    for start_ns in range(ask.start_ns, ask.end_ns, ask.step_s * SECOND_NS):
        start_s = start_ns // SECOND_NS
        if first_s is None or start_s < first_s:
            values.append(None)
        else:
            values.append(figures_value(ask.metric, steps.get(start_s) or Figures()))
    return values


def _is_count(metric: str) -> bool:
    found = metric_named(metric)
    return found is not None and found.is_count
