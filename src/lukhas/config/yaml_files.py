"""YAML config files, read so that `off` stays text and a key that comes twice is a mistake."""

from pathlib import Path
from typing import Any

import yaml

from lukhas.config.faults import Fault, SettingsError
from lukhas.config.key_paths import KeyPath, Lines

__all__ = ("read_yaml",)

_MAX_VALUES = 100_000
_TAG = "tag:yaml.org,2002:"


def read_yaml(text: str, path: Path) -> tuple[dict[str, Any], Lines]:
    """Reads a YAML document whose root is a mapping; an empty one is an empty mapping.

    Numbers, null, true and false mean what they mean in YAML 1.2; `on`, `off`, `yes`, `no`, dates
    and `1:30` are text.

    Raises:
        SettingsError: it is no such document.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _error(path, mark, f"not valid YAML ({error.problem or error.context})") from None
    except yaml.YAMLError as error:
        reason = str(error).split("\n", 1)[0]
        raise _error(path, None, f"not valid YAML ({reason})") from None
    except RecursionError:
        raise _error(path, None, "too deeply nested") from None
    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}null"):
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        raise _error(path, node.start_mark, "not a table of keys at its root")
    reader = _Reader(path)
    return reader.mapping(node, ()), reader.lines


def _error(path: Path, mark: Any, what: str) -> SettingsError:
    where = str(path) if mark is None else f"{path}:{mark.line + 1}"
    return SettingsError([Fault(where, what, "correct it: write `key: value` lines")])


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._scalars = yaml.SafeLoader("")
        self._open: set[int] = set()
        self._count = 0
        self.lines: Lines = {}

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _error(self._path, key_node.start_mark, "a key is not text")
            key = str(key_node.value)
            if key in tree:
                raise _error(self._path, key_node.start_mark, f"key {key!r} comes twice")
            here = (*path, key)
            self.lines[here] = key_node.start_mark.line + 1
            tree[key] = self._value(value_node, here)
        return tree

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._count += 1
        # Aliases can make a small file mean a huge tree, or one that holds itself.
        if id(node) in self._open or self._count > _MAX_VALUES:
            raise _error(self._path, node.start_mark, "aliases make the settings endless")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        value = self._collection(node, path)
        self._open.discard(id(node))
        return value

    def _collection(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        items = []
        for index, item in enumerate(node.value):
            self.lines[*path, index] = item.start_mark.line + 1
            items.append(self._value(item, (*path, index)))
        return items

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = str(node.value)
        kind = node.tag.removeprefix(_TAG)
        if kind == "bool" and text.lower() in {"true", "false"}:
            return text.lower() == "true"
        if kind == "null":
            return None
        if kind in {"int", "float"} and ":" not in text:
            return self._number(node, kind)
        return text

    def _number(self, node: yaml.ScalarNode, kind: str) -> Any:
        try:
            if kind == "int":
                return self._scalars.construct_yaml_int(node)
            return self._scalars.construct_yaml_float(node)
        except ValueError:
            raise _error(self._path, node.start_mark, f"{node.value!r} is no number") from None
