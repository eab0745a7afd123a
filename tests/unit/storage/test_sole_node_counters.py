"""Counters of a process that counts alone, until another one comes."""

import errno
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lukhas.errors import StoreError
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage import sole_node_counters
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.storage.node import NodeEnvironment
from lukhas.storage.node_counters import COUNTERS_FILE
from lukhas.storage.sole_node_counters import SoleNodeCounters, open_sole_node_counters
from lukhas.units import DAY_NS, MIB, SECOND_NS

T0 = 20_250 * DAY_NS

# Takes turns: each line is so many attempts in a turn of its own.
ATTEMPTS = f"""
import sys
from pathlib import Path
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import plan_for
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.sole_node_counters import open_sole_node_counters

plan = plan_for(Tier.FREE, parse_limits(sys.argv[2], policy="free"), (), route="r")
waiting = []
counters = open_sole_node_counters(Path(sys.argv[1]), waiting.append)
print("ready", flush=True)
for line in sys.stdin:
    tries = [counters.decide(plan, ("key:a",), {T0}, 1).allowed for _ in range(int(line))]
    while waiting:
        waiting.pop()()
    print(sum(tries), flush=True)
"""


def plan(text: str) -> LimitPlan:
    return plan_for(Tier.FREE, parse_limits(text, policy="free"), (), route="r")


class Turns:
    """Ends turns when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def end(self) -> None:
        while self.waiting:
            self.waiting.pop()()


class Other:
    """Another process with counters of the same kind on the same file."""

    def __init__(self, folder: Path, text: str) -> None:
        self.process = subprocess.Popen(
            (sys.executable, "-c", ATTEMPTS, str(folder), text),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, attempts: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{attempts}\n")
        self.process.stdin.flush()

    def passed(self) -> int:
        return int(self._line())

    def stop(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def counters(tmp_path: Path, turns: Turns) -> Iterator[SoleNodeCounters]:
    opened = open_sole_node_counters(tmp_path, turns.waiting.append)
    yield opened
    opened.close()


def passed(
    counters: SoleNodeCounters, one: LimitPlan, attempts: int, subject: str = "key:a"
) -> int:
    return sum(counters.decide(one, (subject,), T0, 1).allowed for _ in range(attempts))


def test_a_turn_is_one_transaction(counters: SoleNodeCounters, turns: Turns) -> None:
    """However many decisions there are in it, its end is asked for once."""
    one = plan("100/minute")
    assert passed(counters, one, 50) == 50
    assert len(turns.waiting) == 1
    turns.end()
    assert passed(counters, one, 60) == 50


@pytest.mark.parametrize("text", ["100/minute", "100/minute exact", "100/day burst 100"])
def test_two_processes_that_take_turns_admit_exactly_the_limit(
    tmp_path: Path, turns: Turns, counters: SoleNodeCounters, text: str
) -> None:
    """What another process wrote since the last turn counts, whatever is at hand here."""
    one, other = plan(text), Other(tmp_path, text)
    total = 0
    for _round in range(12):
        total += passed(counters, one, 7)
        # It waits for this turn to end: while it lasts nobody else decides.
        other.ask(5)
        total += passed(counters, one, 3)
        turns.end()
        total += other.passed()
    other.stop()
    assert total == 100


def test_several_turns_alone_keep_what_is_at_hand(
    counters: SoleNodeCounters, turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is not read again while nobody else writes."""
    one = plan("100/minute")
    passed(counters, one, 1)
    turns.end()

    def fail(*_args: object) -> None:
        raise AssertionError("read from the file")

    monkeypatch.setattr(SoleNodeCounters, "_entries", fail)
    for _ in range(3):
        assert passed(counters, one, 2) == 2
        turns.end()


def test_counts_outlive_the_process(tmp_path: Path) -> None:
    """Closing ends the turn that is under way."""
    for expected in (1, 1, 0, 0):
        counters = open_sole_node_counters(tmp_path, lambda _callback: None)
        assert passed(counters, plan("2/20s"), 1) == expected
        counters.close()


def test_it_decides_as_counters_in_memory(counters: SoleNodeCounters, turns: Turns) -> None:
    """Over random subjects, plans, costs, settlements and turns."""
    draws = random.Random(20_261_125)
    plans = [plan("5/20s; 20/minute"), plan("3/minute exact"), plan("2 concurrent"), plan("9/20s")]
    memory, now_ns = MemoryCounters(), T0
    for _step in range(3000):
        one, subject = draws.choice(plans), (f"key:{draws.randrange(6)}",)
        cost = draws.choice((1, 1, 1, 2))
        ours = counters.decide(one, subject, now_ns, cost)
        theirs = memory.decide(one, subject, now_ns, cost)
        assert (ours.allowed, ours.figures) == (theirs.allowed, theirs.figures)
        if ours.allowed and draws.random() < 0.5:
            counters.settle(ours, subject, now_ns, (-1,))
            memory.settle(theirs, subject, now_ns, (-1,))
        now_ns += draws.randrange(SECOND_NS)
        if draws.random() < 0.3:
            turns.end()


def test_what_is_at_hand_is_bounded(
    counters: SoleNodeCounters, turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond that the file is asked again, and nothing is lost."""
    monkeypatch.setattr(sole_node_counters, "_MOST_KNOWN", 4)
    one = plan("2/minute")
    for _ in range(3):
        for number in range(10):
            passed(counters, one, 1, f"key:{number}")
        turns.end()
    assert [passed(counters, one, 1, f"key:{number}") for number in range(10)] == [0] * 10
    assert len(counters) == 10


def test_subjects_that_share_a_state_never_have_two(tmp_path: Path, turns: Turns) -> None:
    """With all places taken, two subjects in one shared state have one quota between them."""
    node = NodeEnvironment(
        tmp_path / COUNTERS_FILE, map_size_bytes=MIB, durable=False, writable_map=True
    )
    counters, one = SoleNodeCounters(node, turns.waiting.append, max_states=1), plan("3/20s")
    assert passed(counters, one, 1, "old") == 1
    allowed = [passed(counters, one, 1, "mine") for _ in range(2)]
    turns.end()
    allowed += [passed(counters, one, 1, "mine") for _ in range(3)]
    assert sum(allowed) == 3
    assert counters.shared == 5
    counters.close()


def test_a_turn_that_cannot_be_written_is_told_to_the_next(tmp_path: Path, turns: Turns) -> None:
    """It fails once; what follows is decided on what the file has."""
    node = NodeEnvironment(
        tmp_path / COUNTERS_FILE, map_size_bytes=64 * 1024, durable=False, writable_map=True
    )
    counters, one = SoleNodeCounters(node, turns.waiting.append), plan("2/20s")
    assert passed(counters, one, 1) == 1
    turns.end()

    def fill() -> None:
        for number in range(10_000):
            passed(counters, one, 1, f"key:{number}")

    with pytest.raises(StoreError, match="full"):
        fill()
    turns.end()
    assert passed(counters, one, 3) == 1
    counters.close()


def test_a_turn_that_fails_at_its_end_is_told_to_the_next(
    counters: SoleNodeCounters, turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once; then it works again, on what the file has."""
    one = plan("3/20s")
    passed(counters, one, 1)
    turns.end()
    passed(counters, one, 1)

    def fail(*_args: object) -> None:
        raise StoreError("the counters could not be written")

    with monkeypatch.context() as patched:
        patched.setattr(sole_node_counters, "write_state", fail)
        turns.end()
    with pytest.raises(StoreError, match="could not be written"):
        passed(counters, one, 1)
    assert passed(counters, one, 3) == 2


def test_a_turn_in_which_nothing_was_written_is_no_proof(
    counters: SoleNodeCounters, turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LMDB gives its number to the next that writes, whoever that is."""
    one = plan("3/20s")
    passed(counters, one, 1)
    turns.end()

    def fail(*_args: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(sole_node_counters, "decide", fail)
        with pytest.raises(ZeroDivisionError):
            passed(counters, one, 1, "key:b")
    turns.end()
    assert passed(counters, one, 3) == 2


def test_a_closed_store_is_a_store_error(tmp_path: Path) -> None:
    """Whoever asks after the close is told so."""
    counters = open_sole_node_counters(tmp_path, lambda _callback: None)
    counters.close()
    with pytest.raises(StoreError):
        passed(counters, plan("2/20s"), 1)
    assert counters is not None


def test_a_full_disk_is_told_before_a_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn without room to be written is not begun, and the lock of the file is free again."""

    def full(_descriptor: int, _begin: int, _bytes: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    turns = Turns()
    counters = open_sole_node_counters(tmp_path, turns.waiting.append)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        for _ in range(2):
            with pytest.raises(StoreError, match="cannot grow"):
                counters.decide(plan("2/20s"), ("key:a",), T0, 1)
            assert not turns.waiting
    assert counters.decide(plan("2/20s"), ("key:a",), T0, 1).allowed
    turns.end()
    counters.close()
