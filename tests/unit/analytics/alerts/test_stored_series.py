"""Values out of memory where it reaches back, and out of the history where it does not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lukhas.analytics.alerts.history_metrics import only_for
from lukhas.analytics.alerts.live_series import LiveSeries, NodeView
from lukhas.analytics.alerts.rule_reading import read_rule
from lukhas.analytics.alerts.series_source import SeriesUnavailableError
from lukhas.analytics.alerts.stored_series import StoredSeries
from lukhas.analytics.history import History
from lukhas.analytics.levels import Retention
from lukhas.analytics.questions import Answer, AsksHistory, Question
from lukhas.analytics.reading import HistoryReader
from lukhas.errors import StoreError
from lukhas.policy.alerting.conditions import Anomaly, Ask, Filters, Reading
from lukhas.policy.alerting.metrics import METRICS
from lukhas.policy.alerting.rules import Rule, Severity
from lukhas.storage.sql import open_database
from lukhas.telemetry.recorder import Recorder, Sample
from lukhas.telemetry.series import HistoryDelta
from lukhas.telemetry.totals import Frame, TotalsByWorker
from lukhas.units import MILLISECOND_NS, SECOND_NS
from tests.samples import sampled

# A Monday, 00:00 UTC.
MONDAY_S = 1_749_427_200
HOUR_S, DAY_S = 3600, 86_400


class ManualClock:
    def __init__(self) -> None:
        self.time_s = MONDAY_S

    def now_ns(self) -> int:
        return self.time_s * SECOND_NS


class Watched:
    """A history that counts what it is asked, and may fail."""

    def __init__(self, reader: AsksHistory) -> None:
        self.reader = reader
        self.asked: list[Question] = []
        self.failing = False

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        if self.failing:
            raise StoreError("history", "is gone")
        return await self.reader.ask(question)


class Node:
    """A node that has a history, and whose memory begins when a test says so."""

    def __init__(self, history: History, clock: ManualClock) -> None:
        self.history, self.clock = history, clock
        self.watched: Watched | None = Watched(HistoryReader(history))
        self.sequence = 0
        self.forget()

    def forget(self) -> None:
        """A restart: memory is new, the history is not."""
        self.totals = TotalsByWorker()
        self.live = LiveSeries(NodeView(lambda: self.totals, lambda: 1, list))
        self.series = StoredSeries(
            self.live, lambda: self.watched, clock=self.clock, retention=Retention()
        )
        self.live.collect(self.clock.now_ns())

    @property
    def asked(self) -> list[Question]:
        assert self.watched is not None
        return self.watched.asked

    async def serve(self, delta: HistoryDelta) -> None:
        """Writes what was served in the present second."""
        await self.history.write(self.clock.time_s, delta)

    def remember(self, seconds: int, route: str = "/new") -> None:
        """A request a second, which only memory gets to know."""
        for _ in range(seconds):
            recorder = Recorder()
            recorder.record(request(route))
            self.sequence += 1
            frame = Frame("w", 1, self.sequence, recorder.drain(), recorder.gauges(), [])
            self.totals.receive(frame, self.clock.now_ns())
            self.clock.time_s += 1
            self.live.collect(self.clock.now_ns())

    def ask(
        self, metric: str, last_s: int, *, filters: Filters = (), step_s: int | None = None
    ) -> Ask:
        end_ns = self.clock.now_ns()
        return Ask(metric, filters, end_ns - last_s * SECOND_NS, end_ns, step_s or last_s)

    async def value(self, metric: str, last_s: int, **filters: str) -> float | None:
        (found,) = await self.series.values(
            self.ask(metric, last_s, filters=tuple(filters.items()))
        )
        return found


def request(
    route: str, status: int = 200, *, verdict: str = "passed", cache: str = "miss", ms: int = 5
) -> Sample:
    place = ("acme", "main", verdict, "key:1", b"curl")
    return sampled(route, "GET", status, "free", cache, 3, ms * MILLISECOND_NS, *place)


def delta(*requests: Sample) -> HistoryDelta:
    recorder = Recorder()
    for each in requests:
        recorder.record(each)
    return recorder.drain_history()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    database = await open_database(tmp_path)
    clock = ManualClock()
    history = History(database, clock)
    await history.load()
    yield Node(history, clock)
    await database.close()


async def test_memory_answers_what_it_knows(node: Node) -> None:
    """Without a query; the same window is the history's again after a restart."""
    node.remember(120)
    assert await node.value("requests", 60) == 60
    assert await node.value("requests", 60, route="/new") == 60
    assert node.asked == []
    node.forget()
    assert await node.value("requests", 60) == 0
    assert len(node.asked) == 1


async def test_every_metric_of_requests_is_in_the_history(node: Node) -> None:
    """By each of its labels; the values are those that memory would have told."""
    for second in range(4):
        node.clock.time_s = MONDAY_S + second
        await node.serve(
            delta(
                request("/a", cache="hit"),
                request("/a", ms=20),
                request("/a", 503),
                request("/b", 429, verdict="limited", cache="none"),
                request("/b", 503, verdict="shed", cache="none"),
            )
        )
    node.clock.time_s += 1
    wanted = {
        "requests": 20,
        "errors": 8,
        "error_ratio": 0.4,
        "limited": 4,
        "limited_ratio": 0.2,
        "shed": 4,
        "p50_ms": pytest.approx(5, rel=0.02),
        "p99_ms": pytest.approx(20, rel=0.02),
        "hit_ratio": pytest.approx(4 / 12),
    }
    for metric, value in wanted.items():
        assert await node.value(metric, 600) == value, metric
    assert await node.value("requests", 600, route="/a") == 12
    assert await node.value("error_ratio", 600, upstream="main") == 0.4
    assert await node.value("requests", 600, upstream="other") == 0
    assert await node.value("error_ratio", 600, tenant="none") is None
    assert only_for("shed", ()) == {"verdict": frozenset(("shed",))}


async def test_what_the_history_does_not_keep_comes_from_memory(node: Node) -> None:
    """As much of it as there is."""
    for metric in ("upstream_errors", "stage_failures", "in_flight", "disk_free_ratio"):
        assert await node.value(metric, 600) is None
    assert await node.value("limited", 600, policy="p") is None
    assert node.asked == []


async def test_without_a_history_memory_answers(node: Node) -> None:
    """But not by labels that only the history has."""
    node.watched = None
    node.remember(60)
    assert await node.value("requests", 6 * HOUR_S) == 60
    by_route = await node.series.values_by(node.ask("requests", 60), "route")
    assert by_route == {"/new": [60.0]}
    with pytest.raises(SeriesUnavailableError, match="it needs the history"):
        await node.value("requests", 60, upstream="main")


async def test_a_history_that_fails_is_told(node: Node) -> None:
    """So its rules neither begin nor end an alert."""
    assert node.watched is not None
    node.watched.failing = True
    with pytest.raises(SeriesUnavailableError, match="values of requests cannot be read"):
        await node.value("requests", HOUR_S)


async def test_long_windows_are_asked_for_once_a_minute(node: Node) -> None:
    """And several metrics of one window once; a short window at each look."""
    node.clock.time_s += 10
    for _ in range(3):
        await node.value("requests", HOUR_S)
        await node.value("errors", HOUR_S)
        node.clock.time_s += 10
    assert len(node.asked) == 1
    node.clock.time_s += 30
    await node.value("requests", HOUR_S)
    assert len(node.asked) == 2
    for _ in range(100):
        node.clock.time_s += 1
        await node.value("requests", 300)
    assert len(node.asked) == 102
    assert node.asked[-1].to_s - node.asked[-1].from_s == 300


async def test_few_answers_are_remembered(node: Node) -> None:
    """Those asked for last; the others are asked for anew."""
    for hours in range(1, 18):
        await node.value("requests", hours * HOUR_S)
    assert len(node.asked) == 17
    await node.value("requests", 17 * HOUR_S)
    assert len(node.asked) == 17
    await node.value("requests", HOUR_S)
    assert len(node.asked) == 18


async def test_counts_of_a_widened_window_are_scaled_to_it(node: Node) -> None:
    """Where only minutes are kept, a window from the middle of one is read from its begin."""
    for minute in (*range(8, 23), 118):
        node.clock.time_s = MONDAY_S + minute * 60
        await node.serve(delta(*[request("/a")] * 6))
    node.clock.time_s = MONDAY_S + 120 * 60
    (past,) = await node.series.values(
        Ask(
            "requests",
            (),
            (MONDAY_S + 10 * 60 + 30) * SECOND_NS,
            (MONDAY_S + 20 * 60 + 30) * SECOND_NS,
            600,
        )
    )
    assert past == pytest.approx(60)
    assert await node.value("requests", 300) == 6


async def test_values_by_a_label_come_the_busiest_first(node: Node) -> None:
    """From the history where memory does not reach."""
    await node.serve(delta(request("/a"), request("/b"), request("/b", 503)))
    node.clock.time_s += 60
    found = await node.series.values_by(node.ask("errors", HOUR_S), "route")
    assert list(found.items()) == [("/b", [1]), ("/a", [0])]
    by_upstream = await node.series.values_by(node.ask("error_ratio", 60), "upstream")
    assert list(by_upstream) == ["main"]
    assert by_upstream["main"][0] == pytest.approx(1 / 3)
    node.forget()
    node.remember(60)
    memory = await node.series.values_by(node.ask("requests", 50), "route")
    assert memory == {"/new": [50.0]}


async def test_what_is_normal_is_known_after_a_restart(node: Node) -> None:
    """Steps of two days, and hours of the weeks before; nothing before the first request."""
    for day in range(10):
        for hour in (0, 12):
            node.clock.time_s = MONDAY_S + day * DAY_S + hour * HOUR_S
            await node.serve(delta(*[request("/a")] * (10 + hour)))
    node.forget()
    end_s = MONDAY_S + 10 * DAY_S
    node.clock.time_s = end_s
    start_ns = (end_s - 14 * DAY_S) * SECOND_NS
    hours = await node.series.values(Ask("requests", (), start_ns, end_s * SECOND_NS, HOUR_S))
    assert list(hours[: 4 * 24]) == [None] * 4 * 24
    assert list(hours[4 * 24 :]) == ([10, *[0] * 11, 22, *[0] * 11]) * 10
    steps = await node.series.values(Ask("requests", (), start_ns, end_s * SECOND_NS, 1800))
    assert list(steps[: 12 * 48]) == [None] * 12 * 48
    assert list(steps[12 * 48 :]) == ([10, *[0] * 23, 22, *[0] * 23]) * 2
    rule = Rule("odd", Anomaly("requests", (), 1800, 14 * DAY_S, deviations=8.0), Severity.WARNING)
    found = await read_rule(node.series, rule, node.clock.now_ns())
    assert isinstance(found, Reading)
    assert "normal is" in found.why


def test_the_labels_of_a_metric_are_known_to_memory_or_history() -> None:
    """No metric takes a label that nothing would narrow it by."""
    from lukhas.analytics.alerts.history_metrics import is_in_history, is_only_in_history

    for metric in METRICS:
        for label in metric.labels & {"upstream", "tenant"}:
            if metric.name != "upstream_errors":
                assert is_only_in_history(metric.name, ((label, "x"),))
                assert is_in_history(metric.name, ((label, "x"),))
