"""What is known of a head that came before, and the exchange that follows from it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from lukhas.http.headers import HeaderPairs
from lukhas.http.messages import RequestHead
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.cache_plain import Onward, SeenHit
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.keys import CacheKey
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.held_ring import HeldRing, Taken
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.policy.routing.routes import RouteMatch
from lukhas.telemetry.recorder import Sample, SampleLabels

if TYPE_CHECKING:
    from lukhas.policy.verdicts import Reasoned

__all__ = ("Charge", "Charged", "KnownWay", "Passage", "exchange_of")

Charged: TypeAlias = Taken | tuple[LimitDecision, int, tuple[int, ...], bool]
"""What was taken of a state that is held; or likewise by a decision of the store."""

Charge: TypeAlias = Callable[[int, int], Charged | None]
"""Charges limits at a time a cost of at least 1; gives None where it does not, for any reason."""


@dataclass(slots=True)
class Passage:
    """How the last request with a head went on to the handler, and what came back; a memo.

    Attributes:
        observe: counts requests.
        onward: how it passed the cache.
        key: what the cache found nothing for; None where the cache has nothing to do with it.
        until_ns: until when the cache knows that there is nothing to share.
        ticket: from before that request went to the handler; 0 where the cache drew none.
        status: that of the answer.
        fields: those of the answer, as the handler gave them.
        names: their names.
        length_at: which of them is Content-Length.
        body_bytes: what that says.
        added: the fields that the cache added.
        verdicts: what the cache said.
        labels: those of its sample.
        consumer: who asked, for the sample.
        agent: with what, likewise.
    """

    observe: ObserveStage
    onward: Onward
    key: CacheKey | None
    until_ns: int
    ticket: int
    status: int
    fields: HeaderPairs
    names: list[bytes]
    length_at: int
    body_bytes: int
    added: HeaderPairs
    verdicts: "tuple[Reasoned, ...]"
    labels: SampleLabels
    consumer: str
    agent: bytes


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
        kept_id: the request id that the client sent; empty for none.
        is_told: whether the client is told about its limits.
        cost: what a request is charged.
        held: the state of the limits, where the store lets it be held.
        charge: charges the limits; that of `held` if there is one.
        seen: what the cache found; None where it gave no answer.
        passage: how a request went on to the handler; None where that is not known.
        limit_lines: RateLimit-Policy and RateLimit of a hit as lines of HTTP/1.1, with `%d` for
            each figure; empty where the client is told nothing.
        sampled: the sample of the first hit; all but its duration is that of the next ones.
        sent: the fields of the entry as a way in sends them; for that to fill.
        told: the fields of a hit that `told_lines` were made of.
        told_lines: the same as lines of HTTP/1.1.
    """

    owner: object
    table: object
    plans: object
    peer: str
    client: str
    shown_key: bytes
    consumer: Consumer
    route: RouteMatch
    verdicts: "tuple[Reasoned, ...]"
    plan: LimitPlan | None
    kept_id: bytes
    is_told: bool
    cost: int
    held: HeldRing | None
    charge: Charge
    seen: SeenHit | None = field(default=None, init=False)
    passage: Passage | None = field(default=None, init=False)
    limit_lines: bytes = field(default=b"", init=False)
    sampled: Sample = field(init=False)
    sent: HeaderPairs | None = field(default=None, init=False)
    told: object = field(default=None, init=False)
    told_lines: bytes = field(default=b"", init=False)


def exchange_of(  # noqa: PLR0917 - one call a request, and keywords cost
    head: RequestHead,
    peer: str,
    now_ns: int,
    request_id: bytes,
    known: KnownWay,
    charged: Charged,
) -> Exchange:
    """An exchange as the gates would have left it."""
    exchange = Exchange(head, peer, now_ns, request_id)
    exchange.admitted = True
    if known.client:
        exchange.client = known.client
    exchange.consumer = known.consumer
    exchange.route = known.route
    exchange.verdicts += known.verdicts
    plan = known.plan
    if plan is not None:
        exchange.limit = decision = _decision(plan, known, now_ns, charged)
        exchange.verdicts.append(decision)
        if known.is_told:
            exchange.added += (plan.policy_pair, (b"ratelimit", decision.limit_field()))
    return exchange


def _decision(plan: LimitPlan, known: KnownWay, now_ns: int, charged: Charged) -> LimitDecision:
    by, pending, _figures, _is_near = charged
    if isinstance(by, LimitDecision):
        return by
    left = by if known.held is None else known.held.left(by, pending)
    return LimitDecision(plan, (left,), now_ns, known.cost)
