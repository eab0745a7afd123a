"""The file that keeps what the admin API has changed."""

from pathlib import Path

import pytest

from lukhas.config import changes_file
from lukhas.config.changes import Changes, ItemChange
from lukhas.config.changes_file import CHANGES_FILE, only_writer, read_changes, write_changes
from lukhas.errors import ConfigError, StateDirError

CHANGES = (
    Changes(7)
    .with_item("routes", "ä", ItemChange({"name": "ä"}, "d"))
    .with_item("upstreams", "u", ItemChange(None, "d"))
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """For this user only; version 0 is no file."""
    write_changes(tmp_path, CHANGES)
    assert read_changes(tmp_path) == CHANGES
    assert (tmp_path / CHANGES_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [CHANGES_FILE]
    write_changes(tmp_path, Changes())
    assert list(tmp_path.iterdir()) == []
    assert read_changes(tmp_path) == Changes()
    write_changes(tmp_path, Changes())


@pytest.mark.parametrize(
    "content", ["", "mine", "[]", "{}", '{"version": 1}', '{"version": true}', "[" * 100_000]
)
def test_anything_else_is_refused_with_its_place(tmp_path: Path, content: str) -> None:
    """And what to do."""
    (tmp_path / CHANGES_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match="remove it to go back") as caught:
        read_changes(tmp_path)
    assert caught.value.where == str(tmp_path / CHANGES_FILE)


def test_it_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither read nor written beyond."""
    write_changes(tmp_path, CHANGES)
    monkeypatch.setattr(changes_file, "MOST_BYTES", 100)
    with pytest.raises(ConfigError, match="more than 100 bytes"):
        write_changes(tmp_path, CHANGES)
    with pytest.raises(ConfigError, match="too large"):
        read_changes(tmp_path)


def test_what_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    """By its path."""
    (tmp_path / CHANGES_FILE).mkdir()
    with pytest.raises(StateDirError, match="cannot be read"):
        read_changes(tmp_path)
    with pytest.raises(StateDirError, match="cannot be written"):
        write_changes(tmp_path, CHANGES)
    assert [path.name for path in tmp_path.iterdir()] == [CHANGES_FILE]
    with pytest.raises(StateDirError, match="cannot be made"), only_writer(tmp_path / "none"):
        pass


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """The next one comes when the first is done, also by a failure."""
    with (
        only_writer(tmp_path),
        pytest.raises(StateDirError, match="try again"),
        only_writer(tmp_path),
    ):
        pass
    with pytest.raises(KeyError), only_writer(tmp_path):
        raise KeyError
    with only_writer(tmp_path):
        pass
