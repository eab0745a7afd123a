"""`lukhas config`: the settings in effect."""

import sys

import typer

from lukhas.cli.options import (
    Admin,
    CacheTtl,
    ConfigFile,
    Limit,
    Listen,
    StateDir,
    Upstream,
    Workers,
    load_changed,
    sources_of,
)

__all__ = ("config_app",)

config_app = typer.Typer(help="Show the settings in effect.", rich_markup_mode=None)


@config_app.callback()
def _config() -> None:
    """Show the settings in effect."""


@config_app.command()
def show(
    *,
    config: ConfigFile = None,
    upstream: Upstream = None,
    listen: Listen = None,
    admin: Admin = None,
    limit: Limit = None,
    cache_ttl: CacheTtl = None,
    workers: Workers = None,
    state_dir: StateDir = None,
) -> None:
    """Print every setting that `serve` would use with these flags, and where it comes from."""
    from lukhas.config.rendering import render_settings
    from lukhas.config.runtime_limits import with_runtime_limits

    flags = {
        "--upstream": upstream,
        "--listen": listen,
        "--admin": admin,
        "--limit": limit,
        "--cache-ttl": cache_ttl,
        "--workers": workers,
        "--state-dir": state_dir,
    }
    loaded = load_changed(sources_of(flags, config))
    for line in render_settings(with_runtime_limits(loaded)):
        sys.stdout.write(f"{line}\n")
