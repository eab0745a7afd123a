"""Asking the origin on behalf of the cache."""

from dataclasses import replace

from lukhas.clock import Clock
from lukhas.errors import HandlerError, UpstreamError
from lukhas.http.messages import Response
from lukhas.pipeline.pipeline import discard
from lukhas.pipeline.stages.cache_answers import age_and_ttl_s, from_entry
from lukhas.pipeline.stages.cache_flights import Flight, FlightEnd, Flights
from lukhas.pipeline.stages.cache_keeping import CacheKeeper, made_entry
from lukhas.pipeline.stages.cache_question import Fetch, flight_key, forwarded
from lukhas.policy.caching.cache_status import CacheStatus, Forward
from lukhas.policy.caching.freshness import Timing
from lukhas.policy.caching.lookup import may_replace_error
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.storability import Storing, decide_storing
from lukhas.policy.caching.validation import confirms, revalidation_headers, updated_fields
from lukhas.policy.verdicts import Fact, Outcome, Verdict
from lukhas.storage.entries import EntryStore, StoredResponse
from lukhas.storage.large_bodies import LargeBody

__all__ = ("CacheFetcher",)

# Answers that a stale response may stand in for (RFC 5861 section 4).
_FAILURES = frozenset((500, 502, 503, 504))
_ASKING = frozenset(("GET", "POST"))
# Who asks for these reasons wants an answer of their own.
_OWN = frozenset((Forward.REQUEST, Forward.MISS))


class CacheFetcher:
    """Fetches for the cache stage.

    Args:
        store: the entries.
        clock: tells when responses come.
        status: writes Cache-Status.
        flights: the fetches on their way.
        keeper: puts responses into the store.
        facts: for verdicts.
    """

    def __init__(
        self,
        store: EntryStore,
        clock: Clock,
        *,
        status: CacheStatus,
        flights: Flights,
        keeper: CacheKeeper,
        facts: tuple[Fact, ...] = (),
    ) -> None:
        self._store = store
        self._now_ns = clock.now_ns
        self._status = status
        self._flights = flights
        self._keeper = keeper
        self._facts = facts
        self._verdicts: dict[tuple[str, str, str], Verdict] = {}
        self._stale_if_error = Verdict(
            "cache",
            Outcome.ANSWERED,
            "the origin failed: a stale response serves",
            facts=facts,
        )
        self._confirmed_verdict = Verdict(
            "cache", Outcome.ANSWERED, "the origin confirmed the stored response", facts=facts
        )

    def join(self, fetch: Fetch) -> Flight | None:
        """The fetch of somebody else to wait for; or None, and then ours may be one that leads."""
        request = fetch.request
        if fetch.exchange.head.method not in _ASKING or fetch.reason in _OWN:
            return None
        key = fetch.flight_key = flight_key(fetch)
        if self._flights.is_alone(key, fetch.requested_ns):
            return None
        flight = self._flights.find(key)
        # A fetch begun before an invalidation may bring what is no longer true: not for us.
        if flight is not None and self._store.admits(request.key[:4], flight.ticket):
            return flight
        # The answer to a client's own condition may be a 304, and that to a range a part, which
        # nobody else can use.
        if not request.ranged and (not request.conditional or _can_revalidate(fetch.entry)):
            is_promising = fetch.entry is not None or fetch.policy.default_ttl_s is not None
            fetch.flight = self._flights.begin(key, fetch.ticket, is_promising=is_promising)
        return None

    async def fetch(self, fetch: Fetch) -> Response:
        """Asks the origin, with a condition where a stored response can be confirmed.

        Raises:
            HandlerError: the handler failed, and no stale response may stand in.
        """
        head = fetch.exchange.head
        entry = fetch.entry
        conditional = None
        if entry is not None and head.method == "GET" and fetch.reason is not Forward.MISS:
            conditional = revalidation_headers(head.headers, entry.headers)
        try:
            response = await forwarded(fetch, conditional)
        except HandlerError as error:
            self._flights.end(fetch.flight, FlightEnd.NOT_SHARED)
            unreachable = isinstance(error.cause, UpstreamError)
            if entry is not None and self._may_replace_error(fetch, entry, unreachable=unreachable):
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
        updated = made_entry(
            fetch,
            Response(entry.status, merged),
            _body_of(entry),
            terms=storing.terms or entry.terms,
            responded_ns=timing.responded_ns,
        )
        if updated is None:  # pragma: no cover - the length was checked when it was stored
            raise AssertionError("a stored body is whole")
        if entry.watched and updated.open_to_all:
            self._keeper.observe(fetch, updated)
            if self._keeper.is_watched(fetch, updated):
                updated.watch()
        # If it was replaced in the meantime, what is there now is newer than what was confirmed.
        stored = (
            storing.terms is not None
            and entry in (self._store.get(entry.key) or ())
            and self._store.put(updated, fetch.ticket, (entry,))
        )
        if storing.terms is None:
            self._keeper.forget(fetch, (entry,))
        self._flights.end(fetch.flight, FlightEnd.STORED if stored else FlightEnd.NOT_SHARED)
        exchange.cache_result = "revalidated"
        exchange.verdicts.append(self._confirmed_verdict)
        age_s, ttl_s = age_and_ttl_s(updated, timing.responded_ns)
        status = self._status.forwarded(fetch.reason, status=304, ttl_s=ttl_s, stored=stored)
        exchange.added += ((b"age", b"%d" % age_s), (b"cache-status", status))
        exchange.added += [pair for pair in response.headers if pair[0] == b"set-cookie"]
        return from_entry(exchange, updated, timing.responded_ns, fetch.source)

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
            storing = self._keeper.keep(fetch, response)
        exchange.verdicts.append(self._passed(storing.reason, fetch.policy))
        status = self._status.forwarded(fetch.reason, stored=storing.terms is not None)
        exchange.added.append((b"cache-status", status))
        return response

    def _passed(self, reason: str, policy: CachePolicy) -> Verdict:
        """The verdict on a response that passed; the reasons are few, so each is made once."""
        key = (reason, policy.name, policy.mode.name)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = Verdict(
                "cache", Outcome.PASSED, reason, policy.name, policy.mode, facts=self._facts
            )
            self._verdicts[key] = verdict
        return verdict

    def _may_replace_error(
        self, fetch: Fetch, entry: StoredResponse, *, unreachable: bool = False
    ) -> bool:
        # A client that demands a fresh answer is told that there is none; and what was made
        # invalid while we asked is no longer true.
        return (
            fetch.reason not in _OWN
            and self._store.admits(entry.key[:4], fetch.ticket, entry.tags)
            and may_replace_error(entry.terms, now_ns=self._now_ns(), unreachable=unreachable)
        )

    def _instead_of_error(
        self, fetch: Fetch, entry: StoredResponse, status: int | None
    ) -> Response:
        exchange = fetch.exchange
        now_ns = self._now_ns()
        exchange.cache_result = "stale"
        exchange.verdicts.append(self._stale_if_error)
        self._store.touch(entry)
        age_s, ttl_s = age_and_ttl_s(entry, now_ns)
        told = self._status.forwarded(fetch.reason, status=status, ttl_s=ttl_s)
        exchange.added += ((b"age", b"%d" % age_s), (b"cache-status", told))
        return from_entry(exchange, entry, now_ns, fetch.source)


def _body_of(entry: StoredResponse) -> bytes | LargeBody:
    """The body for an update of the entry."""
    large = entry.large
    return entry.body if large is None else replace(large, serial=entry.serial)


def _can_revalidate(entry: StoredResponse | None) -> bool:
    return entry is not None and (b"etag" in entry.headers or b"last-modified" in entry.headers)
