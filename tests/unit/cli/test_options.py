"""Flags that several commands share."""

import logging
from pathlib import Path

import pytest

from lukhas.cli.options import load_changed, load_state_dir, sources_of
from lukhas.config.changes import Changes, ItemChange, digest_of
from lukhas.config.changes_file import write_changes
from lukhas.config.faults import SettingsError


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


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a route, in whose place the admin API has put another."""
    monkeypatch.setenv("LUKHAS_STATE_DIR", str(tmp_path))
    file = tmp_path / "a.toml"
    file.write_text('[[routes]]\nname = "a"\npath = "/a"\n')
    item = {"name": "a", "path": "/b"}
    below = digest_of({"name": "a", "path": "/a"})
    write_changes(tmp_path, Changes(1).with_item("routes", "a", ItemChange(item, below)))
    return file


def test_what_the_admin_api_has_changed_counts(changed: Path) -> None:
    """A gateway that starts goes on where the last one ended."""
    (route,) = load_changed(
        sources_of({"--workers": "2", "--limit": None}, changed)
    ).settings.routes
    assert route.path == "/b"


def test_a_file_that_says_something_new_in_vain_is_told(
    changed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At every start and reload."""
    changed.write_text('[[routes]]\nname = "a"\npath = "/new"\n')
    with caplog.at_level(logging.WARNING, "lukhas.config"):
        load_changed(sources_of({}, changed))
    assert "route 'a' was changed here, and another source says something new" in caplog.text


def test_a_change_that_does_not_fit_any_more_has_a_way_out(changed: Path) -> None:
    """While nothing runs, there is no API to give it up with."""
    changed.write_text('[[routes]]\nname = "b"\npath = "/b"\n')
    with pytest.raises(SettingsError, match=r"or remove changes\.json from the state directory"):
        load_changed(sources_of({}, changed))
