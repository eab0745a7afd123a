"""Makes the decision record of a request from what the stages have left on its exchange."""

from collections.abc import Callable
from dataclasses import dataclass

from lukhas.pipeline.callers import caller_of
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.tracing import trace_of
from lukhas.policy.balancing.splits import place_of
from lukhas.policy.caching.lookup import Reuse
from lukhas.policy.caching.requests import cache_request
from lukhas.policy.explain.limit_facts import facts_of_limits
from lukhas.policy.explain.records import (
    BestOfChoice,
    CacheFacts,
    DecisionRecord,
    LimitFacts,
    RouteFacts,
    SplitFacts,
    StageTime,
)
from lukhas.policy.explain.redaction import shown_query
from lukhas.policy.explain.reevaluation import stage_record
from lukhas.policy.modes import Mode
from lukhas.policy.routing.priority_lane import LaneFacts
from lukhas.policy.verdicts import Outcome
from lukhas.units import SECOND_NS

__all__ = ("ExplainRules", "Explainer", "made_record")

_MOST_TEXT = 4096


@dataclass(frozen=True, slots=True)
class ExplainRules:
    """What is kept of which requests.

    Attributes:
        slow_ns: what takes longer is kept; 0 for none.
        records_per_second: how many are kept of each kind (refused, failed, ...) in a second.
        parameters: query parameters whose values are shown; of others there is only the name.
        strategy: the strategy in effect.
    """

    slow_ns: int = 0
    records_per_second: int = 50
    parameters: frozenset[str] = frozenset()
    strategy: str = ""


class Explainer:
    """Keeps records of requests: of refused, failed, slow and sampled ones, so many a second.

    Args:
        rules: what is kept.
        keep: takes the records; it must not block.
    """

    def __init__(self, rules: ExplainRules, keep: Callable[[DecisionRecord], None]) -> None:
        self.rules = rules
        self._keep = keep
        self._second = 0
        self._left: dict[str, int] = {}

    def note(self, exchange: Exchange, status: int, took_ns: int) -> None:
        """A request has ended that is notable by how it did: keeps it, if there is room."""
        self.keep(exchange, status, took_ns, why=_why(exchange, status))

    def keep(self, exchange: Exchange, status: int, took_ns: int, *, why: str) -> None:
        """Keeps a request for a reason, unless there were enough of these in this second."""
        second = exchange.now_ns // SECOND_NS
        if second != self._second:
            self._second = second
            self._left = {}
        left = self._left.get(why, self.rules.records_per_second)
        if left <= 0:
            return
        self._left[why] = left - 1
        self._keep(made_record(exchange, status, took_ns, why=why, rules=self.rules))


def made_record(
    exchange: Exchange, status: int, took_ns: int, *, why: str, rules: ExplainRules
) -> DecisionRecord:
    """The record of a request that has ended."""
    head = exchange.head
    consumer = exchange.consumer
    path = head.path.decode("latin-1")
    return DecisionRecord(
        request_id=exchange.request_id.decode("latin-1"),
        time_ns=exchange.now_ns,
        why=why,
        method=head.method[:32],
        host=head.authority.decode("latin-1"),
        path=path[:_MOST_TEXT],
        query=shown_query(head.query.decode("latin-1"), rules.parameters)[:_MOST_TEXT],
        status=status,
        took_ns=took_ns,
        tier="" if consumer is None else consumer.tier.value,
        consumer="" if consumer is None else consumer.key,
        upstream=exchange.upstream_name,
        cache_result=exchange.cache_result,
        strategy=rules.strategy,
        stages=tuple(stage_record(reasoned.verdict()) for reasoned in exchange.verdicts),
        times=tuple(StageTime(stay.stage, stay.took_ns) for stay in getattr(exchange, "times", ())),
        route=_route(exchange) if len(path) <= _MOST_TEXT else None,
        limit=_limit(exchange),
        cache=_cache(exchange),
        split=_split(exchange),
        best_of=_best_of(exchange),
        lane=_lane(exchange),
        trace_id=_trace_id(exchange),
    )


def _why(exchange: Exchange, status: int) -> str:
    limit = exchange.limit
    if limit is not None and not limit.allowed:
        return "refused"
    for reasoned in exchange.verdicts:
        verdict = reasoned.verdict()
        if verdict.outcome is Outcome.REFUSED and verdict.mode is Mode.ENFORCE:
            return "refused"
    if status >= 500:
        return "failed"
    if status >= 400:
        return "client-error"
    return "shadow" if limit is not None and limit.shadow_violations else "slow"


def _trace_id(exchange: Exchange) -> str:
    trace = trace_of(exchange)
    return "" if trace is None else trace.trace_id.decode("ascii")


def _route(exchange: Exchange) -> RouteFacts | None:
    if exchange.route is None:
        return None
    rule = exchange.route.rule
    hosts = tuple(sorted(host.decode("latin-1") for host in rule.hosts))
    return RouteFacts(rule.name, rule.template, hosts, tuple(sorted(rule.methods)))


def _limit(exchange: Exchange) -> LimitFacts | None:
    return None if exchange.limit is None else facts_of_limits(exchange.limit)


def _cache(exchange: Exchange) -> CacheFacts | None:
    route = exchange.route
    if route is None:
        return None
    request = cache_request(exchange.head, exchange.consumer, route.rule.cache)
    if hasattr(exchange, "stored"):
        # What is answered at a glance was fresh at the time of the request.
        return CacheFacts(
            exchange.stored.terms, request.directives, exchange.now_ns, Reuse.FRESH.value
        )
    if not hasattr(exchange, "reused"):
        return None
    terms, use, now_ns = exchange.reused
    return CacheFacts(terms, request.directives, now_ns, use.value)


def _split(exchange: Exchange) -> SplitFacts | None:
    split = exchange.route.rule.split if exchange.route is not None else None
    if split is None or not hasattr(exchange, "drawn"):
        return None
    if exchange.upstream not in split.upstreams:
        # Another one stood in for the one that was chosen.
        return None
    caller = caller_of(split.by)(exchange)
    place = place_of(split.name, caller) if caller else exchange.drawn
    return SplitFacts(split.upstreams, split.weights, place, exchange.upstream)


def _best_of(exchange: Exchange) -> BestOfChoice | None:
    if not hasattr(exchange, "best_of"):
        return None
    chosen = exchange.best_of
    return BestOfChoice(chosen.facts, chosen.name, chosen.reason.value)


def _lane(exchange: Exchange) -> LaneFacts | None:
    for reasoned in reversed(exchange.verdicts):
        if isinstance(reasoned, LaneFacts):
            return reasoned
    return None
