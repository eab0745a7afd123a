"""Asking the origin on behalf of the cache, and storing what it answers."""

from dataclasses import dataclass

from lukhas.clock import Clock
from lukhas.errors import HandlerError
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import discard
from lukhas.pipeline.stage import Handler
from lukhas.pipeline.stages.cache_answers import age_and_ttl_s, from_entry
from lukhas.pipeline.stages.cache_capture import BodyCapture, CaptureBudget
from lukhas.pipeline.stages.cache_flights import Flight, FlightEnd, FlightKey, Flights
from lukhas.policy.caching.cache_status import CacheStatus, Forward
from lukhas.policy.caching.freshness import Timing
from lukhas.policy.caching.keys import CacheKey
from lukhas.policy.caching.lookup import may_replace_error
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.requests import CacheRequest
from lukhas.policy.caching.storability import (
    Storing,
    decide_storing,
    plainly_not_storable,
    storable_fields,
)
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.policy.caching.validation import confirms, revalidation_headers, updated_fields
from lukhas.policy.caching.variants import matches, selecting_values, vary_names
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.storage.entries import EntryStore, StoredResponse, stored_response
from lukhas.units import SECOND_NS

__all__ = ("CacheFetcher", "Fetch")

# Answers that a stale response may stand in for (RFC 5861 section 4).
_FAILURES = frozenset((500, 502, 503, 504))

# How long, and for how many keys, it is remembered that there was nothing to share.
_UNCACHEABLE_NS = 30 * SECOND_NS
_MAX_UNCACHEABLE = 4096

_STALE_IF_ERROR = Verdict("cache", Outcome.ANSWERED, "the origin failed: a stale response serves")
_CONFIRMED = Verdict("cache", Outcome.ANSWERED, "the origin confirmed the stored response")


@dataclass(slots=True)
class Fetch:
    """A question to the origin, and what is to be done with its answer."""

    exchange: Exchange
    call_next: Handler
    policy: CachePolicy
    request: CacheRequest
    reason: Forward
    ticket: int
    requested_ns: int
    entry: StoredResponse | None = None
    flight: Flight | None = None
    flight_key: FlightKey | None = None


class CacheFetcher:
    """Fetches for the cache stage.

    Args:
        store: the entries.
        clock: tells when responses come.
        status: writes Cache-Status.
        flights: the fetches on their way.
        budget: what all bodies on their way into the store share.
    """

    def __init__(
        self,
        store: EntryStore,
        clock: Clock,
        *,
        status: CacheStatus,
        flights: Flights,
        budget: CaptureBudget,
    ) -> None:
        self._store = store
        self._now_ns = clock.now_ns
        self._status = status
        self._flights = flights
        self._budget = budget
        self._verdicts: dict[tuple[str, str, str], Verdict] = {}
        self._uncacheable: dict[CacheKey, int] = {}

    def join(self, fetch: Fetch) -> Flight | None:
        """The fetch of somebody else to wait for; or None, and then ours may be one that leads."""
        request = fetch.request
        if fetch.exchange.head.method != "GET" or fetch.reason is Forward.REQUEST:
            return None
        key = fetch.flight_key = _flight_key(fetch)
        if self._flights.is_alone(key, fetch.requested_ns):
            return None
        flight = self._flights.find(key)
        # A fetch begun before an invalidation may bring what is no longer true: not for us.
        if flight is not None and self._store.admits(request.key[:4], flight.ticket):
            return flight
        # The answer to a client's own condition may be a 304, which nobody else can use.
        if not request.conditional or _can_revalidate(fetch.entry):
            fetch.flight = self._flights.begin(key, fetch.ticket)
        return None

    async def fetch(self, fetch: Fetch) -> Response:
        """Asks the origin, with a condition where a stored response can be confirmed.

        Raises:
            HandlerError: the handler failed, and no stale response may stand in.
        """
        head = fetch.exchange.head
        entry = fetch.entry
        conditional = None
        if entry is not None and head.method == "GET":
            conditional = revalidation_headers(head.headers, entry.headers)
        try:
            response = await _forwarded(fetch, conditional)
        except HandlerError:
            self._flights.end(fetch.flight, FlightEnd.NOT_SHARED)
            if entry is not None and self._may_replace_error(fetch, entry):
                return self._instead_of_error(fetch, entry, None)
            raise
        except BaseException:
            self._flights.end(fetch.flight, FlightEnd.ABANDONED)
            raise
        try:
            if conditional is not None and entry is not None and response.status == 304:
                return await self._confirmed(fetch, entry, response)
            return self.received(fetch, response)
        except BaseException:
            self._flights.end(fetch.flight, FlightEnd.ABANDONED)
            raise

    async def _confirmed(self, fetch: Fetch, entry: StoredResponse, response: Response) -> Response:
        exchange = fetch.exchange
        # The 304 answers our condition, not the client's: it must never be what goes out if
        # something fails from here on.
        exchange.response = None
        discard(response)
        if not confirms(response.headers, entry.headers):
            self._store.remove(entry)
            fetch.entry = None
            return await self.fetch(fetch)
        timing = Timing(fetch.requested_ns, self._now_ns())
        merged = updated_fields(entry.headers, response.headers, responded_ns=timing.responded_ns)
        storing = decide_storing(
            fetch.request, entry.status, merged, policy=fetch.policy, timing=timing
        )
        updated = _entry(
            fetch.request,
            Response(entry.status, merged),
            entry.body,
            terms=storing.terms or entry.terms,
            responded_ns=timing.responded_ns,
        )
        if updated is None:  # pragma: no cover - the length was checked when it was stored
            raise AssertionError("a stored body is whole")
        # If it was replaced in the meantime, what is there now is newer than what was confirmed.
        stored = (
            storing.terms is not None
            and entry in (self._store.get(entry.key) or ())
            and self._store.put(updated, fetch.ticket, (entry,))
        )
        if storing.terms is None:
            self._forget(fetch, (entry,))
        self._flights.end(fetch.flight, FlightEnd.STORED if stored else FlightEnd.NOT_SHARED)
        exchange.cache_result = "revalidated"
        exchange.verdicts.append(_CONFIRMED)
        age_s, ttl_s = age_and_ttl_s(updated, timing.responded_ns)
        status = self._status.forwarded(fetch.reason, status=304, ttl_s=ttl_s, stored=stored)
        exchange.added += ((b"age", b"%d" % age_s), (b"cache-status", status))
        exchange.added += [pair for pair in response.headers if pair[0] == b"set-cookie"]
        return from_entry(exchange, updated, timing.responded_ns)

    def is_uncacheable(self, key: CacheKey, now_ns: int) -> bool:
        """Whether the last answer to this could plainly not be stored, not long ago."""
        return now_ns < self._uncacheable.get(key, 0)

    def received(self, fetch: Fetch, response: Response) -> Response:
        """A response that goes out to the client, and perhaps into the store."""
        exchange = fetch.exchange
        entry = fetch.entry
        if (
            response.status in _FAILURES
            and entry is not None
            and self._may_replace_error(fetch, entry)
        ):
            exchange.response = None
            discard(response)
            self._flights.end(fetch.flight, FlightEnd.NOT_SHARED)
            return self._instead_of_error(fetch, entry, response.status)
        exchange.cache_result = "miss"
        if exchange.head.method == "HEAD":
            storing = Storing("a response to HEAD has no body to store")
        else:
            storing = self.keep(fetch, response)
        exchange.verdicts.append(self._passed(storing.reason, fetch.policy))
        status = self._status.forwarded(fetch.reason, stored=storing.terms is not None)
        exchange.added.append((b"cache-status", status))
        return response

    def _passed(self, reason: str, policy: CachePolicy) -> Verdict:
        """The verdict on a response that passed; the reasons are few, so each is made once."""
        key = (reason, policy.name, policy.mode.name)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = Verdict("cache", Outcome.PASSED, reason, policy.name, policy.mode)
            self._verdicts[key] = verdict
        return verdict

    def keep(self, fetch: Fetch, response: Response) -> Storing:
        """Stores a response, or prepares that; tells what became of it."""
        timing = Timing(fetch.requested_ns, self._now_ns())
        request = fetch.request
        storing = decide_storing(
            request, response.status, response.headers, policy=fetch.policy, timing=timing
        )
        terms = storing.terms
        if terms is None:
            self._not_kept(fetch, response.status)
            self._note_uncacheable(fetch, response)
            return storing
        limit_bytes = fetch.policy.max_body_bytes
        size_bytes = _body_size_bytes(response)
        if size_bytes is not None and size_bytes > limit_bytes:
            self._not_kept(fetch, response.status)
            return Storing("the body is too large")
        if isinstance(response.body, bytes) and not response.taps:
            if not self._stored(fetch, response, response.body, terms=terms, timing=timing):
                return Storing("the store refused the response")
            return storing

        def on_captured(body: bytes | None, gone: bool) -> None:
            if body is not None:
                self._stored(fetch, response, body, terms=terms, timing=timing)
            elif gone:
                self._flights.end(fetch.flight, FlightEnd.ABANDONED)
            else:
                self._not_kept(fetch, response.status)

        capture = BodyCapture(limit_bytes, self._budget, on_captured)
        response.taps = [*(response.taps or ()), capture]
        return storing

    def _note_uncacheable(self, fetch: Fetch, response: Response) -> None:
        request = fetch.request
        status = response.status
        # A 304 answers the client's own condition; a failure says nothing about the next answer.
        if not request.shared or status == 304 or status >= 500:
            return
        if plainly_not_storable(response.headers, fetch.policy):
            if len(self._uncacheable) >= _MAX_UNCACHEABLE:
                self._uncacheable.clear()
            self._uncacheable[request.key] = fetch.requested_ns + _UNCACHEABLE_NS

    def _stored(
        self,
        fetch: Fetch,
        response: Response,
        body: bytes,
        *,
        terms: ReuseTerms,
        timing: Timing,
    ) -> bool:
        end = FlightEnd.NOT_SHARED
        try:
            entry = _entry(
                fetch.request, response, body, terms=terms, responded_ns=timing.responded_ns
            )
            if entry is None:
                return False
            superseded = tuple(
                old
                for old in self._store.get(entry.key) or ()
                if matches(old.vary, old.selected_by, fetch.request.headers)
            )
            if not self._store.put(entry, fetch.ticket, superseded):
                self._forget(fetch, superseded)
                return False
            end = FlightEnd.STORED
            if fetch.flight_key is not None:
                self._flights.share_again(fetch.flight_key)
            return True
        finally:
            self._flights.end(fetch.flight, end)

    def _not_kept(self, fetch: Fetch, status: int) -> None:
        self._flights.end(fetch.flight, FlightEnd.NOT_SHARED)
        if status >= 500:
            return
        if fetch.flight is not None:
            self._flights.go_alone(fetch.flight.key, fetch.requested_ns)
        if fetch.entry is not None and status != 304:
            self._forget(fetch, (fetch.entry,))

    def _forget(self, fetch: Fetch, entries: tuple[StoredResponse, ...]) -> None:
        """Removes what the origin no longer answers with.

        What one principal gets says nothing about what is stored for everybody.
        """
        if fetch.request.shared and fetch.request.personal:
            return
        for entry in entries:
            self._store.remove(entry)

    def _may_replace_error(self, fetch: Fetch, entry: StoredResponse) -> bool:
        # A client that demands a fresh answer is told that there is none; and what was made
        # invalid while we asked is no longer true.
        return (
            fetch.reason is not Forward.REQUEST
            and self._store.admits(entry.key[:4], fetch.ticket)
            and may_replace_error(entry.terms, now_ns=self._now_ns())
        )

    def _instead_of_error(
        self, fetch: Fetch, entry: StoredResponse, status: int | None
    ) -> Response:
        exchange = fetch.exchange
        now_ns = self._now_ns()
        exchange.cache_result = "stale"
        exchange.verdicts.append(_STALE_IF_ERROR)
        self._store.touch(entry)
        age_s, ttl_s = age_and_ttl_s(entry, now_ns)
        told = self._status.forwarded(fetch.reason, status=status, ttl_s=ttl_s)
        exchange.added += ((b"age", b"%d" % age_s), (b"cache-status", told))
        return from_entry(exchange, entry, now_ns)


async def _forwarded(fetch: Fetch, headers: Headers | None) -> Response:
    """The handler's response; it sees `headers` in place of the client's, nobody else does."""
    exchange = fetch.exchange
    head = exchange.head
    if headers is None:
        return await fetch.call_next(exchange)
    exchange.head = RequestHead(
        head.method, head.scheme, head.authority, head.path, head.query, headers
    )
    try:
        return await fetch.call_next(exchange)
    finally:
        exchange.head = head


def _can_revalidate(entry: StoredResponse | None) -> bool:
    return entry is not None and (b"etag" in entry.headers or b"last-modified" in entry.headers)


def _flight_key(fetch: Fetch) -> FlightKey:
    """What the fetch may be shared under: never across principals, unless the last answer said so.

    Somebody who waits gets nothing but what is then in the store for them; the principal in the
    key keeps one from waiting for what is likely meant for another.
    """
    request = fetch.request
    entry = fetch.entry
    if not request.shared or not request.personal or (entry is not None and entry.open_to_all):
        return (request.key, 0)
    consumer = fetch.exchange.consumer
    # Not a digest: a collision would only make one wait for another, and a secret is not kept.
    names = fetch.policy.credential_headers
    shown = tuple(pair for pair in request.headers.raw if pair[0] in names or pair[0] == b"cookie")
    return (request.key, hash((consumer.key if consumer is not None else "", shown)))


def _entry(
    request: CacheRequest,
    response: Response,
    body: bytes,
    *,
    terms: ReuseTerms,
    responded_ns: int,
) -> StoredResponse | None:
    """The response as an entry; None if the body is not whole."""
    vary = vary_names(response.headers) or ()
    fields = request.headers.index()
    once = len(fields) == len(request.headers)
    return stored_response(
        request.key,
        status=response.status,
        headers=storable_fields(response.headers, shared=request.shared, responded_ns=responded_ns),
        body=body,
        vary=vary,
        selected_by=selecting_values(vary, request.headers),
        selected_raw=tuple(fields.get(name) for name in vary) if once else None,
        terms=terms,
    )


def _body_size_bytes(response: Response) -> int | None:
    if isinstance(response.body, bytes):
        return len(response.body)
    stated = response.headers.get(b"content-length")
    return int(stated) if stated is not None and stated.isdigit() else None
