"""`lukhas check`: what is wrong with a config file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lukhas.cli.in_force import load_in_force
from lukhas.cli.options import FileOnly, load

if TYPE_CHECKING:
    from lukhas.config.loading import Loaded

__all__ = ("check",)


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Settings in TOML or YAML.")],
    *,
    file_only: FileOnly = False,
) -> None:
    """Tell what is wrong with a config file: file:line, what, what to do.

    Settings in the environment count, as they do for `serve`, and so does what the admin API has
    changed in the state directory of these settings. The OpenAPI description that `openapi.file`
    names is read as well.
    """
    from lukhas.config.faults import SettingsError
    from lukhas.config.named_upstreams import upstreams_text

    try:
        if file_only:
            loaded = load({}, file, needs_upstream=True)
        else:
            loaded = load_in_force(file, needs_upstream=True)
        _check_description(loaded)
    except SettingsError as error:
        for fault in error.faults:
            sys.stderr.write(f"lukhas: {fault}\n")
        raise typer.Exit(2) from None
    settings = loaded.settings
    counts = f"{len(settings.routes)} routes, {len(settings.limits)} limits"
    sys.stdout.write(f"{file}: good: upstream {upstreams_text(settings)}, {counts}\n")


def _check_description(loaded: "Loaded") -> None:
    """Reads the OpenAPI description as `serve` will, and forgets it.

    Raises:
        SettingsError: it cannot be used; it names the setting and the place in the description.
        NotAvailableError: the extra `openapi` is not installed.
    """
    from lukhas.config.faults import Fault, SettingsError
    from lukhas.errors import ConfigError

    openapi = loaded.settings.openapi
    if openapi.file is None:
        return
    # Only here: it brings the pipeline along, which most checks have no use for.
    from lukhas.hub.openapi import read_description

    try:
        read_description(openapi.file, base_path=openapi.base_path)
    except ConfigError as error:
        place = loaded.origins.nearest(("openapi", "file")) or "openapi.file"
        fault = Fault(place, f"{error.where}: {error.what}", error.hint)
        raise SettingsError([fault]) from None
