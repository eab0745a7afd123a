"""`lukhas serve` hands checked settings to the supervisor."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from lukhas.cli.main import run
from lukhas.config.addresses import Address
from lukhas.config.loading import load_settings
from lukhas.config.settings import Settings
from lukhas.config.sources import SettingsSources, process_environment
from lukhas.errors import PortInUseError


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What the supervisor was started with; it is ready at once and ends with 0."""
    starts: list[Settings] = []

    def fake_run(
        settings: Settings,
        *,
        on_ready: Callable[[Address, Address], None],
        read_settings: Callable[[], Settings],
        sources: SettingsSources,
    ) -> int:
        assert read_settings() == settings
        assert (
            load_settings(sources.flags, sources.file, process_environment()).settings == settings
        )
        if settings.listen.port == 1:
            raise PortInUseError(str(settings.listen), "is taken: stop what listens there")
        starts.append(settings)
        on_ready(settings.listen, settings.admin.listen)
        return 0

    supervisor = ModuleType("lukhas.gateway.supervisor")
    supervisor.run = fake_run  # type: ignore[attr-defined]
    monkeypatch.setattr("lukhas.telemetry.logs.configure_logging", lambda **_: None)
    monkeypatch.setitem(sys.modules, "lukhas.gateway.supervisor", supervisor)
    return starts


def test_flags_alone_start_the_gateway(
    started: list[Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every flag reaches the settings, and what is served is told."""
    arguments = [
        *("serve", "--upstream", "http://localhost:9000", "--listen", "127.0.0.1:8100"),
        *("--admin", "127.0.0.1:8101", "--limit", "5/minute", "--cache-ttl", "30"),
        *("--workers", "1", "--state-dir", str(tmp_path)),
    ]
    assert run(arguments) == 0
    (settings,) = started
    assert settings.upstream.url == "http://localhost:9000"
    assert (settings.listen.port, settings.admin.listen.port) == (8100, 8101)
    assert settings.tiers.premium == "5/minute"
    assert settings.cache.default_ttl_s == 30
    assert settings.state_dir == tmp_path
    told = capsys.readouterr().err
    assert "http://127.0.0.1:8100" in told
    assert "http://127.0.0.1:8101" in told


def test_the_environment_may_name_the_file(
    started: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LUKHAS_CONFIG counts where --config is not given; a flag wins over the file."""
    file = tmp_path / "a.toml"
    file.write_text('upstream = "http://file:1"\nlisten = "127.0.0.1:7000"\n')
    monkeypatch.setenv("LUKHAS_CONFIG", str(file))
    monkeypatch.setenv("LUKHAS_LISTEN", "127.0.0.1:6000")
    monkeypatch.setenv("LUKHAS_STATE_DIR", str(tmp_path))
    assert run(["serve", "--upstream", "http://flag:1"]) == 0
    assert started[0].upstream.url == "http://flag:1"
    assert started[0].listen.port == 7000


def test_errors_of_the_supervisor_are_one_line(
    started: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    """A taken port is a mistake like any other."""
    assert run(["serve", "--upstream", "http://a:2", "--listen", "127.0.0.1:1"]) == 2
    assert started == []
    line = "lukhas: 127.0.0.1:1: is taken: stop what listens there\n"
    assert capsys.readouterr().err == line
