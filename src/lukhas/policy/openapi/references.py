"""References inside a description (JSON Pointer, RFC 6901); none leaves it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from lukhas.errors import ConfigError

__all__ = ("check_references", "followed", "joined", "node_at")

_DATA = frozenset(("example", "examples", "default", "enum", "const"))
_MOST_STEPS = 32


def joined(pointer: str, *keys: str | int) -> str:
    """The pointer to something inside what `pointer` points to."""
    parts = [str(key).replace("~", "~0").replace("/", "~1") for key in keys]
    return "/".join((pointer, *parts))


def node_at(document: Any, pointer: str) -> Any:
    """What a pointer points to.

    Raises:
        KeyError: nothing.
    """
    node = document
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, list):
            if not key.isdigit() or int(key) >= len(node):
                raise KeyError(pointer)
            node = node[int(key)]
        elif isinstance(node, dict):
            node = node[key]
        else:
            raise KeyError(pointer)
    return node


def followed(document: Any, pointer: str) -> tuple[str, Any]:
    """What a pointer points to, through references; and where that is.

    Raises:
        ConfigError: references go round in a circle.
    """
    at = pointer
    for _ in range(_MOST_STEPS):
        node = node_at(document, at)
        target = node.get("$ref") if isinstance(node, dict) else None
        if not isinstance(target, str):
            return at, node
        at = unquote(target[1:])
    raise ConfigError("references go round in a circle", where=pointer)


def check_references(document: Any) -> None:
    """Makes sure that each reference points into the document.

    Raises:
        ConfigError: one points elsewhere, or to nothing. Nothing is ever fetched.
    """
    for where, target in _references(document, ""):
        if not target.startswith("#"):
            raise ConfigError(
                f"the reference {target!r} leaves the file",
                where=where,
                hint="put what it means into `components` of this file: nothing is fetched",
            )
        if target != "#" and not target.startswith("#/"):
            raise ConfigError(
                f"the reference {target!r} is no JSON Pointer",
                where=where,
                hint="write it as #/components/...",
            )
        try:
            node_at(document, unquote(target[1:]))
        except KeyError:
            raise ConfigError(
                f"the reference {target!r} points to nothing", where=where, hint="correct it"
            ) from None


def _references(node: Any, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield at, value
            elif not (key in _DATA or str(key).startswith("x-")):
                yield from _references(value, joined(at, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _references(value, joined(at, index))
