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


_DESCRIPTION = """
openapi: "3.1.0"
info: {title: Shop, version: "1"}
paths:
  /items:
    get:
      parameters:
        - {name: limit, in: query, schema: {SCHEMA}}
      responses: {"200": {description: items}}
"""


def _with_description(folder: Path, schema: str) -> Path:
    (folder / "shop.yaml").write_text(_DESCRIPTION.replace("SCHEMA", schema))
    file = folder / "a.toml"
    file.write_text(f'upstream = "http://a:1"\n\n[openapi]\nfile = "{folder / "shop.yaml"}"\n')
    return file


def test_a_mistake_in_the_description_is_told_with_both_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line that names the file, and where in it the mistake is; exit code 2."""
    file = _with_description(tmp_path, '"$ref": "#/components/schemas/Limit"')
    assert run(["check", str(file)]) == 2
    out, err = capsys.readouterr()
    place = f"{file}:4: {tmp_path / 'shop.yaml'}#/paths/~1items/get/parameters/0/schema"
    assert out == ""
    assert err.startswith(f"lukhas: {place}")
    assert "#/components/schemas/Limit" in err
    assert err.count("\n") == 1


def test_a_description_that_is_not_there_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told at the line that names it."""
    file = tmp_path / "a.toml"
    file.write_text(f'upstream = "http://a:1"\nopenapi.file = "{tmp_path / "none.json"}"\n')
    assert run(["check", str(file)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"lukhas: {file}:2: {tmp_path / 'none.json'}: ")
    assert "cannot be read" in err


def test_a_mistake_in_a_description_of_the_environment_names_the_variable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings of the environment have no line."""
    broken = tmp_path / "shop.json"
    broken.write_text("{")
    file = tmp_path / "a.toml"
    file.write_text('upstream = "http://a:1"\n')
    monkeypatch.setenv("LUKHAS_OPENAPI__FILE", str(broken))
    assert run(["check", str(file)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"lukhas: LUKHAS_OPENAPI__FILE: {broken}: not valid JSON")


def test_a_good_description_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What serve would take is called good."""
    file = _with_description(tmp_path, "type: integer")
    assert run(["check", str(file)]) == 0
    assert "good" in capsys.readouterr().out
