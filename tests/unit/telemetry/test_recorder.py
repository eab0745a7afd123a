"""The recorder."""

import pytest

from lukhas.telemetry.leaders import Tally
from lukhas.telemetry.recorder import Recorder, Sample


def sample(
    route: str = "/a",
    *,
    method: str = "GET",
    status: int = 200,
    tier: str = "free",
    cache: str = "hit",
) -> Sample:
    return ((route, method, status, tier, "", "", cache, ""), 10, 2_000, "", b"")


def test_requests_are_counted_by_their_labels() -> None:
    """Route, method, status class, tier and cache result; each exactly as often as it happened."""
    recorder = Recorder()
    recorder.record(sample())
    recorder.record(sample(status=204))
    recorder.record(sample("/b", method="POST", status=503, tier="basic", cache="bypass"))
    drained = recorder.drain()
    assert drained.requests == {
        ("/a", "GET", "2xx", "free", "hit"): 2,
        ("/b", "POST", "5xx", "basic", "bypass"): 1,
    }
    assert drained.bytes_out == 30
    assert {route: sketch.count for route, sketch in drained.latencies.items()} == {
        "/a": 2,
        "/b": 1,
    }


def test_what_was_not_known_has_a_name() -> None:
    """Requests that end before routing, identification or cache still have every label."""
    recorder = Recorder()
    recorder.record(sample("", tier="", cache=""))
    assert list(recorder.drain().requests) == [("unmatched", "GET", "2xx", "none", "none")]


def test_a_method_that_a_client_made_up_is_no_label() -> None:
    """Clients must not be able to make series."""
    recorder = Recorder()
    recorder.record(sample(method="BREW"))
    assert list(recorder.drain().requests) == [("/a", "other", "2xx", "free", "hit")]


def test_too_many_routes_share_one_label_and_are_counted() -> None:
    """Cardinality is bounded, and that it was needed can be seen."""
    recorder = Recorder(max_routes=2)
    for route in ("/1", "/2", "/3", "/4", "/1"):
        recorder.record(sample(route))
    drained = recorder.drain()
    assert {labels[0]: number for labels, number in drained.requests.items()} == {
        "/1": 2,
        "/2": 1,
        "other": 2,
    }
    assert drained.overflowed == 2
    assert drained.latencies["other"].count == 2


def test_a_drain_gives_each_sample_once() -> None:
    """What was drained does not come again; a snapshot has what the next drain will give."""
    recorder = Recorder()
    for _ in range(1024 + 3):
        recorder.record(sample())
    assert recorder.drain().request_count == 1027
    assert recorder.drain().request_count == 0
    recorder.record(sample())
    assert recorder.snapshot().request_count == 1
    assert recorder.drain().request_count == 1


def test_samples_are_folded_in_batches() -> None:
    """No more than 1023 samples ever wait."""
    recorder = Recorder()
    for _ in range(5000):
        recorder.record(sample())
    assert len(recorder._samples) < 1024
    assert recorder.drain().request_count == 5000


@pytest.mark.parametrize("times", [1, 3])
def test_rare_events_are_counted(times: int) -> None:
    """Limits, refusals, contained failures, upstream errors and aborted bodies."""
    recorder = Recorder()
    for _ in range(times):
        recorder.limited("tiers", "free", "shadow")
        recorder.shed("free", "enforce")
        recorder.near_limit("tiers", "free")
        recorder.refused("identify")
        recorder.contained("cache")
        recorder.upstream_failed("api", "connect")
        recorder.aborted()
    drained = recorder.drain()
    assert drained.limited == {("tiers", "free", "shadow"): times}
    assert drained.shed == {("free", "enforce"): times}
    assert drained.near == {("tiers", "free"): times}
    assert drained.refusals == {"identify": times}
    assert drained.contained == {"cache": times}
    assert drained.upstream_errors == {("api", "connect"): times}
    assert drained.aborted == times


def test_gauges_are_read_when_asked_for() -> None:
    """A gauge tells the present value, never a stored one."""
    recorder = Recorder()
    entries = [1]
    recorder.watch("cache_entries", lambda: entries[0])
    entries[0] = 7
    recorder.in_flight = 2
    assert recorder.gauges() == {"cache_entries": 7.0, "requests_in_flight": 2.0}


def placed(
    route: str = "/a", *, status: int = 200, verdict: str = "passed", consumer: str = "key:1"
) -> Sample:
    labels = (route, "GET", status, "free", "acme", "main", "hit", verdict)
    return (labels, 10, 2_000, consumer, b"curl/8")


def test_the_history_has_every_label() -> None:
    """Requests, durations and bytes by series; consumers, agents, and who they were."""
    recorder = Recorder()
    for sample_of in (
        placed(),
        placed(status=503),
        placed(status=429, verdict="limited", consumer="key:2"),
        sample(""),
    ):
        recorder.record(sample_of)
    history = recorder.drain_history()
    found = {tuple(labels): each.latency.count for labels, each in history.series.items()}
    assert found == {
        ("/a", "GET", "2xx", "free", "acme", "main", "hit", "passed"): 1,
        ("/a", "GET", "5xx", "free", "acme", "main", "hit", "passed"): 1,
        ("/a", "GET", "4xx", "free", "acme", "main", "hit", "limited"): 1,
        ("unmatched", "GET", "2xx", "free", "none", "none", "hit", "none"): 1,
    }
    assert {each.bytes_out for each in history.series.values()} == {10}
    assert history.consumers.tallies == {"key:1": Tally(2, 1, 0), "key:2": Tally(1, 0, 1)}
    assert history.agents.tallies == {"curl/8": Tally(3)}
    assert history.unique_consumers.count() == 2
    assert recorder.drain_history().request_count == 0


def test_too_many_series_share_one_and_are_counted() -> None:
    """No request is lost to the bound on series."""
    recorder = Recorder(max_series=2)
    for route in ("/1", "/2", "/3", "/4", "/1"):
        recorder.record(placed(route))
    history = recorder.drain_history()
    counts = {labels.route: each.latency.count for labels, each in history.series.items()}
    assert counts == {"/1": 2, "/2": 1, "other": 2}
    assert history.overflowed == 2


def test_nothing_is_lost_while_it_is_busy() -> None:
    """Folding and settling on the way changes no sum, whoever drains first."""
    recorder = Recorder(max_series=20)
    for number in range(20_000):
        recorder.record(placed(f"/{number % 60}", consumer=f"key:{number % 11}"))
    drained = recorder.drain()
    history = recorder.drain_history()
    assert drained.request_count == history.request_count == 20_000
    assert drained.latency().count == 20_000
    assert drained.bytes_out == sum(each.bytes_out for each in history.series.values()) == 200_000
    assert history.consumers.total().requests == 20_000
    assert recorder.snapshot().request_count == 0


def test_errors_and_refusals_stay_with_their_consumer() -> None:
    """Also where so many call that they are told in several goes between two reports."""
    recorder = Recorder()
    for _ in range(2):
        for number in range(1500):
            consumer = f"key:{number}"
            recorder.record(placed(consumer=consumer))
            recorder.record(placed(status=503, consumer=consumer))
            recorder.record(placed(status=429, verdict="limited", consumer=consumer))
            recorder.record(placed(status=503, consumer=""))
    history = recorder.drain_history()
    assert history.consumers.tallies == {f"key:{each}": Tally(6, 2, 2) for each in range(1500)}
    assert history.agents.total().requests == history.request_count == 12_000
    assert recorder.drain_history().consumers.tallies == {}
