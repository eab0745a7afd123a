"""The PROXY protocol, versions 1 and 2: a load balancer says who its client is.

Source: The PROXY protocol, HAProxy Technologies, proxy-protocol.txt, sections 2.1 and 2.2.
"""

import re
import struct
from ipaddress import IPv4Address, IPv6Address

__all__ = ("ProxyHeader", "ProxyHeaderError")

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V1_START = b"PROXY "
_V1_MOST_BYTES = 107
_V2_FIXED = 16
# Addresses and what balancers add about TLS fit many times; the format would allow 64 KiB.
_V2_MOST_BYTES = 4096
_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")
_MOST_PORT = 65_535
_VERSION = 2
_LOCAL, _PROXY = 0, 1
_UNSPEC, _TCP4, _TCP6, _UNIX_STREAM = 0x00, 0x11, 0x21, 0x31


class ProxyHeaderError(Exception):
    """What came is no PROXY header."""


class ProxyHeader:
    """Reads one header out of the first bytes of a connection, and not a byte behind it.

    Attributes:
        is_whole: whether all of it has come.
        source: the address of the client; empty where the header names none (a health check of the
            balancer itself, or a client without an IP address), so that of the connection counts.
    """

    __slots__ = ("_taken", "is_whole", "source")

    def __init__(self) -> None:
        self._taken = b""
        self.is_whole = False
        self.source = ""

    def take(self, data: bytes) -> int:
        """Takes the next bytes.

        Args:
            data: what has come; what is not taken has to be given again, or is not for us.

        Returns:
            How many of them belong to the header.

        Raises:
            ProxyHeaderError: they belong to none.
        """
        before = len(self._taken)
        seen = self._taken + data
        if seen.startswith(_SIGNATURE[: len(seen)]):
            self._take_v2(seen)
        elif seen.startswith(_V1_START[: len(seen)]):
            self._take_v1(seen)
        else:
            raise ProxyHeaderError("neither version 1 nor version 2")
        return len(self._taken) - before

    def _take_v1(self, seen: bytes) -> None:
        end = seen.find(b"\r\n", 0, _V1_MOST_BYTES)
        if end < 0:
            if len(seen) >= _V1_MOST_BYTES:
                raise ProxyHeaderError("the line is too long")
            # A single CR at the end may be the first half of the line's end, and is its own.
            self._taken = seen
            return
        self._taken = seen[: end + 2]
        self.is_whole = True
        self.source = _read_line(seen[:end])

    def _take_v2(self, seen: bytes) -> None:
        if len(seen) < _V2_FIXED:
            self._taken = seen
            return
        version_command, family, length = struct.unpack_from("!BBH", seen, len(_SIGNATURE))
        if version_command >> 4 != _VERSION or version_command & 0xF > _PROXY:
            raise ProxyHeaderError("an unknown version or command")
        if _V2_FIXED + length > _V2_MOST_BYTES:
            raise ProxyHeaderError("the header is too long")
        self._taken = seen[: _V2_FIXED + length]
        if len(self._taken) < _V2_FIXED + length:
            return
        self.is_whole = True
        if version_command & 0xF != _LOCAL:
            self.source = _read_block(family, self._taken[_V2_FIXED:])


def _read_line(line: bytes) -> str:
    parts = line.split(b" ")
    if parts[1] == b"UNKNOWN":
        return ""
    if len(parts) != 6 or parts[1] not in {b"TCP4", b"TCP6"}:
        raise ProxyHeaderError("the line does not name two addresses")
    for port in parts[4:]:
        if not _PORT.fullmatch(port) or int(port) > _MOST_PORT:
            raise ProxyHeaderError("a port is no number")
    kind = IPv4Address if parts[1] == b"TCP4" else IPv6Address
    try:
        source, _ = (_plain(kind(part.decode("ascii"))) for part in parts[2:4])
    except ValueError:
        raise ProxyHeaderError("an address is none") from None
    return source


def _read_block(family: int, block: bytes) -> str:
    if family == _TCP4:
        if len(block) < 12:
            raise ProxyHeaderError("the addresses are cut off")
        return str(IPv4Address(block[:4]))
    if family == _TCP6:
        if len(block) < 36:
            raise ProxyHeaderError("the addresses are cut off")
        return _plain(IPv6Address(block[:16]))
    if family in {_UNSPEC, _UNIX_STREAM}:
        return ""
    raise ProxyHeaderError("an unknown family of addresses")


def _plain(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError("an address with a zone means nothing elsewhere")
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
    return str(address)
