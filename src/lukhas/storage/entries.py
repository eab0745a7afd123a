"""Where stored responses live: the value, and the port that stores of any scope implement."""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol

from lukhas.http.headers import Headers
from lukhas.http.status import status_line
from lukhas.policy.caching.keys import CacheKey, ResourceKey
from lukhas.policy.caching.purges import Purge
from lukhas.policy.caching.refresh import refresh_from_ns
from lukhas.policy.caching.tags import Tags
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.policy.caching.variants import SelectingValues
from lukhas.storage.large_bodies import BodySource, BodyWriter, LargeBody

__all__ = (
    "MOST_VISITS",
    "EntryStore",
    "EntryStoreStats",
    "StoredResponse",
    "head_bytes",
    "stored_response",
)

# Measured on CPython 3.11: what an entry and a header pair cost beside their bytes.
_ENTRY_OVERHEAD_BYTES = 1400
_FIELD_OVERHEAD_BYTES = 140
_TAG_OVERHEAD_BYTES = 200
# Answers that never have content, and so no Content-Length to fill in.
_WITHOUT_CONTENT = frozenset((204, 304))

MOST_VISITS = 3
"""So many uses of an entry are counted; more make no difference to a store in memory."""


class StoredResponse:
    """A whole response, ready to be sent any number of times. Compared by identity.

    Attributes:
        key: what it is kept under.
        status: the status.
        headers: the fields, shared by every answer made from it; never changed.
        body: the body; empty where it is large.
        large: the body, where it is not held in memory.
        ready_head: status line and `headers` as HTTP/1.1 bytes, without the last empty line.
        vary: its selecting request fields, sorted; empty if it does not vary.
        selected_by: what the request that it answers had in them, in normal form.
        selected_raw: the same values as received, where no field came twice; else None. It lets
            a request with the very same values be recognised without working out normal forms.
        terms: how it may be reused.
        fresh_until_ns: first moment at which it must not be served unasked; 0 if never unasked.
        plain_until_ns: first moment at which serving it needs a second look: the end of freshness,
            or before that the time from which it may be fetched early.
        born_ns: when it had the age zero.
        initial_age_ns: the least age to tell.
        open_to_all: whether requests with credentials or cookies may be answered with it.
        tags: by which it can be purged.
        filled_by: whose request it answered first, as `principal` has it; 0 for nobody's.
        size_bytes: what it takes in memory, about.
        watched: whether the leak guard has yet to see that it is the same for everybody.
        visits: for the store's eviction; `MOST_VISITS` are counted.
        mark: an object of its own, by which it is recognised without being kept alive.
        serial: its number in the store of the node; 0 if it is not there.
        tier: which store it was found in, until it has told so; empty for the process's memory.
        told_age_s: the age that `told_fields` are for; -1 at first. Cache and store run on one
            loop, so that these two may be filled in as a pair.
        told_fields: fields of a hit at that age, made once a second.
        not_modified: fields and ready head of a 304 made from it, once somebody asked for one.
    """

    __slots__ = (
        "body",
        "born_ns",
        "filled_by",
        "fresh_until_ns",
        "headers",
        "initial_age_ns",
        "key",
        "large",
        "mark",
        "not_modified",
        "open_to_all",
        "plain_until_ns",
        "ready_head",
        "selected_by",
        "selected_raw",
        "serial",
        "size_bytes",
        "status",
        "tags",
        "terms",
        "tier",
        "told_age_s",
        "told_fields",
        "vary",
        "visits",
        "watched",
    )

    def __init__(
        self,
        key: CacheKey,
        *,
        status: int,
        headers: Headers,
        body: bytes | LargeBody,
        vary: tuple[bytes, ...],
        selected_by: SelectingValues,
        selected_raw: SelectingValues | None,
        terms: ReuseTerms,
        tags: Tags = frozenset(),
        filled_by: int = 0,
    ) -> None:
        self.key = key
        self.status = status
        self.headers = headers
        self.large = None if isinstance(body, bytes) else body
        self.body = body if isinstance(body, bytes) else b""
        self.ready_head = head_bytes(status, headers)
        self.vary = vary
        self.selected_by = selected_by
        self.selected_raw = selected_raw
        self.terms = terms
        freshness = terms.freshness
        self.tags = tags
        self.filled_by = filled_by
        self.fresh_until_ns = 0 if terms.no_cache else freshness.fresh_until_ns
        # What is large is opened first, and that takes more than a glance.
        plain = not terms.no_cache and self.large is None
        self.plain_until_ns = refresh_from_ns(terms) if plain else 0
        self.born_ns = freshness.born_ns
        self.initial_age_ns = freshness.initial_age_ns
        self.open_to_all = terms.for_credentials and terms.for_cookies
        self.size_bytes = _memory_bytes(self)
        self.watched = False
        self.visits = 0
        self.mark = object()
        self.serial = 0
        self.tier = ""
        self.told_age_s = -1
        self.told_fields: tuple[tuple[bytes, bytes], ...] = ()
        self.not_modified: tuple[Headers, bytes] | None = None

    @property
    def length_bytes(self) -> int:
        """How long the body is."""
        return len(self.body) if self.large is None else self.large.size_bytes

    def digest(self) -> bytes:
        """The SHA-256 of the body."""
        return sha256(self.body).digest() if self.large is None else self.large.digest

    @property
    def guard_key(self) -> tuple[CacheKey, SelectingValues]:
        """What the leak guard compares it under."""
        return (self.key, self.selected_by)

    def watch(self) -> None:
        """Makes every use by another principal one that the leak guard is asked about."""
        self.watched = True
        self.open_to_all = False

    def settle(self) -> None:
        """Ends `watch`: it was seen to be shared."""
        self.watched = False
        self.open_to_all = self.terms.for_credentials and self.terms.for_cookies

    def outdate(self) -> None:
        """Ends its freshness: what a soft purge does."""
        self.terms = replace(self.terms, outdated=True)
        self.fresh_until_ns = self.plain_until_ns = 0


def stored_response(
    key: CacheKey,
    *,
    status: int,
    headers: Headers,
    body: bytes | LargeBody,
    vary: tuple[bytes, ...],
    selected_by: SelectingValues,
    selected_raw: SelectingValues | None,
    terms: ReuseTerms,
    tags: Tags = frozenset(),
    filled_by: int = 0,
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
        tags: by which it can be purged.
        filled_by: whose request it answers.

    Returns:
        None where the Content-Length it came with says that the body is not whole.
    """
    if status not in _WITHOUT_CONTENT:
        length = b"%d" % (len(body) if isinstance(body, bytes) else body.size_bytes)
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
        tags=tags,
        filled_by=filled_by,
    )


def head_bytes(status: int, headers: Headers) -> bytes:
    """Status line and fields as HTTP/1.1 bytes, without the last empty line."""
    lines = [b"%b: %b\r\n" % pair for pair in headers.raw]
    return status_line(status) + b"".join(lines)


def _memory_bytes(entry: StoredResponse) -> int:
    key, tags = entry.key, entry.tags
    return (
        _ENTRY_OVERHEAD_BYTES
        + _FIELD_OVERHEAD_BYTES * len(entry.headers)
        + 2 * len(entry.ready_head)
        + len(entry.body)
        + sum(map(len, tags))
        + _TAG_OVERHEAD_BYTES * len(tags)
        + len(key[1])
        + len(key[2])
        + len(key[3])
    )


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
    """Keeps stored responses by key, several variants each.

    Every method is synchronous and quick: it is called on the way of a request. Adapters of a
    remote store keep a local part that answers at once.

    The one promise that is easy to break: what was asked for before a purge is never stored after
    it. So a `ticket` is drawn before the origin is asked, and shown when the answer is stored.
    """

    def get(self, key: CacheKey, /) -> tuple[StoredResponse, ...] | None:
        """Every variant of a key, newest first; None if there is none."""
        ...

    def more(self, key: CacheKey) -> tuple[StoredResponse, ...] | None:
        """Every variant of a key again, where `get` may not have given all of them.

        Returns:
            None if there is none that `get` has not given.
        """
        ...

    def touch(self, entry: StoredResponse) -> None:
        """Tells that an entry was used."""
        ...

    def ticket(self) -> int:
        """To be drawn before a response is asked for, and shown when it is stored."""
        ...

    def admits(self, resource: ResourceKey, ticket: int, tags: Tags = frozenset()) -> bool:
        """Whether nothing has made what was asked for with this ticket invalid since.

        Args:
            resource: what was asked for.
            ticket: drawn before.
            tags: those of the answer, where they are known already.
        """
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

    def largest_file_bytes(self) -> int:
        """How large a body may be that is not held in memory; 0 if there are none."""
        ...

    def begin_body(self) -> BodyWriter | None:
        """Begins to take a large body, for a `LargeBody`; None if that is not possible now."""
        ...

    def open_body(self, entry: StoredResponse) -> BodySource | None:
        """The large body of an entry; None if it is gone, and so the entry is of no use."""
        ...

    def remove(self, entry: StoredResponse) -> None:
        """Removes one variant; nothing happens if it is not there any more."""
        ...

    def purge(self, purge: Purge) -> int:
        """Removes what fits, or ends its freshness if the purge is soft.

        What is on its way from the origin at this moment, and would fit, is not stored either.
        A purge of one resource, or of one tag, is quick; others look at every resource.

        Returns:
            How many responses it met.
        """
        ...

    def stats(self) -> EntryStoreStats:
        """What the store holds and has done."""
        ...
