"""The way from workers to the admin process."""

import asyncio
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lukhas.errors import StateDirError
from lukhas.telemetry import link
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.link import TelemetryReceiver, TelemetrySender
from lukhas.telemetry.recorder import Recorder
from lukhas.telemetry.targets import TargetReport
from lukhas.telemetry.totals import TotalsByWorker
from lukhas.units import SECOND_NS
from tests.samples import sampled

SAMPLE = sampled("/a", "GET", 200, "free", "hit", 10, 2_000)


class ManualClock:
    def __init__(self) -> None:
        self.time_ns = SECOND_NS

    def now_ns(self) -> int:
        return self.time_ns


@pytest.fixture
def path() -> Iterator[Path]:
    # Not tmp_path: its names may be longer than the address of a Unix socket.
    with TemporaryDirectory() as folder:
        yield Path(folder) / "telemetry.sock"


def sender_to(
    path: Path, recorder: Recorder, *, interval_s: float = 1.0, deadline_s: float = 2.0
) -> TelemetrySender:
    return TelemetrySender(
        path,
        recorder,
        lambda: [PartHealth("cache", "ok")],
        worker="w1",
        started_ns=5,
        interval_s=interval_s,
        deadline_s=deadline_s,
        patience_s=0.5,
    )


def mode_of(path: Path) -> int | None:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


def requests_in(totals: TotalsByWorker) -> int:
    return totals.totals(SECOND_NS).counts.request_count


async def test_a_report_arrives_whole(path: Path) -> None:
    """Counts, gauges and health of the worker reach the sums."""
    totals, recorder = TotalsByWorker(), Recorder()
    recorder.watch("cache_bytes", lambda: 12)
    recorder.record(SAMPLE)
    sender = sender_to(path, recorder)
    async with TelemetryReceiver(path, totals, ManualClock()):
        assert await sender.flush()
        assert sender.connected
        now = totals.totals(SECOND_NS)
        assert now.counts.requests == {("/a", "GET", "2xx", "free", "hit"): 1}
        assert now.gauges["cache_bytes"] == 12
        assert totals.parts(SECOND_NS) == [PartHealth("cache", "ok")]
        await sender.close()
    # It has said goodbye: at once it is no worker of this moment any more.
    assert totals.workers(SECOND_NS) == []


async def test_decision_records_arrive_once(path: Path) -> None:
    """They are handed on as they are; a report without any hands nothing on."""
    kept: list[list[bytes]] = []
    waiting = [[b"one", b"two"], []]
    sender = TelemetrySender(
        path, Recorder(), list, worker="w1", started_ns=5, records=lambda: waiting.pop(0)
    )
    async with TelemetryReceiver(path, TotalsByWorker(), ManualClock(), keep_records=kept.append):
        assert await sender.flush()
        assert await sender.flush()
        assert kept == [[b"one", b"two"]]
        waiting.append([])
        await sender.close()
    assert kept == [[b"one", b"two"]]


async def test_uses_of_keys_arrive_once(path: Path) -> None:
    """They are handed on as they are; a report without any hands nothing on."""
    kept: list[dict[str, int]] = []
    waiting = [{"k1": 5, "k2": 7}, {}, {"k1": 9}]
    sender = TelemetrySender(
        path, Recorder(), list, worker="w1", started_ns=5, key_uses=lambda: waiting.pop(0)
    )
    async with TelemetryReceiver(path, TotalsByWorker(), ManualClock(), keep_uses=kept.append):
        assert await sender.flush()
        assert await sender.flush()
        assert kept == [{"k1": 5, "k2": 7}]
        await sender.close()
    assert kept == [{"k1": 5, "k2": 7}, {"k1": 9}]


async def test_servers_of_upstreams_arrive(path: Path) -> None:
    """As the worker sees them at each report."""
    clock = ManualClock()
    totals = TotalsByWorker()
    seen: list[TargetReport] = []
    sender = TelemetrySender(
        path, Recorder(), list, worker="w1", started_ns=5, targets=lambda: list(seen)
    )
    async with TelemetryReceiver(path, totals, clock):
        assert await sender.flush()
        assert totals.targets(clock.now_ns()) == [[]]
        seen.append(TargetReport("shop", "http://a:1", "ejected", latency_ns=0.5, failures=3))
        assert await sender.flush()
        assert totals.targets(clock.now_ns()) == [seen]
        await sender.close()
    assert totals.targets(clock.now_ns()) == []


async def test_only_this_user_may_connect(path: Path) -> None:
    """The socket has mode 0600, and is gone afterwards."""
    async with TelemetryReceiver(path, TotalsByWorker(), ManualClock()):
        assert mode_of(path) == 0o600
    assert mode_of(path) is None


async def test_what_was_recorded_while_nobody_listened_arrives_later(path: Path) -> None:
    """The sender keeps it, does not raise, and reconnects."""
    totals, recorder = TotalsByWorker(), Recorder()
    sender = sender_to(path, recorder)
    for _ in range(3):
        recorder.record(SAMPLE)
        assert not await sender.flush()
    assert not sender.connected
    async with TelemetryReceiver(path, totals, ManualClock()):
        assert await sender.flush()
        await sender.close()
    assert requests_in(totals) == 3


async def test_a_receiver_that_comes_back_gets_the_rest(path: Path) -> None:
    """A restart of the admin process loses nothing that was not yet delivered."""
    recorder = Recorder()
    sender = sender_to(path, recorder)
    async with TelemetryReceiver(path, TotalsByWorker(), ManualClock()):
        recorder.record(SAMPLE)
        assert await sender.flush()
    recorder.record(SAMPLE)
    assert not await sender.flush()
    totals = TotalsByWorker()
    async with TelemetryReceiver(path, totals, ManualClock()):
        assert await sender.flush()
        await sender.close()
    assert requests_in(totals) == 1


async def test_a_report_whose_answer_was_lost_counts_once(path: Path) -> None:
    """It is sent again under its old number."""
    totals, recorder = TotalsByWorker(), Recorder()
    recorder.record(SAMPLE)
    sender = sender_to(path, recorder)

    async def take_and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with TelemetryReceiver(path.with_suffix(".2"), totals, ManualClock()):
            onward, backward = await asyncio.open_unix_connection(path.with_suffix(".2"))
            head = await reader.readexactly(4)
            backward.write(head + await reader.readexactly(struct.unpack(">I", head)[0]))
            await onward.readexactly(8)
            backward.close()
            await backward.wait_closed()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(take_and_hang_up, path)
    assert not await sender.flush()
    server.close()
    await server.wait_closed()
    assert requests_in(totals) == 1
    async with TelemetryReceiver(path, totals, ManualClock()):
        assert await sender.flush()
        await sender.close()
    assert requests_in(totals) == 1


async def test_a_receiver_that_never_answers_does_not_hold_the_sender(path: Path) -> None:
    """Each attempt has a deadline."""

    hung_up = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        hung_up.set()

    server = await asyncio.start_unix_server(silent, path)
    sender = sender_to(path, Recorder(), deadline_s=0.01)
    assert not await sender.flush()
    await hung_up.wait()
    await sender_to(path.with_suffix(".none"), Recorder()).close()
    server.close()
    await server.wait_closed()


async def test_a_failing_part_does_not_end_the_sender(path: Path) -> None:
    """Whatever raises while a report is made is contained, and the counts are kept."""
    recorder, totals = Recorder(), TotalsByWorker()
    failing = [True]

    def entries() -> float:
        if failing[0]:
            raise RuntimeError("broken gauge")
        return 1.0

    recorder.watch("cache_entries", entries)
    recorder.record(SAMPLE)
    sender = sender_to(path, recorder)
    async with TelemetryReceiver(path, totals, ManualClock()):
        assert not await sender.flush()
        failing[0] = False
        assert await sender.flush()
        await sender.close()
    assert requests_in(totals) == 1


async def test_run_reports_until_it_is_cancelled(path: Path) -> None:
    """Once an interval."""
    totals, recorder = TotalsByWorker(), Recorder()
    sender = sender_to(path, recorder, interval_s=0.001)
    async with TelemetryReceiver(path, totals, ManualClock()):
        running = asyncio.create_task(sender.run())
        for expected in (1, 2):
            recorder.record(SAMPLE)
            while requests_in(totals) < expected:  # noqa: ASYNC110 - ends by the test's timeout
                await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        recorder.record(SAMPLE)
        await sender.close()
    assert requests_in(totals) == 3


async def test_a_report_that_is_too_large_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver hangs up and goes on serving others; the sender leaves out its latencies."""
    totals, recorder = TotalsByWorker(), Recorder()
    async with TelemetryReceiver(path, totals, ManualClock()):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(struct.pack(">I", link.MAX_FRAME_BYTES + 1))
        assert await reader.read() == b""
        writer.close()
        monkeypatch.setattr(link, "MAX_FRAME_BYTES", 300)
        for duration_ns in range(1_000, 1_000_000, 10_000):
            recorder.record(sampled("/a", "GET", 200, "free", "hit", 10, duration_ns))
        sender = sender_to(path, recorder)
        assert await sender.flush()
        await sender.close()
    assert requests_in(totals) == 100
    assert totals.totals(SECOND_NS).counts.latencies == {}


async def test_a_report_that_cannot_be_read_is_refused(path: Path) -> None:
    """Wrong bytes end the connection, not the receiver."""
    totals = TotalsByWorker()
    async with TelemetryReceiver(path, totals, ManualClock()):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(struct.pack(">I", 3) + b"abc")
        assert await reader.read() == b""
        writer.close()
        sender = sender_to(path, Recorder())
        assert await sender.flush()
        await sender.close()


async def test_a_path_that_cannot_be_a_socket_is_told(path: Path) -> None:
    """The message names the path and what to do."""
    with pytest.raises(StateDirError, match="state directory with a short path"):
        await TelemetryReceiver(path / ("x" * 200), TotalsByWorker(), ManualClock()).__aenter__()


async def test_the_socket_of_a_newer_generation_stays(path: Path) -> None:
    """During an upgrade two admin processes follow each other at one path."""
    totals = TotalsByWorker()
    old = TelemetryReceiver(path, TotalsByWorker(), ManualClock())
    await old.__aenter__()
    async with TelemetryReceiver(path, totals, ManualClock()):
        await old.__aexit__(None, None, None)
        recorder = Recorder()
        recorder.record(SAMPLE)
        sender = sender_to(path, recorder)
        assert await sender.flush()
        await sender.close()
    assert requests_in(totals) == 1


async def test_leaving_a_receiver_that_never_listened_does_nothing(path: Path) -> None:
    """As an asynchronous context it may fail on entry."""
    await TelemetryReceiver(path, TotalsByWorker(), ManualClock()).__aexit__(None, None, None)
    assert mode_of(path) is None


async def test_the_last_report_waits_for_a_receiver_that_just_starts(path: Path) -> None:
    """A worker that ends while the admin process is renewed loses no figures."""
    totals, recorder = TotalsByWorker(), Recorder()
    recorder.record(SAMPLE)
    closing = asyncio.create_task(sender_to(path, recorder).close())
    await asyncio.sleep(0)
    async with TelemetryReceiver(path, totals, ManualClock()):
        await closing
    assert requests_in(totals) == 1
