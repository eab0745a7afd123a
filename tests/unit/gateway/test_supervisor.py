"""Listening sockets, and what is refused before anything is started."""

import socket
from pathlib import Path

import pytest

from lukhas.config.addresses import Address
from lukhas.config.settings import Settings
from lukhas.errors import ConfigError, NotAvailableError, PortInUseError, StateDirError
from lukhas.gateway.supervisor import listening_socket, run


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


def settings_of(tmp_path: Path, **values: object) -> Settings:
    free = {"listen": "127.0.0.1:0", "admin": {"listen": "127.0.0.1:0"}, "state_dir": tmp_path}
    return Settings.model_validate(free | values)


def test_no_upstream(tmp_path: Path) -> None:
    """Without an upstream nothing is started."""
    with pytest.raises(ConfigError, match=r"upstream\.url"):
        run(settings_of(tmp_path))


def test_several_workers(tmp_path: Path) -> None:
    """More workers than one are refused rather than ignored."""
    settings = settings_of(tmp_path, upstream="http://localhost:1").model_copy(
        update={"workers": 2}
    )
    with pytest.raises(NotAvailableError, match="workers"):
        run(settings)


def test_a_state_dir_that_cannot_be(tmp_path: Path) -> None:
    """A state directory below a file is refused before anything is started."""
    (tmp_path / "file").write_text("")
    settings = settings_of(tmp_path / "file" / "state", upstream="http://localhost:1")
    with pytest.raises(StateDirError):
        run(settings)


def test_a_worker_that_cannot_start(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A damaged key table ends everything with the code of the child that found it."""
    (tmp_path / "keys.lmdb").write_bytes(b"no table" * 1000)
    settings = settings_of(tmp_path, upstream="http://localhost:1")
    announced: list[object] = []
    code = run(settings, on_ready=lambda *addresses: announced.append(addresses))
    assert code == 2
    assert announced == []
    assert "keys.lmdb" in capfd.readouterr().err
