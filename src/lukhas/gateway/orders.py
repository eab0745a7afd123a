"""What a running gateway is told to do, by signals and at its control socket."""

import asyncio
import os
import signal
from enum import StrEnum

from lukhas.hub.control_link import Outcome

__all__ = ("Order", "Orders", "Ticket")


class Order(StrEnum):
    """Something to be done while serving; each begins a new generation of workers."""

    RELOAD = "reload"
    UPGRADE = "upgrade"


class Ticket:
    """An order on its way, for whoever gave it; made in a running loop.

    Args:
        order: the order.

    Attributes:
        decided: what comes of it, as soon as that is clear.
        ended: the same when all of it is done.
    """

    def __init__(self, order: Order) -> None:
        loop = asyncio.get_running_loop()
        self.order = order
        self.decided: asyncio.Future[Outcome] = loop.create_future()
        self.ended: asyncio.Future[Outcome] = loop.create_future()

    def tell(self, outcome: Outcome) -> None:
        """Tells what came of it; a second time when all of it is done."""
        if not self.decided.done():
            self.decided.set_result(outcome)
        if outcome.finished and not self.ended.done():
            self.ended.set_result(outcome)


class Orders:
    """Takes orders, also from SIGHUP and SIGUSR2; one that already waits is not taken twice."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Ticket] = asyncio.Queue()
        self._asked: dict[Order, Ticket] = {}

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

    def ask(self, order: Order) -> Ticket:
        """Takes an order; gives the ticket of the one that waits already, if there is one."""
        ticket = self._asked.get(order)
        if ticket is None:
            ticket = self._asked[order] = Ticket(order)
            self._waiting.put_nowait(ticket)
        return ticket

    async def next(self) -> Ticket:
        """The next order, as soon as there is one."""
        ticket = await self._waiting.get()
        # Who asks from now on asks for one more: this one may have read the settings already.
        del self._asked[ticket.order]
        return ticket


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
