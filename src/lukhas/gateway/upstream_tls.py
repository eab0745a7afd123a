"""What TLS is spoken with towards an upstream."""

import ssl
from pathlib import Path

from lukhas.config.upstreams import UpstreamTlsSettings
from lukhas.errors import ConfigError

__all__ = ("upstream_context",)

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def upstream_context(settings: UpstreamTlsSettings) -> ssl.SSLContext:
    """The context for connections to an https upstream.

    Raises:
        ConfigError: a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=_text(settings.ca_file))
    except OSError as error:
        raise _unusable("ca_file", settings.ca_file, error) from error
    context.minimum_version = _VERSIONS[settings.min_version]
    context.set_alpn_protocols(["http/1.1"])
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_cert is not None:
        try:
            # Without a password a key that needs one would ask for it at the terminal.
            context.load_cert_chain(settings.client_cert, settings.client_key, password=lambda: "")
        except OSError as error:
            raise _unusable("client_cert", settings.client_cert, error) from error
    return context


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _unusable(key: str, path: Path | None, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path} cannot be used: {error.strerror or error}",
        where=f"upstream.tls.{key}",
        hint="name a PEM file that this user can read; a key must have no password",
    )
