"""Counts told apart by a label."""

import pytest

from lukhas.analytics.alerts.delta_split import split_by_label
from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.histograms import LatencySketch


def counts() -> list[Delta]:
    sketch = LatencySketch()
    sketch.add_many([1_500_000])
    one = Delta(
        requests={("/a", "GET", "2xx", "free", "hit"): 2, ("/b", "GET", "5xx", "basic", "miss"): 5},
        latencies={"/a": sketch},
        limited={("p", "free", "enforce"): 3},
        shed={("basic", "enforce"): 8},
        contained={"cache": 5},
        upstream_errors={("main", "timeout"): 6},
    )
    two = Delta(
        requests={("/a", "GET", "2xx", "free", "hit"): 7},
        latencies={"/a": sketch},
        contained={"cache": 1, "limit": 9},
        upstream_errors={("main", "connect"): 1, ("copy", "connect"): 2},
    )
    return [one, two]


@pytest.mark.parametrize(
    ("label", "field", "wanted"),
    [
        ("route", "requests", {"/a": 9, "/b": 5}),
        ("tier", "requests", {"basic": 5, "free": 9}),
        ("tier", "limited", {"free": 3, "basic": 0}),
        ("tier", "shed", {"free": 0, "basic": 8}),
        ("upstream", "upstream_errors", {"main": 7, "copy": 2}),
        ("kind", "upstream_errors", {"timeout": 6, "connect": 3}),
        ("stage", "contained", {"limit": 9, "cache": 6}),
        ("nothing", "requests", {}),
    ],
)
def test_each_value_has_its_own_counts(label: str, field: str, wanted: dict[str, int]) -> None:
    """Over all that were given, that with the most first."""
    found = split_by_label(counts(), label)
    assert {value: sum(getattr(part, field).values()) for value, part in found.items()} == wanted
    if field not in {"limited", "shed"}:
        assert list(found) == list(wanted)


def test_durations_go_with_their_route() -> None:
    """And what is split stays as it was."""
    given = counts()
    found = split_by_label(given, "route")
    assert found["/a"].latencies["/a"].count == 2
    assert given[0].latencies["/a"].count == 1
    assert found["/b"].latencies == {}
