"""`lukhas serve`: the gateway."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

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
    load,
)

if TYPE_CHECKING:
    from lukhas.config.addresses import Address
    from lukhas.config.settings import Settings

__all__ = ("serve",)


def serve(
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
    """Serve the gateway in front of an API.

    Flags win over the file, the file over LUKHAS_... environment variables.
    """
    flags = {
        "--upstream": upstream,
        "--listen": listen,
        "--admin": admin,
        "--limit": limit,
        "--cache-ttl": cache_ttl,
        "--workers": workers,
        "--state-dir": state_dir,
    }
    settings = load(flags, config, needs_upstream=True).settings
    from lukhas.gateway.supervisor import run

    raise typer.Exit(run(settings, on_ready=_announcement(settings)))


def _announcement(settings: "Settings") -> Callable[["Address", "Address"], None]:
    def announce(listen: "Address", admin: "Address") -> None:
        from lukhas.admin.access import load_token

        secret = settings.admin.token
        configured = None if secret is None else secret.get_secret_value()
        token = load_token(configured, settings.state_dir)
        sys.stderr.write(
            f"lukhas: serving {settings.upstream.url} on http://{listen},"
            f" admin on http://{admin} (token: see {token.source})\n"
        )

    return announce
