"""Limits of tiers that were changed through the admin API: a small file in the state directory.

They win over the settings, survive a restart, and are followed by every process that reads the
file again when it has changed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lukhas.config.changes import ADMIN_API
from lukhas.config.loading import Loaded
from lukhas.config.settings import Settings
from lukhas.config.state_files import read_state_file, replace_state_file
from lukhas.errors import ConfigError, LimitSyntaxError
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = (
    "ADMIN_API",
    "RUNTIME_LIMITS_FILE",
    "RuntimeLimits",
    "RuntimeLimitsFile",
    "read_runtime_limits",
    "with_runtime_limits",
    "write_runtime_limits",
)

RUNTIME_LIMITS_FILE = "limits.json"
"""Its name."""

_FORMAT = 1
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class RuntimeLimits:
    """Limits in place of those of the settings.

    Attributes:
        version: how often they were changed; 0 for never.
        tiers: for each changed tier its limits as text; None for no limit.
    """

    version: int = 0
    tiers: Mapping[Tier, str | None] = field(default_factory=dict)

    def with_tier(self, tier: Tier, text: str | None) -> "RuntimeLimits":
        """The next version, with other limits for a tier.

        Raises:
            LimitSyntaxError: the text is no limit.
        """
        if text is not None:
            parse_limits(text, policy=tier.value)
        return RuntimeLimits(self.version + 1, {**self.tiers, tier: text})

    def without_tier(self, tier: Tier) -> "RuntimeLimits":
        """The next version, in which a tier has the limits of the settings."""
        kept = {each: text for each, text in self.tiers.items() if each is not tier}
        return RuntimeLimits(self.version + 1, kept)

    def applied(self, settings: Settings) -> Settings:
        """The settings with these limits in them."""
        if not self.tiers:
            return settings
        changed = {tier.value: text for tier, text in self.tiers.items()}
        return settings.model_copy(update={"tiers": settings.tiers.model_copy(update=changed)})


class RuntimeLimitsFile:
    """Reads the file again when it has changed.

    Args:
        state_dir: where it lies; it may be missing.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._seen: tuple[int, int, int] | None = None

    def changed(self) -> RuntimeLimits | None:
        """What it holds, if it is another file than at the last call; else None.

        Raises:
            StateDirError: it cannot be read.
            ConfigError: it holds something else. Told once for each change.
        """
        seen = _identity(self._state_dir / RUNTIME_LIMITS_FILE)
        if seen == self._seen:
            return None
        self._seen = seen
        return read_runtime_limits(self._state_dir)


def read_runtime_limits(state_dir: Path) -> RuntimeLimits:
    """What the file of a state directory holds; nothing is changed where there is none.

    Raises:
        StateDirError: it cannot be read.
        ConfigError: it holds something else.
    """
    path = state_dir / RUNTIME_LIMITS_FILE
    data = read_state_file(path, most_bytes=_MAX_BYTES)
    if data is None:
        return RuntimeLimits()
    try:
        return _read(json.loads(data) if len(data) <= _MAX_BYTES else None)
    except (ValueError, TypeError, KeyError, AttributeError, LimitSyntaxError) as error:
        raise ConfigError(
            f"this is no file of limits that the admin API has written ({error})",
            where=str(path),
            hint="remove it to go back to the settings",
        ) from None


def write_runtime_limits(state_dir: Path, limits: RuntimeLimits) -> None:
    """Replaces the file, whole or not at all.

    Raises:
        StateDirError: it cannot be written.
    """
    tiers = {tier.value: text for tier, text in limits.tiers.items()}
    content = {"format": _FORMAT, "version": limits.version, "tiers": tiers}
    replace_state_file(state_dir / RUNTIME_LIMITS_FILE, json.dumps(content, indent=1) + "\n")


def with_runtime_limits(loaded: Loaded) -> Loaded:
    """Loaded settings with the limits that were changed through the admin API in them.

    Raises:
        StateDirError: the file cannot be read.
        ConfigError: it holds something else.
    """
    limits = read_runtime_limits(loaded.settings.state_dir)
    changed = {f"tiers.{tier.value}": ADMIN_API for tier in limits.tiers}
    origins = loaded.origins.copy()
    for tier in limits.tiers:
        origins.put(("tiers", tier.value), ADMIN_API)
    return replace(
        loaded,
        settings=limits.applied(loaded.settings),
        sources={**loaded.sources, **changed},
        origins=origins,
    )


def _read(content: Any) -> RuntimeLimits:
    if not isinstance(content, dict) or content["format"] != _FORMAT:
        raise ValueError("another format")
    version = content["version"]
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise ValueError("no version")
    tiers: dict[Tier, str | None] = {}
    for name, text in content["tiers"].items():
        tier = Tier(name)
        if text is not None:
            parse_limits(text, policy=name)
        tiers[tier] = text
    return RuntimeLimits(version, tiers)


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
