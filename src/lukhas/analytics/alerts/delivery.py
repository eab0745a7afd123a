"""How a delivery fails, and which addresses are delivered to."""

import asyncio
import ipaddress
import socket

from lukhas.errors import LukhasError
from lukhas.policy.access.destinations import refused_because

__all__ = ("DeliveryError", "checked_addresses")


class DeliveryError(LukhasError):
    """A message was not taken, or nobody knows whether it was.

    Attributes:
        what: what went wrong; never a secret.
        is_final: whether trying again is of no use.
    """

    def __init__(self, what: str, *, is_final: bool = False) -> None:
        self.what = what
        self.is_final = is_final
        super().__init__(what)


async def checked_addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, looked up once and all found to be ones that may be asked.

    Whoever connects to one of them, and does not look the name up again, cannot be led elsewhere by
    an answer of the DNS that changes in between.

    Raises:
        DeliveryError: there is none, or nothing is sent to it.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DeliveryError(f"{host} cannot be looked up: {error.strerror}") from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        why = refused_because(ipaddress.ip_address(address.partition("%")[0]))
        if why:
            raise DeliveryError(f"nothing is sent to {host}: {why}", is_final=True)
    if not addresses:
        raise DeliveryError(f"{host} has no address")
    return addresses
