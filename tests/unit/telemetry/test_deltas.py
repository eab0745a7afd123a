"""Deltas add up."""

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.histograms import LatencySketch


def delta(number: int) -> Delta:
    sketch = LatencySketch()
    sketch.add(number * 1_000)
    return Delta(
        requests={("/", "GET", "2xx", "free", "hit"): number},
        latencies={"/": sketch},
        limited={("tiers", "free", "enforce"): number},
        shed={("free", "enforce"): number},
        near={("tiers", "free"): number},
        refusals={"limit": number},
        contained={"cache": number},
        upstream_errors={("api", "timeout"): number},
        bytes_out=number,
        aborted=number,
        overflowed=number,
    )


def test_a_merge_adds_every_counter() -> None:
    """Nothing is forgotten when two deltas become one."""
    total = Delta()
    total.merge(delta(2))
    total.merge(delta(3))
    assert total.request_count == 5
    assert total.limited == {("tiers", "free", "enforce"): 5}
    assert total.shed == {("free", "enforce"): 5}
    assert total.near == {("tiers", "free"): 5}
    assert total.refusals == {"limit": 5}
    assert total.contained == {"cache": 5}
    assert total.upstream_errors == {("api", "timeout"): 5}
    assert (total.bytes_out, total.aborted, total.overflowed) == (5, 5, 5)
    assert total.latencies["/"].count == 2


def test_a_merge_leaves_the_other_side_as_it_was() -> None:
    """The sketches of a merged delta are copies."""
    first, second = Delta(), delta(1)
    first.merge(second)
    first.merge(delta(4))
    assert second == delta(1)


def test_latency_is_that_of_all_routes() -> None:
    """The sketches of the routes are merged."""
    total = delta(1)
    total.latencies["/b"] = delta(9).latencies["/"]
    assert total.latency().total_ns == 10_000
