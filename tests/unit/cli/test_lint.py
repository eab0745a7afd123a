"""`lukhas lint`: what it writes, and its exit codes."""

import json
from pathlib import Path

import pytest

from lukhas.cli.main import run

APP = """
from fastapi import FastAPI
app = FastAPI(openapi_url=None)
@app.get("/x/{y}")
def one(y: str) -> str:
    return y
@app.get("/x/z")
def two() -> str:
    return ""
class Holder:
    app = app
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text('[upstream]\nurl = "http://h:1"\n[cache]\nmode = "shadow"\n')
    (tmp_path / "good.toml").write_text('[upstream]\nurl = "http://h:1"\n')
    return tmp_path


def written(folder: Path, name: str, text: str) -> str:
    (folder / f"{name}.py").write_text(text)
    return name


def test_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "a.toml"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("a.toml:4: LK105 cache.mode is shadow: ")
    assert lines[1] == "1 found"
    assert run(["lint", "good.toml"]) == 0
    assert capsys.readouterr().out == "nothing found\n"
    assert run(["lint", "a.toml", "--ignore", "lk105"]) == 0


def test_other_formats(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "a.toml", "--format", "json"]) == 1
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["rule"], told["where"]) == ("LK105", "a.toml:4")
    assert run(["lint", "a.toml", "--format", "github"]) == 1
    line = capsys.readouterr().out
    assert line.startswith("::warning file=a.toml,line=4,title=LK105::a.toml:4: cache.mode")
    assert run(["lint", "good.toml", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_an_app(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = written(folder, "lint_app", APP)
    assert run(["lint", f"{name}:Holder.app", "--config", "good.toml"]) == 1
    assert capsys.readouterr().out.startswith(f"{name}:Holder.app GET /x/z: LK202 GET /x/{{y}} ")
    assert run(["lint", f"{name}:app", "--format", "github"]) == 1
    assert capsys.readouterr().out.startswith("::warning title=LK202::lint_app:app GET /x/z: ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing.toml"], "nothing.toml"),
        ([":app"], "this names no app"),
        (["no_such_module:app"], "cannot be imported (ModuleNotFoundError"),
        (["lint_raises:app"], "cannot be imported (ZeroDivisionError"),
        (["lint_plain:app"], "whose routes can be read"),
        (["a.toml", "--ignore", "LK999"], "there is no rule LK999"),
        (["a.toml", "--format", "xml"], "xml"),
    ],
)
def test_what_cannot_be_read(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    """One line, exit code 2."""
    written(folder, "lint_raises", "1 / 0\n")
    written(folder, "lint_plain", "def app(scope, receive, send): ...\n")
    assert run(["lint", *arguments]) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize(
    "name", ["examples/gateway.toml", "examples/gateway.yaml", "src/lukhas/cli/demo.toml"]
)
def test_the_examples_are_as_they_should_be(name: str) -> None:
    """Each shows a policy in shadow on purpose; nothing else is odd."""
    file = Path(__file__).parents[3] / name
    assert run(["lint", str(file), "--ignore", "LK105"]) == 0
