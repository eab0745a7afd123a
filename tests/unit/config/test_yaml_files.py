"""YAML is read as people mean it."""

import math
from pathlib import Path

import pytest

from lukhas.config.faults import SettingsError
from lukhas.config.yaml_files import read_yaml

FILE = Path("lukhas.yaml")


def fault(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read_yaml(text, FILE)
    (found,) = caught.value.faults
    return str(found)


def test_scalars_mean_what_they_mean_in_yaml_1_2() -> None:
    """`off`, `no`, dates and `1:30` are text; numbers, true and null are not."""
    text = "a: off\nb: no\nc: 1:30\nd: 2024-01-01\ne: 0x10\nf: 1.5\ng: True\nh: ~\ni: '1'\nj: .inf"
    tree, _ = read_yaml(text, FILE)
    assert tree == {
        "a": "off",
        "b": "no",
        "c": "1:30",
        "d": "2024-01-01",
        "e": 16,
        "f": 1.5,
        "g": True,
        "h": None,
        "i": "1",
        "j": math.inf,
    }


def test_lines_are_those_of_the_keys() -> None:
    """Every key and list item has its line."""
    tree, lines = read_yaml("a:\n  - b: 1\n    c: 2\n  - {d: 3}\n", FILE)
    assert tree == {"a": [{"b": 1, "c": 2}, {"d": 3}]}
    assert lines == {
        ("a",): 1,
        ("a", 0): 2,
        ("a", 0, "b"): 2,
        ("a", 0, "c"): 3,
        ("a", 1): 4,
        ("a", 1, "d"): 4,
    }


@pytest.mark.parametrize("text", ["", "# nothing", "null", "---\n"])
def test_an_empty_document_is_empty_settings(text: str) -> None:
    """No content means no settings."""
    assert read_yaml(text, FILE) == ({}, {})


def test_aliases_are_followed() -> None:
    """An alias is what its anchor is."""
    tree, _ = read_yaml("a: &x [1]\nb: *x", FILE)
    assert tree == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("a: 1\na: 2", "lukhas.yaml:2", "comes twice"),
        ("a: [1\nb: 2", "lukhas.yaml:2", "not valid YAML"),
        ("a: \x07", "lukhas.yaml", "not valid YAML"),
        ("- a", "lukhas.yaml:1", "not a table"),
        ("a: 1\n? [b]\n: 2", "lukhas.yaml:2", "not text"),
        ("a: &x\n  b: *x", "lukhas.yaml:1", "endless"),
        ("a: !!int x", "lukhas.yaml:1", "no number"),
        ("[" * 20_000, "lukhas.yaml", "nested"),
    ],
)
def test_what_is_no_settings_file_is_refused(text: str, where: str, what: str) -> None:
    """A mistake is told with its line."""
    line = fault(text)
    assert line.startswith(where + ":")
    assert what in line


def test_tags_are_never_acted_on() -> None:
    """A tag that would make an object leaves plain text."""
    assert read_yaml("a: !!python/object:os.system x", FILE)[0] == {"a": "x"}


def test_aliases_cannot_make_a_huge_tree() -> None:
    """A few lines of aliases that mean a billion values are refused, quickly."""
    lines = ["a0: &a0 [1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "endless" in fault("\n".join(lines))
