"""Addresses that nothing is sent to, whoever names them."""

import ipaddress

__all__ = ("refused_because",)

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds tell any caller the credentials of the machine.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200"))
)


def refused_because(address: _Address, *, allow_link_local: bool = False) -> str:
    """Why no request is sent to an address; empty if one may be.

    Args:
        address: the address, as it was looked up.
        allow_link_local: whether link-local addresses may be.
    """
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return refused_because(address.ipv4_mapped, allow_link_local=allow_link_local)
    if address in _METADATA:
        return "it is that of a metadata service"
    if address.is_link_local and not allow_link_local:
        return "it is link-local"
    if address.is_multicast or address.is_unspecified:
        return "it is that of no machine"
    return ""
