"""The access log never keeps a request waiting."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from lukhas.telemetry.access_lines import AccessEntry
from lukhas.telemetry.access_log import AccessLog
from lukhas.telemetry.line_file import LineFile
from tests.unit.telemetry.test_access_lines import ENTRY


def render(entry: AccessEntry) -> bytes:
    return b"%b\n" % entry.path


def entries(log: AccessLog, *paths: bytes) -> None:
    for path in paths:
        log.take(ENTRY._replace(path=path))


def state(log: AccessLog) -> tuple[str, str]:
    (part,) = log.parts()
    assert part.name == "access-log"
    return part.state, part.detail


async def test_entries_are_written_in_order(tmp_path: Path) -> None:
    """While it runs, and what is left when it ends."""
    path = tmp_path / "a.log"
    log = AccessLog(render, LineFile(path))
    job = asyncio.create_task(log.run())
    entries(log, b"/1", b"/2")
    async with asyncio.timeout(10):
        while log.lines < 2:  # noqa: ASYNC110 - written by another thread
            await asyncio.sleep(0.01)
    job.cancel()
    entries(log, *(b"/%d" % number for number in range(3, 200)))
    await log.close()
    assert path.read_bytes() == b"".join(b"/%d\n" % number for number in range(1, 200))
    assert (log.lines, log.dropped) == (199, 0)
    assert state(log) == ("ok", "")


async def test_what_is_too_much_is_dropped_and_counted(tmp_path: Path) -> None:
    """The oldest stay; health tells once."""
    path = tmp_path / "a.log"
    log = AccessLog(render, LineFile(path), most=3)
    entries(log, b"/1", b"/2", b"/3", b"/4", b"/5")
    assert log.dropped == 2
    assert state(log) == ("degraded", "2 lines were dropped")
    assert state(log) == ("ok", "")
    await log.flush()
    entries(log, b"/6")
    await log.close()
    assert path.read_bytes() == b"/1\n/2\n/3\n/6\n"


async def test_a_file_that_cannot_be_written_is_degraded_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, and lines count as dropped."""
    folder = tmp_path / "logs"
    log = AccessLog(render, LineFile(folder / "a.log"))
    for _ in range(2):
        entries(log, b"/1")
        await log.flush()
    assert state(log) == ("degraded", "it cannot be written: No such file or directory")
    assert log.dropped == 2
    assert len(caplog.records) == 1
    folder.mkdir()
    entries(log, b"/2")
    with caplog.at_level("INFO"):
        await log.flush()
    assert state(log) == ("ok", "") or state(log) == ("ok", "")
    await log.close()
    assert (folder / "a.log").read_bytes() == b"/2\n"
    assert [record.message for record in caplog.records][-1] == "the access log is written again"


async def test_a_reader_that_stands_still_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither requests nor the end of the process."""
    monkeypatch.setattr("lukhas.telemetry.access_log._LAST_S", 0.05)
    stuck, go_on = threading.Event(), threading.Event()

    class Stuck(LineFile):
        def write(self, lines) -> None:  # type: ignore[no-untyped-def]
            stuck.set()
            go_on.wait(10)

    log = AccessLog(render, Stuck(os.dup(1)), most=2)
    entries(log, b"/1")
    job = asyncio.create_task(log.run())
    assert await asyncio.to_thread(stuck.wait, 10)
    entries(log, b"/2", b"/3", b"/4")
    assert log.dropped == 1
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    assert log.dropped == 2
    await log.close()
    assert "too slow" in caplog.text
    go_on.set()
