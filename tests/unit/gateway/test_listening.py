"""Listening sockets: what they are set to, and how workers share them."""

import socket

import pytest

from lukhas.config.addresses import Address
from lukhas.errors import PortInUseError
from lukhas.gateway.listening import Listeners, listening_socket


def test_accepted_connections_do_not_wait_for_more() -> None:
    """TCP_NODELAY is on for accepted connections, or small answers would wait for 40 ms."""
    with (
        listening_socket(Address("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()),
    ):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6_addresses() -> None:
    """An IPv6 address gets an IPv6 socket."""
    try:
        listening = listening_socket(Address("::1", 0))
    except PortInUseError as error:
        pytest.skip(f"no IPv6 loopback: {error}")
    with listening:
        assert listening.family == socket.AF_INET6


def test_a_taken_port() -> None:
    """A taken port names the address and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(PortInUseError, match="stop what listens there") as raised:
            listening_socket(address)
    assert raised.value.address == str(address)


def test_an_address_of_another_machine() -> None:
    """An address that is not ours is said to be so."""
    with pytest.raises(PortInUseError, match="address of this machine"):
        listening_socket(Address("192.0.2.1", 0))


def test_a_port_that_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that only root may bind is said to be so."""

    def refuse(*_args: object) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(PortInUseError, match="1023"):
        listening_socket(Address("127.0.0.1", 80))


def listeners(workers: int, *, may_add: bool = True) -> Listeners:
    made = Listeners(listening_socket(Address("127.0.0.1", 0)), may_add=may_add)
    made.provide(workers)
    return made


def test_a_second_gateway_on_the_address_is_noticed() -> None:
    """Workers share an address; another gateway may not join them."""
    shared = listeners(2)
    with pytest.raises(PortInUseError):
        listening_socket(shared.address)
    shared.close()


def test_new_connections_reach_every_worker() -> None:
    """The kernel spreads connections over the sockets, each of which has its worker."""
    shared = listeners(2)
    shared.open(2)
    shared.steer(2)
    own = [shared.share(index, 2)[0] for index in range(2)]
    sockets = [socket.socket(fileno=socket.dup(numbers[0])) for numbers in own]
    for listening in sockets:
        listening.listen(256)
        listening.setblocking(False)
    clients = [
        socket.create_connection((shared.address.host, shared.address.port)) for _ in range(200)
    ]
    assert [_accepted(listening) > 0 for listening in sockets] == [True, True]
    for opened in (*clients, *sockets):
        opened.close()
    shared.close()


def _accepted(listening: socket.socket) -> int:
    count = 0
    while True:
        try:
            accepted, _ = listening.accept()
        except BlockingIOError:
            return count
        count += 1
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        accepted.close()


@pytest.mark.parametrize("sockets", [1, 2, 3, 5])
@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_every_socket_is_served_where_it_may_get_connections(sockets: int, workers: int) -> None:
    """However many sockets and workers there are, no socket lacks a worker, nor the reverse."""
    shared = listeners(sockets)
    shared.can_steer = False
    shares = [shared.share(index, workers) for index in range(workers)]
    everything = {number for own, _ in shares for number in own}
    assert len(everything) == sockets
    for own, siblings in shares:
        assert own
        assert {*own, *siblings} == everything
        assert not {*own} & {*siblings}
    shared.close()


@pytest.mark.parametrize("sockets", [1, 2, 3, 5])
@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_where_connections_are_steered_each_has_one(sockets: int, workers: int) -> None:
    """The first workers have the first sockets; others are only watched."""
    shared = listeners(sockets)
    shared.can_steer = True
    numbers = [listening.fileno() for listening in shared._sockets]
    for index in range(workers):
        own, siblings = shared.share(index, workers)
        assert own == (numbers[index % sockets],)
        assert {*own, *siblings} == {*numbers}
    shared.close()


def test_a_socket_that_was_handed_over_stays_the_only_one() -> None:
    """All workers serve it."""
    shared = listeners(3, may_add=False)
    assert shared.count == 1
    assert shared.share(0, 3) == shared.share(2, 3)
    shared.close()


def test_sockets_of_a_failed_attempt_are_forgotten() -> None:
    """What was added for workers that never came is closed."""
    shared = listeners(3)
    shared.forget_beyond(1)
    assert shared.count == 1
    with socket.create_connection((shared.address.host, shared.address.port)):
        pass
    shared.close()


def test_an_address_that_refuses_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told like a port in use, and what there was stays."""
    shared = listeners(1)

    def refuse(*_args: object) -> None:
        raise OSError(98, "no")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(PortInUseError, match="one more socket"):
        shared.provide(2)
    assert shared.count == 1
    shared.close()
