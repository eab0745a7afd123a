"""Which sockets of one address get new connections."""

import socket

import pytest

from lukhas.config.addresses import Address
from lukhas.gateway import listening
from lukhas.gateway.listening import Listeners, listening_socket
from lukhas.gateway.steering import steer

CONNECTIONS = 60


def waiting(sockets: list[socket.socket]) -> list[int]:
    """How many connections wait at each; they are taken."""
    counts = []
    for each in sockets:
        each.setblocking(False)
        count = 0
        while True:
            try:
                each.accept()[0].close()
            except OSError:
                break
            count += 1
        counts.append(count)
    return counts


def connect(listeners: Listeners) -> None:
    for _ in range(CONNECTIONS):
        address = (listeners.address.host, listeners.address.port)
        with socket.create_connection(address):
            pass


def made(workers: int) -> Listeners:
    listeners = Listeners(listening_socket(Address("127.0.0.1", 0)), may_add=True)
    if not listeners.can_steer:
        listeners.close()
        pytest.skip("this kernel steers no connections")
    listeners.provide(workers)
    return listeners


def test_only_the_first_get_connections() -> None:
    """As many as there are workers; the others keep what they have, and may come back."""
    listeners = made(3)
    sockets = listeners._sockets
    listeners.open(3)
    connect(listeners)
    assert waiting(sockets) == [CONNECTIONS, 0, 0]
    for workers in (2, 3, 1):
        listeners.steer(workers)
        connect(listeners)
        counts = waiting(sockets)
        assert sum(counts) == CONNECTIONS
        assert [count > 0 for count in counts] == [number < workers for number in range(3)]
    listeners.close()


def test_a_socket_that_is_not_open_gets_none() -> None:
    """It is only bound, and is opened in its turn."""
    listeners = made(3)
    listeners.open(2)
    listeners.steer(3)
    connect(listeners)
    assert waiting(listeners._sockets[:2])[0] > 0
    assert not listeners._sockets[2].getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    listeners.forget_beyond(1)
    listeners.provide(3)
    listeners.open(3)
    listeners.steer(3)
    connect(listeners)
    assert all(waiting(listeners._sockets))
    listeners.close()


def test_a_kernel_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Says so; then workers open the sockets themselves, and those that are left are dealt out."""
    with socket.socket(socket.AF_UNIX) as no_member:
        assert not steer(no_member, 1)
    monkeypatch.setattr(listening, "steer", lambda *_: False)
    listeners = Listeners(listening_socket(Address("127.0.0.1", 0)), may_add=True)
    assert not listeners.can_steer
    listeners.provide(3)
    listeners.open(3)
    listeners.steer(2)
    accepts = [
        bool(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        for each in listeners._sockets
    ]
    assert accepts == [True, False, False]
    assert [len(listeners.share(index, 2)[0]) for index in range(2)] == [2, 1]
    listeners.close()
