"""Lines are found for any TOML document."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lukhas.config.key_paths import KeyPath
from lukhas.config.locations import toml_lines

KEYS = st.text("abc-_1", min_size=1, max_size=3)
QUOTED = st.sampled_from(['"a.b"', "'c d'", '"\\""', "'='"])
SCALARS = st.sampled_from(
    ["1", "true", "-1.5", '"x"', "'#'", '"""\n[x]\n"""', "'''a\n''''", '"\\\\"', '""', "''", "inf"]
)


def values(depth: int = 2) -> st.SearchStrategy[str]:
    if depth == 0:
        return SCALARS
    inner = st.deferred(lambda: values(depth - 1))
    arrays = st.lists(inner, max_size=3).map(lambda items: "[\n" + ", # ]\n".join(items) + "\n]")
    tables = st.dictionaries(KEYS, inner, max_size=3).map(
        lambda items: "{" + ", ".join(f"{key} = {value}" for key, value in items.items()) + "}"
    )
    return st.one_of(SCALARS, arrays, tables)


PAIRS = st.dictionaries(st.one_of(KEYS, QUOTED), values(), max_size=4).map(
    lambda pairs: "\n".join(f"{key} = {value}" for key, value in pairs.items())
)
TABLES = st.tuples(
    st.sampled_from(["t", "t.u", '"q r"']), st.sampled_from(["{}", "[{}]"]), PAIRS
).map(lambda table: f"[{table[1].format(table[0])}]\n{table[2]}")
DOCUMENTS = st.tuples(PAIRS, st.lists(TABLES, max_size=4)).map(
    lambda parts: "\n\n# comment\n".join([parts[0], *parts[1]])
)


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


@given(DOCUMENTS)
def test_every_value_has_a_line(text: str) -> None:
    """Exactly the paths that tomllib finds have a line, and it lies within the document."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = toml_lines(text)
    assert set(lines) == paths_of(tree)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
