"""`lukhas config show` prints the settings in effect."""

from pathlib import Path

import pytest

from lukhas.cli.main import run


def test_every_source_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line ends with where its value comes from; the token is stars."""
    file = tmp_path / "a.toml"
    file.write_text('upstream = "http://a:1"\n')
    monkeypatch.setenv("LUKHAS_ADMIN__TOKEN", "0123456789abcdef")
    assert run(["config", "show", "--config", str(file), "--limit", "5/minute"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f'upstream.url = "http://a:1"  # {file}:1' in lines
    assert 'tiers.free = "5/minute"  # --limit' in lines
    assert 'admin.token = "***"  # LUKHAS_ADMIN__TOKEN' in lines
    assert 'listen = "127.0.0.1:8000"  # default' in lines
