"""The Host field and the authority of a URI (RFC 9110 section 7.2, RFC 3986 section 3.2)."""

import re
from ipaddress import IPv6Address

__all__ = ("normalise_authority",)

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_HOST_BYTES = 253  # RFC 1035 section 2.3.4, without the last dot

# Group 1 a name or an IPv4 address, group 2 an IPv6 address, group 3 the port.
_match = re.compile(
    rb"(?:([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\.?|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{1,5}))?"
).fullmatch


def normalise_authority(value: bytes, *, scheme: str) -> bytes | None:
    """Checks a host with an optional port and writes it in the one form used for keys and routes.

    The result is in lower case, without the default port of the scheme, without leading zeros in
    the port, and without the dot that may end a fully qualified name (`a.example.` is the same
    host as `a.example`, and must not slip past its routes).

    Args:
        value: the value of Host, or the authority of an absolute URI.
        scheme: `"http"` or `"https"`; any other keeps every port.

    Returns:
        The normal form, or None for everything but a name of letters, digits, `-`, `_` and dots, an
        IPv4 address, or an IPv6 address in brackets, each with or without a port of 1 to 65535.
        So user information, white space, slashes, an empty host or an empty label are refused.
    """
    match = _match(value)
    if match is None:
        return None
    name, literal, port = match.groups()
    if name is not None:
        if len(name) > _MAX_HOST_BYTES:
            return None
        host = name.lower()
    else:
        if not _is_ipv6(literal):
            return None
        host = b"[%b]" % literal.lower()
    if port is None:
        return host
    number = int(port)
    if not 1 <= number <= 65535:
        return None
    return host if number == _DEFAULT_PORTS.get(scheme) else b"%b:%d" % (host, number)


def _is_ipv6(literal: bytes) -> bool:
    try:
        IPv6Address(literal.decode("ascii"))
    except ValueError:
        return False
    return True
