"""From flags, a file and the environment to checked settings."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lukhas.config.changed_tree import apply_changes
from lukhas.config.changes import Changes
from lukhas.config.checks import check_settings
from lukhas.config.faults import Fault, SettingsError, describe, in_order
from lukhas.config.files import read_config_file
from lukhas.config.key_paths import KeyPath
from lukhas.config.layers import Layer, Origins, merge
from lukhas.config.schema import leaves
from lukhas.config.settings import Settings
from lukhas.config.sources import default_state_dir
from lukhas.config.texts import environment_layer, flag_layer

__all__ = ("DEFAULT", "Loaded", "load_settings", "read_sources", "validated", "written_out")

DEFAULT = "default"
"""The source of a setting that nobody set."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings that were found good.

    Attributes:
        settings: the settings.
        sources: by dotted path, the place that each came from: a flag, `file:line`, an
            environment variable, or `default`.
        origins: the same for every value, also those inside of lists.
        tree: the values as the sources have them, without changes of the admin API. May hold
            secrets.
        notes: what a source says that does not count, because the admin API has changed it.
    """

    settings: Settings
    sources: Mapping[str, str]
    origins: Origins
    tree: Mapping[str, Any] = field(default_factory=dict, repr=False)
    notes: tuple[Fault, ...] = ()


def load_settings(
    flags: Mapping[str, str],
    file: Path | None,
    environ: Mapping[str, str],
    *,
    needs_upstream: bool = False,
    changes: Callable[[Path], Changes] | None = None,
) -> Loaded:
    """Reads settings: flags win over the file, the file wins over the environment.

    Changes of the admin API win over all of them.

    Args:
        flags: texts by flag, such as `{"--listen": "127.0.0.1:80"}`; see `texts.FLAG_PATHS`.
        file: a TOML or YAML file, if there is one.
        environ: the environment; its `LUKHAS_...` variables are settings.
        needs_upstream: whether settings without an upstream are a mistake.
        changes: gives what the admin API has changed, by the state directory; None for nothing.

    Raises:
        SettingsError: something is wrong; it holds everything that is.
        ConfigError: the changes cannot be read.
        StateDirError: the same.
    """
    below, origins, faults = read_sources(flags, file, environ)
    tree, notes = below, list[Fault]()
    if changes is not None and (state_dir := _state_dir(tree)) is not None:
        tree = dict(below)
        notes = apply_changes(changes(state_dir), tree, origins)
    place = str(file) if file is not None else "settings"
    settings = validated(tree, origins, place=place, needs_upstream=needs_upstream, faults=faults)
    return Loaded(settings, _sources(origins), origins, below, tuple(notes))


def read_sources(
    flags: Mapping[str, str], file: Path | None, environ: Mapping[str, str]
) -> tuple[dict[str, Any], Origins, list[Fault]]:
    """All sources merged, unchecked, with their places and what is wrong with names in them.

    Raises:
        SettingsError: the file cannot be read.
    """
    from_environ, faults = environment_layer(environ)
    layers = [from_environ]
    if file is not None:
        try:
            layers.append(_file_layer(file))
        except SettingsError as error:
            raise SettingsError(in_order([*error.faults, *faults])) from None
    from_flags, flag_faults = flag_layer(flags)
    faults += flag_faults
    layers.append(from_flags)
    tree, origins = merge(layers)
    if "state_dir" not in tree:
        tree["state_dir"] = str(default_state_dir(environ))
    return tree, origins, faults


def validated(
    tree: Mapping[str, Any],
    origins: Origins,
    *,
    place: str,
    needs_upstream: bool,
    faults: Iterable[Fault] = (),
) -> Settings:
    """Settings of a tree, checked as a whole.

    Args:
        tree: the values.
        origins: their places.
        place: that of a value which has none.
        needs_upstream: whether settings without an upstream are a mistake.
        faults: what is known to be wrong already.

    Raises:
        SettingsError: something is wrong; it holds everything that is.
    """
    faults = list(faults)
    try:
        settings = Settings.model_validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as error:
        found = [_fault(details, origins, place, tree) for details in error.errors()]
        raise SettingsError(in_order([*found, *faults])) from None
    faults += [
        Fault(
            origins.nearest(finding.path) or place,
            finding.what,
            finding.hint,
            _named(finding.path, tree),
        )
        for finding in check_settings(settings, needs_upstream=needs_upstream)
    ]
    if faults:
        raise SettingsError(in_order(faults))
    return settings


def written_out(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Values as a file has them, with `upstream = URL` as the section that it is short for.

    So it merges with what other sources say about the upstream.
    """
    if isinstance(tree.get("upstream"), str):
        return {**tree, "upstream": {"url": tree["upstream"]}}
    return dict(tree)


def _state_dir(tree: Mapping[str, Any]) -> Path | None:
    """The state directory that a tree names; None if it names none that can be."""
    text = tree["state_dir"]
    if not isinstance(text, str):
        return None
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        return None


def _file_layer(path: Path) -> Layer:
    content = read_config_file(path)
    tree = written_out(content.tree)

    def where(key_path: KeyPath) -> str:
        for length in range(len(key_path), 0, -1):
            if (line := content.lines.get(key_path[:length])) is not None:
                return f"{path}:{line}"
        return str(path)

    return Layer(tree, where)


def _fault(details: ErrorDetails, origins: Origins, place: str, tree: Mapping[str, Any]) -> Fault:
    where = origins.nearest(details["loc"]) or place
    what, hint = describe(details, where)
    return Fault(where, what, hint, _named(details["loc"], tree))


def _named(path: KeyPath, tree: Mapping[str, Any]) -> KeyPath:
    """A path with the names of items in place of their numbers, where they have one."""
    value: Any = tree
    named: list[str | int] = []
    for part in path:
        try:
            value = value[part]
        except (IndexError, KeyError, TypeError):
            value = None
        name = value.get("name") if isinstance(value, Mapping) else None
        named.append(name if isinstance(part, int) and isinstance(name, str) else part)
    return tuple(named)


def _sources(origins: Origins) -> dict[str, str]:
    return {".".join(leaf.path): origins.place(leaf.path) or DEFAULT for leaf in leaves()}
