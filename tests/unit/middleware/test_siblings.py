"""lukhas.middleware.siblings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lukhas.middleware.siblings import siblings

SPAWNED = "python\0-c\0from multiprocessing.spawn import spawn_main; spawn_main(pipe_handle={})\0"
TRACKER = "python\0-c\0from multiprocessing.resource_tracker import main;main(4)\0"


def processes(root: Path, commands: dict[int, str]) -> Path:
    """A system where process 1 has these children."""
    listed = root / "proc/1/task/1"
    listed.mkdir(parents=True)
    (listed / "children").write_text(" ".join(map(str, [*commands, 99])))
    for pid, command in commands.items():
        (root / f"proc/{pid}").mkdir()
        (root / f"proc/{pid}/cmdline").write_text(command)
    return root


@pytest.mark.parametrize(
    ("commands", "found"),
    [
        ({5: SPAWNED.format(7)}, ()),
        ({5: SPAWNED.format(7), 6: SPAWNED.format(9), 8: TRACKER}, (6,)),
        ({5: "gunicorn\0a:app\0", 6: "gunicorn\0a:app\0", 7: "gunicorn\0b:app\0"}, (6,)),
        ({5: "uvicorn\0a:app\0", 6: "bash\0"}, ()),
        ({5: "", 6: ""}, ()),
    ],
)
def test_workers_are_children_with_one_command(
    tmp_path: Path, commands: dict[int, str], found: tuple[int, ...]
) -> None:
    """Of the same parent; the trackers of `multiprocessing` and others are none."""
    assert siblings(processes(tmp_path, commands), 5, 1) == found


def test_without_a_list_of_processes_none_are_seen(tmp_path: Path) -> None:
    """Neither of this process nor of its parent."""
    assert siblings(tmp_path, 5, 1) == ()
    (tmp_path / "proc/5").mkdir(parents=True)
    (tmp_path / "proc/5/cmdline").write_text("a")
    assert siblings(tmp_path, 5, 1) == ()


@pytest.mark.skipif(
    not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists(),
    reason="the kernel does not list children",
)
def test_of_real_processes() -> None:
    """Two children that were started alike see each other."""
    command = [sys.executable, "-c", "print(flush=True); input()"]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, stdin=pipe, stdout=pipe) for _ in range(2)]
    try:
        for process in started:
            # The command line is not there before it runs.
            assert process.stdout is not None
            process.stdout.readline()
        one, other = (process.pid for process in started)
        assert siblings(Path("/"), one, os.getpid()) == (other,)
    finally:
        for process in started:
            process.communicate(b"\n")
