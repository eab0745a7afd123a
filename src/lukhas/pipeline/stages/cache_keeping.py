"""Storing what the origin answered, or remembering that there was nothing to store."""

from lukhas.clock import Clock
from lukhas.http.messages import Response
from lukhas.pipeline.stages.cache_capture import BodyCapture, CaptureBudget, Spill
from lukhas.pipeline.stages.cache_flights import FlightEnd, Flights
from lukhas.pipeline.stages.cache_question import Fetch, principal_of
from lukhas.pipeline.stages.cache_repeats import note_repeat
from lukhas.policy.caching.freshness import Timing
from lukhas.policy.caching.keys import CacheKey
from lukhas.policy.caching.leak_guard import GuardUnit, LeakGuard, Observation
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.requests import CacheRequest
from lukhas.policy.caching.storability import (
    Storing,
    decide_storing,
    plainly_not_storable,
    storable_fields,
)
from lukhas.policy.caching.tags import tags_of
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.policy.caching.variants import matches, selecting_names, selecting_values
from lukhas.storage.entries import EntryStore, StoredResponse, stored_response
from lukhas.storage.large_bodies import LargeBody
from lukhas.telemetry.repeats import RepeatLog
from lukhas.units import SECOND_NS

__all__ = ("CacheKeeper", "guard_unit", "made_entry")

# How long, and for how many keys, it is remembered that there was nothing to share.
_UNCACHEABLE_NS = 30 * SECOND_NS
_MAX_UNCACHEABLE = 4096

_PARTIAL = Storing("the response is about a part")
_QUARANTINED = Storing("the route is in quarantine: its answers depend on who asks")


class CacheKeeper:
    """Puts responses into the store.

    Args:
        store: the entries.
        clock: tells when responses come.
        flights: the fetches on their way.
        budget: what all bodies on their way into the store share.
        guard: watches what is shared.
        repeats: takes what a lifetime would have let the cache answer; None for nobody.
    """

    def __init__(
        self,
        store: EntryStore,
        clock: Clock,
        *,
        flights: Flights,
        budget: CaptureBudget,
        guard: LeakGuard,
        repeats: RepeatLog | None = None,
    ) -> None:
        self._store = store
        self._now_ns = clock.now_ns
        self._flights = flights
        self._budget = budget
        self._guard = guard
        self._repeats = repeats
        self._uncacheable: dict[CacheKey, int] = {}

    def is_uncacheable(self, key: CacheKey, now_ns: int) -> bool:
        """Whether the last answer to this could plainly not be stored, not long ago."""
        return now_ns < self._uncacheable.get(key, 0)

    def uncacheable_until_ns(self, key: CacheKey) -> int:
        """Until when that counts; 0 where it is not known."""
        return self._uncacheable.get(key, 0)

    def keep(self, fetch: Fetch, response: Response) -> Storing:
        """Stores a response, or prepares that; tells what became of it."""
        timing = Timing(fetch.requested_ns, self._now_ns())
        request = fetch.request
        if request.ranged and response.status != 200:
            self.not_kept(fetch, response.status)
            return _PARTIAL
        storing = decide_storing(
            request, response.status, response.headers, policy=fetch.policy, timing=timing
        )
        terms = storing.terms
        if terms is None:
            self.not_kept(fetch, response.status)
            self._note_uncacheable(fetch, response)
            return storing
        if self._guard.quarantined and guard_unit(fetch) in self._guard.quarantined:
            self.not_kept(fetch, response.status)
            return _QUARANTINED
        limit_bytes = fetch.policy.max_body_bytes
        size_bytes = _body_size_bytes(response)
        if size_bytes is not None and size_bytes > self.largest_bytes(fetch.policy):
            self.not_kept(fetch, response.status)
            return Storing("the body is too large")
        if (
            isinstance(response.body, bytes)
            and not response.taps
            and len(response.body) <= limit_bytes
        ):
            if not self._stored(fetch, response, response.body, terms=terms, timing=timing):
                return Storing("the store refused the response")
            return storing

        def on_captured(body: bytes | LargeBody | None, gone: bool) -> None:
            if body is not None:
                self._stored(fetch, response, body, terms=terms, timing=timing)
            elif gone:
                self._flights.end(fetch.flight, FlightEnd.ABANDONED)
            else:
                self.not_kept(fetch, response.status)

        capture = BodyCapture(
            # Where it is known to be large, nothing of it goes through memory.
            limit_bytes if size_bytes is None or size_bytes <= limit_bytes else 0,
            self._budget,
            on_captured,
            spill=self._spill(fetch.policy),
        )
        response.taps = [*(response.taps or ()), capture]
        return storing

    def largest_bytes(self, policy: CachePolicy) -> int:
        """How large a body may be that is stored, in memory or in a file."""
        in_file = self._store.largest_file_bytes() if policy.body_files else 0
        return max(policy.max_body_bytes, in_file)

    def _spill(self, policy: CachePolicy) -> Spill | None:
        largest_bytes = self._store.largest_file_bytes() if policy.body_files else 0
        return Spill(self._store.begin_body, largest_bytes) if largest_bytes else None

    def _note_uncacheable(self, fetch: Fetch, response: Response) -> None:
        request = fetch.request
        status = response.status
        # A 304 answers the client's own condition; a failure says nothing about the next answer.
        if not request.shared or status == 304 or status >= 500:
            return
        if plainly_not_storable(response.headers, fetch.policy):
            if self._repeats is not None:
                note_repeat(self._repeats, fetch.exchange, status, response.headers)
            if len(self._uncacheable) >= _MAX_UNCACHEABLE:
                self._uncacheable.clear()
            self._uncacheable[request.key] = fetch.requested_ns + _UNCACHEABLE_NS

    def _stored(
        self,
        fetch: Fetch,
        response: Response,
        body: bytes | LargeBody,
        *,
        terms: ReuseTerms,
        timing: Timing,
    ) -> bool:
        end = FlightEnd.NOT_SHARED
        try:
            entry = made_entry(fetch, response, body, terms=terms, responded_ns=timing.responded_ns)
            if entry is None:
                return False
            if entry.open_to_all and not self._watched(fetch, entry):
                self.forget(fetch, self._matching(entry, fetch.request))
                return False
            superseded = self._matching(entry, fetch.request)
            if not self._store.put(entry, fetch.ticket, superseded):
                self.forget(fetch, superseded)
                return False
            end = FlightEnd.STORED
            if fetch.flight_key is not None:
                self._flights.share_again(fetch.flight_key)
            return True
        finally:
            self._flights.end(fetch.flight, end)

    def _matching(self, entry: StoredResponse, request: CacheRequest) -> tuple[StoredResponse, ...]:
        return tuple(
            old
            for old in self._store.get(entry.key) or ()
            if matches(old.vary, old.selected_by, request.headers)
        )

    def _watched(self, fetch: Fetch, entry: StoredResponse) -> bool:
        """Lets the leak guard see what would be shared; False if that shows a leak."""
        if not fetch.request.shared or not fetch.policy.leak_guard:
            return True
        unit = guard_unit(fetch)
        if self._guard.is_settled(unit, entry.guard_key):
            return True
        self.observe(fetch, entry)
        if unit in self._guard.quarantined:
            return False
        if not self._guard.is_settled(unit, entry.guard_key):
            entry.watch()
        return True

    def is_watched(self, fetch: Fetch, entry: StoredResponse) -> bool:
        """Whether it is not yet clear that a response is the same for everybody."""
        if self._guard.is_known(entry.guard_key):
            entry.settle()
            return False
        return guard_unit(fetch) not in self._guard.quarantined

    def observe(self, fetch: Fetch, entry: StoredResponse) -> None:
        """Tells the leak guard what the origin answered to whom."""
        validator = entry.headers.get(b"etag") or entry.headers.get(b"last-modified") or b""
        seen = Observation(
            entry.filled_by,
            entry.digest(),
            validator,
            self._now_ns(),
        )
        unit = guard_unit(fetch)
        already = len(self._guard.quarantined)
        self._guard.observe(unit, entry.guard_key, seen)
        if len(self._guard.quarantined) > already:
            for old in self._store.get(entry.key) or ():
                self._store.remove(old)

    def not_kept(self, fetch: Fetch, status: int) -> None:
        """There is nothing to store: nobody waits any longer, and what was there is outdated."""
        self._flights.end(fetch.flight, FlightEnd.NOT_SHARED)
        if status >= 500:
            return
        if fetch.flight is not None:
            self._flights.go_alone(fetch.flight.key, fetch.requested_ns)
        if fetch.entry is not None and status != 304:
            self.forget(fetch, (fetch.entry,))

    def forget(self, fetch: Fetch, entries: tuple[StoredResponse, ...]) -> None:
        """Removes what the origin no longer answers with.

        What one principal gets says nothing about what is stored for everybody.
        """
        if fetch.request.shared and fetch.request.personal:
            return
        for entry in entries:
            self._store.remove(entry)


def guard_unit(fetch: Fetch) -> GuardUnit:
    """What is put into quarantine if this answer shows a leak."""
    route = fetch.exchange.route
    if route is None:
        return ("", fetch.request.key[2])
    path = fetch.request.key[2] if route.rule.template == "*" else b""
    return (route.rule.name, path)


def made_entry(
    fetch: Fetch,
    response: Response,
    body: bytes | LargeBody,
    *,
    terms: ReuseTerms,
    responded_ns: int,
) -> StoredResponse | None:
    """The response as an entry; None if the body is not whole."""
    request = fetch.request
    vary = selecting_names(response.headers)
    fields = request.headers.index()
    once = len(fields) == len(request.headers)
    return stored_response(
        request.key,
        status=response.status,
        headers=storable_fields(
            response.headers,
            shared=request.shared,
            responded_ns=responded_ns,
            policy=fetch.policy,
        ),
        body=body,
        vary=vary,
        selected_by=selecting_values(vary, request.headers),
        selected_raw=tuple(fields.get(name) for name in vary) if once else None,
        terms=terms,
        tags=tags_of(response.headers),
        filled_by=principal_of(fetch.exchange, fetch.policy),
    )


def _body_size_bytes(response: Response) -> int | None:
    if isinstance(response.body, bytes):
        return len(response.body)
    stated = response.headers.get(b"content-length")
    return int(stated) if stated is not None and stated.isdigit() else None
