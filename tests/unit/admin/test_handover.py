"""Figures that go from one admin process to the next."""

from pathlib import Path

import pytest

from lukhas.admin.handover import Figures, leave_figures, take_figures
from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.totals import Frame, TotalsByWorker
from lukhas.units import SECOND_NS


def frame(sequence: int) -> Frame:
    delta = Delta(requests={("/a", "GET", "2xx", "free", "hit"): 3})
    return Frame("worker-1", 5, sequence, delta, {"cache_bytes": 7.0}, [PartHealth("x", "ok")])


def test_nothing_is_lost_or_counted_twice(tmp_path: Path) -> None:
    """Sums, the last minute and what was seen of each worker go over; once."""
    totals = TotalsByWorker()
    totals.receive(frame(1), SECOND_NS)
    leave_figures(tmp_path / "figures", Figures(4, totals.state()))
    taken = take_figures(tmp_path / "figures")
    assert taken is not None
    assert taken.started_ns == 4
    after = TotalsByWorker(taken.totals)
    assert not after.receive(frame(1), SECOND_NS)
    assert after.receive(frame(2), SECOND_NS)
    assert after.totals(SECOND_NS).counts.request_count == 6
    assert after.totals(SECOND_NS).gauges == {"cache_bytes": 7.0}
    assert after.recent(2 * SECOND_NS, 60).requests_by_second[-1] == 6
    assert take_figures(tmp_path / "figures") is None


def test_what_cannot_be_read_is_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Damaged figures cost the figures, not the admin plane."""
    (tmp_path / "figures").write_bytes(b"no figures")
    assert take_figures(tmp_path / "figures") is None
    assert "cannot be read" in caplog.text


def test_what_cannot_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder that is gone is a warning."""
    leave_figures(tmp_path / "none" / "figures", Figures(1, TotalsByWorker().state()))
    assert "cannot be handed over" in caplog.text
