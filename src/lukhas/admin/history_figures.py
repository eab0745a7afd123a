"""The shapes of what the history API answers."""

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from lukhas.analytics.figures import Figures
from lukhas.analytics.questions import Answer
from lukhas.telemetry.leaders import Leaders

__all__ = (
    "CallersAnswer",
    "LiveFigures",
    "LiveRoute",
    "Ranked",
    "SeriesAnswer",
    "SeriesGroup",
    "StepValues",
    "TopAnswer",
    "WindowFigures",
    "ranked_groups",
    "ranked_leaders",
    "series_answer",
    "window_figures",
)


_QUANTILES = (0.5, 0.95, 0.99)


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WindowFigures(_Shape):
    """Figures over a stretch of time; quantiles and ratios are null where nothing is known."""

    requests: int
    requests_per_s: float
    errors: int = Field(description="Answers with 5xx.")
    limited: int = Field(description="Refused by a limit.")
    hit_ratio: float | None = Field(description="Hits among those the cache may answer.")
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    mean_ms: float | None
    bytes_out: int


class StepValues(_Shape):
    """One value a step in each list, as many as there are `times_s`."""

    requests: list[int]
    errors: list[int]
    limited: list[int]
    hit_ratio: list[float | None]
    p50_ms: list[float | None]
    p95_ms: list[float | None]
    p99_ms: list[float | None]
    bytes_out: list[int]


class SeriesGroup(_Shape):
    """The figures of one group."""

    labels: dict[str, str] = Field(description="Empty where there is no grouping.")
    total: WindowFigures
    values: StepValues


class SeriesAnswer(_Shape):
    """The figures of a window, in steps."""

    from_s: int = Field(description="Unix time; may lie before what was asked for.")
    to_s: int = Field(description="The first second after the window.")
    step_s: int
    times_s: list[int] = Field(description="Where each step begins.")
    groups: list[SeriesGroup] = Field(description="The busiest first.")
    groups_left_out: int = Field(description="How many there are beyond `most`.")


class Ranked(_Shape):
    """One of the busiest."""

    key: str
    requests: int
    share: float = Field(description="Of all requests in the window.")
    errors: int
    limited: int
    hit_ratio: float | None = Field(None, description="Null for consumers and user agents.")
    p95_ms: float | None = Field(None, description="Null for consumers and user agents.")


class TopAnswer(_Shape):
    """The busiest of a window."""

    from_s: int
    to_s: int
    by: str
    rows: list[Ranked]
    rest_requests: int = Field(description="Requests of all that are not in `rows`.")
    missed_at_most: int = Field(description="By how many requests a key may be counted too low.")


class CallersAnswer(_Shape):
    """How many different consumers there were."""

    from_s: int
    to_s: int
    unique: int
    exact: bool = Field(description="Else it is an estimate, within 1.6 % (standard error).")


class LiveRoute(_Shape):
    """One route in the last second."""

    route: str
    requests: int
    errors: int
    p95_ms: float | None


class LiveFigures(_Shape):
    """The last second that was written."""

    time_s: int
    figures: WindowFigures
    routes: list[LiveRoute] = Field(description="The busiest first, at most 50.")


def window_figures(figures: Figures, seconds: int) -> WindowFigures:
    """Figures as they are answered."""
    p50_ms, p95_ms, p99_ms = figures.quantiles_ms(_QUANTILES)
    return WindowFigures(
        requests=figures.requests,
        requests_per_s=figures.requests / max(seconds, 1),
        errors=figures.errors,
        limited=figures.limited,
        hit_ratio=figures.hit_ratio,
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        p99_ms=p99_ms,
        mean_ms=figures.mean_ms,
        bytes_out=figures.bytes_out,
    )


def series_answer(answer: Answer, group_by: tuple[str, ...], most: int) -> SeriesAnswer:
    """An answer as it is given."""
    times_s = list(range(answer.from_s, answer.to_s, answer.step_s))
    nothing = Figures()
    groups = []
    for group in answer.groups[:most]:
        steps = [group.steps.get(time_s, nothing) for time_s in times_s]
        groups.append(
            SeriesGroup(
                labels=dict(zip(group_by, group.labels, strict=True)),
                total=window_figures(group.total, answer.to_s - answer.from_s),
                values=_values(steps),
            )
        )
    return SeriesAnswer(
        from_s=answer.from_s,
        to_s=answer.to_s,
        step_s=answer.step_s,
        times_s=times_s,
        groups=groups,
        groups_left_out=max(0, len(answer.groups) - most),
    )


def _values(steps: list[Figures]) -> StepValues:
    quantiles_ms = [figures.quantiles_ms(_QUANTILES) for figures in steps]
    p50_ms, p95_ms, p99_ms = ([each[at] for each in quantiles_ms] for at in range(3))
    return StepValues(
        requests=[figures.requests for figures in steps],
        errors=[figures.errors for figures in steps],
        limited=[figures.limited for figures in steps],
        hit_ratio=[figures.hit_ratio for figures in steps],
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        p99_ms=p99_ms,
        bytes_out=[figures.bytes_out for figures in steps],
    )


def ranked_groups(answer: Answer, by: str, *, limit: int) -> TopAnswer:
    """The busiest values of a label."""
    everything = sum(group.total.requests for group in answer.groups)
    rows = [
        Ranked(
            key=group.labels[0],
            requests=group.total.requests,
            share=group.total.requests / max(everything, 1),
            errors=group.total.errors,
            limited=group.total.limited,
            hit_ratio=group.total.hit_ratio,
            p95_ms=group.total.quantile_ms(0.95),
        )
        for group in answer.groups[:limit]
    ]
    return _top(rows, by, everything, (answer.from_s, answer.to_s), missed=0)


def ranked_leaders(leaders: Leaders, by: str, *, window: tuple[int, int], limit: int) -> TopAnswer:
    """The busiest consumers or user agents."""
    everything = leaders.total().requests
    order: Callable[[str], tuple[int, str]] = lambda key: (-leaders.tallies[key].requests, key)  # noqa: E731
    rows = [
        Ranked(
            key=key,
            requests=leaders.tallies[key].requests,
            share=leaders.tallies[key].requests / max(everything, 1),
            errors=leaders.tallies[key].errors,
            limited=leaders.tallies[key].limited,
        )
        for key in sorted(leaders.tallies, key=order)[:limit]
    ]
    return _top(rows, by, everything, window, missed=leaders.missed)


def _top(
    rows: list[Ranked], by: str, everything: int, window: tuple[int, int], *, missed: int
) -> TopAnswer:
    return TopAnswer(
        from_s=window[0],
        to_s=window[1],
        by=by,
        rows=rows,
        rest_requests=everything - sum(row.requests for row in rows),
        missed_at_most=missed,
    )
