"""Settings as they are in force: with what the admin API has changed, and who looks is told so."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lukhas.cli.options import load, load_with_changes, sources_of
from lukhas.errors import ConfigError, StateDirError

if TYPE_CHECKING:
    from lukhas.config.changes import Changes
    from lukhas.config.loading import Loaded

__all__ = ("load_for_app", "load_in_force")

_Read = TypeVar("_Read")

_WAY_OUT = "leave it out with --file-only"


def load_in_force(config: Path | None, *, needs_upstream: bool = False) -> "Loaded":
    """What a gateway would serve with: file and environment, with all changes over them.

    Tells on standard error how many changes there are, and what does not count because of them.

    Raises:
        SettingsError: something is wrong with the settings, or with a change.
        ConfigError: the changes cannot be read.
        StateDirError: the same.
    """
    from lukhas.config.runtime_limits import with_runtime_limits

    loaded = load_with_changes(sources_of({}, config), _told_changes, needs_upstream=needs_upstream)
    for note in loaded.notes:
        sys.stderr.write(f"lukhas: {note}\n")
    return with_runtime_limits(loaded)


def load_for_app(config: Path | None) -> "tuple[Loaded, int]":
    """What the middleware in an app goes by: changed limits of tiers, and no other changes.

    Returns:
        The settings, and how many routes were changed that it does not take up.

    Raises:
        SettingsError: something is wrong with the settings.
        ConfigError: the changes cannot be read.
        StateDirError: the same.
    """
    from lukhas.config.changes_file import read_changes
    from lukhas.config.runtime_limits import read_runtime_limits, with_runtime_limits

    loaded = load({}, config)
    state_dir = loaded.settings.state_dir
    limits = _read(read_runtime_limits, state_dir)
    _tell(state_dir, changes=0, limits=len(limits.tiers))
    # Other changes are about upstreams, which mean nothing to the middleware.
    unseen = len(_read(read_changes, state_dir).of("routes"))
    return with_runtime_limits(loaded), unseen


def _told_changes(state_dir: Path) -> "Changes":
    from lukhas.config.changes_file import read_changes
    from lukhas.config.runtime_limits import read_runtime_limits

    changes = _read(read_changes, state_dir)
    limits = _read(read_runtime_limits, state_dir)
    _tell(state_dir, changes=changes.count, limits=len(limits.tiers))
    return changes


def _read(read: Callable[[Path], _Read], state_dir: Path) -> _Read:
    """What is read from a state directory; where that fails, it can be left out.

    Raises:
        ConfigError: it is something else.
        StateDirError: it cannot be read.
    """
    try:
        return read(state_dir)
    except StateDirError as error:
        raise StateDirError(f"{error}, or {_WAY_OUT}") from error
    except ConfigError as error:
        hint = f"{error.hint}, or {_WAY_OUT}"
        raise ConfigError(error.what, where=error.where, hint=hint) from error


def _tell(state_dir: Path, *, changes: int, limits: int) -> None:
    from lukhas.config.changes_file import CHANGES_FILE
    from lukhas.config.runtime_limits import RUNTIME_LIMITS_FILE

    number = changes + limits
    if not number:
        return
    counted = ((CHANGES_FILE, changes), (RUNTIME_LIMITS_FILE, limits))
    paths = " and ".join(str(state_dir / file) for file, count in counted if count)
    what = "1 change" if number == 1 else f"{number} changes"
    sys.stderr.write(f"lukhas: with {what} made over the admin API, from {paths}\n")
