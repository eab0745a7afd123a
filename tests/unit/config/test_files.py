"""Config files that cannot be used are told with their place."""

from pathlib import Path

import pytest

from lukhas.config.faults import SettingsError
from lukhas.config.files import read_config_file


def fault(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read_config_file(path)
    (found,) = caught.value.faults
    return str(found)


def test_toml_and_yaml_are_told_by_their_names(tmp_path: Path) -> None:
    """The ending of the name tells the language; a byte order mark does no harm."""
    for name, text in (
        ("a.toml", "\ufeffworkers = 1"),
        ("a.yaml", "workers: 1"),
        ("a.YML", "workers: 1"),
    ):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        content = read_config_file(path)
        assert content.tree == {"workers": 1}
        assert content.lines == {("workers",): 1}


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """A missing file and a folder are mistakes of the user."""
    assert "No such file" in fault(tmp_path / "missing.toml")
    assert "cannot be read" in fault(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "line", "what"),
    [
        ("a.toml", b"a = 1\nb = = 2\n", 2, "not valid TOML"),
        ("a.toml", b"a = 1\na = 2\n", 2, "not valid TOML"),
        ("a.toml", b'a = 1\nb = "x', 2, "not valid TOML"),
        ("a.toml", b"a = 1\nb = '\xff'\n", 2, "not UTF-8"),
        ("a.yaml", b"a: 1\nb: [", 2, "not valid YAML"),
    ],
)
def test_mistakes_have_a_line(
    tmp_path: Path, name: str, content: bytes, line: int, what: str
) -> None:
    """A file that is not valid is told with the line."""
    path = tmp_path / name
    path.write_bytes(content)
    told = fault(path)
    assert told.startswith(f"{path}:{line}: ")
    assert what in told


def test_other_names_are_refused(tmp_path: Path) -> None:
    """A file whose language is not known is not guessed at."""
    path = tmp_path / "settings.ini"
    path.write_text("a = 1")
    assert ".toml, .yaml or .yml" in fault(path)
