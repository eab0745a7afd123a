"""What was counted since some moment: adding two of them gives what both have counted."""

from collections.abc import Hashable
from typing import TypeVar

import msgspec

from lukhas.telemetry.histograms import LatencySketch

__all__ = (
    "Delta",
    "LimitedLabels",
    "NearLabels",
    "RequestLabels",
    "ShedLabels",
    "UpstreamErrorLabels",
)

RequestLabels = tuple[str, str, str, str, str]
"""Route template, method, status class, tier, cache result."""
LimitedLabels = tuple[str, str, str]
"""Policy, tier, mode (`enforce` or `shadow`)."""
ShedLabels = tuple[str, str]
"""Tier, mode (`enforce` or `shadow`)."""
NearLabels = tuple[str, str]
"""Policy, tier."""
UpstreamErrorLabels = tuple[str, str]
"""Upstream, kind (`connect`, `timeout`, `protocol` or `other`)."""

_Labels = TypeVar("_Labels", bound=Hashable)


class Delta(msgspec.Struct, array_like=True):
    """Counters and latencies over some stretch of time.

    Attributes:
        requests: finished requests.
        latencies: durations by route template.
        limited: requests over a limit, refused or (in shadow mode) only noted.
        refusals: requests refused, by stage.
        contained: failures of a stage that were contained, by stage.
        upstream_errors: failed tries at an upstream, also those that a retry made good.
        bytes_out: bytes of response bodies.
        aborted: responses that were cut off before their end.
        overflowed: requests whose route label became `other` because there were too many.
        shed: requests refused, or (in shadow mode) only noted, because an upstream was overloaded.
        near: requests that passed and left less than a fifth of a limit.
    """

    requests: dict[RequestLabels, int] = msgspec.field(default_factory=dict)
    latencies: dict[str, LatencySketch] = msgspec.field(default_factory=dict)
    limited: dict[LimitedLabels, int] = msgspec.field(default_factory=dict)
    refusals: dict[str, int] = msgspec.field(default_factory=dict)
    contained: dict[str, int] = msgspec.field(default_factory=dict)
    upstream_errors: dict[UpstreamErrorLabels, int] = msgspec.field(default_factory=dict)
    bytes_out: int = 0
    aborted: int = 0
    overflowed: int = 0
    shed: dict[ShedLabels, int] = msgspec.field(default_factory=dict)
    near: dict[NearLabels, int] = msgspec.field(default_factory=dict)

    def merge(self, other: "Delta") -> None:
        """Adds what another delta has counted; exact, in any order."""
        _add(self.requests, other.requests)
        _add(self.limited, other.limited)
        _add(self.near, other.near)
        _add(self.refusals, other.refusals)
        _add(self.contained, other.contained)
        _add(self.upstream_errors, other.upstream_errors)
        _add(self.shed, other.shed)
        self.bytes_out += other.bytes_out
        self.aborted += other.aborted
        self.overflowed += other.overflowed
        for route, sketch in other.latencies.items():
            known = self.latencies.get(route)
            if known is None:
                self.latencies[route] = sketch.copy()
            else:
                known.merge(sketch)

    @property
    def request_count(self) -> int:
        """The number of finished requests."""
        return sum(self.requests.values())

    def latency(self) -> LatencySketch:
        """The durations of all routes together."""
        together = LatencySketch()
        for sketch in self.latencies.values():
            together.merge(sketch)
        return together


def _add(counts: dict[_Labels, int], more: dict[_Labels, int]) -> None:
    for labels, number in more.items():
        counts[labels] = counts.get(labels, 0) + number
