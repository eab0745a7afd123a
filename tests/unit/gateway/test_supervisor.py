"""What is refused before anything is started."""

from pathlib import Path

import pytest

from lukhas.config.settings import Settings
from lukhas.errors import ConfigError, StateDirError
from lukhas.gateway.supervisor import run


def settings_of(tmp_path: Path, **values: object) -> Settings:
    free = {"listen": "127.0.0.1:0", "admin": {"listen": "127.0.0.1:0"}, "state_dir": tmp_path}
    return Settings.model_validate(free | values)


def test_no_upstream(tmp_path: Path) -> None:
    """Without an upstream nothing is started."""
    with pytest.raises(ConfigError, match=r"upstream\.url"):
        run(settings_of(tmp_path))


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
