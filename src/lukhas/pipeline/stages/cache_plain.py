"""What the cache decides at a glance: requests that ask nothing special, and most of their answers.

Nothing here waits, so whoever drives the pipeline may ask it without a coroutine; what it does not
understand it leaves to the cache stage.
"""

from enum import Enum
from typing import Final

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.cache_keeping import CacheKeeper
from lukhas.pipeline.stages.cache_question import principal_of
from lukhas.pipeline.stages.cache_repeats import note_repeat
from lukhas.policy.caching.cache_status import CacheStatus, Forward
from lukhas.policy.caching.keys import CacheKey, has_credentials
from lukhas.policy.caching.leak_guard import LeakGuard
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.storability import plainly_not_storable
from lukhas.policy.modes import Mode
from lukhas.policy.routing.routes import RouteRule
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.storage.entries import MOST_VISITS, EntryStore, StoredResponse
from lukhas.telemetry.repeats import RepeatLog
from lukhas.units import SECOND_NS

__all__ = ("CACHED_METHODS", "UNSHARED", "UNTOUCHED", "Onward", "PlainCache", "SeenHit")

CACHED_METHODS = frozenset(("GET", "HEAD"))
# A request without any of these fields is answered from a fresh entry without further questions.
_QUESTIONS = frozenset(
    (
        b"cache-control",
        b"content-length",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"pragma",
        b"range",
        b"transfer-encoding",
    )
)
_NOT_REUSABLE = Verdict("cache", Outcome.PASSED, "the response could not be reused")


class Onward(Enum):
    """How a request that is not answered passes the cache."""

    UNTOUCHED = "the cache has nothing to do with it"
    UNSHARED = "the last answer could not be stored: nobody waits for this one"


# Members of an enum are looked up in Python code (3.11), and this is on the way of every request.
UNTOUCHED: Final = Onward.UNTOUCHED
UNSHARED: Final = Onward.UNSHARED
_ENFORCE: Final = Mode.ENFORCE
_OFF: Final = Mode.OFF


class SeenHit:
    """What the cache found when it answered a request at a glance.

    It does not keep the entry alive, so what is evicted or purged is free.

    Attributes:
        key: the key.
        mark: that of the entry.
        is_open: whether the entry was for everybody.
        watched: whether it was being watched.
        filled_by: whose request had filled it.
    """

    __slots__ = ("filled_by", "is_open", "key", "mark", "watched")

    def __init__(self, entry: StoredResponse) -> None:
        self.key = entry.key
        self.mark = entry.mark
        self.is_open = entry.open_to_all
        self.watched = entry.watched
        self.filled_by = entry.filled_by


class PlainCache:
    """Answers plain requests from the store, and recognises those that need no more thought.

    Args:
        store: the entries.
        keeper: knows what could not be stored.
        status: makes the values of Cache-Status.
        guard: knows the routes in quarantine.
        hit: the verdict on a hit.
        repeats: takes what a lifetime would have let the cache answer; None for nobody.

    Attributes:
        hit: as given.
        get: that of the store.
        uncacheable_until_ns: until when it is known of a key that its answers plainly cannot be
            stored.
        notes_repeats: whether answers that were let pass are noted.
    """

    def __init__(
        self,
        store: EntryStore,
        keeper: CacheKeeper,
        *,
        status: CacheStatus,
        guard: LeakGuard,
        hit: Verdict,
        repeats: RepeatLog | None = None,
    ) -> None:
        self.get = store.get
        self._touch = store.touch
        self._ticket = store.ticket
        self._is_uncacheable = keeper.is_uncacheable
        self.uncacheable_until_ns = keeper.uncacheable_until_ns
        self._status = status
        self._guard = guard
        self.hit = hit
        self._repeats = repeats
        self.notes_repeats = repeats is not None
        self._miss_field = (b"cache-status", status.forwarded(Forward.URI_MISS))

    def ask(self, exchange: Exchange) -> Response | Onward | None:
        """What becomes of the request; None where it takes more than a glance.

        An unshared request gets `exchange.ticket`.
        """
        route = exchange.route
        if route is None:
            return UNTOUCHED
        policy = route.rule.cache
        head = exchange.head
        if head.method not in CACHED_METHODS:
            return None
        if self._guard.quarantined and self.in_quarantine(exchange, route.rule):
            return None
        mode = policy.mode
        if mode is not _ENFORCE:
            return UNTOUCHED if mode is _OFF else None
        consumer = exchange.consumer
        tenant = "" if consumer is None else consumer.tenant
        looked_up = head.looked_up
        # The same head comes again and again (see `KnownHeads`), mostly to the same route.
        if looked_up is None or looked_up[0] is not policy or looked_up[1] != tenant:
            looked_up = head.looked_up = _looked_up(head, policy, tenant)
        key = looked_up[2]
        if key is None or exchange.body is not None:
            return None
        variants = self.get(key)
        if variants is not None:
            return self._answered(exchange, policy, variants, is_personal=looked_up[3])
        if not self._is_uncacheable(key, exchange.now_ns):
            return None
        exchange.ticket = self._ticket()
        return UNSHARED

    def again(self, seen: SeenHit, now_ns: int) -> StoredResponse | None:
        """The entry, if it answers the same head of the same caller again; None if unsure.

        Args:
            seen: what was found when `ask` answered that head, on the same route.
            now_ns: the time of the request.
        """
        variants = self.get(seen.key)
        if variants is None:
            return None
        entry = variants[0]
        if (
            entry.mark is not seen.mark
            or now_ns >= entry.plain_until_ns
            or entry.tier
            or (len(variants) > 1 and not entry.vary)
            or self._guard.quarantined
        ):
            return None
        if not entry.open_to_all or not seen.is_open:
            is_same = (
                entry.open_to_all is seen.is_open
                and entry.watched is seen.watched
                and entry.filled_by == seen.filled_by
            )
            if not is_same or self._guard.suspects:
                return None
        if entry.visits < MOST_VISITS:
            self._touch(entry)
        if entry.told_age_s != (now_ns - entry.born_ns) // SECOND_NS:
            self._tell(entry, now_ns)
        return entry

    def in_quarantine(self, exchange: Exchange, rule: RouteRule) -> bool:
        """Whether the route of the request is in quarantine."""
        path = exchange.head.path if rule.template == "*" else b""
        return (rule.name, path) in self._guard.quarantined

    def is_left(self, exchange: Exchange, status: int, headers: Headers) -> bool:
        """Whether the answer to an unshared request plainly is nothing to store; then it says so.

        Args:
            exchange: the request.
            status: that of the answer.
            headers: those of the answer.
        """
        route = exchange.route
        if route is None:
            return False
        policy = route.rule.cache
        # The same heads come again and again (see `PlainAnswers`), mostly on the same route.
        if headers.left_by is not policy:
            if not plainly_not_storable(headers, policy):
                return False
            headers.left_by = policy
        if self._repeats is not None:
            looked_up = exchange.head.looked_up
            # What tells who asks is not noted: that is known of the head without a call.
            if looked_up is None or looked_up[0] is not policy or not looked_up[3]:
                note_repeat(self._repeats, exchange, status, headers)
        exchange.cache_result = "miss"
        exchange.verdicts.append(_NOT_REUSABLE)
        exchange.added.append(self._miss_field)
        return True

    def _answered(
        self,
        exchange: Exchange,
        policy: CachePolicy,
        variants: tuple[StoredResponse, ...],
        *,
        is_personal: bool,
    ) -> Response | None:
        entry = variants[0]
        if exchange.now_ns >= entry.plain_until_ns or entry.tier:
            return None
        head = exchange.head
        headers = head.headers
        if entry.vary:
            if not _is_selected(entry, headers, headers.index()):
                return None
        elif len(variants) > 1:
            return None
        if not entry.open_to_all:
            consumer = exchange.consumer
            is_personal = is_personal or not (consumer is None or consumer.is_anonymous)
            watched = entry.watched and entry.filled_by
            if self._is_not_theirs(exchange, entry, policy) if watched else is_personal:
                return None
        self._touch(entry)
        exchange.cache_result = "hit"
        exchange.stored = entry
        exchange.verdicts.append(self.hit)
        self.tell_hit(exchange, entry, exchange.now_ns)
        body = entry.body if head.method == "GET" else b""
        return Response(entry.status, entry.headers, body, entry.ready_head)

    def _is_not_theirs(
        self, exchange: Exchange, entry: StoredResponse, policy: CachePolicy
    ) -> bool:
        """Whether a watched response was made for somebody else, or must be watched again."""
        # Watched is what one caller gets of another. Their own answer tells nothing new, unless
        # callers were seen to get different ones: then the origin is asked for each.
        terms = entry.terms
        return not (
            terms.for_credentials
            and terms.for_cookies
            and principal_of(exchange, policy) == entry.filled_by
            and not (self._guard.suspects and self._guard.is_suspect(entry.guard_key))
        )

    def tell_hit(self, exchange: Exchange, entry: StoredResponse, now_ns: int) -> None:
        """Adds Age and Cache-Status of a hit."""
        if entry.told_age_s != (now_ns - entry.born_ns) // SECOND_NS or entry.tier:
            self._tell(entry, now_ns)
        exchange.added += entry.told_fields

    def _tell(self, entry: StoredResponse, now_ns: int) -> None:
        # A request may have arrived before the response that answers it.
        age_s = max((now_ns - entry.born_ns) // SECOND_NS, entry.initial_age_ns // SECOND_NS)
        ttl_s = entry.terms.freshness.lifetime_ns // SECOND_NS - age_s
        entry.told_fields = (
            (b"age", b"%d" % age_s),
            (b"cache-status", self._status.hit(ttl_s, entry.tier)),
        )
        # Only the first answer came from there: the next one is told without.
        entry.told_age_s = -1 if entry.tier else age_s
        entry.tier = ""


def _looked_up(
    head: RequestHead, policy: CachePolicy, tenant: str
) -> tuple[CachePolicy, str, CacheKey | None, bool]:
    """For `RequestHead.looked_up`."""
    fields = head.headers.index()
    if policy.private or policy.query is not None or not _QUESTIONS.isdisjoint(fields):
        return (policy, tenant, None, True)
    owner = (head.keyed, tenant) if head.keyed else tenant
    key = (head.scheme, head.authority, head.path, head.query, owner)
    is_personal = b"cookie" in fields or has_credentials(head.headers, None, policy)
    return (policy, tenant, key, is_personal)


def _is_selected(entry: StoredResponse, headers: Headers, fields: dict[bytes, bytes]) -> bool:
    """Whether a request has the very values that the variant was stored for; False if unsure."""
    values = entry.selected_raw
    if values is None or len(fields) != len(headers.raw):
        return False
    return tuple(map(fields.get, entry.vary)) == values
