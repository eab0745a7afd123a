"""`lukhas check`: what is wrong with a config file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lukhas.cli.options import load

__all__ = ("check",)


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Settings in TOML or YAML.")],
) -> None:
    """Tell what is wrong with a config file: file:line, what, what to do.

    Settings in the environment count, as they do for `serve`.
    """
    from lukhas.config.faults import SettingsError
    from lukhas.config.named_upstreams import upstreams_text

    try:
        settings = load({}, file, needs_upstream=True).settings
    except SettingsError as error:
        for fault in error.faults:
            sys.stderr.write(f"lukhas: {fault}\n")
        raise typer.Exit(2) from None
    counts = f"{len(settings.routes)} routes, {len(settings.limits)} limits"
    sys.stdout.write(f"{file}: good: upstream {upstreams_text(settings)}, {counts}\n")
