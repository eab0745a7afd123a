"""What the failed requests have in common, that others have not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from lukhas.policy.insights.confidence import differs
from lukhas.policy.insights.records import Change, Insight, figure

__all__ = ("ErrorRules", "Outcomes", "error_clusters")

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Requests that share all their labels.

    Attributes:
        labels: name and value of each, in one order throughout.
        requests: how many.
        errors: of these, answered with 5xx.
    """

    labels: Labels
    requests: int
    errors: int


@dataclass(frozen=True, slots=True)
class ErrorRules:
    """From when on errors are a cluster.

    Attributes:
        least_errors: fewer say nothing.
        least_share: what it must hold of all errors.
        factor: how many times as often its requests must fail as all others do.
        least_ratio: what fails more seldom is not told.
        least_confidence: what is less sure is not told.
        most: how many are told.
    """

    least_errors: int = 20
    least_share: float = 0.3
    factor: float = 4.0
    least_ratio: float = 0.01
    least_confidence: float = 0.99
    most: int = 3


@dataclass(frozen=True, slots=True)
class _Group:
    labels: Labels
    requests: int
    errors: int
    confidence: float
    other_ratio: float

    @property
    def ratio(self) -> float:
        return self.errors / self.requests


def error_clusters(
    outcomes: Sequence[Outcomes],
    rules: ErrorRules,
    *,
    bursts: Mapping[str, tuple[int, int]],
    stale_if_error_s: int,
) -> list[Insight]:
    """Findings about values, and pairs of values, that failed requests share.

    What is told is taken out before the next is looked for, so one fault is told once.

    Args:
        outcomes: all requests of the window.
        rules: from when on.
        bursts: by route, how many of its errors fell into its worst stretch, and the length of
            that stretch in seconds.
        stale_if_error_s: the setting.
    """
    found: list[Insight] = []
    rest = list(outcomes)
    everything = sum(each.errors for each in outcomes)
    while len(found) < rules.most:
        best = _best(rest, everything, rules)
        if best is None:
            break
        found.append(_insight(best, everything, bursts, stale_if_error_s))
        wanted = set(best.labels)
        rest = [each for each in rest if not wanted <= set(each.labels)]
    return found


def _best(outcomes: Sequence[Outcomes], everything: int, rules: ErrorRules) -> _Group | None:
    """The group that holds the most errors; of two that hold as many the smaller one."""
    requests: Counter[Labels] = Counter()
    errors: Counter[Labels] = Counter()
    for each in outcomes:
        singles = [(label,) for label in each.labels]
        for key in (*singles, *combinations(each.labels, 2)):
            requests[key] += each.requests
            errors[key] += each.errors
    all_requests = sum(each.requests for each in outcomes)
    all_errors = sum(each.errors for each in outcomes)
    best: tuple[tuple[float, float, int], _Group] | None = None
    for key, failed in errors.items():
        if failed < max(rules.least_errors, rules.least_share * everything):
            continue
        asked = requests[key]
        others, others_failed = all_requests - asked, all_errors - failed
        other_ratio = others_failed / others if others else 0.0
        confidence = differs(failed, asked, others_failed, others)
        group = _Group(key, asked, failed, confidence, other_ratio)
        if group.ratio < max(rules.least_ratio, rules.factor * other_ratio):
            continue
        if confidence < rules.least_confidence:
            continue
        # Errors that it explains beyond what its size does: many, and hardly anything else in it.
        order = (failed - asked * other_ratio) * group.ratio**0.5
        rank = (order, group.ratio, -len(key))
        if best is None or rank > best[0]:
            best = (rank, group)
    return None if best is None else best[1]


def _insight(
    group: _Group, everything: int, bursts: Mapping[str, tuple[int, int]], stale_if_error_s: int
) -> Insight:
    values = dict(group.labels)
    route = values.get("route", "")
    said = " and ".join(f"{name} {value}" for name, value in group.labels)
    evidence = [
        figure("errors", group.errors, "requests"),
        figure("requests", group.requests, "requests"),
        figure("error ratio", group.ratio, "ratio"),
        figure("error ratio of all others", group.other_ratio, "ratio"),
        figure("share of all errors", group.errors / everything, "ratio"),
    ]
    burst = bursts.get(route)
    if burst is not None:
        evidence.append(figure(f"errors in its worst {burst[1] // 60} min", burst[0], "requests"))
    may_stand_in = values.get("method", "GET") in {"GET", "HEAD"} and not stale_if_error_s
    stale = "" if not may_stand_in else " A stale answer can stand in, where one is stored."
    return Insight(
        kind="error-cluster",
        about="+".join(f"{name}={value}" for name, value in group.labels),
        title=f"{group.errors / everything:.0%} of all errors have {said}: {group.ratio:.1%} of "
        f"these requests fail, {group.other_ratio:.1%} of all others",
        evidence=tuple(evidence),
        impact=f"{group.errors} requests failed.",
        confidence=group.confidence,
        proposal="Look at the records of failed requests (lukhas explain, /requests). What they "
        f"share is where to look, and need not be the cause.{stale}",
        weight=float(group.errors),
        changes=(Change("cache.stale_if_error_s", "300", "0"),) if may_stand_in else (),
        route=route,
    )
