"""The number of route labels of a node."""

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.label_bound import MAX_ROUTES, bounded
from lukhas.telemetry.totals import Frame, TotalsByWorker


def delta_of(*routes: str) -> Delta:
    """Two requests of each route, by two methods."""
    delta = Delta(bytes_out=7)
    for route in routes:
        sketch = LatencySketch()
        sketch.add_many([5, 6])
        delta.latencies[route] = sketch
        for method in ("GET", "PUT"):
            delta.requests[route, method, "2xx", "free", "hit"] = 1
    return delta


def test_what_fits_is_left_alone() -> None:
    """Routes that are known take no room."""
    delta = delta_of("/a", "/b", "other")
    assert bounded(delta, {"/b", "other"}, most=2) is delta


def test_further_routes_share_a_label() -> None:
    """They are counted; nothing else of the report changes, and the report itself does not."""
    delta = delta_of("/a", "/b", "/c", "other")
    found = bounded(delta, {"/x", "/c"}, most=3)
    assert set(found.latencies) == {"/a", "/c", "other"}
    assert found.latencies["other"].count == 4
    assert found.requests["other", "GET", "2xx", "free", "hit"] == 2
    assert ("/b", "GET", "2xx", "free", "hit") not in found.requests
    assert (found.request_count, found.bytes_out, found.overflowed) == (8, 7, 2)
    assert set(delta.latencies) == {"/a", "/b", "/c", "other"}
    assert delta.overflowed == 0


def test_workers_that_have_seen_other_routes_keep_it_together() -> None:
    """Each keeps the bound for itself; their sum keeps it too, over reloads as well."""
    totals = TotalsByWorker()
    for worker in range(3):
        routes = [f"/{worker}/{number}" for number in range(MAX_ROUTES)]
        totals.receive(Frame(f"worker-{worker}", 1, 1, delta_of(*routes), {}, []), 1)
    counts = totals.totals(1).counts
    assert len(counts.latencies) == MAX_ROUTES + 1
    assert counts.request_count == 3 * 2 * MAX_ROUTES
    assert counts.overflowed == 2 * 2 * MAX_ROUTES
    again = TotalsByWorker(totals.state())
    again.receive(Frame("worker-9", 2, 1, delta_of("/renamed", "/0/0"), {}, []), 1)
    counts = again.totals(1).counts
    assert "/renamed" not in counts.latencies
    assert counts.latencies["/0/0"].count == 4
