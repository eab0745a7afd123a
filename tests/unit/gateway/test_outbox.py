"""The outbox: writes of one turn of the loop go out together, in order."""

import asyncio

from lukhas.gateway.outbox import Outbox


class Written:
    """A transport that notes what is written."""

    def __init__(self, log: list[tuple[str, bytes]], name: str) -> None:
        self.log = log
        self.name = name
        self.closed = False

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        self.log.append((self.name, data))


async def test_writes_wait_for_the_end_of_the_turn_and_keep_their_order() -> None:
    """Nothing is written while the loop works through what came in; then all, in order."""
    log: list[tuple[str, bytes]] = []
    outbox = Outbox(asyncio.get_running_loop())
    one, two = Written(log, "one"), Written(log, "two")
    outbox.send(one, b"1")  # type: ignore[arg-type]  # all that is used of a transport
    outbox.send(two, b"2")  # type: ignore[arg-type]
    outbox.send(one, b"3")  # type: ignore[arg-type]
    assert log == []
    await asyncio.sleep(0)
    assert log == [("one", b"1"), ("two", b"2"), ("one", b"3")]


async def test_each_turn_is_flushed_once() -> None:
    """A later write schedules a flush of its own, and an empty outbox writes nothing."""
    log: list[tuple[str, bytes]] = []
    outbox = Outbox(asyncio.get_running_loop())
    outbox.flush()
    for number in (b"1", b"2"):
        outbox.send(Written(log, "one"), number)  # type: ignore[arg-type]
        outbox.flush()
        await asyncio.sleep(0)
    assert log == [("one", b"1"), ("one", b"2")]


async def test_much_is_written_at_once() -> None:
    """So that a transport can say that its peer is slow before more is made for it."""
    log: list[tuple[str, bytes]] = []
    outbox = Outbox(asyncio.get_running_loop())
    outbox.send(Written(log, "one"), b"x" * 65_536)  # type: ignore[arg-type]
    assert log == []
    outbox.send(Written(log, "one"), b"y")  # type: ignore[arg-type]
    assert [len(data) for _name, data in log] == [65_536, 1]
    await asyncio.sleep(0)
    assert len(log) == 2


async def test_a_peer_that_is_gone_takes_nothing_from_the_others() -> None:
    """Its transport was closed between the write and the end of the turn."""
    log: list[tuple[str, bytes]] = []
    outbox = Outbox(asyncio.get_running_loop())
    gone, there = Written(log, "gone"), Written(log, "there")
    outbox.send(gone, b"1")  # type: ignore[arg-type]
    outbox.send(there, b"2")  # type: ignore[arg-type]
    gone.closed = True
    await asyncio.sleep(0)
    assert log == [("there", b"2")]
