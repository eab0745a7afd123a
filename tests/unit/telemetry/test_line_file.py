"""Whole lines, to files that come and go and to streams that are slow."""

import errno
import os
import threading
from pathlib import Path

import pytest

from lukhas.telemetry.line_file import LineFile


def test_lines_are_appended(tmp_path: Path) -> None:
    """The file is made where there is none, readable by owner and group only."""
    path = tmp_path / "access.log"
    file = LineFile(path)
    file.open()
    assert path.stat().st_mode & 0o777 & ~0o640 == 0
    file.write([b"a\n", b"b\n"])
    file.write([])
    file.close()
    file.close()
    again = LineFile(path)
    again.write([b"c\n"])
    again.close()
    assert path.read_bytes() == b"a\nb\nc\n"


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    """As logrotate does it; one that was removed too."""
    path = tmp_path / "access.log"
    file = LineFile(path)
    file.write([b"a\n"])
    path.rename(tmp_path / "access.log.1")
    file.write([b"b\n"])
    assert path.read_bytes() == b"b\n"
    path.unlink()
    file.write([b"c\n"])
    assert path.read_bytes() == b"c\n"
    path.rename(tmp_path / "access.log.2")
    path.write_bytes(b"of another\n")
    file.write([b"d\n"])
    assert path.read_bytes() == b"of another\nd\n"
    assert (tmp_path / "access.log.1").read_bytes() == b"a\n"
    file.close()


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """At once where that is asked for, else with the first line."""
    file = LineFile(tmp_path / "missing" / "access.log")
    with pytest.raises(FileNotFoundError):
        file.open()
    with pytest.raises(FileNotFoundError):
        file.write([b"a\n"])


def test_what_goes_to_a_pipe_is_written_in_pieces_that_stay_whole() -> None:
    """Not more than 4096 bytes at once, so that no other process writes in between (POSIX)."""
    reading, writing = os.pipe2(os.O_NONBLOCK)
    file = LineFile(writing)
    sizes = []
    written = os.write

    def write(descriptor: int, data: bytes) -> int:
        sizes.append(len(data))
        return written(descriptor, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lukhas.telemetry.line_file.os.write", write)
        file.write([b"x" * 1499 + b"\n"] * 7)
    assert sizes == [3000, 3000, 3000, 1500]
    file.close()
    assert len(os.read(reading, 65536)) == 10_500
    for descriptor in (reading, writing):
        os.close(descriptor)


def test_a_stream_that_does_not_block_is_waited_for() -> None:
    """Standard output is shared, and somebody else may have set it so."""
    reading, writing = os.pipe2(os.O_NONBLOCK)
    lines = [b"x" * 4000 + b"\n"] * 50
    file = LineFile(writing)
    thread = threading.Thread(target=file.write, args=(lines,))
    thread.start()
    got = b""
    os.set_blocking(reading, True)
    while len(got) < 50 * 4001:
        got += os.read(reading, 65536)
    thread.join(10)
    assert got == b"".join(lines)
    for descriptor in (reading, writing):
        os.close(descriptor)


def test_a_torn_line_is_not_joined_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk may take half a line; what comes later begins on a line of its own."""
    path = tmp_path / "access.log"
    file = LineFile(path)
    file.write([b"a\n"])
    written = os.write
    room = [5, 0, 0]

    def write(descriptor: int, data: bytes) -> int:
        if not room:
            return written(descriptor, data)
        left = room.pop(0)
        if not left:
            raise OSError(errno.ENOSPC, "full")
        return written(descriptor, data[:left])

    monkeypatch.setattr("lukhas.telemetry.line_file.os.write", write)
    for _ in range(2):
        with pytest.raises(OSError, match="full"):
            file.write([b"this is lost\n"])
    file.write([b"b\n"])
    file.write([b"c\n"])
    file.close()
    assert path.read_bytes() == b"a\nthis \nb\nc\n"


def test_a_file_that_is_a_pipe_is_treated_as_one(tmp_path: Path) -> None:
    """A named pipe has the same bound as any other."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file = LineFile(path)
    file.write([b"x" * 2999 + b"\n"] * 2)
    assert file._most_bytes == 4096
    assert len(os.read(reading, 65536)) == 6000
    file.close()
    os.close(reading)
