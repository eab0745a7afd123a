"""How much each worker has to do."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from lukhas.gateway.worker_loads import WorkerLoads
from lukhas.policy.scaling.workers import WorkerLoad
from lukhas.units import SECOND_NS

TICKS = 100  # In a second; what Linux has.


@dataclass
class Process:
    """A worker."""

    pid: int | None
    late_ns: int | None = None


def use(proc: Path, pid: int, user: int, system: int) -> None:
    """So many ticks were used by a process with a difficult name."""
    (proc / str(pid)).mkdir(exist_ok=True)
    fields = ["S", *["0"] * 10, str(user), str(system), *["0"] * 5]
    (proc / str(pid) / "stat").write_text(f"{pid} (a ) b) {' '.join(fields)}")


def test_a_load_is_what_was_used_in_between(tmp_path: Path) -> None:
    """User and system time of the last interval, by process; a new one has none yet."""
    loads = WorkerLoads(tmp_path)
    one, two = Process(11, 5), Process(12)
    use(tmp_path, 11, 100, 50)
    assert loads.look([one], SECOND_NS) == [None]
    use(tmp_path, 11, 150, 70)
    use(tmp_path, 12, 900, 0)
    assert loads.look([one, two], 2 * SECOND_NS) == [WorkerLoad(0.7, 5), None]
    use(tmp_path, 12, 1000, 100)
    assert loads.look([one, two], 4 * SECOND_NS) == [WorkerLoad(0.0, 5), WorkerLoad(1.0, 0)]


def test_a_process_that_is_gone_has_no_load(tmp_path: Path) -> None:
    """Nor one that is not started, is another one now, or cannot be read."""
    loads = WorkerLoads(tmp_path)
    use(tmp_path, 11, 100, 50)
    loads.look([Process(11)], SECOND_NS)
    assert loads.look([Process(None), Process(13)], 2 * SECOND_NS) == [None, None]
    # It was not looked at in between.
    assert loads.look([Process(11)], 3 * SECOND_NS) == [None]
    (tmp_path / "11" / "stat").write_text("11 (cut")
    assert loads.look([Process(11)], 4 * SECOND_NS) == [None]


def test_two_looks_at_one_moment(tmp_path: Path) -> None:
    """Say nothing."""
    loads = WorkerLoads(tmp_path)
    use(tmp_path, 11, 100, 50)
    loads.look([Process(11)], SECOND_NS)
    assert loads.look([Process(11)], SECOND_NS) == [None]


def test_a_real_process() -> None:
    """This one can be looked at."""
    import os

    loads = WorkerLoads()
    loads.look([Process(os.getpid())], 1)
    sum(range(3_000_000))
    (load,) = loads.look([Process(os.getpid())], SECOND_NS)
    assert load is not None
    assert load.busy >= 0.0
    assert os.sysconf("SC_CLK_TCK") == pytest.approx(TICKS)
