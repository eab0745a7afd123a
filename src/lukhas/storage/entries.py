"""Where stored responses live: the value, and the port that stores of any scope implement."""

from dataclasses import dataclass
from typing import Protocol

from lukhas.http.headers import Headers
from lukhas.http.status import status_line
from lukhas.policy.caching.keys import CacheKey, ResourceKey
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.policy.caching.variants import SelectingValues

__all__ = ("EntryStore", "EntryStoreStats", "StoredResponse", "head_bytes", "stored_response")

# Measured on CPython 3.11: what an entry and a header pair cost beside their bytes.
_ENTRY_OVERHEAD_BYTES = 1400
_FIELD_OVERHEAD_BYTES = 140
# Answers that never have content, and so no Content-Length to fill in.
_WITHOUT_CONTENT = frozenset((204, 304))


class StoredResponse:
    """A whole response, ready to be sent any number of times. Compared by identity.

    Attributes:
        key: what it is kept under.
        status: the status.
        headers: the fields, shared by every answer made from it; never changed.
        body: the body.
        ready_head: status line and `headers` as HTTP/1.1 bytes, without the last empty line.
        vary: its selecting request fields, sorted; empty if it does not vary.
        selected_by: what the request that it answers had in them, in normal form.
        selected_raw: the same values as received, where no field came twice; else None. It lets
            a request with the very same values be recognised without working out normal forms.
        terms: how it may be reused.
        fresh_until_ns: first moment at which it must not be served unasked; 0 if never unasked.
        born_ns: when it had the age zero.
        initial_age_ns: the least age to tell.
        open_to_all: whether requests with credentials or cookies may be answered with it.
        size_bytes: what it takes in memory, about.
        visits: for the store's eviction.
        told_age_s: the age that `told_fields` are for; -1 at first. Cache and store run on one
            loop, so that these two may be filled in as a pair.
        told_fields: fields of a hit at that age, made once a second.
        not_modified: fields and ready head of a 304 made from it, once somebody asked for one.
    """

    __slots__ = (
        "body",
        "born_ns",
        "fresh_until_ns",
        "headers",
        "initial_age_ns",
        "key",
        "not_modified",
        "open_to_all",
        "ready_head",
        "selected_by",
        "selected_raw",
        "size_bytes",
        "status",
        "terms",
        "told_age_s",
        "told_fields",
        "vary",
        "visits",
    )

    def __init__(
        self,
        key: CacheKey,
        *,
        status: int,
        headers: Headers,
        body: bytes,
        vary: tuple[bytes, ...],
        selected_by: SelectingValues,
        selected_raw: SelectingValues | None,
        terms: ReuseTerms,
    ) -> None:
        self.key = key
        self.status = status
        self.headers = headers
        self.body = body
        self.ready_head = head_bytes(status, headers)
        self.vary = vary
        self.selected_by = selected_by
        self.selected_raw = selected_raw
        self.terms = terms
        freshness = terms.freshness
        self.fresh_until_ns = 0 if terms.no_cache else freshness.fresh_until_ns
        self.born_ns = freshness.born_ns
        self.initial_age_ns = freshness.initial_age_ns
        self.open_to_all = terms.for_credentials and terms.for_cookies
        self.size_bytes = (
            _ENTRY_OVERHEAD_BYTES
            + _FIELD_OVERHEAD_BYTES * len(headers)
            + 2 * len(self.ready_head)
            + len(body)
            + len(key[1])
            + len(key[2])
            + len(key[3])
        )
        self.visits = 0
        self.told_age_s = -1
        self.told_fields: tuple[tuple[bytes, bytes], ...] = ()
        self.not_modified: tuple[Headers, bytes] | None = None


def stored_response(
    key: CacheKey,
    *,
    status: int,
    headers: Headers,
    body: bytes,
    vary: tuple[bytes, ...],
    selected_by: SelectingValues,
    selected_raw: SelectingValues | None,
    terms: ReuseTerms,
) -> StoredResponse | None:
    """A response that is stored, with the Content-Length of its body.

    Args:
        key: what it is kept under.
        status: the status.
        headers: the fields that may be stored.
        body: the body.
        vary: its selecting request fields, sorted.
        selected_by: the normal form of the request's values.
        selected_raw: the request's values as they came, if each field came once at most.
        terms: how it may be reused.

    Returns:
        None where the Content-Length it came with says that the body is not whole.
    """
    if status not in _WITHOUT_CONTENT:
        length = b"%d" % len(body)
        stated = headers.get_all(b"content-length")
        if not stated:
            headers = Headers([*headers.raw, (b"content-length", length)])
        elif stated != [length]:
            return None
    return StoredResponse(
        key,
        status=status,
        headers=headers,
        body=body,
        vary=vary,
        selected_by=selected_by,
        selected_raw=selected_raw,
        terms=terms,
    )


def head_bytes(status: int, headers: Headers) -> bytes:
    """Status line and fields as HTTP/1.1 bytes, without the last empty line."""
    lines = [b"%b: %b\r\n" % pair for pair in headers.raw]
    return status_line(status) + b"".join(lines)


@dataclass(frozen=True, slots=True)
class EntryStoreStats:
    """What a store holds and has done.

    Attributes:
        entries: stored responses, every variant counted.
        resources: different URLs.
        used_bytes: what they take.
        limit_bytes: what they may take.
        stored: responses stored since the start.
        evicted: responses that had to make room.
        purged: responses removed by a purge, an unsafe request or an update.
        refused: responses not stored: too large, or asked for before a purge.
    """

    entries: int
    resources: int
    used_bytes: int
    limit_bytes: int
    stored: int
    evicted: int
    purged: int
    refused: int


class EntryStore(Protocol):
    """Keeps stored responses by key, several variants each."""

    def get(self, key: CacheKey) -> tuple[StoredResponse, ...] | None:
        """Every variant of a key, newest first; None if there is none."""
        ...

    def touch(self, entry: StoredResponse) -> None:
        """Tells that an entry was used."""
        ...

    def ticket(self) -> int:
        """To be drawn before a response is asked for, and shown when it is stored."""
        ...

    def admits(self, resource: ResourceKey, ticket: int) -> bool:
        """Whether nothing has made what was asked for with this ticket invalid since."""
        ...

    def put(
        self, entry: StoredResponse, ticket: int, superseded: tuple[StoredResponse, ...] = ()
    ) -> bool:
        """Stores a response, in place of those that it supersedes.

        Args:
            entry: the response.
            ticket: drawn before it was asked for.
            superseded: variants of the same key that it takes the place of.

        Returns:
            Whether it is stored: not if it is too large, or its ticket is no longer admitted.
            Then the superseded ones stay.
        """
        ...

    def remove(self, entry: StoredResponse) -> None:
        """Removes one variant; nothing happens if it is not there any more."""
        ...

    def invalidate(self, resource: ResourceKey) -> int:
        """Removes all that is stored of a resource, in every partition.

        What is on its way from the origin at this moment may not be stored either.

        Returns:
            How many responses were removed.
        """
        ...

    def purge(self, *, authority: bytes | None = None, path_prefix: bytes = b"/") -> int:
        """Removes everything, or all of one authority, or all paths with a prefix.

        What is on its way from the origin at this moment may not be stored either.

        Args:
            authority: lower case, with the port if it is not the default one; None for all.
            path_prefix: compared bytewise with the path, without the query.

        Returns:
            How many responses were removed.
        """
        ...

    def stats(self) -> EntryStoreStats:
        """What the store holds and has done."""
        ...
