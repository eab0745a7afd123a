"""What workers count, told apart by the value of a label."""

from collections.abc import Iterable

from lukhas.analytics.alerts.delta_metrics import (
    LIMITED_LABELS,
    REQUEST_LABELS,
    SHED_LABELS,
    UPSTREAM_LABELS,
)
from lukhas.telemetry.deltas import Delta

__all__ = ("split_by_label",)

_TABLES = (
    ("requests", REQUEST_LABELS),
    ("limited", LIMITED_LABELS),
    ("shed", SHED_LABELS),
    ("upstream_errors", UPSTREAM_LABELS),
)


def split_by_label(counts: Iterable[Delta], label: str) -> dict[str, Delta]:
    """The counts by the value of a label, that with the most first.

    Counts that do not have the label are in none of them.
    """
    parts: dict[str, Delta] = {}
    weights: dict[str, int] = {}
    for delta in counts:
        for field, names in _TABLES:
            if label in names:
                place = names.index(label)
                for labels, number in getattr(delta, field).items():
                    value = labels[place]
                    table = getattr(_part(parts, value), field)
                    table[labels] = table.get(labels, 0) + number
                    weights[value] = weights.get(value, 0) + number
        if label == "stage":
            for value, number in delta.contained.items():
                table = _part(parts, value).contained
                table[value] = table.get(value, 0) + number
                weights[value] = weights.get(value, 0) + number
        if label == "route":
            for value, sketch in delta.latencies.items():
                _part(parts, value).merge(Delta(latencies={value: sketch}))
    return dict(sorted(parts.items(), key=lambda item: (-weights.get(item[0], 0), item[0])))


def _part(parts: dict[str, Delta], value: str) -> Delta:
    found = parts.get(value)
    if found is None:
        found = parts[value] = Delta()
    return found
