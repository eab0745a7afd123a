"""`lukhas check` tells every mistake of a file."""

from pathlib import Path

import pytest

from lukhas.cli.main import run


def test_each_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """file:line, what, what to do; exit code 2."""
    file = tmp_path / "a.yaml"
    file.write_text("listne: x\nupstream: http://a:1\ncache:\n  mode: of\n")
    assert run(["check", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"lukhas: {file}:1: unknown key 'listne': did you mean 'listen'?",
        f"lukhas: {file}:4: cache.mode cannot be 'of': use 'enforce', 'shadow' or 'off'",
    ]


def test_a_good_file_is_called_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A good file gives 0 and a line that sums it up."""
    file = tmp_path / "a.toml"
    file.write_text('upstream = "http://a:1"\n')
    assert run(["check", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "good" in out
    assert err == ""


def test_a_file_without_an_upstream_is_not_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upstream may come from the environment, as for serve."""
    file = tmp_path / "a.toml"
    file.write_text("workers = 1\n")
    assert run(["check", str(file)]) == 2
    monkeypatch.setenv("LUKHAS_UPSTREAM", "http://a:1")
    assert run(["check", str(file)]) == 0
