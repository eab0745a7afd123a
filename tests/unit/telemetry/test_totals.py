"""Sums over workers."""

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.totals import Frame, TotalsByWorker
from lukhas.units import SECOND_NS

LABELS = ("/", "GET", "2xx", "free", "hit")


def frame(
    worker: str, sequence: int, *, requests: int = 1, started_ns: int = 1, state: str = "ok"
) -> Frame:
    part = PartHealth("cache", "failed" if state == "failed" else "ok")
    gauges = {"requests_in_flight": 2.0, "cache_bytes": 10.0}
    return Frame(worker, started_ns, sequence, Delta(requests={LABELS: requests}), gauges, [part])


def at(second: float) -> int:
    return int(second * SECOND_NS)


def test_counts_and_gauges_are_summed_over_workers() -> None:
    """Two workers count as one node."""
    totals = TotalsByWorker()
    totals.receive(frame("a", 1, requests=2), at(1))
    totals.receive(frame("b", 1, requests=3), at(1))
    now = totals.totals(at(2))
    assert now.counts.request_count == 5
    assert now.gauges == {"requests_in_flight": 4.0, "cache_bytes": 20.0}
    assert now.workers == 2


def test_a_report_that_arrives_twice_counts_once() -> None:
    """A worker sends a report again until it was answered."""
    totals = TotalsByWorker()
    assert totals.receive(frame("a", 1), at(1))
    assert not totals.receive(frame("a", 1), at(2))
    assert totals.totals(at(2)).counts.request_count == 1
    assert totals.workers(at(2))[0].last_seen_ns == at(2)


def test_a_worker_that_was_started_anew_counts_from_one_again() -> None:
    """The start time tells a worker from its successor of the same name."""
    totals = TotalsByWorker()
    totals.receive(frame("a", 5), at(1))
    assert totals.receive(frame("a", 1, started_ns=2), at(2))
    assert totals.totals(at(2)).counts.request_count == 2


def test_a_silent_worker_leaves_health_and_its_counts_stay() -> None:
    """After 3 s without a report."""
    totals = TotalsByWorker()
    totals.receive(frame("dead", 1, state="failed"), at(0))
    totals.receive(frame("alive", 1), at(2))
    assert totals.ready(at(3))
    assert totals.parts(at(3)) == [PartHealth("cache", "failed")]
    assert totals.parts(at(3.1)) == [PartHealth("cache", "ok")]
    assert [worker.name for worker in totals.workers(at(3.1))] == ["alive"]
    assert totals.totals(at(3.1)).gauges["cache_bytes"] == 10.0
    assert not totals.ready(at(5.1))
    assert totals.totals(at(5.1)).counts.request_count == 2


def test_recent_covers_whole_seconds_only() -> None:
    """The second that is not over would make every rate look too low."""
    totals = TotalsByWorker()
    for second in range(100, 105):
        totals.receive(frame("a", second, requests=second - 99), at(second))
    recent = totals.recent(at(104.5), 3)
    assert recent.requests_by_second == (2, 3, 4)
    assert recent.seconds == 3
    assert recent.counts.request_count == 9


def test_recent_is_shorter_soon_after_the_start() -> None:
    """A mean over seconds before the first report would be too low."""
    totals = TotalsByWorker()
    assert totals.recent(at(100), 60).requests_by_second == (0,)
    totals.receive(frame("a", 1, requests=8), at(100))
    assert totals.recent(at(100.9), 60).seconds == 1
    assert totals.recent(at(102), 60).requests_by_second == (8, 0)


def test_seconds_before_the_last_minute_are_forgotten() -> None:
    """The window is bounded; the sums are not touched."""
    totals = TotalsByWorker()
    for second in range(200):
        totals.receive(frame("a", second + 1), at(second))
    assert len(totals._seconds) <= 61
    assert totals.recent(at(200), 60).counts.request_count == 60
    assert totals.totals(at(200)).counts.request_count == 200


def test_workers_of_the_past_take_bounded_memory() -> None:
    """Restarting workers for ever does not fill the admin process."""
    totals = TotalsByWorker()
    for number in range(1100):
        totals.receive(frame(f"w{number}", 1), at(1))
    assert totals.totals(at(1)).workers == 1024
    assert totals.totals(at(1)).counts.request_count == 1100


def generation(number: int, *, started_ns: int) -> Frame:
    base = frame("worker-1", 1, started_ns=started_ns)
    return Frame(base.worker, started_ns, 1, base.delta, base.gauges, base.parts, number)


def test_a_worker_that_was_started_again_is_one_worker() -> None:
    """Its gauges take the place of those of the one that died; the counts of both stay."""
    totals = TotalsByWorker()
    totals.receive(generation(1, started_ns=1), at(1))
    totals.receive(generation(1, started_ns=2), at(1.5))
    now = totals.totals(at(2))
    assert (now.workers, now.gauges["cache_bytes"], now.counts.request_count) == (1, 10.0, 2)
    assert len(totals.workers(at(2))) == 1


def test_generations_run_beside_each_other() -> None:
    """While an old generation drains, workers of one name are two, until the old one says so."""
    totals = TotalsByWorker()
    totals.receive(generation(1, started_ns=1), at(1))
    totals.receive(generation(2, started_ns=2), at(1))
    assert totals.totals(at(2)).workers == 2
    old_end = frame("worker-1", 2, started_ns=1)
    last = Frame(old_end.worker, 1, 2, old_end.delta, old_end.gauges, [], 1, is_last=True)
    totals.receive(last, at(2))
    now = totals.totals(at(2))
    assert (now.workers, now.counts.request_count) == (1, 3)
    assert totals.ready(at(2))
