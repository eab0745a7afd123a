"""Config files: TOML or YAML in, a tree and the line of each of its keys out."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lukhas.config.faults import Fault, SettingsError
from lukhas.config.key_paths import Lines
from lukhas.config.locations import toml_lines

__all__ = ("ConfigFile", "read_config_file")

_TOML_PLACE = re.compile(r"\s*\(at (?:line (?P<line>\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a config file holds.

    Attributes:
        tree: its values, unchecked.
        lines: the line of each value.
    """

    tree: dict[str, Any]
    lines: Lines


def read_config_file(path: Path) -> ConfigFile:
    """Reads a config file; the ending of its name tells its language.

    Raises:
        SettingsError: it cannot be read, or is not valid TOML or YAML.
    """
    text = _text(path)
    suffix = path.suffix.lower()
    if suffix == ".toml":
        return _toml(text, path)
    if suffix in {".yaml", ".yml"}:
        # Only here: most runs read no YAML, and the package takes a while to load.
        from lukhas.config.yaml_files import read_yaml

        return ConfigFile(*read_yaml(text, path))
    what = "the name of the file does not tell its language"
    raise SettingsError([Fault(str(path), what, "name it .toml, .yaml or .yml")])


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise SettingsError([Fault(str(path), what, "name a file that can be read")]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        fault = Fault(f"{path}:{line}", "is not UTF-8 text", "save the file as UTF-8")
        raise SettingsError([fault]) from None


def _toml(text: str, path: Path) -> ConfigFile:
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place["line"]) if place and place["line"] else text.count("\n") + 1
        reason = _TOML_PLACE.sub("", str(error)).rstrip(".")
        fault = Fault(f"{path}:{line}", f"not valid TOML ({reason})", "correct this line")
        raise SettingsError([fault]) from None
    return ConfigFile(tree, toml_lines(text))
