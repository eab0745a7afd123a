"""What a service manager says and hears."""

import os
import socket
from pathlib import Path

import pytest

from lukhas.errors import ConfigError
from lukhas.gateway import service_manager
from lukhas.gateway.service_manager import (
    activation_sockets,
    environment_of_children,
    monotonic_us,
    notify,
)

OURS = {"LISTEN_PID": str(os.getpid())}


@pytest.mark.parametrize("address", ["FILE", "@lukhas-test-PID"])
def test_what_is_said_arrives(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One datagram, to a file or to a name in the abstract namespace."""
    address = address.replace("FILE", str(tmp_path / "notify")).replace("PID", str(os.getpid()))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if address.startswith("@") else address)
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify("RELOADING=1", f"MONOTONIC_USEC={monotonic_us()}")
        assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Without a manager nothing is said; one that is gone is a warning and no failure."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    assert not caplog.records
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/notify")
    notify("READY=1")
    assert "READY=1" in caplog.text


def test_children_hear_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child must not take the sockets, or speak to the manager, in our place."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("KEPT", "1")
    environ = environment_of_children()
    assert "NOTIFY_SOCKET" not in environ
    assert "LISTEN_FDS" not in environ
    assert environ["KEPT"] == "1"


def test_sockets_for_another_process_are_not_ours() -> None:
    """Only the process that is named takes them."""
    assert activation_sockets({}) == []
    assert activation_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == []


@pytest.mark.parametrize("count", ["3", "x", "", "-1"])
def test_more_sockets_than_planes(count: str) -> None:
    """There is no third plane, and a count is a number."""
    with pytest.raises(ConfigError, match="LISTEN_FDS"):
        activation_sockets(OURS | {"LISTEN_FDS": count})


def test_a_listening_socket_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small answers do not wait on it, and children get it only on purpose."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(service_manager, "_FIRST_DESCRIPTOR", os.dup(server.fileno()))
        (taken,) = activation_sockets(OURS | {"LISTEN_FDS": "1"})
        with taken:
            assert taken.getsockname() == server.getsockname()
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert not taken.get_inheritable()


@pytest.mark.parametrize("kind", ["closed", "unix", "not listening", "file"])
def test_what_is_no_listening_socket(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused, with what to write instead."""
    with (
        socket.socket() if kind == "not listening" else socket.socket(socket.AF_UNIX) as some,
        (tmp_path / "file").open("w") as file,
    ):
        descriptor = os.dup(file.fileno() if kind == "file" else some.fileno())
        if kind == "closed":
            os.close(descriptor)
        monkeypatch.setattr(service_manager, "_FIRST_DESCRIPTOR", descriptor)
        with pytest.raises(ConfigError, match="ListenStream="):
            activation_sockets(OURS | {"LISTEN_FDS": "1"})
        if kind == "file":
            os.close(descriptor)
