"""Flags that several commands share."""

from pathlib import Path

import pytest

from lukhas.cli.options import load_state_dir


def test_the_state_directory_comes_from_flag_file_or_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same order as for every setting, so keys are made where the gateway looks for them."""
    monkeypatch.setenv("LUKHAS_STATE_DIR", str(tmp_path / "environment"))
    assert load_state_dir(None, None) == tmp_path / "environment"
    file = tmp_path / "a.toml"
    file.write_text(f'state_dir = "{tmp_path / "file"}"\n')
    assert load_state_dir(None, file) == tmp_path / "file"
    assert load_state_dir(str(tmp_path / "flag"), file) == tmp_path / "flag"
