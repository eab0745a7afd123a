"""Stored responses and purges as bytes, for stores outside the process."""

from typing import Any

import msgspec

from lukhas.http.headers import Headers
from lukhas.policy.caching.freshness import Freshness
from lukhas.policy.caching.keys import CacheKey, ResourceKey
from lukhas.policy.caching.purges import Purge
from lukhas.policy.caching.tags import Tags
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.storage.entries import StoredResponse
from lukhas.storage.large_bodies import LargeBody

__all__ = (
    "KnownEntry",
    "decode_entry",
    "decode_purge",
    "decode_resource",
    "encode_entry",
    "encode_key",
    "encode_purge",
    "encode_resource",
)

_encode = msgspec.msgpack.Encoder().encode


class _Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A response, field by field; but for new fields at the end, that have a default, a change of
    this shape needs another file or key name.
    """

    key: bytes
    status: int
    headers: list[tuple[bytes, bytes]]
    vary: tuple[bytes, ...]
    selected_by: tuple[bytes | None, ...]
    selected_raw: tuple[bytes | None, ...] | None
    responded_ns: int
    initial_age_ns: int
    lifetime_ns: int
    source: str
    no_cache: bool
    must_revalidate: bool
    stale_if_error_s: int
    for_credentials: bool
    for_cookies: bool
    stale_while_revalidate_s: int
    stale_if_unreachable_s: int
    fetch_ns: int
    early_refresh: float
    outdated: bool
    tags: tuple[str, ...]
    filled_by: int
    watched: bool
    body: bytes
    large: tuple[int, bytes] | None = None


class _Purge(msgspec.Struct, array_like=True, frozen=True, gc=False):
    resource: tuple[str, bytes, bytes, bytes] | None
    scheme: str | None
    authority: bytes | None
    path_prefix: bytes
    tag: str | None
    soft: bool


_decode_entry = msgspec.msgpack.Decoder(_Entry).decode
_decode_purge = msgspec.msgpack.Decoder(_Purge).decode
_decode_resource = msgspec.msgpack.Decoder(ResourceKey).decode
_decode_key = msgspec.msgpack.Decoder(tuple[str, bytes, bytes, bytes, Any, bytes]).decode


class KnownEntry:
    """A decoded response.

    Attributes:
        packed_key: its key as `encode_key` has it.
    """

    __slots__ = ("_found", "packed_key")

    def __init__(self, found: _Entry) -> None:
        self._found = found
        self.packed_key = found.key

    @property
    def tags(self) -> Tags:
        """By which it can be purged."""
        return frozenset(self._found.tags)

    @property
    def resource(self) -> ResourceKey:
        """What it is a response of."""
        return _decode_key(self.packed_key)[:4]

    def response(self, key: CacheKey) -> StoredResponse:
        """The response itself.

        Args:
            key: the one that `packed_key` was made of.
        """
        found = self._found
        terms = ReuseTerms(
            Freshness(found.responded_ns, found.initial_age_ns, found.lifetime_ns, found.source),
            found.no_cache,
            found.must_revalidate,
            found.stale_if_error_s,
            found.for_credentials,
            found.for_cookies,
            found.stale_while_revalidate_s,
            found.stale_if_unreachable_s,
            found.fetch_ns,
            found.early_refresh,
            found.outdated,
        )
        entry = StoredResponse(
            key,
            status=found.status,
            headers=Headers(found.headers),
            body=found.body if found.large is None else LargeBody(*found.large),
            vary=found.vary,
            selected_by=found.selected_by,
            selected_raw=found.selected_raw,
            terms=terms,
            tags=frozenset(found.tags),
            filled_by=found.filled_by,
        )
        if found.outdated:
            entry.outdate()
        if found.watched:
            entry.watch()
        return entry

    def outdated(self) -> bytes:
        """The same response with its freshness ended, encoded."""
        return _encode(msgspec.structs.replace(self._found, outdated=True))


def encode_key(key: CacheKey, space: bytes = b"") -> bytes:
    """A key as bytes; different keys give different bytes.

    Args:
        key: the key.
        space: whose key it is, where several APIs share a store.
    """
    return _encode((*key, space))


def encode_resource(resource: ResourceKey) -> bytes:
    """A resource as bytes; different ones give different bytes."""
    return _encode(resource)


def decode_resource(packed: bytes) -> ResourceKey:
    """What `encode_resource` made."""
    resource: ResourceKey = _decode_resource(packed)
    return resource


def encode_entry(entry: StoredResponse, packed_key: bytes) -> bytes:
    """A response as bytes.

    Args:
        entry: the response.
        packed_key: its key as `encode_key` has it.
    """
    terms = entry.terms
    freshness = terms.freshness
    return _encode(
        _Entry(
            packed_key,
            entry.status,
            entry.headers.raw,
            entry.vary,
            entry.selected_by,
            entry.selected_raw,
            freshness.responded_ns,
            freshness.initial_age_ns,
            freshness.lifetime_ns,
            freshness.source,
            terms.no_cache,
            terms.must_revalidate,
            terms.stale_if_error_s,
            terms.for_credentials,
            terms.for_cookies,
            terms.stale_while_revalidate_s,
            terms.stale_if_unreachable_s,
            terms.fetch_ns,
            terms.early_refresh,
            terms.outdated,
            tuple(entry.tags),
            entry.filled_by,
            entry.watched,
            entry.body,
            None if entry.large is None else (entry.large.size_bytes, entry.large.digest),
        )
    )


def decode_entry(packed: bytes) -> KnownEntry | None:
    """What `encode_entry` made; None if it is something else."""
    try:
        return KnownEntry(_decode_entry(packed))
    except msgspec.MsgspecError:
        return None


def encode_purge(purge: Purge) -> bytes:
    """A purge as bytes."""
    return _encode(
        _Purge(
            purge.resource,
            purge.scheme,
            purge.authority,
            purge.path_prefix,
            purge.tag,
            purge.soft,
        )
    )


def decode_purge(packed: bytes) -> Purge:
    """What `encode_purge` made; a purge of everything if it is something else, to be safe."""
    try:
        found = _decode_purge(packed)
    except msgspec.MsgspecError:
        return Purge()
    return Purge(
        resource=found.resource,
        scheme=found.scheme,
        authority=found.authority,
        path_prefix=found.path_prefix,
        tag=found.tag,
        soft=found.soft,
    )
