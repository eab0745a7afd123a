"""The flags that several commands share."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from lukhas.config.changes import Changes
    from lukhas.config.loading import Loaded
    from lukhas.config.sources import SettingsSources

__all__ = (
    "Admin",
    "CacheTtl",
    "ConfigFile",
    "FileOnly",
    "Limit",
    "Listen",
    "StateDir",
    "TlsCert",
    "TlsKey",
    "Upstream",
    "Workers",
    "load",
    "load_changed",
    "load_state_dir",
    "load_with_changes",
    "sources_of",
)

_log = logging.getLogger("lukhas.config")

# Values stay text here: the settings tell what is wrong with them, in the same words as for a file.
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings in TOML or YAML.")
]
Upstream = Annotated[
    str | None,
    typer.Option("--upstream", metavar="URL", help="The API, e.g. http://localhost:9000."),
]
Listen = Annotated[
    str | None,
    typer.Option("--listen", metavar="HOST:PORT", help="Where to serve; 127.0.0.1:8000."),
]
Admin = Annotated[
    str | None,
    typer.Option("--admin", metavar="HOST:PORT", help="The admin plane; 127.0.0.1:8001."),
]
Limit = Annotated[
    str | None,
    typer.Option(
        "--limit",
        metavar="LIMIT",
        help='What each consumer may do, e.g. "5/minute", in place of the limits of the tiers.',
    ),
]
CacheTtl = Annotated[
    str | None,
    typer.Option(
        "--cache-ttl",
        metavar="SECONDS",
        help="How long to keep responses that do not say so themselves.",
    ),
]
Workers = Annotated[
    str | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="Processes that serve: a number, auto, or auto:1-8 to follow the load; 1.",
    ),
]
TlsCert = Annotated[
    str | None,
    typer.Option("--tls-cert", metavar="FILE", help="Serve https with this certificate (PEM)."),
]
TlsKey = Annotated[
    str | None,
    typer.Option("--tls-key", metavar="FILE", help="Its private key, if not in the same file."),
]
StateDir = Annotated[
    str | None, typer.Option("--state-dir", metavar="DIR", help="Where keys and counters are kept.")
]

FileOnly = Annotated[
    bool,
    typer.Option("--file-only", help="Leave out what the admin API of this machine has changed."),
]


def load(
    flags: dict[str, str | None], config: Path | None, *, needs_upstream: bool = False
) -> "Loaded":
    """Reads the settings that flags, file and environment make together.

    Raises:
        SettingsError: something is wrong with them.
    """
    from lukhas.config.loading import load_settings
    from lukhas.config.sources import process_environment

    found = sources_of(flags, config)
    return load_settings(
        found.flags, found.file, process_environment(), needs_upstream=needs_upstream
    )


def sources_of(flags: dict[str, str | None], config: Path | None) -> "SettingsSources":
    """Where the settings are read from, beside the environment."""
    from lukhas.config.sources import SettingsSources, config_file_of, process_environment

    given = {flag: text for flag, text in flags.items() if text is not None}
    file = config if config is not None else config_file_of(process_environment())
    return SettingsSources(given, file)


def load_changed(sources: "SettingsSources", *, needs_upstream: bool = False) -> "Loaded":
    """Reads the settings with what the admin API has changed about them.

    What does not count any more because of a change is logged.

    Raises:
        SettingsError: something is wrong with them, or with a change.
        ConfigError: the changes cannot be read.
        StateDirError: the same.
    """
    from lukhas.config.changes_file import read_changes

    loaded = load_with_changes(sources, read_changes, needs_upstream=needs_upstream)
    for note in loaded.notes:
        _log.warning("%s", note)
    return loaded


def load_with_changes(
    sources: "SettingsSources",
    changes: "Callable[[Path], Changes]",
    *,
    needs_upstream: bool = False,
) -> "Loaded":
    """Reads the settings with changes in them.

    Args:
        sources: where they are read from.
        changes: reads the changes of a state directory.
        needs_upstream: whether settings without an upstream are a mistake.

    Raises:
        SettingsError: something is wrong with them, or with a change.
        ConfigError: the changes cannot be read.
        StateDirError: the same.
    """
    from dataclasses import replace

    from lukhas.config.changes import ADMIN_API
    from lukhas.config.changes_file import CHANGES_FILE
    from lukhas.config.faults import SettingsError
    from lukhas.config.loading import load_settings
    from lukhas.config.sources import process_environment

    try:
        return load_settings(
            sources.flags,
            sources.file,
            process_environment(),
            needs_upstream=needs_upstream,
            changes=changes,
        )
    except SettingsError as error:
        way_out = f"or remove {CHANGES_FILE} from the state directory, with all changes"
        raise SettingsError(
            replace(fault, hint=f"{fault.hint}, {way_out}") if fault.where == ADMIN_API else fault
            for fault in error.faults
        ) from None


def load_state_dir(state_dir: str | None, config: Path | None) -> Path:
    """The state directory in effect.

    Raises:
        SettingsError: something is wrong with the settings.
    """
    return load({"--state-dir": state_dir}, config).settings.state_dir
