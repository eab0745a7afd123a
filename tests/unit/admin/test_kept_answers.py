"""Answers that take a while are kept for a while."""

import asyncio

import pytest

from lukhas.admin.kept_answers import KeptAnswers
from lukhas.units import SECOND_NS
from tests.unit.admin.conftest import ManualClock


class Maker:
    """Counts how often it makes an answer."""

    def __init__(self) -> None:
        self.made = 0
        self.failure: Exception | None = None

    async def __call__(self) -> int:
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        self.made += 1
        return self.made


@pytest.fixture
def make() -> Maker:
    return Maker()


async def test_an_answer_is_kept_while_it_is_fresh(clock: ManualClock, make: Maker) -> None:
    """Up to its age; another question has another answer."""
    kept: KeptAnswers[int] = KeptAnswers(clock)
    assert [await kept.get("a", make, fresh_s=5) for _ in range(2)] == [1, 1]
    assert await kept.get("b", make, fresh_s=5) == 2
    clock.time_ns += 5 * SECOND_NS
    assert await kept.get("a", make, fresh_s=5) == 1
    clock.time_ns += 1
    assert await kept.get("a", make, fresh_s=5) == 3


async def test_however_many_ask_it_is_made_once(clock: ManualClock, make: Maker) -> None:
    """Whoever comes meanwhile waits for it."""
    kept: KeptAnswers[int] = KeptAnswers(clock)
    found = await asyncio.gather(*(kept.get("a", make, fresh_s=5) for _ in range(5)))
    assert found == [1] * 5


async def test_a_failure_is_not_kept(clock: ManualClock, make: Maker) -> None:
    """The next one tries again."""
    kept: KeptAnswers[int] = KeptAnswers(clock)
    make.failure = ValueError("no")
    with pytest.raises(ValueError, match="no"):
        await kept.get("a", make, fresh_s=5)
    make.failure = None
    assert await kept.get("a", make, fresh_s=5) == 1


async def test_few_questions_are_remembered(clock: ManualClock, make: Maker) -> None:
    """The oldest goes."""
    kept: KeptAnswers[int] = KeptAnswers(clock, most=2)
    for question in ("a", "b", "c"):
        await kept.get(question, make, fresh_s=5)
    assert await kept.get("b", make, fresh_s=5) == 2
    assert await kept.get("a", make, fresh_s=5) == 4
