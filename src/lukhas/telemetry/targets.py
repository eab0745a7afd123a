"""The servers of the upstreams as workers see them, and as all of them together do."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from lukhas.policy.resilience.standings import STANDINGS, Standing

__all__ = ("NodeTarget", "TargetReport", "together")


class TargetReport(msgspec.Struct, array_like=True, frozen=True):
    """What one worker knows of one server.

    Attributes:
        upstream: the name of its upstream.
        address: its normal form, such as `http://10.0.0.5:9000`.
        standing: whether it gets requests, and if not, why.
        weight: how much of the requests it is to get, in relation to the others.
        in_flight: requests under way.
        connections: open connections.
        latency_ns: its moving average; 0 where it is not known.
        answers: requests that it answered since the worker began, probes included.
        faults: how many of these with 5xx.
        failures: requests that it did not answer.
        out_until_ns: until when it is left out, if it is.
    """

    upstream: str
    address: str
    standing: Standing
    weight: int = 1
    in_flight: int = 0
    connections: int = 0
    latency_ns: float = 0.0
    answers: int = 0
    faults: int = 0
    failures: int = 0
    out_until_ns: int = 0


@dataclass(frozen=True, slots=True)
class NodeTarget:
    """What all workers together know of one server.

    Attributes:
        standings: how many workers see it so, the best first; each judges by itself.
        worst: the worst of these.
        report: sums over the workers; the latency is their mean, by answers; `out_until_ns` is the
            latest.
    """

    standings: dict[Standing, int]
    worst: Standing
    report: TargetReport


def together(reports: Iterable[TargetReport]) -> list[NodeTarget]:
    """One entry for each server, in the order in which they first appear."""
    found: dict[tuple[str, str], list[TargetReport]] = {}
    for report in reports:
        found.setdefault((report.upstream, report.address), []).append(report)
    return [_summed(each) for each in found.values()]


def _summed(reports: list[TargetReport]) -> NodeTarget:
    counts = {name: sum(each.standing == name for each in reports) for name in STANDINGS}
    standings = {name: number for name, number in counts.items() if number}
    worst = next(name for name in reversed(STANDINGS) if name in standings)
    # One answer more than there were, so that a first failure has a weight too.
    timed = [(each.latency_ns, each.answers + 1) for each in reports if each.latency_ns]
    answers = sum(number for _, number in timed)
    latency_ns = sum(each * number for each, number in timed) / answers if answers else 0.0
    last = reports[-1]
    report = TargetReport(
        upstream=last.upstream,
        address=last.address,
        standing=worst,
        weight=last.weight,
        in_flight=sum(each.in_flight for each in reports),
        connections=sum(each.connections for each in reports),
        latency_ns=latency_ns,
        answers=sum(each.answers for each in reports),
        faults=sum(each.faults for each in reports),
        failures=sum(each.failures for each in reports),
        out_until_ns=max(each.out_until_ns for each in reports),
    )
    return NodeTarget(standings, worst, report)
