"""The cache stage: answers from the store, or fetches and stores (RFC 9111)."""

from collections.abc import Callable
from random import random

from lukhas.clock import Clock
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.pipeline.stages.cache_answers import HitVerdicts, age_and_ttl_s, from_entry
from lukhas.pipeline.stages.cache_bodies import open_body
from lukhas.pipeline.stages.cache_capture import CaptureBudget
from lukhas.pipeline.stages.cache_changes import ChangingRequests
from lukhas.pipeline.stages.cache_fetch import CacheFetcher
from lukhas.pipeline.stages.cache_flights import FlightEnd, Flights
from lukhas.pipeline.stages.cache_keeping import CacheKeeper
from lukhas.pipeline.stages.cache_plain import CACHED_METHODS, UNSHARED, PlainCache
from lukhas.pipeline.stages.cache_posts import asked_by_post
from lukhas.pipeline.stages.cache_question import Fetch
from lukhas.pipeline.stages.cache_refresh import CacheRefresher, Job
from lukhas.pipeline.stages.cache_second_look import SecondLook
from lukhas.pipeline.stages.cache_sharing import SharedFetches
from lukhas.pipeline.stages.only_if_cached import not_cached
from lukhas.policy.caching.cache_status import CacheStatus, Forward
from lukhas.policy.caching.leak_guard import LeakGuard
from lukhas.policy.caching.lookup import Reuse, reuse, select
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.post_rules import PostRule
from lukhas.policy.caching.requests import CacheRequest, bypass_reason, cache_request
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.routing.routes import RouteRule
from lukhas.policy.verdicts import Fact, Outcome, Verdict
from lukhas.storage.entries import EntryStore, StoredResponse
from lukhas.telemetry.repeats import RepeatLog
from lukhas.units import MIB

__all__ = ("CacheStage",)

_REASONS = {Reuse.ASKED: Forward.REQUEST, Reuse.UNSURE: Forward.MISS}
# How often a request waits for somebody else's fetch before it asks the origin itself.
_ROUNDS = 3

_USABLE = frozenset((Reuse.FRESH, Reuse.STALE_ALLOWED, Reuse.STALE_REFRESHED))
_QUARANTINED = "the route is in quarantine: its answers depend on who asks"


class CacheStage:
    """Answers from the store what it may, and stores what passes, by the policy of the route.

    GET and HEAD, and POST where the policy says so; every other method passes, and an unsafe one
    that succeeds removes what is stored of its resources, whatever the mode of its own route: the
    resource may be cached under the route of another method. Where a response is stored without
    being whole yet, the store is filled when its last piece has passed.

    Args:
        store: the entries.
        clock: tells when responses come.
        cache_name: our name in Cache-Status.
        collapse_wait_s: longest time a request waits for the same request of somebody else.
        collapse_patience_s: the same for a few, where nothing is known about the answers.
        capture_limit_bytes: what all bodies on their way into the store may take together.
        facts: what every verdict says about the settings.
        draw: gives random numbers from 0 to 1, 1 not included.
        begin: starts a job in the background; a task of the running loop if None.
        repeats: takes what a lifetime would have let it answer; None for nobody.

    Attributes:
        guard: the leak guard, and the routes that are in quarantine.
        plain: decides at a glance, without waiting.
        flights: the fetches on their way.
    """

    name = "cache"
    on_failure = FailureMode.OPEN

    def __init__(
        self,
        store: EntryStore,
        clock: Clock,
        *,
        cache_name: str = "lukhas",
        collapse_wait_s: float = 5.0,
        collapse_patience_s: float = 0.2,
        capture_limit_bytes: int = 64 * MIB,
        facts: tuple[Fact, ...] = (),
        draw: Callable[[], float] = random,
        begin: Callable[[Job], object] | None = None,
        repeats: RepeatLog | None = None,
    ) -> None:
        self._store = store
        self._get = store.get
        self._now_ns = clock.now_ns
        self._status = CacheStatus(cache_name)
        self._bypass_field = (b"cache-status", self._status.forwarded(Forward.BYPASS))
        self._hits = HitVerdicts(facts)
        self.flights = flights = Flights(collapse_wait_s, collapse_patience_s)
        self.guard = LeakGuard()
        self._keeper = CacheKeeper(
            store,
            clock,
            flights=flights,
            budget=CaptureBudget(capture_limit_bytes),
            guard=self.guard,
            repeats=repeats,
        )
        self.plain = PlainCache(
            store,
            self._keeper,
            status=self._status,
            guard=self.guard,
            hit=self._hits.fresh,
            repeats=repeats,
        )
        self._fetcher = CacheFetcher(
            store, clock, status=self._status, flights=flights, keeper=self._keeper, facts=facts
        )
        self._refresher = CacheRefresher(
            store, clock, fetcher=self._fetcher, keeper=self._keeper, flights=flights, begin=begin
        )
        self._second_look = SecondLook(self.guard, self._refresher, draw)
        self._changing = ChangingRequests(store, self._keeper, self._status)

    @property
    def sharing(self) -> SharedFetches | None:
        """What keeps several processes from fetching the same; None where one serves alone."""
        return self._refresher.sharing

    @sharing.setter
    def sharing(self, sharing: SharedFetches | None) -> None:
        self._refresher.sharing = sharing

    async def close(self) -> None:
        """Ends what runs in the background."""
        await self._refresher.close()

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """Answers from the store, or passes on and stores."""
        asked = self.plain.ask(exchange)
        if asked is None:
            return await self._weighed(exchange, call_next)
        if isinstance(asked, Response):
            return asked
        if asked is UNSHARED:
            return await self.unshared(exchange, call_next)
        return await call_next(exchange)

    async def unshared(self, exchange: Exchange, call_next: Handler) -> Response:
        """A miss where, as `plain` said, the last answer could not be stored: nobody waits."""
        response = await call_next(exchange)
        if self.plain.is_left(exchange, response.status, response.headers):
            return response
        policy = _rule(exchange).cache
        fetch = Fetch(
            exchange,
            call_next,
            policy,
            cache_request(exchange.head, exchange.consumer, policy),
            reason=Forward.URI_MISS,
            ticket=exchange.ticket,
            requested_ns=exchange.now_ns,
        )
        return self._fetcher.received(fetch, response)

    async def _weighed(self, exchange: Exchange, call_next: Handler) -> Response:
        """What takes more than a glance."""
        rule = _rule(exchange)
        policy = rule.cache
        if exchange.head.method not in CACHED_METHODS:
            return await self._other_method(exchange, call_next, rule)
        mode = policy.mode
        if self.guard.quarantined and self.plain.in_quarantine(exchange, rule):
            return await self._quarantined(exchange, call_next, policy)
        if mode is Mode.ENFORCE:
            return await self._considered(exchange, call_next, policy)
        # Where it is off, a glance was enough.
        return await self._shadowed(exchange, call_next, policy)

    async def _other_method(
        self, exchange: Exchange, call_next: Handler, rule: RouteRule
    ) -> Response:
        policy = rule.cache
        posted = None
        if policy.post is not PostRule.NEVER and exchange.head.method == "POST":
            posted = await asked_by_post(exchange, policy.post)
        if posted is None:
            return await self._changing(exchange, call_next, policy)
        if policy.mode is not Mode.ENFORCE:
            return await call_next(exchange)
        if self.guard.quarantined and self.plain.in_quarantine(exchange, rule):
            return await self._quarantined(exchange, call_next, policy)
        return await self._considered(exchange, call_next, policy, posted=posted)

    async def _quarantined(
        self, exchange: Exchange, call_next: Handler, policy: CachePolicy
    ) -> Response:
        self._say_bypass(exchange, policy, _QUARANTINED)
        return await call_next(exchange)

    def _say_bypass(self, exchange: Exchange, policy: CachePolicy, reason: str) -> None:
        exchange.verdicts.append(_verdict(Outcome.SKIPPED, reason, policy))
        if policy.mode is Mode.ENFORCE:
            exchange.cache_result = "bypass"
            exchange.added.append(self._bypass_field)

    async def _considered(
        self,
        exchange: Exchange,
        call_next: Handler,
        policy: CachePolicy,
        *,
        posted: bytes | None = None,
    ) -> Response:
        """The long way: every directive, condition and variant, and waiting for others."""
        request = self._request(exchange, policy, posted=posted)
        if request is None:
            exchange.cache_result = "bypass"
            exchange.added.append(self._bypass_field)
            return await call_next(exchange)
        now_ns = exchange.now_ns
        waited_for = None
        rounds_left = _ROUNDS
        sharing = self.sharing
        while True:
            fetch = self._question(exchange, call_next, policy, request, now_ns)
            entry = fetch.entry
            if entry is not None:
                use = self._use(fetch, entry, now_ns)
                if use in _USABLE:
                    return self._answered(fetch, entry, use, now_ns=now_ns, reason=waited_for)
                if self._is_renewed(entry, request):
                    now_ns = self._now_ns()
                    continue
                fetch.reason = _REASONS.get(use, Forward.STALE)
            if request.directives.only_if_cached:
                return not_cached(exchange)
            flight = self._fetcher.join(fetch) if rounds_left else None
            if flight is None:
                if sharing is not None and await self._found_elsewhere(fetch, sharing):
                    sharing = None
                    now_ns = self._now_ns()
                    continue
                return await self._fetcher.fetch(fetch)
            end = await self.flights.wait(flight)
            now_ns = self._now_ns()
            rounds_left = rounds_left - 1 if end is not FlightEnd.NOT_SHARED else 0
            if end is FlightEnd.STORED:
                waited_for = fetch.reason

    def _use(self, fetch: Fetch, entry: StoredResponse, now_ns: int) -> Reuse:
        terms = entry.terms
        use = reuse(terms, fetch.request.directives, now_ns=now_ns)
        fetch.exchange.reused = (terms, use, now_ns)
        return self._second_look(fetch, entry, use, now_ns) if use in _USABLE else use

    def _question(
        self,
        exchange: Exchange,
        call_next: Handler,
        policy: CachePolicy,
        request: CacheRequest,
        now_ns: int,
    ) -> Fetch:
        """What is asked, with what is stored of it."""
        ticket = self._store.ticket()
        variants = self._get(request.key) or ()
        fetch = Fetch(
            exchange,
            call_next,
            policy,
            request,
            reason=Forward.VARY_MISS if variants else Forward.URI_MISS,
            ticket=ticket,
            requested_ns=now_ns,
            entry=self._selected(variants, request),
        )
        open_body(fetch, self._store)
        return fetch

    def _selected(
        self, variants: tuple[StoredResponse, ...], request: CacheRequest
    ) -> StoredResponse | None:
        entry = select(variants, request)
        if entry is None and variants:
            entry = select(self._store.more(request.key) or (), request)
        return entry

    def _is_renewed(self, entry: StoredResponse, request: CacheRequest) -> bool:
        """Whether another process has brought a newer response than the one that cannot serve."""
        sharing = self._refresher.sharing
        return sharing is not None and not request.directives.no_cache and sharing.renewed(entry)

    async def _found_elsewhere(self, fetch: Fetch, sharing: SharedFetches) -> bool:
        """Whether another process has stored what this fetch would bring."""
        flight = fetch.flight
        # Who demands an answer of the origin would not take what others have.
        if flight is None or fetch.request.directives.no_cache:
            return False
        try:
            found = await sharing.found(fetch, flight)
        except BaseException:
            self.flights.end(flight, FlightEnd.ABANDONED)
            raise
        if found:
            self.flights.end(flight, FlightEnd.STORED)
        return found

    def _request(
        self, exchange: Exchange, policy: CachePolicy, *, posted: bytes | None = None
    ) -> CacheRequest | None:
        """The facts of the request, or None if it goes past the store."""
        head = exchange.head
        request = cache_request(head, exchange.consumer, policy, posted=posted)
        reason = bypass_reason(
            head.headers,
            request.directives,
            has_body=exchange.body is not None,
            body_is_keyed=posted is not None,
        )
        if not reason:
            return request
        exchange.verdicts.append(_verdict(Outcome.SKIPPED, reason, policy))
        return None

    def _answered(
        self,
        fetch: Fetch,
        entry: StoredResponse,
        use: Reuse,
        *,
        now_ns: int,
        reason: Forward | None,
    ) -> Response:
        exchange = fetch.exchange
        self._store.touch(entry)
        fresh = use is Reuse.FRESH
        exchange.cache_result = "hit" if fresh else "stale"
        exchange.verdicts.append(self._hits.of(use, entry.tier))
        if reason is not None:
            age_s, ttl_s = age_and_ttl_s(entry, now_ns)
            told = self._status.collapsed(reason, ttl_s)
            exchange.added += ((b"age", b"%d" % age_s), (b"cache-status", told))
        else:
            self.plain.tell_hit(exchange, entry, now_ns)
        return from_entry(exchange, entry, now_ns, fetch.source)

    async def _shadowed(
        self, exchange: Exchange, call_next: Handler, policy: CachePolicy
    ) -> Response:
        """Decides and stores, but serves nothing and changes nothing that goes either way."""
        request = self._request(exchange, policy)
        if request is None:
            return await call_next(exchange)
        entry = select(self._get(request.key) or (), request)
        if entry is not None:
            use = reuse(entry.terms, request.directives, now_ns=exchange.now_ns)
            exchange.reused = (entry.terms, use, exchange.now_ns)
            if use in _USABLE:
                self._store.touch(entry)
                exchange.verdicts.append(
                    _verdict(Outcome.ANSWERED, "would have been a hit", policy)
                )
                return await call_next(exchange)
        fetch = Fetch(
            exchange,
            call_next,
            policy,
            request,
            reason=Forward.URI_MISS,
            ticket=self._store.ticket(),
            requested_ns=exchange.now_ns,
        )
        response = await call_next(exchange)
        reason = "would have been a miss"
        if exchange.head.method == "GET" and self._keeper.keep(fetch, response).terms is not None:
            reason = "would have been a miss, and stored"
        exchange.verdicts.append(_verdict(Outcome.PASSED, reason, policy))
        return response


def _rule(exchange: Exchange) -> RouteRule:
    route = exchange.route
    if route is None:  # pragma: no cover - such a request takes no more than a glance
        raise RuntimeError("only a request whose route was found takes more than a glance")
    return route.rule


def _verdict(outcome: Outcome, reason: str, policy: CachePolicy) -> Verdict:
    return Verdict("cache", outcome, reason, policy.name, policy.mode)
