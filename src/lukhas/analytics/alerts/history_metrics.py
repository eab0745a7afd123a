"""The metrics of rules, out of the figures of the history."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from lukhas.analytics.figures import Figures
from lukhas.analytics.questions import LABELS
from lukhas.policy.alerting.conditions import Filters

__all__ = ("figures_value", "is_in_history", "is_only_in_history", "only_for")

# Workers do not report these by request for the live figures.
_ONLY_STORED = frozenset(("upstream", "tenant"))

_Read = Callable[[Figures], float | None]


def is_in_history(metric: str, filters: Filters, *, split_by: str = "") -> bool:
    """Whether the history knows a metric by these labels."""
    named = {name for name, _ in filters} | ({split_by} if split_by else set())
    return metric in _READERS and named <= set(LABELS)


def is_only_in_history(metric: str, filters: Filters, *, split_by: str = "") -> bool:
    """Whether memory does not know a metric by these labels."""
    named = {name for name, _ in filters} | {split_by}
    return metric in _READERS and not named.isdisjoint(_ONLY_STORED)


def only_for(metric: str, filters: Filters) -> dict[str, frozenset[str]]:
    """Which requests count for a metric, by label."""
    only = {name: frozenset((value,)) for name, value in filters}
    if metric == "shed":
        only["verdict"] = frozenset(("shed",))
    return only


def figures_value(metric: str, figures: Figures) -> float | None:
    """The value of a metric that is in the history; None if there is none."""
    return _READERS[metric](figures)


def _share(some: int, figures: Figures) -> float | None:
    return some / figures.requests if figures.requests else None


def _quantile_ms(q: float) -> _Read:
    return lambda figures: figures.quantile_ms(q)


_READERS: Mapping[str, _Read] = MappingProxyType(
    {
        "requests": lambda figures: figures.requests,
        "errors": lambda figures: figures.errors,
        "error_ratio": lambda figures: _share(figures.errors, figures),
        "hit_ratio": lambda figures: figures.hit_ratio,
        "p50_ms": _quantile_ms(0.5),
        "p95_ms": _quantile_ms(0.95),
        "p99_ms": _quantile_ms(0.99),
        "limited": lambda figures: figures.limited,
        "limited_ratio": lambda figures: _share(figures.limited, figures),
        "shed": lambda figures: figures.requests,
    }
)
