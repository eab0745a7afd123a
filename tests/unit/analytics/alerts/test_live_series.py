"""Values out of what workers have reported."""

import shutil
from pathlib import Path

import pytest

from lukhas.analytics.alerts.live_series import LiveSeries, NodeView
from lukhas.policy.alerting.conditions import Ask, Filters
from lukhas.policy.alerting.metrics import METRICS
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.recorder import Recorder
from lukhas.telemetry.totals import Frame, TotalsByWorker
from lukhas.units import MILLISECOND_NS, SECOND_NS
from tests.samples import sampled

START_S = 1_750_000_020


class Node:
    """A node with one worker that reports every second."""

    def __init__(self, state_dir: Path | None = None) -> None:
        self.totals = TotalsByWorker()
        self.recorder = Recorder()
        self.now_s = START_S
        self.parts: list[PartHealth] = []
        view = NodeView(lambda: self.totals, lambda: 2, lambda: self.parts, state_dir)
        self.series = LiveSeries(view)
        self.sequence = 0

    def request(self, route: str = "/a", status: int = 200, cache: str = "miss") -> None:
        self.recorder.record(sampled(route, "GET", status, "free", cache, 10, 5 * MILLISECOND_NS))

    def pass_seconds(self, seconds: int, *, each: int = 0) -> None:
        for _ in range(seconds):
            for _ in range(each):
                self.request()
            self.sequence += 1
            frame = Frame("w1", 1, self.sequence, self.recorder.drain(), self.recorder.gauges(), [])
            self.totals.receive(frame, self.now_s * SECOND_NS)
            self.now_s += 1
            self.series.collect(self.now_s * SECOND_NS)

    async def value(
        self, metric: str, filters: Filters = (), *, last_s: int = 60, step_s: int | None = None
    ) -> list[float | None]:
        return list(await self.series.values(self.ask(metric, filters, last_s, step_s or last_s)))

    def ask(self, metric: str, filters: Filters, last_s: int, step_s: int) -> Ask:
        end_ns = self.now_s * SECOND_NS
        return Ask(metric, filters, end_ns - last_s * SECOND_NS, end_ns, step_s)


@pytest.fixture
def node() -> Node:
    found = Node()
    found.pass_seconds(10)
    return found


async def test_counts_of_a_window(node: Node) -> None:
    """Each request is in exactly one step."""
    node.pass_seconds(60, each=2)
    assert await node.value("requests") == [120.0]
    assert await node.value("requests", last_s=60, step_s=20) == [40.0, 40.0, 40.0]
    node.pass_seconds(3)
    assert await node.value("requests", last_s=600) == [120.0]


async def test_before_anything_was_collected_nothing_is_known() -> None:
    """That is not the same as no request."""
    fresh = Node()
    assert await fresh.value("requests") == [None]
    fresh.pass_seconds(20)
    assert await fresh.value("requests") == [0.0]
    assert await fresh.value("error_ratio") == await fresh.value("p99_ms") == [None]


async def test_every_metric_can_be_asked_for(node: Node) -> None:
    """What counts has a value as soon as time passes."""
    node.request(status=502)
    node.request(cache="hit")
    node.request(cache="bypass")
    node.request(route="/b")
    node.recorder.limited("free", "free", "enforce")
    node.recorder.limited("free", "free", "shadow")
    node.recorder.shed("free", "enforce")
    node.recorder.upstream_failed("default", "connect")
    node.recorder.upstream_failed("other", "timeout")
    node.recorder.contained("cache")
    node.parts = [
        PartHealth("cache", "failed"),
        PartHealth("limits", "degraded"),
        PartHealth("rest", "ok"),
    ]
    node.pass_seconds(10)
    found = {metric.name: (await node.value(metric.name))[0] for metric in METRICS}
    assert found.pop("p50_ms") == found.pop("p95_ms") == found.pop("p99_ms") == 5.0
    assert found == {
        "requests": 4,
        "errors": 1,
        "error_ratio": 0.25,
        "hit_ratio": 1 / 3,
        "limited": 1,
        "limited_ratio": 0.25,
        "shed": 1,
        "upstream_errors": 2,
        "upstream_error_ratio": 0.5,
        "stage_failures": 1,
        "targets_left_out": 0,
        "in_flight": 0,
        "workers_missing": 1,
        "parts_failed": 1,
        "parts_degraded": 2,
        "disk_free_ratio": None,
    }
    assert await node.value("requests", (("route", "/b"),)) == [1]
    assert await node.value("requests", (("route", "/b"), ("tier", "basic"))) == [0]
    assert await node.value("p99_ms", (("route", "/c"),)) == [None]
    assert await node.value("upstream_errors", (("upstream", "other"),)) == [1]
    assert await node.value("stage_failures", (("stage", "limit"),)) == [0]
    assert await node.value("parts_failed", (("part", "limits"),)) == [0]


async def test_old_values_are_kept_without_labels(node: Node) -> None:
    """A day by the minute; a quarter of an hour with labels."""
    node.recorder.limited("free", "free", "enforce")
    node.recorder.shed("free", "enforce")
    node.recorder.upstream_failed("default", "connect")
    node.recorder.contained("cache")
    node.pass_seconds(60, each=1)
    node.pass_seconds(20 * 60)
    assert await node.value("requests", last_s=3600) == [60.0]
    for metric in ("limited", "shed", "upstream_errors", "stage_failures"):
        assert await node.value(metric, last_s=3600) == [1.0]
    assert await node.value("p99_ms", last_s=3600) == [5.0]
    assert await node.value("requests", (("route", "/a"),), last_s=3600) == [0.0]
    node.pass_seconds(30, each=1)
    assert await node.value("requests", last_s=3600) == [90.0]


async def test_a_pause_of_the_process_loses_what_the_totals_have_forgotten(node: Node) -> None:
    """A minute back is still taken in."""
    before_s = node.now_s
    node.pass_seconds(10, each=1)
    node.now_s = before_s + 300
    node.series.collect(node.now_s * SECOND_NS)
    slots = await node.value("requests", last_s=300, step_s=10)
    assert [index for index, value in enumerate(slots) if value is not None] == [0, *range(24, 30)]
    node.series.collect((node.now_s - 100) * SECOND_NS)
    node.series.collect(node.now_s * SECOND_NS)
    assert await node.value("requests", last_s=300, step_s=10) == slots


async def test_the_free_share_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the disk that holds the state directory; None where it cannot be told."""
    node = Node(tmp_path)
    node.pass_seconds(20)
    (share,) = await node.value("disk_free_ratio")
    assert share is not None
    assert 0 < share < 1
    lost = Node(tmp_path / "gone")
    lost.pass_seconds(20)
    assert await lost.value("disk_free_ratio") == [None]
    nothing = type("Usage", (), {"free": 0, "total": 0})
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: nothing)
    node.pass_seconds(10)
    assert (await node.value("disk_free_ratio", last_s=10)) == [None]


async def test_values_are_told_apart_by_a_label(node: Node) -> None:
    """Those with the most first; of parts, each that there is."""
    node.parts = [PartHealth("cache", "failed"), PartHealth("counters", "ok")]
    for route, status in (("/a", 200), ("/b", 200), ("/b", 503)):
        node.request(route, status)
    node.pass_seconds(20)
    by_route = await node.series.values_by(node.ask("errors", (), 20, 20), "route")
    assert list(by_route.items()) == [("/b", [1.0]), ("/a", [0.0])]
    by_part = await node.series.values_by(node.ask("parts_failed", (), 20, 20), "part")
    assert by_part == {"cache": [1.0], "counters": [0.0]}
    steps = await node.series.values_by(node.ask("requests", (), 60, 20), "route")
    assert steps["/b"][0] is None
    p99 = await node.series.values_by(node.ask("p99_ms", (), 20, 20), "route")
    assert p99["/a"][0] == pytest.approx(5, rel=0.02)


async def test_how_far_back_memory_reaches(node: Node) -> None:
    """A quarter of an hour by label, and further without."""
    assert not node.series.reaches(node.ask("requests", (), 60, 60))
    node.pass_seconds(1200)
    labelled = (("route", "/a"),)
    assert node.series.reaches(node.ask("requests", labelled, 800, 800))
    assert not node.series.reaches(node.ask("requests", labelled, 1000, 1000))
    assert node.series.reaches(node.ask("requests", (), 1000, 1000))
    assert not node.series.reaches(node.ask("requests", (), 1000, 1000), by_label=True)
    assert not node.series.reaches(node.ask("requests", (), 1300, 1300))
