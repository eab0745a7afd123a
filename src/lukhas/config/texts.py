"""Settings given as text: environment variables and flags."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from lukhas.config.faults import Fault
from lukhas.config.key_paths import KeyPath, dotted
from lukhas.config.layers import Layer
from lukhas.config.schema import field_at, leaves, takes_text
from lukhas.config.sources import CONFIG_VARIABLE

__all__ = ("FLAG_PATHS", "environment_layer", "flag_layer", "variable_name")

_PREFIX = "LUKHAS_"
_NESTED = "__"
# Read by the installation, not by the product: which folder holds the environment of a checkout.
_NOT_SETTINGS = frozenset({CONFIG_VARIABLE, "LUKHAS_VENV"})

FLAG_PATHS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "--upstream": (("upstream", "url"),),
    "--listen": (("listen",),),
    "--admin": (("admin", "listen"),),
    # One limit for everybody: it takes the place of what the tiers come with.
    "--limit": tuple(("tiers", tier) for tier in ("free", "basic", "premium", "enterprise")),
    "--cache-ttl": (("cache", "default_ttl_s"),),
    "--workers": (("workers",),),
    "--state-dir": (("state_dir",),),
    "--tls-cert": (("tls", "certificate"),),
    "--tls-key": (("tls", "key"),),
}
"""The settings that each flag of the command line sets."""


def variable_name(path: KeyPath) -> str:
    """The environment variable of a setting."""
    return _PREFIX + _NESTED.join(str(part).upper() for part in path)


def environment_layer(environ: Mapping[str, str]) -> tuple[Layer, list[Fault]]:
    """The settings among the variables of an environment, and what is wrong with their names."""
    faults: list[Fault] = []
    tree: dict[str, Any] = {}
    places: dict[KeyPath, str] = {}
    # Shorter names first: a whole section as JSON comes before one key of it.
    for name in sorted(environ, key=lambda name: (name.count(_NESTED), name)):
        if not name.startswith(_PREFIX) or name in _NOT_SETTINGS:
            continue
        path: KeyPath = tuple(name.removeprefix(_PREFIX).lower().split(_NESTED))
        if field_at(path) is None:
            faults.append(_unknown(name, path))
            continue
        if path == ("upstream",) and not environ[name].lstrip().startswith("{"):
            path = ("upstream", "url")
        value = _value(path, environ[name])
        if not _is_unicode(environ[name]):
            faults.append(Fault(name, "is not UTF-8 text", "set it to UTF-8 text"))
            continue
        _set(tree, path, value)
        places[path] = name

    def where(path: KeyPath) -> str:
        for length in range(len(path), 0, -1):
            if path[:length] in places:
                return places[path[:length]]
        return variable_name(path)

    return Layer(tree, where), faults


def flag_layer(flags: Mapping[str, str]) -> tuple[Layer, list[Fault]]:
    """The settings that flags such as `{"--listen": "127.0.0.1:80"}` set.

    Raises:
        KeyError: there is no such flag.
    """
    faults: list[Fault] = []
    tree: dict[str, Any] = {}
    places: dict[KeyPath, str] = {}
    for flag, text in flags.items():
        if not _is_unicode(text):
            faults.append(Fault(flag, "is not UTF-8 text", "write it as UTF-8 text"))
            continue
        for path in FLAG_PATHS[flag]:
            _set(tree, path, _value(path, text))
            places[path] = flag
    return Layer(tree, lambda path: places.get(path, "the flags")), faults


def _unknown(name: str, path: KeyPath) -> Fault:
    known = [variable_name(leaf.path) for leaf in leaves()]
    close = get_close_matches(name.upper(), known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}?" if close else "unset it"
    return Fault(name, f"unknown setting {dotted(path)!r}", hint)


def _value(path: KeyPath, text: str) -> Any:
    info = field_at(path)
    is_optional = info is not None and info.default is None
    if info is None or takes_text(info):
        return None if text == "null" and is_optional else text
    try:
        return json.loads(text.lower() if text in {"True", "False"} else text)
    except (ValueError, RecursionError):
        return text


def _set(tree: dict[str, Any], path: KeyPath, value: Any) -> None:
    *parents, last = path
    for part in parents:
        inner = tree.get(str(part))
        if not isinstance(inner, dict):
            inner = tree[str(part)] = {}
        tree = inner
    tree[str(last)] = value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
