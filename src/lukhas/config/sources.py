"""The outside world of the settings: the only reader of the process environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = (
    "CONFIG_VARIABLE",
    "SettingsSources",
    "config_file_of",
    "default_state_dir",
    "process_environment",
)

CONFIG_VARIABLE = "LUKHAS_CONFIG"
"""The environment variable that names the config file."""


@dataclass(frozen=True, slots=True)
class SettingsSources:
    """Where settings are read from, beside the environment of the process.

    Attributes:
        flags: texts by flag.
        file: the config file, if there is one.
    """

    flags: Mapping[str, str]
    file: Path | None


def process_environment() -> dict[str, str]:
    """A copy of the environment of this process."""
    return dict(os.environ)


def config_file_of(environ: Mapping[str, str]) -> Path | None:
    """The config file that `LUKHAS_CONFIG` names, if it is set."""
    name = environ.get(CONFIG_VARIABLE)
    return Path(name) if name else None


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Where state is kept unless a setting says otherwise (XDG Base Directory 0.8).

    `$XDG_STATE_HOME/lukhas` if that is an absolute path, else `~/.local/state/lukhas`; where no
    home directory is known, `/var/lib/lukhas`.
    """
    base = environ.get("XDG_STATE_HOME", "")
    # The standard: relative paths in these variables are to be ignored.
    if base.startswith("/"):
        return Path(base) / "lukhas"
    home = environ.get("HOME", "")
    if home.startswith("/"):
        return Path(home) / ".local" / "state" / "lukhas"
    try:
        return Path("~").expanduser() / ".local" / "state" / "lukhas"
    except RuntimeError:
        return Path("/var/lib/lukhas")
