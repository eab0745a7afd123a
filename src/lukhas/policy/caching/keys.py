"""What a stored response is kept under."""

from hashlib import sha256
from typing import TypeAlias

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy

__all__ = (
    "CacheKey",
    "Partition",
    "ResourceKey",
    "SpecialPartition",
    "credential_digest",
    "has_credentials",
    "partition_of",
    "resource_key",
)

ResourceKey: TypeAlias = tuple[str, bytes, bytes, bytes]
"""Scheme, authority, path and query, exactly as they are forwarded."""

Partition: TypeAlias = str | tuple[str, str, bytes]
"""A tenant, for entries that it shares; or tenant, consumer key and credential digest."""

SpecialPartition: TypeAlias = tuple[bytes, Partition]
"""What else tells a request from others, as digests, and the partition: what a POST asks for, and
fields that name another host or path."""

# A tuple, so that no field can run over into the next one, whatever bytes it holds.
CacheKey: TypeAlias = tuple[str, bytes, bytes, bytes, Partition | SpecialPartition]
"""A resource and the partition of those who may see what is stored of it."""


def resource_key(head: RequestHead) -> ResourceKey:
    """What a request is about."""
    return (head.scheme, head.authority, head.path, head.query)


def has_credentials(headers: Headers, consumer: Consumer | None, policy: CachePolicy) -> bool:
    """Whether the response may be meant for one principal only.

    Cookies are not counted here: responses to them have a stricter rule, see `storability`.
    """
    if consumer is not None and not consumer.is_anonymous:
        return True
    return not policy.credential_headers.isdisjoint(headers.index())


def credential_digest(headers: Headers, policy: CachePolicy) -> bytes:
    """A digest of every credential in the request, cookies too; empty where there is none."""
    names = policy.credential_headers
    found = [(name, value) for name, value in headers.raw if name == b"cookie" or name in names]
    if not found:
        return b""
    digest = sha256()
    for name, value in sorted(found):
        digest.update(b"%d:%b%d:%b" % (len(name), name, len(value), value))
    return digest.digest()


def partition_of(headers: Headers, consumer: Consumer | None, policy: CachePolicy) -> Partition:
    """Among whom entries may be shared.

    With a private policy a principal is the consumer *and* all credentials it shows: two users of
    one application, told apart by their own tokens behind the application's key, share nothing.
    """
    tenant = consumer.tenant if consumer is not None else ""
    if not policy.private:
        return tenant
    digest = credential_digest(headers, policy)
    identified = consumer is not None and not consumer.is_anonymous
    if not identified and not digest:
        return tenant
    return (tenant, consumer.key if consumer is not None and identified else "", digest)
