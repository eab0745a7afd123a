"""`lukhas demo` runs the shop, the traffic and the gateway, and stops all of them."""

import http.client
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest

from lukhas.cli.main import run
from lukhas.config.addresses import Address
from lukhas.config.settings import Settings
from lukhas.config.sources import SettingsSources
from lukhas.identity.key_table import open_key_table


class Gateway:
    """In place of the supervisor: looks at the shop, counts callers, ends after some of them."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.product = b""
        self.upstream = ""

    def run(
        self,
        settings: Settings,
        *,
        on_ready: Callable[[Address, Address], None],
        read_settings: Callable[[], Settings],
        sources: SettingsSources,
    ) -> int:
        assert settings.upstream.url is not None
        # What a reload would take up, and the admin API changes.
        assert read_settings() == settings
        assert sources.flags["--upstream"] == settings.upstream.url
        self.upstream = settings.upstream.url
        shop = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=10)
        shop.request("GET", "/products/7")
        self.product = shop.getresponse().read()
        shop.close()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.settimeout(20)
            on_ready(Address("127.0.0.1", listening.getsockname()[1]), settings.admin.listen)
            for _ in range(12):
                self._answer(listening)
        # The keys were made where this gateway would look for them.
        table = open_key_table(settings.state_dir)
        try:
            records = [table.get(key.split("_")[2]) for key in self.keys if key]
            assert all(record is not None and not record.revoked for record in records)
        finally:
            table.close()
        return 0

    def _answer(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(10)
            head = connection.recv(65_536).decode("latin-1")
            found = re.search(r"x-api-key: (\S+)", head, re.IGNORECASE)
            self.keys.add(found[1] if found else "")
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


def test_the_demo_runs_and_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Several consumers call through the gateway; when it ends, the shop is gone."""
    gateway = Gateway()
    supervisor = ModuleType("lukhas.gateway.supervisor")
    supervisor.run = gateway.run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lukhas.gateway.supervisor", supervisor)
    assert run(["demo", "--state-dir", str(tmp_path), "--admin", "127.0.0.1:8301"]) == 0
    assert b"price" in gateway.product
    assert len(gateway.keys) >= 3
    shown = capsys.readouterr().out
    assert "http://127.0.0.1:8301/" in shown
    assert shown.count("curl ") == 4
    assert (tmp_path / "admin.token").read_text().strip() not in shown
    table = open_key_table(tmp_path)
    try:
        records = [table.get(key.split("_")[2]) for key in gateway.keys if key]
        assert all(record is not None and record.revoked for record in records)
    finally:
        table.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", urlsplit(gateway.upstream).port or 0), timeout=5)


def test_mistakes_start_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong flag is told before any process is started."""
    assert run(["demo", "--listen", "x"]) == 2
    assert capsys.readouterr().err.startswith("lukhas: --listen: 'x' is not an address")
