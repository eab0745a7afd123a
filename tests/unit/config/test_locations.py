"""The line of every key of a TOML file is known."""

import tomllib
from typing import Any

from lukhas.config.key_paths import KeyPath
from lukhas.config.locations import toml_lines

DOCUMENT = '''# comment
listen = "127.0.0.1:8000" # [not.a.table]
admin.listen = "127.0.0.1:8001"
"quoted key" . 'inner' = 1

[cache]  # comment
text = """
[limits]
mode = "off" \\
""\\"" end"""
raw = \'\'\'
x = 1
\'\'\'\'
tail = 1979-05-27T07:32:00Z
inline = { a = 1, b = { c = "}" }, d.e = 2 }

[[routes]]
name = "a"
hosts = [
  "one.example",   # comment, with ]
  "two.example",
]
[routes.extra]
deep = true

[[routes]]
name = "b"
[[routes.parts]]
x = [[1], [
  2, { y = 3 },
]]
[[routes.parts]]
x = []
'''


def paths_of(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    found = {path} if path else set()
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        found |= paths_of(inner, (*path, key))
    return found


def test_every_value_has_a_line() -> None:
    """Every path that the parser finds has a line, and no other."""
    assert set(toml_lines(DOCUMENT)) == paths_of(tomllib.loads(DOCUMENT))


def test_lines_are_those_of_the_keys() -> None:
    """Strings over several lines, inline tables and arrays of tables do not shift lines."""
    lines = toml_lines(DOCUMENT)
    text = DOCUMENT.splitlines()

    def at(*path: str | int) -> str:
        return text[lines[path] - 1].strip()

    assert at("listen").startswith("listen")
    assert at("admin", "listen").startswith("admin.listen")
    assert at("quoted key", "inner").startswith('"quoted key"')
    assert at("cache").startswith("[cache]")
    assert at("cache", "tail").startswith("tail")
    assert at("cache", "inline", "b", "c").startswith("inline")
    assert at("cache", "inline", "d", "e").startswith("inline")
    assert at("routes", 0, "hosts", 1).startswith('"two.example"')
    assert at("routes", 0, "extra", "deep").startswith("deep")
    assert at("routes", 1, "name") == 'name = "b"'
    assert at("routes", 1, "parts", 0, "x", 1, 1, "y").startswith("2, { y")
    assert at("routes", 1, "parts", 1, "x") == "x = []"


def test_windows_line_ends_count_once() -> None:
    """CRLF ends one line."""
    assert toml_lines("a = 1\r\nb = 2\r\n[c]\r\nd = 3") == {
        ("a",): 1,
        ("b",): 2,
        ("c",): 3,
        ("c", "d"): 4,
    }


def test_an_empty_file_has_no_lines() -> None:
    """Nothing, or only comments, has no keys."""
    assert toml_lines("") == {}
    assert toml_lines("# only a comment") == {}
