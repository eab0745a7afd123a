"""Listening addresses: `host:port`."""

import ipaddress
import re
from dataclasses import dataclass

from lukhas.errors import ConfigError

__all__ = ("Address", "parse_address")

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_HINT = 'write HOST:PORT, for example "127.0.0.1:8000", "0.0.0.0:80" or "[::1]:8000"'
_ANY_HOSTS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised here, not bound


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen.

    Attributes:
        host: an IP address (IPv6 without brackets) or a host name.
        port: 0 to 65535; 0 lets the system choose a free one.
    """

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def overlaps(self, other: "Address") -> bool:
        """Whether both cannot be bound at once; never for port 0."""
        if self.port != other.port or self.port == 0:
            return False
        if self.host == other.host or {self.host, other.host} & _ANY_HOSTS:
            return True
        return self.is_loopback and other.is_loopback and "localhost" in {self.host, other.host}

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Reads `host:port`.

    Raises:
        ConfigError: the text is no address.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or not host:
        raise ConfigError(f"{text!r} is not an address", hint=_HINT)
    if not port.isascii() or not port.isdigit() or int(port[:6]) > 65_535:
        raise ConfigError(f"{port!r} in {text!r} is not a port", hint="a port is 0 to 65535")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        looks_numeric = bare.replace(".", "").isdigit()
        if bracketed or looks_numeric or not _HOST.fullmatch(bare):
            raise ConfigError(f"{host!r} in {text!r} is not a host", hint=_HINT) from None
        return Address(bare.lower(), int(port))
    if (address.version == 6) != bracketed:
        raise ConfigError(f"{host!r} in {text!r} is not a host", hint=_HINT)
    return Address(str(address), int(port))
