"""`lukhas check` and `lukhas lint` look at settings with what the admin API has changed."""

import json
from pathlib import Path

import pytest

from lukhas.cli.main import run
from lukhas.config.changes import Changes, ItemChange, digest_of
from lukhas.config.changes_file import write_changes
from lukhas.config.runtime_limits import RuntimeLimits, write_runtime_limits
from lukhas.policy.rate_limiting.tiers import Tier

ROUTE = {"name": "a", "path": "/a"}
APP = """
from fastapi import FastAPI
app = FastAPI(openapi_url=None)
@app.get("/a")
def one() -> str:
    return ""
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a file with a route lies, which names `state` as its state directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "a.toml").write_text(
        f'state_dir = "{tmp_path / "state"}"\nupstream = "http://h:1"\n'
        '[[routes]]\nname = "a"\npath = "/a"\n'
    )
    return tmp_path


def changed(folder: Path, **item: object) -> Path:
    """Puts another route in the place of that of the file; gives the file of changes."""
    change = ItemChange({**ROUTE, **item}, digest_of(ROUTE))
    write_changes(folder / "state", Changes(1).with_item("routes", "a", change))
    return folder / "state" / "changes.json"


def test_what_was_changed_is_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is good; what is in force is not."""
    path = changed(folder, upstream="gone")
    assert run(["check", "a.toml"]) == 2
    out, err = capsys.readouterr()
    told, fault = err.splitlines()
    assert out == ""
    assert told == f"lukhas: with 1 change made over the admin API, from {path}"
    assert fault.startswith("lukhas: admin API: ")
    assert "gone" in fault
    assert "or remove changes.json from the state directory" in fault


def test_the_file_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of the state directory counts, and nothing is said of it."""
    changed(folder, upstream="gone")
    assert run(["check", "a.toml", "--file-only"]) == 0
    assert run(["lint", "a.toml", "--file-only"]) == 0
    out, err = capsys.readouterr()
    assert "good" in out
    assert err == ""


def test_changed_limits_of_tiers_are_changes_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both files are named."""
    path = changed(folder, path="/b")
    write_runtime_limits(folder / "state", RuntimeLimits().with_tier(Tier.BASIC, "1/minute"))
    assert run(["lint", "a.toml"]) == 1
    out, err = capsys.readouterr()
    files = f"{path} and {folder / 'state' / 'limits.json'}"
    assert err == f"lukhas: with 2 changes made over the admin API, from {files}\n"
    assert out.startswith("admin API: LK107 ")


def test_a_file_that_says_something_new_in_vain(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told, and is no mistake."""
    changed(folder, path="/b")
    file = folder / "a.toml"
    file.write_text(file.read_text().replace('path = "/a"', 'path = "/new"'))
    assert run(["check", "a.toml"]) == 0
    err = capsys.readouterr().err.splitlines()
    assert err[1].startswith("lukhas: admin API: route 'a' was changed here, and another source")


def test_nothing_is_said_where_nothing_is_changed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where everything was changed back."""
    write_changes(folder / "state", Changes(2))
    assert run(["check", "a.toml"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("file", ["changes.json", "limits.json"])
@pytest.mark.parametrize("arguments", [["check", "a.toml"], ["lint", "in_force_plain:app"]])
def test_changes_that_cannot_be_read_can_be_left_out(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    arguments: list[str],
) -> None:
    """A gateway would not start with them, and so they are a mistake; the way out is told."""
    monkeypatch.setenv("LUKHAS_STATE_DIR", str(folder / "state"))
    (folder / "state" / file).write_text("{")
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"lukhas: {folder / 'state' / file}: this is no file of ")
    assert err.endswith("or leave it out with --file-only\n")
    assert run(["check", "a.toml", "--file-only"]) == 0


def test_a_state_directory_of_somebody_else(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be read is no reason to call the settings good."""
    (folder / "state" / "changes.json").mkdir()
    assert run(["check", "a.toml"]) == 2
    err = capsys.readouterr().err
    assert "changes.json cannot be read" in err
    assert err.endswith("or leave it out with --file-only\n")


def test_an_app_is_told_of_routes_that_it_does_not_see(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes by the file, so the route of the file is the one that is looked at."""
    (folder / "in_force_app.py").write_text(APP)
    changed(folder, path="/b")
    assert run(["lint", "in_force_app:app", "--config", "a.toml"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("a.toml:1: LK207 1 route was changed over the admin API, ")
    assert out.endswith("\n1 found\n")
    assert err == ""
    ignored = ["--ignore", "LK207", "--format", "json"]
    assert run(["lint", "in_force_app:app", "--config", "a.toml", *ignored]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run(["lint", "in_force_app:app", "--config", "a.toml", "--file-only"]) == 0


def test_an_app_follows_changed_limits_and_has_no_upstreams(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it takes up counts, and what means nothing to it is not told."""
    (folder / "in_force_limits.py").write_text(APP)
    weight = Changes(1).with_weight("default", "http://h:1", 2)
    write_changes(folder / "state", weight)
    write_runtime_limits(folder / "state", RuntimeLimits().with_tier(Tier.BASIC, "1/minute"))
    assert run(["lint", "in_force_limits:app", "--config", "a.toml"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("admin API: LK107 ")
    assert out.endswith("\n1 found\n")
    assert err.startswith("lukhas: with 1 change made over the admin API, from ")
    assert err.endswith("limits.json\n")
