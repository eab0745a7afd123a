"""The settings tree as data: which paths there are, and what each of them takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from lukhas.config.addresses import Address
from lukhas.config.key_paths import KeyPath
from lukhas.config.settings import Settings

__all__ = (
    "Leaf",
    "ListLeaf",
    "field_at",
    "is_secret",
    "kinds",
    "leaves",
    "nearest_key",
    "takes_text",
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting.

    Attributes:
        path: its dotted path in parts.
        info: its default, description and constraints.
    """

    path: tuple[str, ...]
    info: FieldInfo


@dataclass(frozen=True, slots=True)
class ListLeaf(Leaf):
    """A setting that is a list of sections.

    Attributes:
        section: what each item is.
    """

    section: type[BaseModel]


def leaves(section: type[BaseModel] = Settings, prefix: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """All settings below a section, in the order they are written down."""
    for name, info in section.model_fields.items():
        path = (*prefix, name)
        if (inner := _section_of(info.annotation)) is not None:
            yield from leaves(inner, path)
        elif (item := _item_section_of(info.annotation)) is not None:
            yield ListLeaf(path, info, item)
        else:
            yield Leaf(path, info)


def field_at(path: KeyPath) -> FieldInfo | None:
    """The field at a path, where list positions are numbers; None if there is none."""
    section: type[BaseModel] | None = Settings
    info: FieldInfo | None = None
    for part in path:
        if isinstance(part, int):
            section = _item_section_of(info.annotation) if info else None
            continue
        if section is None:
            return None
        info = section.model_fields.get(part)
        section = _section_of(info.annotation) if info else None
        if info is not None and section is None and _item_section_of(info.annotation) is None:
            return info if part == path[-1] else None
    return info


def nearest_key(path: KeyPath) -> str | None:
    """The known key that the last part of an unknown path was probably meant to be."""
    *parents, key = path
    section = _section_at(tuple(parents))
    if section is None:
        return None
    known = list(section.model_fields)
    close = get_close_matches(str(key).lower().replace("-", "_"), known, n=1, cutoff=0.6)
    if close:
        return close[0]
    return (
        next((full for leaf, full in _full_paths() if leaf == key), None) if not parents else None
    )


def takes_text(info: FieldInfo) -> bool:
    """Whether values of a field are written as plain text rather than as JSON."""
    alternatives = kinds(info.annotation)
    return int not in alternatives and any(
        kind in {str, Path, Address, SecretStr}
        or get_origin(kind) is Literal
        or (isinstance(kind, type) and issubclass(kind, Enum))
        for kind in alternatives
    )


def is_secret(path: KeyPath) -> bool:
    """Whether the value at a path must never be shown."""
    info = field_at(path)
    return info is not None and SecretStr in kinds(info.annotation)


def _full_paths() -> Iterator[tuple[str, str]]:
    return ((leaf.path[-1], ".".join(leaf.path)) for leaf in leaves())


def _section_at(path: KeyPath) -> type[BaseModel] | None:
    if not path:
        return Settings
    info = field_at(path)
    if info is None:
        return None
    if isinstance(path[-1], int):
        return _item_section_of(info.annotation)
    return _section_of(info.annotation)


def kinds(annotation: Any) -> list[Any]:
    """The alternatives of a type, without None and without annotations."""
    if get_origin(annotation) is Literal:
        return [annotation]
    if hasattr(annotation, "__metadata__"):
        return kinds(annotation.__origin__)
    if get_origin(annotation) in {tuple, dict}:
        return [annotation]
    inner = get_args(annotation)
    if not inner:
        return [annotation]
    return [kind for arg in inner if arg is not NoneType for kind in kinds(arg)]


def _section_of(annotation: Any) -> type[BaseModel] | None:
    for kind in kinds(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _item_section_of(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) is not tuple:
        return None
    return _section_of(get_args(annotation)[0])
