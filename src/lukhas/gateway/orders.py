"""What a running gateway is told by signals."""

import asyncio
import os
import signal
from enum import StrEnum

__all__ = ("Order", "Orders")


class Order(StrEnum):
    """Something to be done while serving; each begins a new generation of workers."""

    RELOAD = "reload"
    UPGRADE = "upgrade"


class Orders:
    """Takes orders from SIGHUP and SIGUSR2; one that already waits is not taken twice."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Order] = asyncio.Queue()
        self._asked: set[Order] = set()

    def listen(self, stop: asyncio.Event) -> None:
        """Begins to listen to the signals.

        Args:
            stop: set when the terminal that the process was started from goes away, which is told
                by SIGHUP too; not with `nohup`.
        """
        loop = asyncio.get_running_loop()
        ends_with_terminal = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN and _has_terminal()

        def hang_up() -> None:
            if ends_with_terminal and not _has_terminal():
                stop.set()
            else:
                self.ask(Order.RELOAD)

        loop.add_signal_handler(signal.SIGHUP, hang_up)
        loop.add_signal_handler(signal.SIGUSR2, self.ask, Order.UPGRADE)

    def ask(self, order: Order) -> None:
        """Takes an order."""
        if order not in self._asked:
            self._asked.add(order)
            self._waiting.put_nowait(order)

    async def next(self) -> Order:
        """The next order, as soon as there is one."""
        order = await self._waiting.get()
        self._asked.discard(order)
        return order


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
