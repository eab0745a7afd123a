"""The listening sockets of the parent process."""

import errno
import os
import socket

from lukhas.config.addresses import Address
from lukhas.errors import PortInUseError
from lukhas.gateway.steering import steer

__all__ = ("Listeners", "bound_address", "listening_socket")

_BACKLOG = 1024


def listening_socket(address: Address) -> socket.socket:
    """A bound socket that listens, to be inherited by children.

    Raises:
        PortInUseError: the address is taken, not ours, or not allowed.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections take it over; without it small answers wait for 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind((address.host, address.port))
        # Only now: bound with it, a second gateway on this address would not be noticed.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = "stop what listens there, or choose another address"
        if error.errno == errno.EACCES:
            hint = "choose a port above 1023, or run with the right to bind this one"
        elif error.errno != errno.EADDRINUSE:
            hint = "choose an address of this machine"
        raise PortInUseError(str(address), f"{reason}: {hint}") from error
    return listening


def bound_address(listening: socket.socket) -> Address:
    """Where a socket listens."""
    host, port = listening.getsockname()[:2]
    return Address(host, port)


class Listeners:
    """The sockets of the data plane: one for each worker, all on one address.

    The kernel spreads new connections evenly over those of the workers that serve. There may be
    more sockets than workers, after some were taken away: a socket is never closed while others
    serve, for what waits there would be lost.

    Args:
        first: the socket that the others join.
        may_add: whether others may join; a socket that was handed over is served by all workers.

    Attributes:
        can_steer: whether the kernel can be told which sockets get new connections. Where it
            cannot, those without a worker of their own are dealt out among the workers.
    """

    def __init__(self, first: socket.socket, *, may_add: bool) -> None:
        self.address = bound_address(first)
        self._sockets = [first]
        self._may_add = may_add
        self._open = 1
        self.can_steer = may_add and steer(first, 1)

    def provide(self, workers: int) -> None:
        """Makes a socket for each worker, if there is to be more than one socket.

        Those added are only bound: they get connections once they are opened.

        Raises:
            PortInUseError: the address refuses one more.
        """
        while self._may_add and len(self._sockets) < workers:
            first = self._sockets[0]
            added = socket.socket(first.family, socket.SOCK_STREAM)
            try:
                added.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                added.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                added.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                added.bind(first.getsockname())
            except OSError as error:
                added.close()
                raise PortInUseError(str(self.address), f"one more socket: {error}") from error
            self._sockets.append(added)

    def open(self, workers: int) -> None:
        """Opens the sockets of so many workers, which get no connections before `steer`.

        Where the kernel cannot be told, the workers open them when they are ready.
        """
        if not self.can_steer:
            return
        # In their order: by it the kernel counts them.
        while self._open < min(workers, len(self._sockets)):
            self._sockets[self._open].listen(_BACKLOG)
            self._open += 1

    def steer(self, workers: int) -> None:
        """Lets new connections go to the sockets of so many workers, which serve."""
        if self.can_steer:
            steer(self._sockets[0], min(workers, len(self._sockets)))

    def forget_beyond(self, count: int) -> None:
        """Closes the sockets that were added last, when what they were for has failed."""
        while len(self._sockets) > count:
            self._sockets.pop().close()
        self._open = min(self._open, count)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._sockets)

    def share(self, index: int, workers: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The descriptors that one of the workers serves, and those of its siblings.

        Args:
            index: which worker, from 0.
            workers: how many there are.
        """
        count = len(self._sockets)
        own = {index % count}
        if not self.can_steer:
            own |= {*range(index, count, workers)}
        numbers = [listening.fileno() for listening in self._sockets]
        return (
            tuple(numbers[place] for place in sorted(own)),
            tuple(numbers[place] for place in range(count) if place not in own),
        )

    def close(self) -> None:
        """Closes all of them."""
        for listening in self._sockets:
            listening.close()
