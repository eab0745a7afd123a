"""Hits for requests that came before: the stages repeat what they found, and look at what may move.

A client that asks again for the same thing sends the same head, and the ways in know such heads.
Which route it is on, whose key it holds, which limits apply and which stored response is selected
follow from the head, the caller and the settings, so a request that was answered from the cache at
a glance is answered again without an exchange. What moves is asked each time: whether the key is
still accepted, whether the entry is still stored and fresh, and the counters.

Whatever is not exactly as it was goes the usual way, which finds it out anew.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from lukhas.errors import CountersUnavailableError
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

if TYPE_CHECKING:
    from lukhas.policy.verdicts import Reasoned

__all__ = ("HitStages", "KnownHit", "KnownHits", "RepeatedHit")


# The memo of a head that was a hit once.
_ONCE: Final = "once"


@dataclass(slots=True)
class KnownHit:
    """What the stages found when they answered a head from the cache; a memo of that head.

    It holds neither the exchange nor the entry, so that nothing stays in memory for it.

    Attributes:
        owner: whose stages found it.
        table: the routes it was found with; like the plans of limits compared by identity, since
            both are replaced while everything runs.
        plans: the plans.
        peer: where the request came from.
        client: the client behind trusted proxies.
        shown_key: the API key that it was identified by; empty for none.
        consumer: who called.
        route: the route.
        verdicts: what the stages said, with None for the decision about the limits.
        plan: the limits; None where none apply.
        subjects: whom they count for.
        seen: what the cache found.
        kept_id: the request id that the client sent; empty for none.
        limit_lines: RateLimit-Policy and RateLimit as lines of HTTP/1.1, with `%d` for each figure;
            empty where the client is told nothing.
        labels: the first six values of a sample.
        places: its last five.
        told: the fields of a hit that `told_lines` were made of.
        told_lines: the same as lines of HTTP/1.1.
    """

    owner: "KnownHits"
    table: object
    plans: object
    peer: str
    client: str
    shown_key: bytes
    consumer: Consumer
    route: RouteMatch
    verdicts: "tuple[Reasoned | None, ...]"
    plan: LimitPlan | None
    subjects: tuple[str, ...]
    seen: SeenHit
    kept_id: bytes
    limit_lines: bytes
    labels: tuple[str, str, int, str, str, int]
    places: tuple[str, str, str, str, bytes]
    told: object = field(default=None, init=False)
    told_lines: bytes = field(default=b"", init=False)


RepeatedHit: TypeAlias = tuple[KnownHit, StoredResponse, bytes, tuple[int, ...]]
"""What was known, the entry, the request id, and the figures of the limits (empty for none)."""


@dataclass(frozen=True, slots=True)
class HitStages:
    """The stages that a plain hit passes, where there are no others.

    Attributes:
        observe: counts it.
        route: finds the route.
        identify: finds who calls.
        limit: counts against limits, in memory or in a file.
        cache: answers.
        on_contained: told the name of a failed stage and what it raised.
    """

    observe: ObserveStage
    route: RouteStage
    identify: IdentifyStage
    limit: LimitStage
    cache: CacheStage
    on_contained: Callable[[str, Exception], None]


class KnownHits:
    """Answers heads that were answered from the cache before.

    Args:
        stages: what a hit passes.
    """

    __slots__ = ("_again", "_observe", "_record", "_stages")

    def __init__(self, stages: HitStages) -> None:
        self._stages = stages
        self._again = stages.cache.plain.again
        self._observe = stages.observe
        self._record = stages.observe.record

    def learn(self, exchange: Exchange, response: Response) -> None:
        """Keeps how a head was answered the second time, if that was a plain hit.

        Args:
            exchange: what the stages left.
            response: the answer.
        """
        head = exchange.head
        consumer, route = exchange.consumer, exchange.route
        if exchange.cache_result != "hit" or head.method != "GET" or response.ready_head is None:
            return
        if head.known_hit is None:
            # Most heads come once.
            head.known_hit = _ONCE
            return
        if consumer is None or route is None or not hasattr(exchange, "stored"):
            return
        if response.taps is not None or response.on_close is not None:
            return
        stages = self._stages
        limit = stages.limit
        shown_key = stages.identify.shown_key(exchange)
        if shown_key is None or not _is_plain(limit, exchange.limit):
            return
        plan = None if exchange.limit is None else exchange.limit.plan
        size = len(exchange.stored.body)
        sample = sample_of(exchange, response.status, size, 0, PASSED)
        head.known_hit = KnownHit(
            self,
            stages.route.table,
            limit.plans,
            exchange.peer,
            exchange.client,
            shown_key,
            consumer,
            route,
            tuple([None if each is exchange.limit else each for each in exchange.verdicts]),
            plan,
            (consumer.key,),
            SeenHit(exchange.stored),
            _kept_id(exchange),
            b"" if plan is None or not limit.fields.standard else _limit_lines(plan),
            sample[:6],
            sample[7:],
        )

    def answer(self, head: RequestHead, peer: str, intake: Intake) -> RepeatedHit | None:
        """The answer to a request that is like one before; it was counted already.

        Args:
            head: one that was known; the request has no body.
            peer: the address of the other end of the connection.
            intake: gives the time, and an id.

        Returns:
            None where anything is not as it was: then nothing has happened, and the request goes
            the usual way.
        """
        known = head.known_hit
        stages = self._stages
        if (
            known is None
            or known is _ONCE
            # Others make exchanges that know more.
            or type(intake) is not Intake
            or known.peer != peer
            or known.owner is not self
            or known.table is not stages.route.table
            or known.plans is not stages.limit.plans
        ):
            return None
        now_ns = intake.now_ns()
        entry = self._entry(known, now_ns)
        if entry is None:
            return None
        plan = known.plan
        decision = None
        figures: tuple[int, ...] = ()
        if plan is not None:
            decision = self._charged(known, plan, now_ns)
            if decision is None:
                return None
            figures = decision.figures
        request_id = known.kept_id or intake.new_id()
        took_ns = intake.now_ns() - now_ns
        if took_ns >= self._observe.slow_ns or (plan is not None and plan.is_near(figures)):
            exchange = Exchange(head, peer, now_ns, request_id)
            self._tell(exchange, known, entry, decision)
        else:
            self._record((*known.labels, took_ns, *known.places))
        return known, entry, request_id, figures

    def _entry(self, known: KnownHit, now_ns: int) -> StoredResponse | None:
        """The stored response, if the caller is still who it was, and gets the same again."""
        try:
            if known.shown_key:
                credentials = self._stages.identify.credentials
                if credentials is None:
                    return None
                if credentials.consumer_for(known.shown_key, now_ns) is not known.consumer:
                    return None
            return self._again(known.seen, now_ns)
        except Exception:  # noqa: BLE001 - the usual way meets it again, and contains it
            return None

    def _charged(self, known: KnownHit, plan: LimitPlan, now_ns: int) -> LimitDecision | None:
        """The decision, if the request may pass; else nothing was charged."""
        cost = known.route.rule.cost
        try:
            decision = self._stages.limit.store.decide(plan, known.subjects, now_ns, cost)
        except CountersUnavailableError:
            return None
        except Exception as error:  # noqa: BLE001 - a failing stage must not fail the request
            # A store may tell of a failure only once.
            self._stages.on_contained(self._stages.limit.name, error)
            return None
        return decision if decision.allowed else None

    def _tell(
        self,
        exchange: Exchange,
        known: KnownHit,
        entry: StoredResponse,
        decision: LimitDecision | None,
    ) -> None:
        """Counts what is notable, as the stages would have left it."""
        exchange.client = known.client
        exchange.consumer = known.consumer
        exchange.route = known.route
        exchange.limit = decision
        exchange.cache_result = "hit"
        exchange.stored = entry
        verdicts = (decision if each is None else each for each in known.verdicts)
        exchange.verdicts = [each for each in verdicts if each is not None]
        answer = Response(entry.status, entry.headers, entry.body, entry.ready_head)
        self._observe.answered(exchange, answer)


def _is_plain(stage: LimitStage, decision: LimitDecision | None) -> bool:
    """Whether the same request is charged the same way by one step, and needs no settling."""
    if decision is None:
        return stage.plans.is_fixed
    plan = decision.plan
    return (
        stage.plans.is_fixed
        and plan.is_simple
        and plan.by_consumer
        and plan.uniform
        and not (plan.settles or plan.is_fallback or stage.fields.legacy)
    )


def _kept_id(exchange: Exchange) -> bytes:
    """The request id, if it is the client's."""
    sent = exchange.head.headers.index().get(b"x-request-id")
    return exchange.request_id if sent == exchange.request_id else b""


def _limit_lines(plan: LimitPlan) -> bytes:
    policy = plan.policy_field.replace(b"%", b"%%")
    return b"ratelimit-policy: %b\r\nratelimit: %b\r\n" % (policy, plan.limit_template)
