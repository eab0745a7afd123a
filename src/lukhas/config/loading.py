"""From flags, a file and the environment to checked settings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lukhas.config.checks import check_settings
from lukhas.config.faults import Fault, SettingsError, describe, in_order
from lukhas.config.files import read_config_file
from lukhas.config.key_paths import KeyPath
from lukhas.config.layers import Layer, Origins, merge
from lukhas.config.schema import leaves
from lukhas.config.settings import Settings
from lukhas.config.sources import default_state_dir
from lukhas.config.texts import environment_layer, flag_layer

__all__ = ("DEFAULT", "Loaded", "load_settings")

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
    """

    settings: Settings
    sources: Mapping[str, str]
    origins: Origins


def load_settings(
    flags: Mapping[str, str],
    file: Path | None,
    environ: Mapping[str, str],
    *,
    needs_upstream: bool = False,
) -> Loaded:
    """Reads settings: flags win over the file, the file wins over the environment.

    Args:
        flags: texts by flag, such as `{"--listen": "127.0.0.1:80"}`; see `texts.FLAG_PATHS`.
        file: a TOML or YAML file, if there is one.
        environ: the environment; its `LUKHAS_...` variables are settings.
        needs_upstream: whether settings without an upstream are a mistake.

    Raises:
        SettingsError: something is wrong; it holds everything that is.
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
    place = str(file) if file is not None else "settings"
    try:
        settings = Settings.model_validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as error:
        found = [_fault(details, origins, place) for details in error.errors()]
        raise SettingsError(in_order([*found, *faults])) from None
    faults += [
        Fault(origins.nearest(finding.path) or place, finding.what, finding.hint)
        for finding in check_settings(settings, needs_upstream=needs_upstream)
    ]
    if faults:
        raise SettingsError(in_order(faults))
    return Loaded(settings, _sources(origins), origins)


def _file_layer(path: Path) -> Layer:
    content = read_config_file(path)
    tree: dict[str, Any] = dict(content.tree)
    if isinstance(tree.get("upstream"), str):
        # Written out, so that it merges with what other sources say about the upstream.
        tree["upstream"] = {"url": tree["upstream"]}

    def where(key_path: KeyPath) -> str:
        for length in range(len(key_path), 0, -1):
            if (line := content.lines.get(key_path[:length])) is not None:
                return f"{path}:{line}"
        return str(path)

    return Layer(tree, where)


def _fault(details: ErrorDetails, origins: Origins, place: str) -> Fault:
    where = origins.nearest(details["loc"]) or place
    what, hint = describe(details, where)
    return Fault(where, what, hint)


def _sources(origins: Origins) -> dict[str, str]:
    return {".".join(leaf.path): origins.place(leaf.path) or DEFAULT for leaf in leaves()}
