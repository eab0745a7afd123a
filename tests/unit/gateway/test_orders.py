"""What a running gateway is told by signals."""

import asyncio
import os
import signal

import pytest

from lukhas.gateway import orders
from lukhas.gateway.orders import Order, Orders


async def test_signals_become_orders() -> None:
    """Each of the two has its signal; one that waits already is not taken twice."""
    told = Orders()
    told.listen(asyncio.Event())
    for sent in (signal.SIGHUP, signal.SIGHUP, signal.SIGUSR2):
        os.kill(os.getpid(), sent)
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert [await told.next(), await told.next()] == [Order.RELOAD, Order.UPGRADE]
    told.ask(Order.RELOAD)
    async with asyncio.timeout(10):
        assert await told.next() is Order.RELOAD


async def test_a_terminal_that_closes_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGHUP from a terminal that is gone stops; while it is there it is an order."""
    terminal = True
    monkeypatch.setattr(orders, "_has_terminal", lambda: terminal)
    stop = asyncio.Event()
    told = Orders()
    told.listen(stop)
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(10):
        assert await told.next() is Order.RELOAD
    assert not stop.is_set()
    terminal = False
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(10):
        await stop.wait()
