"""Lays changes of the admin API over what all other sources say."""

from collections.abc import Mapping
from typing import Any

from lukhas.config.changes import ADMIN_API, Changes, ItemChange, Kind, digest_of
from lukhas.config.faults import Fault
from lukhas.config.key_paths import KeyPath
from lukhas.config.layers import Origins
from lukhas.config.targets import parse_target
from lukhas.errors import ConfigError
from lukhas.policy.routing.splitting import DEFAULT_UPSTREAM

__all__ = ("apply_changes", "item_below")

_HINT = "give the change up with POST /api/v1/config/{kind}/{name}/reset, or change it there"


def apply_changes(changes: Changes, tree: dict[str, Any], origins: Origins) -> list[Fault]:
    """Changes the tree, and the places of its values.

    Args:
        changes: what to lay over.
        tree: all other sources, merged.
        origins: their places.

    Returns:
        Where the other sources say something new that does not count.
    """
    notes = [
        note
        for kind, changed in changes.items.items()
        for name, change in changed.items()
        for note in _notes(kind, name, change, item_below(tree, kind, name))
    ]
    default = changes.of("upstreams").get(DEFAULT_UPSTREAM)
    if default is not None and default.item is not None:
        tree["upstream"] = dict(default.item)
        _note_all(origins, ("upstream",), tree["upstream"])
    for kind, changed in changes.items.items():
        named = {name: each for name, each in changed.items() if name != DEFAULT_UPSTREAM}
        if named if kind == "upstreams" else changed:
            _replace(kind, named if kind == "upstreams" else changed, tree, origins)
    for upstream, weights in changes.weights.items():
        notes += _weigh(upstream, weights, tree, origins)
    return notes


def item_below(tree: Mapping[str, Any], kind: Kind, name: str) -> Any:
    """An item as a tree has it, unchecked; None if it does not know it."""
    if kind == "upstreams" and name == DEFAULT_UPSTREAM:
        return tree.get("upstream")
    at = _position(tree.get(kind), name)
    return None if at is None else tree[kind][at]


def _position(items: Any, name: str) -> int | None:
    if not isinstance(items, list | tuple):
        return None
    for at, item in enumerate(items):
        if isinstance(item, Mapping) and item.get("name") == name:
            return at
    return None


def _replace(
    kind: Kind, changed: Mapping[str, ItemChange], tree: dict[str, Any], origins: Origins
) -> None:
    below = tree.get(kind, [])
    if not isinstance(below, list | tuple):
        return  # The check of the whole says what is wrong with it.
    places = origins.taken((kind,))
    origins.put((kind,), ADMIN_API)
    items: list[Any] = []

    def add(item: Mapping[str, Any]) -> None:
        items.append(dict(item))
        _note_all(origins, (kind, len(items) - 1), items[-1])

    for at, item in enumerate(below):
        name = item.get("name") if isinstance(item, Mapping) else None
        change = changed.get(name) if isinstance(name, str) else None
        if change is None:
            items.append(item)
            for path, place in places.items():
                if path[:1] == (at,):
                    origins.put((kind, len(items) - 1, *path[1:]), place)
        elif change.item is not None:
            add(change.item)
    for name, change in changed.items():
        if change.item is not None and _position(below, name) is None:
            add(change.item)
    tree[kind] = items


def _weigh(
    upstream: str, weights: Mapping[str, int], tree: dict[str, Any], origins: Origins
) -> list[Fault]:
    path: KeyPath = ("upstream",)
    if upstream != DEFAULT_UPSTREAM:
        at = _position(tree.get("upstreams"), upstream)
        if at is None:
            what = f"there is no upstream {upstream!r} any more whose servers have changed weights"
            return [Fault(ADMIN_API, what, _hint("upstreams", upstream))]
        path = ("upstreams", at)
    item = item_below(tree, "upstreams", upstream)
    if not isinstance(item, Mapping):
        return []
    known = _servers(item)
    there = {server: weight for server, weight in weights.items() if server in known}
    notes = [
        Fault(
            ADMIN_API,
            f"{server} with a changed weight is no server of the upstream {upstream!r} any more",
            _hint("upstreams", upstream),
        )
        for server in weights
        if server not in known
    ]
    own = item.get("weights", {})
    if there and isinstance(own, Mapping):
        changed = {**item, "weights": {**own, **there}}
        if upstream == DEFAULT_UPSTREAM:
            tree["upstream"] = changed
        else:
            tree["upstreams"] = [changed if each is item else each for each in tree["upstreams"]]
        for server in there:
            origins.put((*path, "weights", server), ADMIN_API)
        origins.put((*path, "weights"), ADMIN_API)
    return notes


def _servers(item: Mapping[str, Any]) -> set[str]:
    """The addresses of an upstream in their normal form, those that can be read."""
    targets = item.get("targets", ())
    texts = [item.get("url"), *(targets if isinstance(targets, list | tuple) else ())]
    found = set()
    for text in texts:
        try:
            found.add(parse_target(text).url if isinstance(text, str) else "")
        except ConfigError:
            continue
    return found


def _notes(kind: Kind, name: str, change: ItemChange, below: Any) -> list[Fault]:
    if digest_of(below) == change.below or (change.item is None and below is None):
        return []
    done = "taken away" if change.item is None else "changed"
    what = f"{kind[:-1]} {name!r} was {done} here, and another source says something new about it"
    if below is None:
        what = f"{kind[:-1]} {name!r} was changed here, and is gone from where it came from"
    return [Fault(ADMIN_API, f"{what}, which does not count", _hint(kind, name))]


def _hint(kind: Kind, name: str) -> str:
    return _HINT.format(kind=kind, name=name)


def _note_all(origins: Origins, path: KeyPath, value: object) -> None:
    origins.forget(path)
    origins.note(path, value, lambda _: ADMIN_API)
