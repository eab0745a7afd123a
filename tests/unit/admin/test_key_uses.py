"""Uses of API keys on their way from reports into the registry."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.admin import key_uses
from lukhas.admin.key_uses import KeyUses
from lukhas.errors import StoreError
from lukhas.identity.key_registry import KeyRegistry, open_key_registry
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.telemetry.health import PartHealth
from tests.unit.admin.conftest import ManualClock

OK = [PartHealth("key-uses", "ok")]
KEYS = st.sampled_from(["a", "b", "c"])


async def made(registry: KeyRegistry) -> str:
    return (await registry.create("acme", Tier.FREE)).record.key_id


async def kept(registry: KeyRegistry, key_id: str) -> int | None:
    found = await registry.get(key_id)
    assert found is not None
    return found.last_used_ns


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - ends by the test's timeout
        await asyncio.sleep(0)


@given(reports=st.lists(st.dictionaries(KEYS, st.integers(1, 2**62))))
def test_the_latest_use_of_each_key_counts(reports: list[dict[str, int]]) -> None:
    """Reports of several workers come in any order."""
    uses = KeyUses(Path("nowhere"))
    for report in reports:
        uses.keep(report)
    for key_id in "abc":
        times = [report[key_id] for report in reports if key_id in report]
        assert uses.latest(key_id, None) == max(times, default=None)
        assert uses.latest(key_id, 2**61) == max([*times, 2**61])


async def test_uses_are_told_before_and_after_they_are_written(
    state_dir: Path, clock: ManualClock
) -> None:
    """Also to who has read the registry just before the write."""
    uses = KeyUses(state_dir)
    async with open_key_registry(state_dir, clock=clock) as registry, uses.opened():
        first, second = await made(registry), await made(registry)
        uses.keep({first: 5})
        assert await kept(registry, first) is None
        assert (uses.latest(first, None), uses.latest(second, None)) == (5, None)
        await uses.write()
        assert await kept(registry, first) == 5
        assert uses.latest(first, None) == 5
        await uses.write()
        # What nobody can be asking for any more is not kept in memory.
        assert (uses._waiting, uses._written) == ({}, {})
        assert uses.latest(first, 5) == 5
        uses.keep({first: 3, second: 7})
        await uses.write()
        assert [await kept(registry, each) for each in (first, second)] == [5, 7]
        assert uses.parts() == OK


async def test_many_uses_are_written_in_parts(
    state_dir: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a change of a key need not wait for all of them; none is left out."""
    monkeypatch.setattr(key_uses, "_AT_ONCE", 2)
    uses = KeyUses(state_dir)
    async with open_key_registry(state_dir, clock=clock) as registry, uses.opened():
        times = {await made(registry): number for number in range(1, 6)}
        uses.keep(times)
        await uses.write()
        assert {each.key_id: each.last_used_ns for each in await registry.list()} == times


async def test_writing_begins_by_itself(state_dir: Path, clock: ManualClock) -> None:
    """Once an interval."""
    uses = KeyUses(state_dir, interval_s=0.001)
    async with open_key_registry(state_dir, clock=clock) as registry:
        key_id = await made(registry)
        async with uses.opened():
            for used_ns in (5, 6):
                uses.keep({key_id: used_ns})
                while await kept(registry, key_id) != used_ns:
                    pass


async def test_the_end_writes_what_is_left(state_dir: Path, clock: ManualClock) -> None:
    """The last reports of the workers come when the process has been asked to end."""
    uses = KeyUses(state_dir, interval_s=3600)
    async with open_key_registry(state_dir, clock=clock) as registry:
        key_id = await made(registry)
        async with uses.opened():
            uses.keep({key_id: 5})
        assert await kept(registry, key_id) == 5


class Slow(KeyUses):
    """Goes on with a write when it is told to."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir, interval_s=0.001)
        self.begun = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def _write(self, uses: Mapping[str, int]) -> None:
        self.begun.set()
        await self.may_go_on.wait()
        await super()._write(uses)


async def test_what_comes_during_the_last_write_is_written_too(
    state_dir: Path, clock: ManualClock
) -> None:
    """The end waits for a write that has begun, and writes once more."""
    uses = Slow(state_dir)
    async with open_key_registry(state_dir, clock=clock) as registry:
        key_id = await made(registry)

        async def live() -> None:
            async with uses.opened():
                uses.keep({key_id: 5})
                await uses.begun.wait()
                uses.keep({key_id: 6})

        living = asyncio.create_task(live())
        await uses.begun.wait()
        await until(lambda: uses.latest(key_id, None) == 6)
        uses.may_go_on.set()
        await living
        assert await kept(registry, key_id) == 6


async def test_without_uses_no_database_is_opened(tmp_path: Path) -> None:
    """A gateway without keys writes nothing."""
    uses = KeyUses(tmp_path / "state", interval_s=0.001)
    async with uses.opened():
        await uses.write()
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("kind", [StoreError, RuntimeError])
async def test_what_cannot_be_written_is_written_later(
    state_dir: Path,
    clock: ManualClock,
    *,
    kind: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Health says so meanwhile, and the log once."""

    async def fail(_self: KeyUses, _uses: Mapping[str, int]) -> None:
        raise kind("the disk is full")

    uses = KeyUses(state_dir, interval_s=3600)
    async with open_key_registry(state_dir, clock=clock) as registry, uses.opened():
        key_id = await made(registry)
        with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "lukhas.admin"):
            patched.setattr(KeyUses, "_write", fail)
            for used_ns in (5, 6):
                uses.keep({key_id: used_ns})
                await uses.write()
        (record,) = caplog.records
        assert "the disk is full" in record.getMessage()
        assert bool(record.exc_info) is (kind is RuntimeError)
        assert uses.parts() == [PartHealth("key-uses", "degraded", "not written: the disk is full")]
        assert uses.latest(key_id, None) == 6
        await uses.write()
        assert await kept(registry, key_id) == 6
        assert uses.parts() == OK
