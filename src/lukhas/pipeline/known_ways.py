"""The way of requests that are like one before: stages repeat what they found of it.

A client that asks again for the same thing sends the same head, and the ways in know such heads.
Which route it is on, whose key it holds, which limits apply and which stored response is selected
follow from the head, the caller and the settings. So a request that is like one before passes the
gates without being looked at by each of them, and where the cache answered at a glance, the answer
needs no exchange. What moves is asked each time: whether the key is still accepted, the counters,
and whether the stored response is still there and fresh.

Whatever is not exactly as it was goes the usual way, which finds it out anew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from lukhas.errors import CountersUnavailableError
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.known_way import Charge, Charged, KnownWay, exchange_of
from lukhas.pipeline.passages import NewPassed, Passages, Passed
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.cache_plain import Onward, SeenHit
from lukhas.pipeline.stages.identify import IdentifyStage
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.observe import PASSED, ObserveStage, sample_of
from lukhas.pipeline.stages.route import RouteStage
from lukhas.policy.caching.keys import CacheKey
from lukhas.policy.caching.leak_guard import GuardUnit
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.storage.entries import StoredResponse

__all__ = ("KnownStages", "KnownWays", "RepeatedHit")

# Memos of heads whose way is not known: that came once, and that come from several callers who are
# told apart by their addresses.
_ONCE: Final = "once"
_SHARED: Final = "shared"

RepeatedHit: TypeAlias = tuple[KnownWay, StoredResponse, bytes, tuple[int, ...]]
"""What was known, the entry, the request id, and the figures of the limits (empty for none)."""


@dataclass(frozen=True, slots=True)
class KnownStages:
    """The gates of a pipeline that has no others, and what is around and behind them.

    Attributes:
        route: finds the route.
        identify: finds who calls.
        limit: counts against limits, in memory or in a file.
        observe: counts requests; None where it does more than that, or where there is none.
        cache: the cache, if it is the first behind the gates.
        on_contained: told the name of a failed stage and what it raised.
    """

    route: RouteStage
    identify: IdentifyStage
    limit: LimitStage
    observe: ObserveStage | None
    cache: CacheStage | None
    on_contained: Callable[[str, Exception], None]


class KnownWays:
    """Takes requests that are like one before the way of that one.

    Args:
        stages: what it goes through.
        new_passed: makes what stands for a request that goes on to the handler without an exchange;
            None for a way in that knows of none.
    """

    __slots__ = (
        "_get",
        "_hits",
        "_identify",
        "_limit",
        "_new_passed",
        "_on_contained",
        "_passages",
        "_quarantined",
        "_route",
    )

    def __init__(self, stages: KnownStages, new_passed: NewPassed | None = None) -> None:
        self._route, self._identify, self._limit = stages.route, stages.identify, stages.limit
        self._on_contained = stages.on_contained
        observe, cache = stages.observe, stages.cache
        self._hits = None if observe is None or cache is None else _Hits(observe, cache)
        self._get: Callable[[CacheKey], object] = _nothing
        self._quarantined: Mapping[GuardUnit, str] = {}
        if cache is not None:
            self._get, self._quarantined = cache.plain.get, cache.guard.quarantined
        self._new_passed = new_passed
        self._passages: Passages | None = None
        noted = cache is not None and cache.plain.notes_repeats
        if new_passed is not None and observe is not None and not noted:
            self._passages = Passages(observe, cache)

    def learn(self, exchange: Exchange) -> None:
        """Keeps what the gates found of an exchange that has passed them, the second time."""
        head = exchange.head
        known = head.known_way
        if known is None:
            # Most heads come once.
            head.known_way = _ONCE
            return
        consumer, route = exchange.consumer, exchange.route
        if known is _SHARED or consumer is None or route is None:
            return
        identify, limit, decision = self._identify, self._limit, exchange.limit
        shown_key = identify.shown_key(exchange)
        if shown_key is None or not _is_plain(limit, decision):
            return
        by_peer = not shown_key or limit.looks_at_addresses or identify.looks_at_proxies
        if by_peer and type(known) is KnownWay and known.peer not in {"", exchange.peer}:
            head.known_way = _SHARED
            return
        plan = None if decision is None else decision.plan
        subjects = (consumer.key,)
        held = None if plan is None else limit.store.held(plan, subjects)
        head.known_way = KnownWay(
            self,
            self._route.table,
            limit.plans,
            exchange.peer if by_peer else "",
            exchange.client if by_peer else "",
            shown_key,
            consumer,
            route,
            tuple([each for each in exchange.verdicts if each is not decision]),
            plan,
            _kept_id(exchange),
            plan is not None and limit.fields.standard,
            route.rule.cost,
            held,
            self._charging(plan, subjects) if held is None else held.charge,
        )

    def learn_hit(self, exchange: Exchange, response: Response) -> None:
        """Keeps that the cache has answered an exchange, and was counted, if it was at a glance."""
        known: KnownWay | str | None = exchange.head.known_way
        if type(known) is not KnownWay or self._hits is None:
            return
        if (
            not self._is_theirs(known, exchange)
            or exchange.cache_result != "hit"
            or exchange.head.method != "GET"
            or response.ready_head is None
            or response.taps is not None
            or not hasattr(exchange, "stored")
        ):
            return
        entry = exchange.stored
        known.sampled = sample_of(exchange, response.status, len(entry.body), 0, PASSED)
        plan = known.plan
        known.limit_lines = b"" if plan is None or not known.is_told else _limit_lines(plan)
        known.seen = SeenHit(entry)
        known.sent = None
        known.passage = None

    def learn_passage(
        self, exchange: Exchange, onward: Onward, status: int, headers: Headers
    ) -> None:
        """Keeps how an admitted exchange passed; see `Passages.passage`."""
        known: KnownWay | str | None = exchange.head.known_way
        # By now there may be another way for the head.
        if (
            self._passages is None
            or type(known) is not KnownWay
            or not self._is_theirs(known, exchange)
            or known.plan is not (None if exchange.limit is None else exchange.limit.plan)
        ):
            return
        known.passage = passage = self._passages.passage(exchange, onward, status, headers)
        if passage is not None:
            known.seen = None

    def _is_theirs(self, known: KnownWay, exchange: Exchange) -> bool:
        """Whether what is known is of the very caller of an exchange.

        It may be of another one with the same head, say one without a certificate, if nothing could
        be learnt of this one.
        """
        return (
            known.owner is self
            and known.consumer is exchange.consumer
            and known.route is exchange.route
            and known.peer in {"", exchange.peer}
        )

    def take(
        self, head: RequestHead, peer: str, intake: Intake
    ) -> RepeatedHit | Passed | Exchange | None:
        """Takes a request that is like one before as far as that went.

        Args:
            head: its head.
            peer: the other end of the connection.
            intake: gives the time, and an id.

        Returns:
            The answer, which was counted already; or the request on its way to the handler; or the
            exchange behind the gates; or None where anything is not as it was, or a limit refuses
            it: then nothing has happened, and it goes the usual way.
        """
        known: KnownWay | str | None = head.known_way
        now_ns = intake.now_ns()
        if (
            type(known) is not KnownWay
            or type(intake) is not Intake  # others make exchanges that know more
            or (known.peer and known.peer != peer)
            or known.owner is not self
            or known.table is not self._route.table
            or known.plans is not self._limit.plans
            or (known.shown_key and not self._is_accepted(known, now_ns))
        ):
            return None
        passage, hits, entry = known.passage, self._hits, None
        try:
            if passage is None:
                if known.seen is not None and hits is not None:
                    entry = hits.again(known.seen, now_ns)
            elif (
                now_ns >= passage.until_ns
                or self._quarantined
                or (passage.key is not None and self._get(passage.key) is not None)
            ):
                passage = None
        except Exception:  # noqa: BLE001 - the cache stage meets it again, and is contained
            passage = entry = None
        charged = known.charge(now_ns, known.cost)
        if charged is None:
            return None
        if entry is not None and hits is not None:
            return hits.answer(entry, known, head, peer, now_ns, charged, intake)
        request_id = known.kept_id or intake.new_id()
        new_passed = self._new_passed
        if passage is None or new_passed is None or charged[3]:
            return exchange_of(head, peer, now_ns, request_id, known, charged)
        return new_passed(known, passage, head, peer, now_ns, request_id, charged)

    def _is_accepted(self, known: KnownWay, now_ns: int) -> bool:
        """Whether the key is still accepted, for the same consumer."""
        credentials = self._identify.credentials
        try:
            return (
                credentials is not None
                and credentials.consumer_for(known.shown_key, now_ns) is known.consumer
            )
        except Exception:  # noqa: BLE001 - the identify stage meets it again, and is contained
            return False

    def _charging(self, plan: LimitPlan | None, subjects: tuple[str, ...]) -> Charge:
        """What charges limits by asking the store."""
        return _free if plan is None else partial(self._charge, plan, subjects)

    def _charge(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
    ) -> Charged | None:
        """What the store decides, if the request may pass; else nothing was charged."""
        limit = self._limit
        try:
            decision = limit.store.decide(plan, subjects, now_ns, cost)
        except CountersUnavailableError:
            return None
        except Exception as error:  # noqa: BLE001 - a failing stage must not fail the request
            # A store may tell of a failure only once.
            self._on_contained(limit.name, error)
            return None
        if not decision.allowed:
            return None
        figures = decision.figures
        return decision, 0, figures, plan.is_near(figures)


class _Hits:
    """Hits, where there is a cache behind the gates, and requests are just counted."""

    __slots__ = ("_hit", "_observe", "again")

    def __init__(self, observe: ObserveStage, cache: CacheStage) -> None:
        self._observe = observe
        self._hit = cache.plain.hit
        self.again = cache.plain.again

    def answer(  # noqa: PLR0917 - one call a request, and keywords cost
        self,
        entry: StoredResponse,
        known: KnownWay,
        head: RequestHead,
        peer: str,
        now_ns: int,
        charged: Charged,
        intake: Intake,
    ) -> RepeatedHit:
        """The answer to a request, which is counted."""
        _by, _pending, figures, is_near = charged
        request_id = known.kept_id or intake.new_id()
        took_ns = intake.now_ns() - now_ns
        observe = self._observe
        if took_ns < observe.slow_ns and not is_near:
            labels, size, _took_ns, consumer, agent = known.sampled
            observe.record((labels, size, took_ns, consumer, agent))
        else:
            exchange = exchange_of(head, peer, now_ns, request_id, known, charged)
            self._tell(exchange, entry)
        return known, entry, request_id, figures

    def _tell(self, exchange: Exchange, entry: StoredResponse) -> None:
        """Counts a notable one as the stages would have left it."""
        exchange.verdicts.append(self._hit)
        exchange.cache_result = "hit"
        exchange.stored = entry
        answer = Response(entry.status, entry.headers, entry.body, entry.ready_head)
        self._observe.answered(exchange, answer)


def _free(_now_ns: int, _cost: int) -> Charged:
    """Nothing limits it."""
    return b"", 0, (), False


def _nothing(_key: CacheKey) -> None:
    """Nothing is cached."""


def _is_plain(stage: LimitStage, decision: LimitDecision | None) -> bool:
    """Whether the same request is charged the same way by one step."""
    if decision is None:
        return stage.plans.is_fixed
    plan = decision.plan
    return (
        stage.plans.is_fixed
        and plan.is_simple
        and plan.by_consumer
        and plan.uniform
        and not (plan.is_fallback or stage.fields.legacy)
    )


def _kept_id(exchange: Exchange) -> bytes:
    """The request id, if it is the client's."""
    sent = exchange.head.headers.index().get(b"x-request-id")
    return exchange.request_id if sent == exchange.request_id else b""


def _limit_lines(plan: LimitPlan) -> bytes:
    policy = plan.policy_field.replace(b"%", b"%%")
    return b"ratelimit-policy: %b\r\nratelimit: %b\r\n" % (policy, plan.limit_template)
