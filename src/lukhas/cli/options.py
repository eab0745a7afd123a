"""The flags that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lukhas.config.loading import Loaded

__all__ = (
    "Admin",
    "CacheTtl",
    "ConfigFile",
    "Limit",
    "Listen",
    "StateDir",
    "TlsCert",
    "TlsKey",
    "Upstream",
    "Workers",
    "load",
    "load_state_dir",
)

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


def load(
    flags: dict[str, str | None], config: Path | None, *, needs_upstream: bool = False
) -> "Loaded":
    """Reads the settings that flags, file and environment make together.

    Raises:
        SettingsError: something is wrong with them.
    """
    from lukhas.config.loading import load_settings
    from lukhas.config.sources import config_file_of, process_environment

    environ = process_environment()
    given = {flag: text for flag, text in flags.items() if text is not None}
    file = config if config is not None else config_file_of(environ)
    return load_settings(given, file, environ, needs_upstream=needs_upstream)


def load_state_dir(state_dir: str | None, config: Path | None) -> Path:
    """The state directory in effect.

    Raises:
        SettingsError: something is wrong with the settings.
    """
    return load({"--state-dir": state_dir}, config).settings.state_dir
