"""What a worker tells its parent once a second."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from lukhas.gateway.pulse import Pulse, PulseSender
from lukhas.hub.child_link import READY


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends; the reading one is the pulse's to close."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(writing)


async def heard(pulse: Pulse, late_ns: int) -> None:
    async with asyncio.timeout(10):
        while pulse.late_ns != late_ns:  # noqa: ASYNC110 - a reader sets it
            await asyncio.sleep(0)


async def test_readiness_and_then_how_late_it_is(pipe: tuple[int, int]) -> None:
    """In any pieces; what is no number is passed over."""
    reading, writing = pipe
    pulse = Pulse(reading)
    os.write(writing, READY[:2])
    assert await pulse.ready()
    assert pulse.late_ns is None
    os.write(writing, READY[2:] + b"12")
    os.write(writing, b"34\n")
    await heard(pulse, 1234)
    PulseSender(writing).tell(77)
    await heard(pulse, 77)
    pulse.close()
    pulse.close()
    # Nobody reads any more: the worker goes on.
    PulseSender(writing).tell(78)


async def test_a_child_that_ends_without_a_word() -> None:
    """Is not ready."""
    reading, writing = os.pipe()
    pulse = Pulse(reading)
    os.close(writing)
    assert not await pulse.ready()


async def test_a_reader_that_is_slow_holds_nobody_up(pipe: tuple[int, int]) -> None:
    """What does not fit into the pipe is lost."""
    reading, writing = pipe
    sender = PulseSender(writing)
    for _ in range(20_000):
        sender.tell(10**9)
    os.close(reading)


async def test_it_measures_the_loop(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a second, by how much later it wakes than it wished."""
    monkeypatch.setattr("lukhas.gateway.pulse._LOOK_S", 0.001)
    monkeypatch.setattr("lukhas.gateway.pulse._LOOKS", 2)
    reading, writing = pipe
    pulse = Pulse(reading)
    sending = asyncio.create_task(PulseSender(writing).run())
    async with asyncio.timeout(10):
        while pulse.late_ns is None:  # noqa: ASYNC110 - a reader sets it
            await asyncio.sleep(0)
    sending.cancel()
    assert pulse.late_ns >= 0
    pulse.close()


async def test_nobody_to_tell() -> None:
    """A worker that was started by hand tells nothing."""
    PulseSender(-1).tell(5)
