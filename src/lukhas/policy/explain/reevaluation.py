"""Decides again, from nothing but a record, what was decided."""

from dataclasses import dataclass

from lukhas.policy.balancing.splits import chosen_share
from lukhas.policy.caching.lookup import reuse
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.explain.limit_facts import decided_again
from lukhas.policy.explain.records import (
    BestOfChoice,
    CacheFacts,
    DecisionRecord,
    LimitFacts,
    RouteFacts,
    SplitFacts,
    StageRecord,
)
from lukhas.policy.modes import Mode
from lukhas.policy.routing.best_of import choose_upstream
from lukhas.policy.routing.priority_lane import LaneFacts, lane_target
from lukhas.policy.routing.routes import RouteRule, RouteTable
from lukhas.policy.verdicts import Verdict

__all__ = ("Reevaluated", "reevaluate", "stage_record")

_ELSE = "\0"


@dataclass(frozen=True, slots=True)
class Reevaluated:
    """One decision, as it was and as it comes out again.

    Attributes:
        stage: whose.
        recorded: what was decided, in words and figures.
        evaluated: what the policy decides from the recorded facts.
    """

    stage: str
    recorded: str
    evaluated: str

    @property
    def same(self) -> bool:
        """Whether both are the same."""
        return self.recorded == self.evaluated


def reevaluate(record: DecisionRecord) -> tuple[Reevaluated, ...]:
    """Decides again about every stage whose facts are in the record.

    Other stages are told, and not decided again: what they go by is not recorded, as credentials.
    """
    found: list[Reevaluated] = []
    if record.route is not None:
        found.append(_route(record, record.route))
    if record.split is not None:
        found.append(_split(record.split))
    if record.best_of is not None:
        found.append(_best_of(record.best_of))
    if record.lane is not None:
        found.append(_lane(record.lane))
    if record.limit is not None:
        found.append(_limit(record, record.limit))
    if record.cache is not None:
        found.append(_cache(record.cache))
    return tuple(found)


def stage_record(verdict: Verdict) -> StageRecord:
    """A verdict, as it is recorded."""
    return StageRecord(
        verdict.stage,
        verdict.outcome.value,
        verdict.reason,
        verdict.policy,
        verdict.mode.value,
        verdict.facts,
    )


def _route(record: DecisionRecord, facts: RouteFacts) -> Reevaluated:
    policy = CachePolicy(name="", mode=Mode.OFF)
    rule = RouteRule(
        facts.name,
        facts.template,
        policy,
        hosts=frozenset(host.encode() for host in facts.hosts),
        methods=frozenset(facts.methods),
    )
    is_default = facts.template == "*" and not facts.hosts and not facts.methods
    rules = () if is_default else (rule,)
    table = RouteTable(rules, default=rule if is_default else RouteRule(_ELSE, "*", policy))
    match = table.match(record.method, record.host.encode(), record.path.encode())
    name = match.rule.name
    return Reevaluated("route", facts.name, "no match" if name == _ELSE else name)


def _split(facts: SplitFacts) -> Reevaluated:
    chosen = facts.upstreams[chosen_share(facts.weights, facts.place)]
    return Reevaluated("split", facts.chosen, chosen)


def _best_of(choice: BestOfChoice) -> Reevaluated:
    index, reason = choose_upstream(choice.facts)
    chosen = choice.facts.upstreams[index].name
    recorded = f"{choice.chosen}: {choice.reason}"
    return Reevaluated("best_of", recorded, f"{chosen}: {reason.value}")


def _lane(facts: LaneFacts) -> Reevaluated:
    index = lane_target(facts.costs_ns, facts.first, facts.most_times)
    return Reevaluated("lane", facts.targets[facts.chosen], facts.targets[index])


def _limit(record: DecisionRecord, facts: LimitFacts) -> Reevaluated:
    recorded = next((stage for stage in record.stages if stage.stage == "limit"), None)
    evaluated = stage_record(decided_again(facts).verdict())
    return Reevaluated("limit", _words(recorded), _words(evaluated))


def _cache(facts: CacheFacts) -> Reevaluated:
    use = reuse(facts.terms, facts.directives, now_ns=facts.now_ns)
    return Reevaluated("cache", facts.use, use.value)


def _words(stage: StageRecord | None) -> str:
    if stage is None:
        return "nothing"
    figures = ", ".join(f"{name} {value}" for name, value in stage.facts)
    policy = f" by {stage.policy}" if stage.policy else ""
    return f"{stage.outcome}{policy} ({stage.mode}): {stage.reason}; {figures}"
