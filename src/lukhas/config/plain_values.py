"""Settings as values for JSON, without secrets, and how two settings differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from lukhas.config.addresses import Address
from lukhas.config.key_paths import KeyPath
from lukhas.config.loading import DEFAULT, Loaded
from lukhas.config.masking import masked
from lukhas.config.rendering import SECRET
from lukhas.config.schema import ListLeaf, leaves
from lukhas.config.settings import Settings

__all__ = ("Difference", "EffectiveValue", "differences", "effective_values", "named_path", "plain")


@dataclass(frozen=True, slots=True)
class EffectiveValue:
    """A setting in effect.

    Attributes:
        path: its dotted path; an item of a list has its name, or its number if it has none.
        value: for JSON.
        source: where it comes from.
    """

    path: str
    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that two settings do not have in common.

    Attributes:
        path: as that of an `EffectiveValue`, or of a value in it.
        before: for JSON; None if there is none.
        after: the same.
    """

    path: str
    before: Any
    after: Any


def effective_values(loaded: Loaded) -> Iterator[EffectiveValue]:
    """All settings in effect, with where each comes from."""
    for leaf in leaves():
        path = ".".join(leaf.path)
        value = _at(loaded.settings, leaf.path)
        if not isinstance(leaf, ListLeaf) or not value:
            source = loaded.sources.get(path, DEFAULT)
            yield EffectiveValue(path, masked(path, plain(value)), source)
            continue
        for at, item in enumerate(value):
            source = loaded.origins.nearest((*leaf.path, at)) or DEFAULT
            place = f"{path}.{_name(item, at)}"
            yield EffectiveValue(place, masked(place, plain(item)), source)


def plain(value: Any) -> Any:
    """A value for JSON; of a section only what was set, secrets as `***`."""
    if isinstance(value, SecretStr):
        return SECRET
    if isinstance(value, BaseModel):
        names = type(value).model_fields
        return {name: plain(getattr(value, name)) for name in names if _is_set(value, name)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [plain(inner) for inner in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Address | Path):
        return str(value)
    return value


def differences(before: Settings, after: Settings) -> list[Difference]:
    """What is different, each at the smallest place that says it; secrets are not shown."""
    old, new = _flat(before), _flat(after)
    found: list[Difference] = []
    for path in [*old, *(path for path in new if path not in old)]:
        if path not in old or path not in new or old[path] != new[path]:
            found += _between(path, old.get(path), new.get(path))
    return found


def named_path(path: KeyPath, settings: Settings) -> str:
    """A path as people name it: items of lists by their name, where they have one."""
    value: Any = settings
    parts: list[str] = []
    for part in path:
        try:
            value = getattr(value, part) if isinstance(part, str) else value[part]
        except (AttributeError, IndexError, KeyError, TypeError):
            value = None
        parts.append(_name(value, part) if isinstance(part, int) else str(part))
    return ".".join(parts)


def _between(path: str, old: Any, new: Any) -> Iterator[Difference]:
    if isinstance(old, BaseModel) and isinstance(new, BaseModel):
        for name in type(new).model_fields:
            before, after = getattr(old, name), getattr(new, name)
            if before != after:
                yield from _between(f"{path}.{name}", before, after)
        return
    yield Difference(path, masked(path, plain(old)), masked(path, plain(new)))


def _flat(settings: Settings) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for leaf in leaves():
        path = ".".join(leaf.path)
        value = _at(settings, leaf.path)
        if isinstance(leaf, ListLeaf):
            flat |= {f"{path}.{_name(item, at)}": item for at, item in enumerate(value)}
        else:
            flat[path] = value
    return flat


def _at(settings: Settings, path: tuple[str, ...]) -> Any:
    value: Any = settings
    for name in path:
        value = getattr(value, name)
    return value


def _name(item: Any, at: int) -> str:
    name = getattr(item, "name", None)
    return name if isinstance(name, str) else str(at)


def _is_set(section: BaseModel, name: str) -> bool:
    value = getattr(section, name)
    return name in section.model_fields_set or (
        isinstance(value, BaseModel) and bool(value.model_fields_set)
    )
