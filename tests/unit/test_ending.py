"""How a process ends."""

import os
import subprocess
import sys

PROGRAM = """
import atexit, logging.handlers, sys
from lukhas.ending import end_process

kept = logging.handlers.MemoryHandler(99, target=logging.StreamHandler(sys.stdout))
logging.getLogger().addHandler(kept)
logging.warning("logged")
sys.stdout.write("written")
atexit.register(print, "tidied up")
end_process(3)
"""


def test_what_was_written_goes_out_and_nothing_is_tidied_up() -> None:
    """Log records that a handler keeps as well; the exit code is as given."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "logged" in done.stdout
    assert "written" in done.stdout
    assert "tidied up" not in done.stdout
    assert done.stderr == ""


def test_a_pipe_that_nobody_reads_is_told_as_ever() -> None:
    """As Python does it, with 120: the output did not arrive."""
    reading, writing = os.pipe()
    os.close(reading)
    program = "import sys; from lukhas.ending import end_process; print('x'); end_process()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=writing,
        stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        check=False,
    )
    os.close(writing)
    assert done.returncode == 120
    assert b"BrokenPipeError" in done.stderr
