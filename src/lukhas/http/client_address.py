"""Who sent a request: the client address behind trusted proxies, and its key for limits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice

from lukhas.errors import ConfigError

__all__ = ("TrustedProxies", "address_key", "client_address")

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network

_MAPPED_PREFIX = "::ffff:"
_MAPPED_BITS = 96
# More hops than any real chain has: a long header must not cost more than this.
_MAX_HOPS = 64
_MAX_MEMBER_BYTES = 64


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The networks whose X-Forwarded-For entries are believed.

    Args:
        cidrs: addresses or networks such as `"10.0.0.0/8"`, `"::1"`; a network must have no bits
            set beyond its prefix.

    Attributes:
        networks: the same, parsed; IPv4-mapped IPv6 networks as IPv4.

    Raises:
        ConfigError: an entry is not an address or a network.
    """

    cidrs: Iterable[str] = ()
    networks: tuple[_Network, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cidrs", tuple(self.cidrs))
        object.__setattr__(self, "networks", tuple(map(_network, self.cidrs)))

    def trusts(self, address: _Address) -> bool:
        """Tells whether an address, IPv4-mapped ones as IPv4, belongs to a trusted proxy."""
        return any(address in network for network in self.networks)

    def holds(self, address: str) -> bool:
        """Tells the same of an address as text; text that is none is in no network."""
        parsed = _parse(address) if self.networks else None
        return parsed is not None and self.trusts(parsed)


def client_address(peer: str, forwarded_for: list[bytes], trusted: TrustedProxies) -> str:
    """Finds the client: the first address, seen from us, that is not a trusted proxy.

    Walks the X-Forwarded-For members from right to left, as long as the hop that vouches for the
    next one is trusted. A member that is no address (also an empty one, or `unknown`) ends the walk
    at the last good hop. Ports, brackets and zones are dropped, IPv4-mapped IPv6 becomes IPv4.

    Args:
        peer: the address of the connection's other end; text that is no address (a Unix socket)
            is never trusted.
        forwarded_for: every X-Forwarded-For line, in order.
        trusted: whom to believe; with an empty one the header is not looked at.
    """
    if not trusted.networks or not forwarded_for:
        if peer[:7] != _MAPPED_PREFIX and "%" not in peer:
            return peer
        address = _parse(peer)
        return peer if address is None else str(address)
    hop = _parse(peer)
    if hop is None:
        return peer
    if trusted.trusts(hop):
        for member in islice(_members_from_right(forwarded_for), _MAX_HOPS):
            address = _parse_member(member)
            if address is None:
                break
            hop = address
            if not trusted.trusts(hop):
                break
    return str(hop)


def address_key(address: str) -> str:
    """The part of an address that stands for one client.

    IPv4 as it is, IPv6 as its /64 network (one subscriber has at least that many), IPv4-mapped
    IPv6 as IPv4. Text that is no address stays as it is.
    """
    if ":" not in address:
        return address
    parsed = _parse(address)
    if parsed is None:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


def _network(cidr: str) -> _Network:
    try:
        network = ip_network(cidr, strict=False)
    except ValueError:
        raise ConfigError(
            f"{cidr!r} is not an address or a network",
            where="trusted proxies",
            hint='write it like "10.0.0.0/8" or "::1"',
        ) from None
    if "/" in cidr and network.network_address != ip_address(cidr.partition("/")[0]):
        raise ConfigError(
            f"{cidr!r} has bits set beyond its prefix",
            where="trusted proxies",
            hint=f'write "{network}", or the address alone',
        )
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return network


def _members_from_right(lines: list[bytes]) -> Iterator[bytes]:
    for line in reversed(lines):
        # The split stops early, so that a long line is not cut into pieces nobody reads.
        yield from reversed(line.rsplit(b",", _MAX_HOPS))


def _parse_member(member: bytes) -> _Address | None:
    stripped = member.strip(b" \t")
    if len(stripped) > _MAX_MEMBER_BYTES or not stripped.isascii():
        return None
    text = stripped.decode("ascii")
    if text[:1] == "[":
        host, bracket, port = text[1:].partition("]")
        if not bracket or ":" not in host or (port and not _is_port(port)):
            return None
        return _parse(host)
    host, colon, port = text.partition(":")
    if colon and "." in host:
        return _parse(host) if _is_port(f":{port}") else None
    return _parse(text)


def _is_port(text: str) -> bool:
    return text[0] == ":" and text[1:].isdigit() and len(text) <= 6


def _parse(text: str) -> _Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    mapped = address.ipv4_mapped
    if mapped is not None:
        return mapped
    return address if address.scope_id is None else IPv6Address(int(address))
