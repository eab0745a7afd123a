"""Connections to one server of an upstream: over TCP, TLS or a Unix socket."""

import asyncio
import errno
import ipaddress
import ssl
from asyncio import BaseProtocol, BaseTransport
from collections.abc import Callable
from typing import TypeVar

from lukhas.config.targets import TargetAddress
from lukhas.policy.access.destinations import refused_because

__all__ = ("Dial",)

P = TypeVar("P", bound=BaseProtocol)
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Dial:
    """Opens connections to one server.

    A name is looked up here, what it stands for is checked, and that very address is connected
    to: an answer of the DNS that changes in between leads nowhere else.

    Args:
        address: where the server is.
        tls: what TLS is spoken with; None for plain connections.
        server_name: the name that the certificate must have; empty for that of the address.
        allow_link_local: whether it may have a link-local address.

    Attributes:
        place: the address, for people.
    """

    __slots__ = ("_address", "_allow_link_local", "_literal", "_server_name", "_tls", "place")

    def __init__(
        self,
        address: TargetAddress,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str = "",
        allow_link_local: bool = False,
    ) -> None:
        self._address = address
        self._tls = tls
        self._server_name = (server_name or address.host) if tls is not None else None
        self._allow_link_local = allow_link_local
        self._literal = _literal(address.host)
        self.place = str(address)

    async def __call__(self, factory: Callable[[], P]) -> tuple[BaseTransport, P]:
        """Opens a connection, and makes its protocol with `factory`.

        Raises:
            OSError: it cannot be opened, its certificate is not accepted, or the name stands for
                an address that requests are not sent to.
        """
        loop = asyncio.get_running_loop()
        address = self._address
        if address.socket_path:
            return await loop.create_unix_connection(factory, address.socket_path)
        failure: OSError | None = None
        for host in await self._hosts():
            try:
                return await loop.create_connection(
                    factory, host, address.port, ssl=self._tls, server_hostname=self._server_name
                )
            except OSError as error:
                failure = error
        raise failure or OSError(errno.ENXIO, "the name has no address")

    async def _hosts(self) -> list[str]:
        if self._literal is not None:
            self._check(self._literal)
            return [str(self._literal)]
        address = self._address
        found = await asyncio.get_running_loop().getaddrinfo(
            address.host, address.port, type=1, proto=6
        )
        hosts = list(dict.fromkeys(str(place[4][0]) for place in found))
        for host in hosts:
            # A scope (`%eth0`) only goes with link-local addresses.
            self._check(ipaddress.ip_address(host.partition("%")[0]))
        return hosts

    def _check(self, address: _Address) -> None:
        why = refused_because(address, allow_link_local=self._allow_link_local)
        if why:
            raise OSError(errno.EACCES, f"no request is sent to the address {address}: {why}")


def _literal(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
