"""What a running gateway is told by signals."""

import asyncio
import os
import signal

import pytest

from lukhas.gateway import orders
from lukhas.gateway.orders import Order, Orders
from lukhas.hub.control_link import Outcome


async def test_signals_become_orders() -> None:
    """Each of the two has its signal; one that waits already is not taken twice."""
    told = Orders()
    told.listen(asyncio.Event())
    for sent in (signal.SIGHUP, signal.SIGHUP, signal.SIGUSR2):
        os.kill(os.getpid(), sent)
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        tickets = [await told.next(), await told.next()]
    assert [ticket.order for ticket in tickets] == [Order.RELOAD, Order.UPGRADE]


async def test_whoever_asks_while_it_waits_shares_the_ticket() -> None:
    """Once it is begun, the next to ask asks for one more: settings may have changed since."""
    told = Orders()
    first = told.ask(Order.RELOAD)
    assert told.ask(Order.RELOAD) is first
    assert await told.next() is first
    second = told.ask(Order.RELOAD)
    assert second is not first
    assert await told.next() is second


async def test_a_ticket_tells_twice() -> None:
    """What comes of it as soon as it is clear, and the end; more is not heard."""
    ticket = Orders().ask(Order.UPGRADE)
    clear = Outcome(order="upgrade", done=True, detail="a", time_ns=1, finished=False)
    end = Outcome(order="upgrade", done=True, detail="b", time_ns=2, finished=True)
    ticket.tell(clear)
    assert not ticket.ended.done()
    ticket.tell(end)
    ticket.tell(Outcome(order="upgrade", done=False, detail="c", time_ns=3, finished=True))
    assert (ticket.decided.result(), ticket.ended.result()) == (clear, end)


async def test_a_terminal_that_closes_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGHUP from a terminal that is gone stops; while it is there it is an order."""
    terminal = True
    monkeypatch.setattr(orders, "_has_terminal", lambda: terminal)
    stop = asyncio.Event()
    told = Orders()
    told.listen(stop)
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(10):
        assert (await told.next()).order is Order.RELOAD
    assert not stop.is_set()
    terminal = False
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(10):
        await stop.wait()
