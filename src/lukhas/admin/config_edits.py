"""Edits of what the admin API has changed about the settings."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import HTTPException

from lukhas.config.changed_tree import item_below
from lukhas.config.changes import Changes, ItemChange, Kind, digest_of
from lukhas.config.masking import unmasked
from lukhas.config.targets import parse_target
from lukhas.config.upstreams import UpstreamSettings
from lukhas.errors import ConfigError
from lukhas.policy.routing.splitting import DEFAULT_UPSTREAM

__all__ = ("Edit", "added", "deleted", "put", "reset", "restored", "server_of", "weighed")

Edit = Callable[[Changes, Mapping[str, Any]], Changes]
"""Makes other changes of those there are; gets all other sources too, merged and unchecked.

Raises `HTTPException` where that cannot be, and `ConfigError` where there is no room.
"""


def added(kind: Kind, item: Mapping[str, Any]) -> Edit:
    """A new item, by its own name."""
    name = item.get("name")
    if not isinstance(name, str):
        raise HTTPException(422, "the item has no name")

    def edit(changes: Changes, tree: Mapping[str, Any]) -> Changes:
        if _present(changes, tree, kind, name) is not None:
            raise HTTPException(409, f"there is {kind[:-1]} {name!r} already")
        return put(kind, name, item)(changes, tree)

    return edit


def put(kind: Kind, name: str, item: Mapping[str, Any]) -> Edit:
    """An item in place of that with this name, if there is one."""
    if item.get("name", name) != name:
        raise HTTPException(422, f"the item has another name than {name!r}")
    is_default = kind == "upstreams" and name == DEFAULT_UPSTREAM
    named = dict(item) if is_default else {**item, "name": name}
    if is_default:
        named.pop("name", None)

    def edit(changes: Changes, tree: Mapping[str, Any]) -> Changes:
        below = item_below(tree, kind, name)
        wanted = unmasked(named, _present(changes, tree, kind, name))
        if digest_of(wanted) == digest_of(below):
            return changes.without_item(kind, name)
        return changes.with_item(kind, name, ItemChange(wanted, digest_of(below)))

    return edit


def deleted(kind: Kind, name: str) -> Edit:
    """Without the item with this name."""
    if kind == "upstreams" and name == DEFAULT_UPSTREAM:
        raise HTTPException(409, "the upstream of all other requests can be changed, not deleted")

    def edit(changes: Changes, tree: Mapping[str, Any]) -> Changes:
        if _present(changes, tree, kind, name) is None:
            raise HTTPException(404, f"there is no {kind[:-1]} {name!r}")
        below = item_below(tree, kind, name)
        if below is None:
            return changes.without_item(kind, name)
        return changes.with_item(kind, name, ItemChange(None, digest_of(below)))

    return edit


def reset(kind: Kind, name: str) -> Edit:
    """The item as the other sources have it."""

    def edit(changes: Changes, _tree: Mapping[str, Any]) -> Changes:
        if name not in changes.of(kind) and not (kind == "upstreams" and name in changes.weights):
            raise HTTPException(404, f"{kind[:-1]} {name!r} was not changed here")
        return changes.without_item(kind, name)

    return edit


def weighed(upstream: str, server: str, weight: int) -> Edit:
    """Another weight of a server of an upstream."""

    def edit(changes: Changes, tree: Mapping[str, Any]) -> Changes:
        present = _present(changes, tree, "upstreams", upstream)
        own = present.get("weights") if isinstance(present, Mapping) else None
        if weight == (own.get(server, 1) if isinstance(own, Mapping) else 1):
            return changes.without_weight(upstream, server)
        return changes.with_weight(upstream, server, weight)

    return edit


def restored(earlier: Changes) -> Edit:
    """All changes as they were in an earlier version."""
    return lambda _changes, _tree: earlier


def server_of(upstream: UpstreamSettings, address: str) -> str:
    """The address of a server as its upstream has it, by `host:port` or as it is written there.

    Raises:
        HTTPException: it is none of the servers.
    """
    texts = [text for text in (upstream.url, *upstream.targets) if text is not None]
    try:
        wanted = parse_target(address)
    except ConfigError as error:
        raise HTTPException(404, str(error)) from None
    for text in texts:
        if wanted.url == text or str(parse_target(text)) == address:
            return text
    known = ", ".join(texts) or "there are none in the settings"
    raise HTTPException(404, f"{address} is no server of this upstream ({known})")


def _present(changes: Changes, tree: Mapping[str, Any], kind: Kind, name: str) -> Any:
    change = changes.of(kind).get(name)
    return item_below(tree, kind, name) if change is None else change.item
