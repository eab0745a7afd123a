"""What the admin API has changed about the settings: one more source, on top of all others.

A change is kept by the name of its item, with a digest of what the other sources said of that item
at the time. So a later change of a file is noticed where it no longer counts.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from lukhas.errors import ConfigError

__all__ = ("ADMIN_API", "CHANGES_FORMAT", "KINDS", "Changes", "ItemChange", "Kind", "digest_of")

ADMIN_API: Final = "admin API"
"""The source of a setting that was changed through the admin API."""

CHANGES_FORMAT: Final = 1
KINDS: Final = ("routes", "upstreams")

Kind = Literal["routes", "upstreams"]
"""Lists of the settings whose items can be changed, by the name of an item."""

_MOST_ITEMS = 2000


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What has become of one item.

    Attributes:
        item: what it is now, unchecked; None if it was taken away.
        below: the digest of what the other sources said of it; empty if they did not know it.
    """

    item: Mapping[str, Any] | None = field(repr=False)
    below: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """All changes.

    Attributes:
        version: how often something was changed; 0 for never.
        items: by kind and name, the items that were added, changed or taken away.
        weights: by upstream and server, weights in place of those that the upstream has.
    """

    version: int = 0
    items: Mapping[Kind, Mapping[str, ItemChange]] = field(default_factory=dict)
    weights: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the settings are as the other sources say."""
        return not any(self.items.values()) and not self.weights

    @property
    def count(self) -> int:
        """How many items and weights are not as the other sources say."""
        return sum(map(len, (*self.items.values(), *self.weights.values())))

    def of(self, kind: Kind) -> Mapping[str, ItemChange]:
        """The changes of a kind, by name."""
        return self.items.get(kind, {})

    def with_item(self, kind: Kind, name: str, change: ItemChange) -> "Changes":
        """Another item in place of that with this name, or none; weights set before are gone.

        Raises:
            ConfigError: there are too many changes.
        """
        changed = {**self.of(kind), name: change}
        if len(changed) > _MOST_ITEMS:
            raise ConfigError(
                f"more than {_MOST_ITEMS} {kind} would be changed", hint="put some into the file"
            )
        return self._with(kind, changed, name)

    def without_item(self, kind: Kind, name: str) -> "Changes":
        """Without what was changed about an item: it is as the other sources say."""
        kept = {each: change for each, change in self.of(kind).items() if each != name}
        return self._with(kind, kept, name)

    def with_weight(self, upstream: str, server: str, weight: int) -> "Changes":
        """Another weight of a server; what else is said of its upstream still counts."""
        weights = {**self.weights.get(upstream, {}), server: weight}
        return replace(self, weights={**self.weights, upstream: weights})

    def without_weight(self, upstream: str, server: str) -> "Changes":
        """The weight of a server as its upstream has it."""
        kept = {key: each for key, each in self.weights.get(upstream, {}).items() if key != server}
        others = {name: table for name, table in self.weights.items() if name != upstream}
        return replace(self, weights=others | ({upstream: kept} if kept else {}))

    def _with(self, kind: Kind, changed: Mapping[str, ItemChange], name: str) -> "Changes":
        items = {**self.items, kind: changed}
        if kind != "upstreams":
            return replace(self, items=items)
        weights = {each: table for each, table in self.weights.items() if each != name}
        return replace(self, items=items, weights=weights)

    def document(self) -> dict[str, Any]:
        """The changes as plain values, without their version."""
        items = {
            kind: {
                name: {"item": change.item, "below": change.below}
                for name, change in self.of(kind).items()
            }
            for kind in KINDS
        }
        return {"format": CHANGES_FORMAT, **items, "weights": self.weights}

    @classmethod
    def read(cls, document: Any, version: int) -> "Changes":
        """Changes of plain values.

        Raises:
            TypeError: they are something else.
            ValueError: the same.
        """
        if not isinstance(document, dict) or document.get("format") != CHANGES_FORMAT:
            raise ValueError("another format")
        items: dict[Kind, dict[str, ItemChange]] = {
            kind: {
                name: _item_change(change) for name, change in _table(document.get(kind)).items()
            }
            for kind in KINDS
        }
        weights = {
            upstream: {server: _weight(weight) for server, weight in _table(table).items()}
            for upstream, table in _table(document.get("weights")).items()
        }
        return cls(version, items, weights)


def digest_of(item: Any) -> str:
    """A digest of an item as a source has it; empty for none."""
    if item is None:
        return ""
    text = json.dumps(item, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("no table")
    return value


def _item_change(value: Any) -> ItemChange:
    table = _table(value)
    item, below = table.get("item"), table.get("below")
    if not isinstance(below, str):
        raise TypeError("no digest")
    return ItemChange(None if item is None else _table(item), below)


def _weight(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("no weight")
    return value
