"""The way of requests that are like one before: stages repeat what they found of it.

A client that asks again for the same thing sends the same head, and the ways in know such heads.
Which route it is on, whose key it holds, which limits apply and which stored response is selected
follow from the head, the caller and the settings. So a request that is like one before passes the
gates without being looked at by each of them, and where the cache answered at a glance, the answer
needs no exchange. What moves is asked each time: whether the key is still accepted, the counters,
and whether the stored response is still there and fresh.

Whatever is not exactly as it was goes the usual way, which finds it out anew.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from lukhas.errors import CountersUnavailableError
from lukhas.http.headers import HeaderPairs
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.cache_plain import SeenHit
from lukhas.pipeline.stages.identify import IdentifyStage
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.observe import PASSED, ObserveStage, sample_of
from lukhas.pipeline.stages.route import RouteStage
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.policy.routing.routes import RouteMatch
from lukhas.storage.entries import StoredResponse
from lukhas.telemetry.recorder import Sample

if TYPE_CHECKING:
    from lukhas.policy.verdicts import Reasoned

__all__ = ("KnownStages", "KnownWay", "KnownWays", "RepeatedHit")

# Memos of heads whose way is not known: that came once, and that come from several callers who are
# told apart by their addresses.
_ONCE: Final = "once"
_SHARED: Final = "shared"


@dataclass(slots=True)
class KnownWay:
    """What the stages found of a head; a memo of it.

    It holds neither an exchange nor an entry, so that nothing stays in memory for it.

    Attributes:
        owner: whose stages found it.
        table: the routes it was found with; like the plans of limits compared by identity, since
            both are replaced while everything runs.
        plans: the plans.
        peer: where the request came from; empty where that does not matter.
        client: the client behind trusted proxies; empty for the peer.
        shown_key: the API key that it was identified by; empty for none.
        consumer: who called.
        route: the route.
        verdicts: what the gates said, but for the decision about the limits.
        plan: the limits; None where none apply.
        subjects: whom they count for.
        kept_id: the request id that the client sent; empty for none.
        is_told: whether the client is told about its limits.
        seen: what the cache found; None where it gave no answer.
        limit_lines: RateLimit-Policy and RateLimit of a hit as lines of HTTP/1.1, with `%d` for
            each figure; empty where the client is told nothing.
        sampled: the sample of the first hit; all but its duration is that of the next ones.
        sent: the fields of the entry as a way in sends them; for that to fill.
        told: the fields of a hit that `told_lines` were made of.
        told_lines: the same as lines of HTTP/1.1.
    """

    owner: "KnownWays"
    table: object
    plans: object
    peer: str
    client: str
    shown_key: bytes
    consumer: Consumer
    route: RouteMatch
    verdicts: "tuple[Reasoned, ...]"
    plan: LimitPlan | None
    subjects: tuple[str, ...]
    kept_id: bytes
    is_told: bool
    seen: SeenHit | None = field(default=None, init=False)
    limit_lines: bytes = field(default=b"", init=False)
    sampled: Sample = field(init=False)
    sent: HeaderPairs | None = field(default=None, init=False)
    told: object = field(default=None, init=False)
    told_lines: bytes = field(default=b"", init=False)


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
    """

    __slots__ = ("_hits", "_stages")

    def __init__(self, stages: KnownStages) -> None:
        self._stages = stages
        observe, cache = stages.observe, stages.cache
        self._hits = None if observe is None or cache is None else _Hits(observe, cache)

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
        stages = self._stages
        limit, decision = stages.limit, exchange.limit
        shown_key = stages.identify.shown_key(exchange)
        if shown_key is None or not _is_plain(limit, decision):
            return
        by_peer = not shown_key or limit.looks_at_addresses or stages.identify.looks_at_proxies
        if by_peer and type(known) is KnownWay and known.peer not in {"", exchange.peer}:
            head.known_way = _SHARED
            return
        head.known_way = KnownWay(
            self,
            stages.route.table,
            limit.plans,
            exchange.peer if by_peer else "",
            exchange.client if by_peer else "",
            shown_key,
            consumer,
            route,
            tuple([each for each in exchange.verdicts if each is not decision]),
            None if decision is None else decision.plan,
            (consumer.key,),
            _kept_id(exchange),
            decision is not None and limit.fields.standard,
        )

    def learn_hit(self, exchange: Exchange, response: Response) -> None:
        """Keeps that the cache has answered an exchange, and was counted, if it was at a glance."""
        known = exchange.head.known_way
        if type(known) is not KnownWay or self._hits is None:
            return
        # What is known may be of another caller with the same head, say one without a certificate,
        # if nothing could be learnt of this one.
        is_theirs = (
            known.owner is self
            and known.consumer is exchange.consumer
            and known.route is exchange.route
            and known.peer in {"", exchange.peer}
        )
        if (
            not is_theirs
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

    def take(self, head: RequestHead, peer: str, intake: Intake) -> RepeatedHit | Exchange | None:
        """Takes a request that is like one before as far as that went.

        Args:
            head: its head.
            peer: the address of the other end of the connection.
            intake: gives the time, and an id.

        Returns:
            The answer, which was counted already; or the exchange as it is behind the gates; or
            None where anything is not as it was, or a limit refuses it: then nothing has happened,
            and the request goes the usual way.
        """
        now_ns = intake.now_ns()
        known = self._known(head, peer, intake, now_ns)
        if known is None:
            return None
        hits = self._hits
        entry = None
        if known.seen is not None and hits is not None:
            try:
                entry = hits.again(known.seen, now_ns)
            except Exception:  # noqa: BLE001 - the cache stage meets it again, and is contained
                entry = None
        plan = known.plan
        decision = None
        if plan is not None:
            decision = self._charged(known, plan, now_ns)
            if decision is None:
                return None
        request_id = known.kept_id or intake.new_id()
        if entry is None or hits is None:
            exchange = _exchange(head, peer, now_ns, request_id, known, decision)
            if decision is not None and known.is_told:
                exchange.added += (
                    decision.plan.policy_pair,
                    (b"ratelimit", decision.limit_field()),
                )
            return exchange
        figures = () if decision is None else decision.figures
        took_ns = intake.now_ns() - now_ns
        if took_ns < hits.observe.slow_ns and (plan is None or not plan.is_near(figures)):
            labels, size, _took_ns, consumer, agent = known.sampled
            hits.observe.record((labels, size, took_ns, consumer, agent))
        else:
            hits.tell(_exchange(head, peer, now_ns, request_id, known, decision), entry)
        return known, entry, request_id, figures

    def _known(self, head: RequestHead, peer: str, intake: Intake, now_ns: int) -> KnownWay | None:
        """What is known of a head, if all that it follows from is as it was."""
        known: KnownWay | str | None = head.known_way
        stages = self._stages
        if (
            known is None
            or type(known) is not KnownWay
            # Others make exchanges that know more.
            or type(intake) is not Intake
            or (known.peer and known.peer != peer)
            or known.owner is not self
            or known.table is not stages.route.table
            or known.plans is not stages.limit.plans
        ):
            return None
        if not known.shown_key:
            return known
        credentials = stages.identify.credentials
        if credentials is None:
            return None
        try:
            consumer = credentials.consumer_for(known.shown_key, now_ns)
        except Exception:  # noqa: BLE001 - as above
            return None
        return known if consumer is known.consumer else None

    def _charged(self, known: KnownWay, plan: LimitPlan, now_ns: int) -> LimitDecision | None:
        """The decision, if the request may pass; else nothing was charged."""
        limit = self._stages.limit
        try:
            decision = limit.store.decide(plan, known.subjects, now_ns, known.route.rule.cost)
        except CountersUnavailableError:
            return None
        except Exception as error:  # noqa: BLE001 - a failing stage must not fail the request
            # A store may tell of a failure only once.
            self._stages.on_contained(limit.name, error)
            return None
        return decision if decision.allowed else None


class _Hits:
    """Hits, where there is a cache behind the gates, and requests are just counted."""

    __slots__ = ("_plain", "again", "observe")

    def __init__(self, observe: ObserveStage, cache: CacheStage) -> None:
        self.observe = observe
        self._plain = cache.plain
        self.again = cache.plain.again

    def tell(self, exchange: Exchange, entry: StoredResponse) -> None:
        """Counts a notable one as the stages would have left it."""
        exchange.verdicts.append(self._plain.hit)
        exchange.cache_result = "hit"
        exchange.stored = entry
        answer = Response(entry.status, entry.headers, entry.body, entry.ready_head)
        self.observe.answered(exchange, answer)


def _exchange(  # noqa: PLR0917 - one call a request, and keywords cost
    head: RequestHead,
    peer: str,
    now_ns: int,
    request_id: bytes,
    known: KnownWay,
    decision: LimitDecision | None,
) -> Exchange:
    """An exchange as the gates would have left it, but for the fields that tell of limits."""
    exchange = Exchange(head, peer, now_ns, request_id)
    exchange.admitted = True
    if known.client:
        exchange.client = known.client
    exchange.consumer = known.consumer
    exchange.route = known.route
    exchange.limit = decision
    exchange.verdicts += known.verdicts
    if decision is not None:
        exchange.verdicts.append(decision)
    return exchange


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
