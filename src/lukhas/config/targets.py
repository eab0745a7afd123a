"""Addresses of targets: where one server of an upstream is, as people write it."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from lukhas.config.addresses import parse_address
from lukhas.errors import ConfigError

__all__ = ("TargetAddress", "parse_target", "parse_target_url")

_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
_HINT = 'write it like "http://localhost:9000"'
_TARGET_HINT = 'write it like "10.0.0.5:9000", "https://api.internal" or "unix:/run/api.sock"'
_PORTS = {"http": 80, "https": 443}
# What `sun_path` of sockaddr_un holds, with its end (unix(7)).
_LONGEST_SOCKET_PATH = 107


@dataclass(frozen=True, slots=True)
class TargetAddress:
    """Where one server is, and how it is spoken to.

    Attributes:
        scheme: `http` or `https`.
        host: host name or address, lower case, IPv6 without brackets; empty for a socket.
        port: 1 to 65535; 0 for a socket.
        prefix: put before each path; empty or starting with `/`, without a last `/`.
        socket_path: the path of a Unix socket; empty for TCP.
    """

    scheme: str
    host: str
    port: int
    prefix: str = ""
    socket_path: str = ""

    @property
    def authority(self) -> str:
        """`host`, with the port unless it is that of the scheme; `localhost` for a socket."""
        if self.socket_path:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The normal form: `http://host:port/prefix` or `unix:/path`."""
        if self.socket_path:
            return f"unix:{self.socket_path}"
        return f"{self.scheme}://{self.authority}{self.prefix}"

    def __str__(self) -> str:
        """For people and for metrics: `host:port` or `unix:/path`."""
        if self.socket_path:
            return f"unix:{self.socket_path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_target_url(text: str) -> TargetAddress:
    """Reads an HTTP URL such as `http://localhost:9000/base` or `https://api.internal`.

    Raises:
        ConfigError: it is no HTTP URL.
    """
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ConfigError(f"{text!r} is not a URL", hint=_HINT) from None
    if url.scheme not in _PORTS or not url.hostname or any(c.isspace() for c in text):
        raise ConfigError(f"{text!r} is not an HTTP URL", hint=_HINT)
    if url.username is not None or url.password is not None:
        raise ConfigError("the URL holds a user or a password", hint="leave them out of the URL")
    if "?" in text or "#" in text or not _PATH.fullmatch(url.path):
        what = f"the URL {text!r} holds a query, a fragment or a path that cannot be"
        raise ConfigError(what, hint="keep scheme, host, port and the path to put before each path")
    if port == 0:
        raise ConfigError(f"{text!r} names port 0", hint="name the port the API listens on")
    if not url.hostname.isascii():
        raise ConfigError(f"{text!r} is not an HTTP URL", hint="write the host in its ASCII form")
    return TargetAddress(url.scheme, url.hostname, port or _PORTS[url.scheme], url.path.rstrip("/"))


def parse_target(text: str, *, scheme: str = "http") -> TargetAddress:
    """Reads a target: `host:port`, an HTTP URL or `unix:/path`.

    Args:
        text: the target.
        scheme: of a target that names none.

    Raises:
        ConfigError: it is none of these.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/") or "\0" in path or len(path.encode()) > _LONGEST_SOCKET_PATH:
            what = f"{text!r} names no socket"
            raise ConfigError(what, hint="write unix: and a whole path of at most 107 bytes")
        return TargetAddress("http", "", 0, socket_path=path)
    if "://" in text:
        return parse_target_url(text)
    try:
        address = parse_address(text)
    except ConfigError:
        raise ConfigError(f"{text!r} is not a target", hint=_TARGET_HINT) from None
    if address.port == 0:
        raise ConfigError(f"{text!r} names port 0", hint="name the port the API listens on")
    return TargetAddress(scheme, address.host, address.port)
