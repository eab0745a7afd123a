"""`lukhas insights`."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from lukhas.admin.history_access import HISTORY_FILE
from lukhas.analytics.history import History
from lukhas.cli.insights import told
from lukhas.cli.main import run
from lukhas.clock import SystemClock
from lukhas.policy.insights.records import Change, Evidence, Insight
from lukhas.storage.sql import open_database
from lukhas.telemetry.recorder import Recorder
from tests.samples import sampled


async def fill(state_dir: Path) -> None:
    """Ten minutes ago: every second request to /b failed."""
    database = await open_database(state_dir, url=f"sqlite:///{state_dir / HISTORY_FILE}")
    history = History(database, SystemClock())
    await history.load()
    recorder = Recorder()
    for number in range(400):
        route, status = ("/b", 503) if number % 8 == 0 else ("/a" if number % 4 else "/b", 200)
        place = ("", "main", "passed", "key:1", b"x")
        recorder.record(sampled(route, "GET", status, "free", "miss", 5, 5_000_000, *place))
    await history.write(int(time.time()) - 600, recorder.drain_history())
    await database.close()


def test_findings_are_told_in_lines_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the file of the history, whether the gateway runs or not."""
    asyncio.run(fill(tmp_path))
    assert run(["insights", "--state-dir", str(tmp_path), "--window", "1h"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("100% of all errors have route /b: 50.0% of these requests fail")
    assert "    error ratio: 0.5 ratio\n" in out
    assert "    cache.stale_if_error_s = 300  # now 0\n" in out
    assert run(["insights", "--state-dir", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["kind"] for each in found["insights"]] == ["error-cluster"]


def test_nothing_is_told_as_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty history is no mistake."""

    async def empty() -> None:
        database = await open_database(tmp_path, url=f"sqlite:///{tmp_path / HISTORY_FILE}")
        await database.close()

    asyncio.run(empty())
    assert run(["insights", "--state-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "nothing found\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--window", "5m"], "insights: --window: '5m' is no window"),
        ([], "insights: there is no history in"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    """With exit code 2."""
    assert run(["insights", "--state-dir", str(tmp_path), *arguments]) == 2
    written = capsys.readouterr().err
    assert line in written
    assert written.count("\n") == 1


def test_a_change_shows_what_is_set_now_where_that_is_known() -> None:
    """Else only what to set."""
    insight = Insight(
        kind="k",
        about="a",
        title="T",
        evidence=(Evidence("e", 1.5, "ms"),),
        impact="I.",
        confidence=0.95,
        proposal="P.",
        weight=1,
        changes=(Change("a.b", "1", "2"), Change("c.d", "3")),
    )
    assert list(told(insight)) == [
        "T  (95% sure, k)",
        "    e: 1.5 ms",
        "    I.",
        "    P.",
        "    a.b = 1  # now 2",
        "    c.d = 3",
        "",
    ]
