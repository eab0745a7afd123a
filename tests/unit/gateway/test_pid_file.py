"""How a running gateway is found."""

import os
from pathlib import Path

from lukhas.gateway.pid_file import PidFile, running_gateway


def test_found_while_it_runs(tmp_path: Path) -> None:
    """Its process id is there from its start to its end, and only for its owner."""
    assert running_gateway(tmp_path) is None
    pid_file = PidFile(tmp_path)
    assert pid_file.is_ours
    assert running_gateway(tmp_path) == os.getpid()
    assert (tmp_path / "gateway.pid").stat().st_mode & 0o777 == 0o600
    pid_file.close()
    pid_file.close()
    assert running_gateway(tmp_path) is None


def test_a_stale_file_misleads_nobody(tmp_path: Path) -> None:
    """What a killed gateway left behind is no gateway, and is taken over."""
    (tmp_path / "gateway.pid").write_text("1")
    assert running_gateway(tmp_path) is None
    pid_file = PidFile(tmp_path)
    assert pid_file.is_ours
    pid_file.close()


def test_the_first_one_keeps_it(tmp_path: Path) -> None:
    """A second gateway knows that it is the second, and takes nothing away."""
    first, second = PidFile(tmp_path), PidFile(tmp_path)
    assert not second.is_ours
    second.close()
    assert running_gateway(tmp_path) == os.getpid()
    first.close()


def test_a_locked_file_without_a_number(tmp_path: Path) -> None:
    """In the moment before the number is written there is nobody to tell yet."""
    pid_file = PidFile(tmp_path)
    pid_file._write(b"")
    assert running_gateway(tmp_path) is None
    pid_file.close()
