"""Consumers that do something else than they used to."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from lukhas.policy.insights.confidence import certainty, differs
from lukhas.policy.insights.records import Insight, figure

__all__ = ("ConsumerRules", "ConsumerUse", "changed_consumers")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerUse:
    """What a consumer did in the window, and in windows of the same length before.

    Attributes:
        consumer: its key.
        requests: finished requests.
        errors: of these, answered with 5xx.
        limited: of these, refused by a limit.
        before: requests in each window before, the oldest first; 0 where there were none.
        errors_before: of these, answered with 5xx.
        missed: by how many requests each of these figures may be too low.
    """

    consumer: str
    requests: int
    errors: int
    limited: int
    before: tuple[int, ...]
    errors_before: int
    missed: int = 0


@dataclass(frozen=True, slots=True)
class ConsumerRules:
    """From when on it is something else.

    Attributes:
        least_requests: what it must have, now or before.
        factor: how many times as much, or as little, as it used to be.
        least_windows: of so many windows before something must be known of somebody.
        error_ratio: of its requests so many must fail for that to be told.
        error_factor: and so many times as many as before.
        others_factor: and so many times as many as of everybody else; else it is not about it.
        least_confidence: what is less sure is not told.
    """

    least_requests: int = 500
    factor: float = 3.0
    least_windows: int = 2
    error_ratio: float = 0.05
    error_factor: float = 5.0
    others_factor: float = 3.0
    least_confidence: float = 0.99


def changed_consumers(
    consumers: Sequence[ConsumerUse], rules: ConsumerRules, *, requests: int, errors: int
) -> list[Insight]:
    """At most one finding for each consumer.

    Args:
        consumers: the busiest, now or before. All have the same number of windows before.
        rules: from when on.
        requests: of everybody in the window.
        errors: of these, answered with 5xx.
    """
    found = (_changed(each, rules, (requests, errors)) for each in consumers)
    return [each for each in found if each is not None]


def _changed(use: ConsumerUse, rules: ConsumerRules, everybody: tuple[int, int]) -> Insight | None:
    if len(use.before) < rules.least_windows:
        return None
    usual = median(use.before)
    most, least = max(use.before), min(use.before)
    low, high = use.requests - use.missed, use.requests + use.missed
    if low >= max(rules.least_requests, rules.factor * use.missed) and not most:
        return _new(use)
    # Above every single window before: who is now and then busy is no news.
    if low >= rules.least_requests and low >= rules.factor * max(most + use.missed, 1):
        return _said(
            use,
            "consumer-grew",
            f"{use.consumer} asks {use.requests / most:.1f} times as much as "
            "in its busiest window before",
            "A limit of its own keeps it from crowding out the others while you ask it why "
            "(`[[limits]]` with `consumers`).",
            usual,
        )
    if least >= rules.least_requests and high * rules.factor <= least:
        return _said(
            use,
            "consumer-shrank",
            f"{use.consumer} asks only {use.requests / least:.0%} of what "
            "it did in its quietest window before",
            "Ask it whether something of yours fails for it: an error, a key that has expired, a "
            "limit.",
            usual,
        )
    return _failing(use, rules, everybody, usual)


def _new(use: ConsumerUse) -> Insight:
    return _said(
        use,
        "consumer-new",
        f"{use.consumer} is new, with {use.requests} requests",
        "Nothing is to be done if it was to come. If not, see which key it uses.",
        0.0,
    )


def _failing(
    use: ConsumerUse, rules: ConsumerRules, everybody: tuple[int, int], usual: float
) -> Insight | None:
    before = sum(use.before)
    if use.requests < rules.least_requests or before < rules.least_requests:
        return None
    ratio, ratio_before = use.errors / use.requests, use.errors_before / before
    if ratio < max(rules.error_ratio, rules.error_factor * ratio_before):
        return None
    others, others_failed = everybody[0] - use.requests, everybody[1] - use.errors
    others_ratio = others_failed / others if others > 0 else 0.0
    if ratio < rules.others_factor * others_ratio:
        return None
    confidence = differs(use.errors, use.requests, use.errors_before, before)
    if confidence < rules.least_confidence:
        return None
    return Insight(
        kind="consumer-fails",
        about=use.consumer,
        title=f"{ratio:.1%} of the requests of {use.consumer} fail, {ratio_before:.1%} before",
        evidence=(
            figure("errors", use.errors, "requests"),
            figure("requests", use.requests, "requests"),
            figure("error ratio before", ratio_before, "ratio"),
            figure("error ratio of everybody else", others_ratio, "ratio"),
            figure("requests in a usual window", usual, "requests"),
        ),
        impact=f"{use.errors} requests of one consumer failed.",
        confidence=confidence,
        proposal="Look at the records of its requests (/requests): what it asks for that others "
        "do not.",
        weight=float(use.errors),
        consumer=use.consumer,
    )


def _said(use: ConsumerUse, kind: str, title: str, proposal: str, usual: float) -> Insight:
    change = abs(use.requests - usual)
    return Insight(
        kind=kind,
        about=use.consumer,
        title=title,
        evidence=(
            figure("requests", use.requests, "requests"),
            figure("requests in a usual window", usual, "requests"),
            figure("windows before", len(use.before), "windows"),
            figure("refused by limits", use.limited, "requests"),
        ),
        impact=f"{change:.0f} requests {'more' if use.requests > usual else 'less'} than usual.",
        confidence=_against_before(use, usual),
        proposal=proposal,
        weight=change,
        consumer=use.consumer,
    )


def _against_before(use: ConsumerUse, usual: float) -> float:
    """How far outside of all windows before it is, by how much these differ among themselves.

    One window more than `n` alike is outside of all of them by chance once in n + 1 times, on
    either side; the spread of requests that come one by one bounds it from the other side.
    """
    windows = len(use.before)
    spread = max(max(use.before) - min(use.before), (usual + use.requests) ** 0.5, 1.0)
    return min(certainty(abs(use.requests - usual) / spread), 1 - 1 / (windows + 1) ** 2)
