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
    TlsCert,
    TlsKey,
    Upstream,
    Workers,
    load_changed,
    sources_of,
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
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
) -> None:
    """Serve the gateway in front of an API.

    Flags win over the file, the file over LUKHAS_... environment variables, and what the admin
    API has changed over all of them.
    SIGTERM ends it, SIGHUP reads the settings again, SIGUSR2 takes up new code.
    """
    flags = {
        "--upstream": upstream,
        "--listen": listen,
        "--admin": admin,
        "--limit": limit,
        "--cache-ttl": cache_ttl,
        "--workers": workers,
        "--state-dir": state_dir,
        "--tls-cert": tls_cert,
        "--tls-key": tls_key,
    }

    sources = sources_of(flags, config)

    def read_settings() -> "Settings":
        return load_changed(sources, needs_upstream=True).settings

    settings = read_settings()
    from lukhas.gateway.supervisor import run

    code = run(
        settings,
        on_ready=_announcement(settings),
        read_settings=read_settings,
        sources=sources,
    )
    raise typer.Exit(code)


def _announcement(settings: "Settings") -> Callable[["Address", "Address"], None]:
    def announce(listen: "Address", admin: "Address") -> None:
        from lukhas.admin.access import load_token
        from lukhas.config.named_upstreams import upstreams_text
        from lukhas.config.secret_values import redaction_of
        from lukhas.telemetry.logs import configure_logging

        secret = settings.admin.token
        configured = None if secret is None else secret.get_secret_value()
        token = load_token(configured, settings.state_dir)
        scheme = "http" if settings.tls.certificate is None else "https"
        sys.stderr.write(
            f"lukhas: serving {upstreams_text(settings)} on {scheme}://{listen},"
            f" admin on http://{admin} (token: see {token.source})\n"
        )
        # Only now: until everything runs, nobody waits for this.
        log = settings.log
        configure_logging(
            style=log.format,
            level=log.level.upper(),
            stream=sys.stderr,
            redaction=redaction_of(settings),
        )

    return announce
