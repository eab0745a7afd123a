"""`lukhas reload` and `lukhas upgrade` signal the gateway of a state directory."""

import os
import signal
from pathlib import Path

import pytest

from lukhas.cli.main import run
from lukhas.gateway.pid_file import PidFile


@pytest.mark.parametrize(
    ("command", "sent"), [("reload", signal.SIGHUP), ("upgrade", signal.SIGUSR2)]
)
def test_the_running_one_is_told(
    command: str,
    sent: signal.Signals,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The process that holds the state directory gets the signal."""
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, what: told.append((pid, what)))
    pid_file = PidFile(tmp_path)
    assert run([command, "--state-dir", str(tmp_path)]) == 0
    pid_file.close()
    assert told == [(os.getpid(), sent)]
    assert f"pid {os.getpid()}" in capsys.readouterr().err


def test_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 2."""
    assert run(["reload", "--state-dir", str(tmp_path)]) == 2
    assert "no gateway runs on this state directory" in capsys.readouterr().err


def test_one_of_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process that may not be signalled is a mistake with a way out."""

    def refuse(_pid: int, _what: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    pid_file = PidFile(tmp_path)
    assert run(["upgrade", "--state-dir", str(tmp_path)]) == 2
    pid_file.close()
    assert "use the account that it runs under" in capsys.readouterr().err
