"""Layers of settings, one over the other, and who set what."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lukhas.config.key_paths import KeyPath

__all__ = ("Layer", "Origins", "merge")


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one source.

    Attributes:
        tree: the values, by key.
        where: names the place of the value at a path.
    """

    tree: Mapping[str, Any]
    where: Callable[[KeyPath], str]


class Origins:
    """Which place each value of a merged tree came from."""

    def __init__(self) -> None:
        self._places: dict[KeyPath, str] = {}

    def copy(self) -> "Origins":
        """The same places, to go on with apart."""
        other = Origins()
        other._places = dict(self._places)
        return other

    def place(self, path: KeyPath) -> str | None:
        """Where the value at exactly this path was set; None if it was not."""
        return self._places.get(path)

    def nearest(self, path: KeyPath) -> str | None:
        """Where the value at this path, or the closest one around it, was set."""
        for length in range(len(path), 0, -1):
            if (place := self._places.get(path[:length])) is not None:
                return place
        return None

    def note(self, path: KeyPath, value: object, where: Callable[[KeyPath], str]) -> None:
        """Remembers the place of a value and of everything in it."""
        self._places[path] = where(path)
        if isinstance(value, Mapping):
            for key, inner in value.items():
                self.note((*path, key), inner, where)
        elif isinstance(value, list | tuple):
            for index, inner in enumerate(value):
                self.note((*path, index), inner, where)

    def put(self, path: KeyPath, place: str) -> None:
        """Remembers the place of a value alone."""
        self._places[path] = place

    def taken(self, path: KeyPath) -> dict[KeyPath, str]:
        """Forgets the places of a value and of everything in it; gives those, by path in it."""
        depth = len(path)
        found = {
            known[depth:]: place for known, place in self._places.items() if known[:depth] == path
        }
        self.forget(path)
        return found

    def forget(self, path: KeyPath) -> None:
        """Forgets the places of a value that is replaced, and of everything in it."""
        depth = len(path)
        for known in [known for known in self._places if known[:depth] == path]:
            del self._places[known]


def merge(layers: list[Layer]) -> tuple[dict[str, Any], Origins]:
    """Lays layers over each other, the last one on top.

    Tables are merged key by key; any other value, lists too, replaces what lies below.
    """
    tree: dict[str, Any] = {}
    origins = Origins()
    for layer in layers:
        _overlay(tree, layer.tree, (), layer, origins)
    return tree, origins


def _overlay(
    target: dict[str, Any],
    values: Mapping[str, Any],
    path: KeyPath,
    layer: Layer,
    origins: Origins,
) -> None:
    for key, value in values.items():
        here = (*path, key)
        below = target.get(key)
        if isinstance(value, Mapping):
            if not isinstance(below, dict):
                origins.forget(here)
                target[key] = {}
            origins.note(here, {}, layer.where)
            _overlay(target[key], value, here, layer, origins)
        else:
            origins.forget(here)
            target[key] = value
            origins.note(here, value, layer.where)
