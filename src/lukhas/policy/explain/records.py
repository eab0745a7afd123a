"""What is kept of a request, so that it can be told and decided again.

Plain values throughout. Never among them: bodies, header fields, credentials, cookies; of the query
only what a rule lets through.
"""

from dataclasses import dataclass, field

from lukhas.http.cache_control import CacheControl
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.policy.routing.best_of import BestOfFacts
from lukhas.policy.routing.priority_lane import LaneFacts
from lukhas.policy.verdicts import Fact

__all__ = (
    "RECORD_VERSION",
    "BestOfChoice",
    "CacheFacts",
    "DecisionRecord",
    "GroupFacts",
    "LimitFacts",
    "LimitTerms",
    "RouteFacts",
    "SplitFacts",
    "StageRecord",
    "StageTime",
)

RECORD_VERSION = 1


@dataclass(frozen=True, slots=True)
class StageRecord:
    """The verdict of one stage; see `Verdict`.

    Attributes:
        stage: its name.
        outcome: what it did, or in shadow mode would have done.
        reason: why.
        policy: the policy that decided; may be empty.
        mode: `enforce`, `shadow` or `off`.
        facts: the figures behind it.
    """

    stage: str
    outcome: str
    reason: str
    policy: str = ""
    mode: str = "enforce"
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long a stage took, without what lies inside it."""

    stage: str
    took_ns: int


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """A limit; see `Limit`."""

    name: str
    quota: int
    window_ns: int
    kind: str
    burst: int = 0
    period: str = "none"
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """Limits that are counted in one state.

    Attributes:
        limits: the limits.
        policies: for each, the name of its policy.
        mode: `enforce` or `shadow`.
        by: what the subject is.
        before: the state before the decision, as stores keep it.
        after: what the decision left.
    """

    limits: tuple[LimitTerms, ...]
    policies: tuple[str, ...]
    mode: str
    by: str
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """All that the limiter knew.

    Attributes:
        groups: enforced ones first.
        now_ns: the time of the decision, of the clock that counts.
        cost: what the request was to be charged.
        costs: what each group was to be charged; empty where all got `cost`.
    """

    groups: tuple[GroupFacts, ...]
    now_ns: int
    cost: int
    costs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CacheFacts:
    """What the cache knew of the stored response that a request selected.

    Attributes:
        terms: on which it may be reused.
        directives: those of the request.
        now_ns: when that was decided.
        use: what the rules said of it; see `Reuse`.
    """

    terms: ReuseTerms
    directives: CacheControl
    now_ns: int
    use: str


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """The route that was chosen; see `RouteRule`."""

    name: str
    template: str
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """Which of several upstreams was chosen, and by what.

    Attributes:
        upstreams: the names.
        weights: of each.
        place: where the caller stands, or what was drawn for it: from 0 to 1.
        chosen: the name of the one chosen.
    """

    upstreams: tuple[str, ...]
    weights: tuple[int, ...]
    place: float
    chosen: str


@dataclass(frozen=True, slots=True)
class BestOfChoice:
    """Which of several upstreams that do the same was chosen.

    Attributes:
        facts: all that it was chosen by.
        chosen: its name.
        reason: why; see `BestOfReason`.
    """

    facts: BestOfFacts
    chosen: str
    reason: str


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One request: what was decided about it, and by what facts.

    Attributes:
        request_id: as in X-Request-ID.
        time_ns: when it arrived (Unix time).
        why: why it was kept: `refused`, `failed`, `shadow`, `slow` or `sampled`.
        method: of the request.
        host: of the request.
        path: of the request, percent-encoded.
        query: what may be told of it.
        status: of the response.
        took_ns: to the end of the response.
        tier: of the consumer; empty if unknown.
        consumer: who called, as counted; never a credential.
        upstream: where it went, or would have gone.
        cache_result: hit, stale, miss, bypass ...; may be empty.
        strategy: the strategy in effect.
        stages: what the stages decided, in order.
        times: how long the stages took, where that was measured.
        route: the facts of `route`.
        limit: the facts of `limit`.
        cache: the facts of `cache`.
        split: the facts of `split`.
        best_of: the choice among upstreams that do the same.
        lane: what the priority lane did at the last choice of a server.
        trace_id: of the trace that it belongs to; empty if that is not known.
        version: of this form.
    """

    request_id: str
    time_ns: int
    why: str
    method: str
    host: str
    path: str
    query: str
    status: int
    took_ns: int
    tier: str = ""
    consumer: str = ""
    upstream: str = ""
    cache_result: str = ""
    strategy: str = ""
    stages: tuple[StageRecord, ...] = ()
    times: tuple[StageTime, ...] = ()
    route: RouteFacts | None = None
    limit: LimitFacts | None = None
    cache: CacheFacts | None = None
    split: SplitFacts | None = None
    best_of: BestOfChoice | None = None
    lane: LaneFacts | None = None
    trace_id: str = ""
    version: int = field(default=RECORD_VERSION)
