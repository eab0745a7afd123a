"""The Prometheus text format, version 0.0.4."""

import re

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.prometheus import NodeFigures, render
from lukhas.telemetry.totals import Totals


def lines_of(totals: Totals) -> list[str]:
    text = render(totals).decode()
    assert text.endswith("\n")
    return text.splitlines()


def filled() -> Totals:
    sketch = LatencySketch()
    sketch.add_many([1_500_000, 30_000_000])
    counts = Delta(
        requests={("/a", "GET", "2xx", "free", "hit"): 2},
        latencies={"/a": sketch},
        limited={("tiers", "free", "shadow"): 3},
        shed={("free", "enforce"): 8},
        near={("tiers", "free"): 11},
        refusals={"limit": 4},
        contained={"cache": 5},
        upstream_errors={("api", "timeout"): 6},
        bytes_out=7,
        aborted=8,
        overflowed=9,
    )
    return Totals(counts, {"requests_in_flight": 1.0, "load": 0.5}, 2)


def test_each_counter_has_its_labels() -> None:
    """Names, labels and values."""
    lines = lines_of(filled())
    labels = 'route="/a",method="GET",status_class="2xx",tier="free",cache="hit"'
    for line in (
        f"lukhas_requests_total{{{labels}}} 2",
        'lukhas_limited_total{policy="tiers",tier="free",mode="shadow"} 3',
        'lukhas_shed_total{tier="free",mode="enforce"} 8',
        'lukhas_near_limit_total{policy="tiers",tier="free"} 11',
        'lukhas_refusals_total{stage="limit"} 4',
        'lukhas_stage_failures_total{stage="cache"} 5',
        'lukhas_upstream_errors_total{upstream="api",kind="timeout"} 6',
        "lukhas_response_bytes_total 7",
        "lukhas_responses_aborted_total 8",
        "lukhas_labels_overflowed_total 9",
        "lukhas_requests_in_flight 1",
        "lukhas_load 0.5",
        "lukhas_workers_alive 2",
    ):
        assert line in lines


def test_a_histogram_is_cumulative_and_ends_in_infinity() -> None:
    """Buckets rise, the last equals the count, the sum is in seconds."""
    lines = lines_of(filled())
    buckets = [line for line in lines if "_bucket" in line]
    numbers = [int(line.rpartition(" ")[2]) for line in buckets]
    assert numbers == sorted(numbers)
    assert 'lukhas_request_duration_seconds_bucket{route="/a",le="0.001"} 0' in buckets
    assert 'lukhas_request_duration_seconds_bucket{route="/a",le="0.0025"} 1' in buckets
    assert 'lukhas_request_duration_seconds_bucket{route="/a",le="0.05"} 2' in buckets
    assert buckets[-1] == 'lukhas_request_duration_seconds_bucket{route="/a",le="+Inf"} 2'
    assert 'lukhas_request_duration_seconds_sum{route="/a"} 0.0315' in lines
    assert 'lukhas_request_duration_seconds_count{route="/a"} 2' in lines


def test_label_values_are_escaped() -> None:
    """Backslash, quote and line feed."""
    counts = Delta(refusals={'a"b\\c\nd': 1})
    assert 'lukhas_refusals_total{stage="a\\"b\\\\c\\nd"} 1' in lines_of(Totals(counts, {}, 0))


def test_every_metric_is_described_once_before_its_samples() -> None:
    """HELP and TYPE come first and only once, and every line is well-formed."""
    described: list[str] = []
    for line in lines_of(filled()):
        if line.startswith("# "):
            keyword, name = line.split(" ")[1:3]
            if keyword == "HELP":
                assert name not in described
                described.append(name)
            else:
                assert line.split(" ")[3] in {"counter", "gauge", "histogram"}
        else:
            matched = re.fullmatch(r'([a-z_]+)(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [0-9.e+-]+', line)
            assert matched is not None, line
            assert matched[1].startswith(described[-1])


def test_figures_of_the_node_are_shown_where_they_are_known() -> None:
    """How many workers there are to be, and how the load has changed that."""
    text = render(filled(), NodeFigures(3, workers_added=4, workers_removed=1)).decode()
    lines = text.splitlines()
    assert "lukhas_workers_wanted 3" in lines
    assert 'lukhas_worker_changes_total{direction="up"} 4' in lines
    assert 'lukhas_worker_changes_total{direction="down"} 1' in lines
    assert "workers_wanted" not in render(filled()).decode()
