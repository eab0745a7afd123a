"""The socket at which the parent process is asked for something."""

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from lukhas.gateway.control import Control
from lukhas.gateway.orders import Order, Orders
from lukhas.hub.control_link import (
    CONTROL_SOCKET,
    Outcome,
    ParentStatus,
    asked,
    outcome_of,
    short_address,
)

SERVED = Outcome(order="reload", done=True, detail="generation 2", time_ns=5, finished=False)
DONE = Outcome(order="reload", done=True, detail="generation 2", time_ns=6, finished=True)
REFUSED = Outcome(
    order="upgrade", done=False, detail="no", faults=("a: b",), time_ns=7, finished=True
)


class Parent:
    """A parent process that does what the test says."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / CONTROL_SOCKET
        self.orders = Orders()
        self.status = ParentStatus(generation=1, workers_wanted=2)
        self.control = Control(self.orders, lambda: self.status)


@pytest.fixture
async def parent(tmp_path: Path) -> AsyncIterator[Parent]:
    """One whose path is longer than the address of a Unix socket may be."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    made = Parent(folder)
    await made.control.listen(made.path)
    yield made
    await made.control.close()
    assert not made.path.exists()


async def test_only_this_user_may_ask(parent: Parent) -> None:
    """The socket is as private as the state directory."""
    assert stat.S_IMODE(parent.path.stat().st_mode) == 0o600


async def test_an_order_is_answered_when_it_is_clear_and_when_it_is_done(parent: Parent) -> None:
    """Whoever is ended by it hears in time; whoever wants to wait can."""
    soon = asyncio.create_task(outcome_of(parent.path, "reload", finished=False))
    late = asyncio.create_task(outcome_of(parent.path, "reload", finished=True))
    ticket = await parent.orders.next()
    assert ticket.order is Order.RELOAD
    ticket.tell(SERVED)
    assert await soon == SERVED
    assert not late.done()
    ticket.tell(DONE)
    assert await late == DONE


async def test_a_refusal_is_final(parent: Parent) -> None:
    """It says what is wrong."""
    waiting = asyncio.create_task(outcome_of(parent.path, "upgrade", finished=True))
    (await parent.orders.next()).tell(REFUSED)
    assert await waiting == REFUSED


async def test_a_watcher_hears_of_every_change(parent: Parent) -> None:
    """The status as it is, and then whenever it is another."""
    async with aclosing(asked(parent.path, "watch")) as replies:
        assert await anext(replies) == parent.status
        parent.status = ParentStatus(generation=2, workers_wanted=3, last=REFUSED)
        parent.control.tell()
        assert await anext(replies) == parent.status
    async with asyncio.timeout(10):
        while parent.control._connections:  # noqa: ASYNC110 - the other end has only just left
            await asyncio.sleep(0)


async def test_the_end_of_the_parent_ends_the_waiting(parent: Parent) -> None:
    """There is no outcome then."""
    waiting = asyncio.create_task(outcome_of(parent.path, "reload", finished=True))
    await parent.orders.next()
    await parent.control.close()
    assert await waiting is None


@pytest.mark.parametrize("line", [b"", b"no json\n", b'{"ask": "dance"}\n', b"x" * 100_000])
async def test_what_is_no_request_is_hung_up_on(parent: Parent, line: bytes) -> None:
    """And harms nobody."""
    with short_address(parent.path) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    writer.write(line)
    writer.write_eof()
    async with asyncio.timeout(10):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_an_answer_that_cannot_be_read(tmp_path: Path) -> None:
    """Another version may answer in another way: that is like no answer."""

    async def nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"nonsense\n")
        writer.close()

    path = tmp_path / "s"
    with short_address(path) as address:
        server = await asyncio.start_unix_server(nonsense, address)
    async with server:
        with pytest.raises(ConnectionError, match="cannot be read"):
            await outcome_of(path, "reload", finished=True)


async def test_a_socket_from_before_is_replaced(tmp_path: Path) -> None:
    """What a killed gateway has left does not keep the next one away."""
    (tmp_path / CONTROL_SOCKET).write_text("")
    made = Parent(tmp_path)
    await made.control.listen(made.path)
    async with aclosing(asked(made.path, "watch")) as replies:
        assert isinstance(await anext(replies), ParentStatus)
    await made.control.close()


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Is an error for who listens and for who asks."""
    made = Parent(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        await made.control.listen(made.path)
    with pytest.raises(FileNotFoundError):
        await outcome_of(made.path, "reload", finished=True)
