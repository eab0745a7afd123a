"""Requests that a lifetime would have let the cache answer."""

from lukhas.telemetry.recorder import Recorder
from lukhas.telemetry.repeats import RepeatLog, RouteTally
from lukhas.telemetry.series import HistoryDelta


def test_requests_and_addresses_are_counted_by_route() -> None:
    """An address is its host, path and query; two routes know nothing of each other."""
    log = RepeatLog()
    for address in (
        (b"h", b"/a", b""),
        (b"h", b"/a", b""),
        (b"h", b"/a", b"x"),
        (b"i", b"/a", b""),
    ):
        log.note("/a", address)
    log.note("/b", (b"h", b"/a", b""))
    drained = log.drain()
    assert {route: tally.requests for route, tally in drained.items()} == {"/a": 4, "/b": 1}
    assert len(drained["/a"].addresses) == 3
    assert drained["/b"].addresses < drained["/a"].addresses


def test_workers_know_an_address_by_the_same_number() -> None:
    """So that the sum of two knows what both have seen."""
    logs = [RepeatLog(), RepeatLog()]
    for log in logs:
        log.note("/a", (b"h", b"/a", b""))
    together = HistoryDelta()
    for log in logs:
        together.merge(HistoryDelta(repeats=log.drain()))
    assert (together.repeats["/a"].requests, len(together.repeats["/a"].addresses)) == (2, 1)


def test_beyond_the_bound_requests_are_counted_and_addresses_are_not() -> None:
    """Over all routes together; what is known already stays known. Then it starts afresh."""
    log = RepeatLog(most=2)
    for path in (b"/1", b"/2", b"/3", b"/1", b"/4"):
        log.note("/a", (path,))
    log.note("/b", (b"/5",))
    drained = log.drain()
    assert (drained["/a"].requests, len(drained["/a"].addresses), drained["/a"].unseen) == (5, 2, 2)
    assert drained["/b"] == RouteTally(1, set(), 1)
    log.note("/b", (b"/5",))
    assert log.drain()["/b"].unseen == 0


def test_routes_are_bounded() -> None:
    """Of more than 200 the further ones are not counted."""
    log = RepeatLog()
    for number in range(205):
        log.note(f"/{number}", (b"/",))
    assert len(log.drain()) == 200


def test_they_go_along_with_the_history() -> None:
    """In the report of the worker, once."""
    recorder = Recorder()
    recorder.repeats.note("/a", (b"/",))
    assert recorder.drain_history().repeats["/a"].requests == 1
    assert recorder.drain_history().repeats == {}
