"""Counters of a node: several processes, files that are damaged, and what is kept for how long."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from lukhas.errors import StoreError
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.node import NodeEnvironment
from lukhas.storage.node_counters import COUNTERS_FILE, NodeCounters, open_node_counters
from lukhas.units import DAY_NS, MIB, SECOND_NS

T0 = 20_250 * DAY_NS
IDLE_NS = T0 + 22 * SECOND_NS

ATTEMPTS = f"""
import sys
from pathlib import Path
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import plan_for
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.node_counters import open_node_counters

plan = plan_for(Tier.FREE, parse_limits(sys.argv[2], policy="free"), (), route="r")
counters = open_node_counters(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
attempts = int(sys.argv[3])
while attempts:
    attempts -= 1
    print(int(counters.decide(plan, ("key:a",), {T0}, 1).allowed), flush=attempts < 0)
"""


def plan(text: str = "1/20s") -> LimitPlan:
    return plan_for(Tier.FREE, parse_limits(text, policy="free"), (), route="r")


def allowed(counters: NodeCounters, one: LimitPlan, subject: str, now_ns: int = T0) -> bool:
    return counters.decide(one, (subject,), now_ns, 1).allowed


def small(folder: Path, *, max_states: int = 100, map_size_bytes: int = MIB) -> NodeCounters:
    path = folder / COUNTERS_FILE
    node = NodeEnvironment(path, map_size_bytes=map_size_bytes, durable=False, writable_map=True)
    return NodeCounters(node, max_states=max_states)


@pytest.fixture
def counters(tmp_path: Path) -> Iterator[NodeCounters]:
    opened = open_node_counters(tmp_path / "state")
    yield opened
    opened.close()


class Attempter:
    """A process that tries as often as it is told."""

    def __init__(self, folder: Path, text: str, attempts: int) -> None:
        self.process = subprocess.Popen(
            (sys.executable, "-c", ATTEMPTS, str(folder), text, str(attempts)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def passed(self) -> tuple[int, int]:
        """How many passed, of how many."""
        shown, _ = self.process.communicate(timeout=30)
        assert self.process.returncode == 0
        outcomes = shown.split()
        return outcomes.count("1"), len(outcomes)


@pytest.mark.parametrize("text", ["100/minute", "100/minute exact", "100/day burst 100"])
def test_four_processes_admit_exactly_the_limit(tmp_path: Path, text: str) -> None:
    """Of 400 attempts at the same time just 100 pass."""
    attempters = [Attempter(tmp_path, text, 100) for _ in range(4)]
    for attempter in attempters:
        attempter.wait_ready()
    for attempter in attempters:
        attempter.go()
    outcomes = [attempter.passed() for attempter in attempters]
    assert sum(passed for passed, _tried in outcomes) == 100
    assert sum(tried for _passed, tried in outcomes) == 400


def test_a_process_that_is_killed_leaves_the_counters_usable(tmp_path: Path) -> None:
    """In the middle of its work, wherever that is: what it counted counts, and nothing is stuck."""
    for _round in range(3):
        attempter = Attempter(tmp_path, "1000000/minute", -1)
        attempter.wait_ready()
        attempter.go()
        assert attempter.process.stdout is not None
        for _ in range(50):
            attempter.process.stdout.readline()
        attempter.process.send_signal(signal.SIGKILL)
        attempter.process.communicate(timeout=30)
        assert attempter.process.returncode == -signal.SIGKILL
    counters = open_node_counters(tmp_path)
    decision = counters.decide(plan("1000000/minute"), ("key:a",), T0, 1)
    counters.close()
    assert decision.allowed
    assert decision.figures[0] <= 1_000_000 - 151


def test_counts_outlive_the_process(tmp_path: Path) -> None:
    """As on a restart of the workers one by one."""
    for expected in (True, True, False, False):
        counters = open_node_counters(tmp_path)
        assert allowed(counters, plan("2/20s"), "key:a") is expected
        counters.close()


def test_the_file_is_this_nodes_own(tmp_path: Path) -> None:
    """Nobody else may read who calls how often."""
    counters = open_node_counters(tmp_path / "state")
    counters.close()
    assert (tmp_path / "state" / COUNTERS_FILE).stat().st_mode & 0o777 == 0o600


def test_two_in_one_process_count_together(tmp_path: Path, counters: NodeCounters) -> None:
    """As in two processes; each may close its own."""
    other = open_node_counters(tmp_path / "state")
    assert allowed(counters, plan(), "key:a")
    assert not allowed(other, plan(), "key:a")
    other.close()
    assert not allowed(counters, plan(), "key:a")


def test_idle_states_are_dropped(tmp_path: Path) -> None:
    """Two are looked at for each new one, turn by turn; busy ones stay."""
    counters, one = small(tmp_path), plan()
    for number in range(10):
        allowed(counters, one, f"old-{number}")
    assert len(counters) == 10
    allowed(counters, one, "other", IDLE_NS - 1)
    assert len(counters) == 11
    for number in range(20):
        allowed(counters, one, f"new-{number}", IDLE_NS)
    assert len(counters) == 21
    assert not any(allowed(counters, one, f"new-{number}", IDLE_NS) for number in range(20))
    counters.close()


def test_new_subjects_share_states_when_all_places_are_taken(tmp_path: Path) -> None:
    """And who gets a place of its own later takes along what the shared state says."""
    counters, one = small(tmp_path, max_states=1), plan("2/20s")
    allowed(counters, one, "old")
    assert counters.shared == 0
    late_ns = IDLE_NS - SECOND_NS
    assert [allowed(counters, one, "mine", late_ns) for _ in range(3)] == [True, True, False]
    assert counters.shared == 3
    # The old one is dropped now; there are two states while the shared one counts.
    counters.close()
    roomy = small(tmp_path, max_states=9)
    assert not allowed(roomy, one, "mine", IDLE_NS)
    assert roomy.shared == 0
    assert allowed(roomy, one, "mine", IDLE_NS + 30 * SECOND_NS)
    roomy.close()


def test_a_file_that_is_full_is_a_store_error(tmp_path: Path) -> None:
    """Deciding and settling; what was kept before is still there."""
    counters, one = small(tmp_path, max_states=10**6, map_size_bytes=64 * 1024), plan("2/20s")
    first = counters.decide(one, ("key:a",), T0, 1)

    def fill(prefix: str) -> None:
        for number in range(10_000):
            if prefix == "settled":
                counters.settle(first, (f"{prefix}:{number}",), T0, (1,))
            else:
                allowed(counters, one, f"{prefix}:{number}")

    for prefix in ("decided", "settled"):
        with pytest.raises(StoreError):
            fill(prefix)
    counters.close()
    reopened = small(tmp_path, max_states=10**6)
    assert [allowed(reopened, one, "key:a") for _ in range(2)] == [True, False]
    reopened.close()


def test_a_closed_store_is_a_store_error(tmp_path: Path) -> None:
    """Whoever asks after the close is told so."""
    counters = small(tmp_path)
    decision = counters.decide(plan(), ("key:a",), T0, 1)
    counters.close()
    with pytest.raises(StoreError):
        counters.decide(plan(), ("key:a",), T0, 1)
    with pytest.raises(StoreError):
        counters.settle(decision, ("key:a",), T0, (1,))


@pytest.mark.parametrize("value", [b"", b"x", b"\x01" * 7, b"\0" * 8, b"\0" * 9, b"\xff" * 400])
@pytest.mark.parametrize("text", ["1/20s", "1/20s exact", "1 concurrent", "1/day burst 1"])
def test_values_that_nobody_wrote_are_made_anew(tmp_path: Path, text: str, value: bytes) -> None:
    """A damaged value is a new state, and no error."""
    counters, one = small(tmp_path), plan(text)
    assert allowed(counters, one, "key:a")
    counters.close()
    with (
        lmdb.open(str(tmp_path / COUNTERS_FILE), subdir=False) as file,
        file.begin(write=True) as transaction,
    ):
        key = f"{one.groups[0].table}\0key:a".encode()
        assert transaction.get(key) is not None
        transaction.put(key, value)
    reopened = small(tmp_path)
    assert [allowed(reopened, one, "key:a") for _ in range(2)] == [True, False]
    reopened.close()


def test_a_fork_does_not_use_the_file_of_its_parent(tmp_path: Path) -> None:
    """LMDB would damage it."""
    counters = small(tmp_path)
    child = os.fork()
    if child == 0:
        try:
            counters.decide(plan(), ("key:a",), T0, 1)
        except StoreError:
            os._exit(7)
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    counters.close()
    assert os.waitstatus_to_exitcode(status) == 7


def test_a_full_disk_is_told_and_ends_no_process(
    counters: NodeCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room is asked for before states are written into it, by whichever way they come."""

    def full(_descriptor: int, _begin: int, _bytes: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        for one in (plan("9/20s"), plan("9/20s; 20/minute")):
            with pytest.raises(StoreError, match="cannot grow"):
                counters.decide(one, ("key:a",) * len(one.groups), T0, 1)
    decision = counters.decide(plan("9/20s"), ("key:a",), T0, 1)
    assert decision.allowed
    counters.settle(decision, ("key:a",), T0, (1,))


def test_room_is_looked_after_as_states_come(
    counters: NodeCounters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room is asked for again long before it is used up."""
    looks = []
    make_room = NodeEnvironment.make_room

    def look(node: NodeEnvironment) -> None:
        looks.append(node)
        make_room(node)

    monkeypatch.setattr(NodeEnvironment, "make_room", look)
    for number in range(600):
        assert allowed(counters, plan(), f"key:{number}")
    assert len(looks) >= 3
    assert (tmp_path / "state" / COUNTERS_FILE).stat().st_blocks * 512 >= 8 * MIB
