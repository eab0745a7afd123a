"""The servers of an upstream from the DNS, for as long as its answers are good for.

Names are asked of name servers only: the hosts file of the machine is not read.
"""

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
from dns.rdtypes.IN.SRV import SRV

from lukhas.config.addresses import parse_address
from lukhas.config.targets import TargetAddress
from lukhas.gateway.discovery import DiscoveryError, FoundServer, FoundServers
from lukhas.policy.access.destinations import refused_because

__all__ = ("DnsSource", "DnsTerms", "SrvSource")

_LIFETIME_S = 5.0
_DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class DnsTerms:
    """How the DNS is asked.

    Attributes:
        nameservers: whom, as `HOST:PORT`; empty for those of the system.
        least_ttl_s: answers are good for at least so long...
        most_ttl_s: ...and at most for so long.
        allow_link_local: whether link-local addresses are taken.
    """

    nameservers: Sequence[str] = ()
    least_ttl_s: float = 1.0
    most_ttl_s: float = 300.0
    allow_link_local: bool = False

    def again_s(self, ttl_s: float) -> float:
        """For how long an answer is good."""
        return min(max(ttl_s, self.least_ttl_s), self.most_ttl_s)


class _Lookup:
    """Asks name servers, and refuses addresses that no request is sent to."""

    def __init__(self, terms: DnsTerms) -> None:
        self._terms = terms
        self._resolver = resolver = dns.asyncresolver.Resolver(configure=not terms.nameservers)
        if terms.nameservers:
            places = [
                parse_address(text if ":" in text else f"{text}:{_DNS_PORT}")
                for text in terms.nameservers
            ]
            resolver.nameservers = [
                dns.nameserver.Do53Nameserver(place.host, place.port) for place in places
            ]
        resolver.lifetime = _LIFETIME_S
        resolver.cache = None

    async def addresses(self, name: str) -> tuple[list[str], float]:
        """The addresses of a name, and for how many seconds the answer is good."""
        answers = await asyncio.gather(self._asked(name, "A"), self._asked(name, "AAAA"))
        found: list[str] = []
        refused = ""
        for answer in answers:
            for record in answer.rrset or () if answer is not None else ():
                address = ipaddress.ip_address(record.to_text())
                why = refused_because(address, allow_link_local=self._terms.allow_link_local)
                if why:
                    refused = f"{name} has the address {address}, which is not used: {why}"
                else:
                    found.append(str(address))
        if not found:
            raise DiscoveryError(refused or f"{name} has no address")
        return found, min(_ttl_s(answer) for answer in answers if answer is not None)

    async def services(self, name: str) -> tuple[list[SRV], float]:
        """The SRV records of a name (RFC 2782), and for how many seconds they are good."""
        answer = await self._asked(name, "SRV")
        records = [] if answer is None or answer.rrset is None else list(answer.rrset)
        # A single record with the root as its target says that there is no such service.
        records = [record for record in records if str(record.target) != "."]
        if not records or answer is None:
            raise DiscoveryError(f"{name} has no SRV record")
        return records, _ttl_s(answer)

    async def _asked(self, name: str, kind: str) -> "dns.resolver.Answer | None":
        try:
            return await self._resolver.resolve(
                name, dns.rdatatype.from_text(kind), search=False, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN:
            return None
        except dns.exception.DNSException as error:
            # Some messages have several lines.
            what = " ".join(str(error).split())
            raise DiscoveryError(f"the DNS does not tell about {name}: {what}") from None
        except OSError as error:
            raise DiscoveryError(f"the DNS cannot be asked about {name}: {error}") from None


class DnsSource:
    """Every address of a host is a server.

    Args:
        like: scheme, host, port and prefix.
        terms: how the DNS is asked.
    """

    def __init__(self, like: TargetAddress, terms: DnsTerms) -> None:
        self._like = like
        self._terms = terms
        self._lookup = _Lookup(terms)

    async def find(self) -> FoundServers:
        """See `ServerSource`."""
        like = self._like
        addresses, ttl_s = await self._lookup.addresses(like.host)
        servers = [
            FoundServer(TargetAddress(like.scheme, host, like.port, like.prefix), like.host)
            for host in sorted(addresses)
        ]
        return FoundServers(tuple(servers), self._terms.again_s(ttl_s))


class SrvSource:
    """The servers that SRV records name, with their ports, weights and priorities (RFC 2782).

    Args:
        service: the name of the records.
        like: scheme and prefix; its host is what certificates are for.
        terms: how the DNS is asked.
    """

    def __init__(self, service: str, like: TargetAddress, terms: DnsTerms) -> None:
        self._service = service
        self._like = like
        self._terms = terms
        self._lookup = _Lookup(terms)

    async def find(self) -> FoundServers:
        """See `ServerSource`."""
        records, ttl_s = await self._lookup.services(self._service)
        found = await asyncio.gather(
            *(self._lookup.addresses(str(record.target)) for record in records),
            return_exceptions=True,
        )
        servers: dict[str, FoundServer] = {}
        failure: BaseException | None = None
        for record, answer in zip(records, found, strict=True):
            if isinstance(answer, BaseException):
                failure = answer
                continue
            hosts, host_ttl_s = answer
            ttl_s = min(ttl_s, host_ttl_s)
            for host in hosts:
                server = self._server(record, host)
                servers.setdefault(str(server.address), server)
        if failure is not None and not servers:
            raise failure
        order = sorted(servers)
        return FoundServers(tuple(servers[key] for key in order), self._terms.again_s(ttl_s))

    def _server(self, record: SRV, host: str) -> FoundServer:
        like = self._like
        return FoundServer(
            TargetAddress(like.scheme, host, record.port, like.prefix),
            like.host,
            # A weight of 0 is a small one, not none.
            weight=max(record.weight, 1),
            priority=record.priority,
        )


def _ttl_s(answer: "dns.resolver.Answer") -> float:
    return float(answer.rrset.ttl) if answer.rrset is not None else float("inf")
