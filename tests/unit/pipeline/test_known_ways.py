"""Hits for heads that came before: what is repeated, and what is looked at anew."""

import asyncio
import random
from dataclasses import dataclass, field, replace

import pytest

from lukhas.errors import CountersUnavailableError, StoreError
from lukhas.http.client_address import TrustedProxies
from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.driving import Run, Waiting, start
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.explaining import Explainer, ExplainRules
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.known_ways import KnownWays, RepeatedHit
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.short_way import ShortWay
from lukhas.pipeline.stage import Gate
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.identify import IdentifyStage, IdentitySettings
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.limit_rules import LimitFields, LimitRules
from lukhas.pipeline.stages.observe import ObserveStage, ReportedObserveStage
from lukhas.pipeline.stages.route import RouteStage
from lukhas.pipeline.tracing import TracingIntake, TracingRules
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.purges import Purge
from lukhas.policy.explain.records import DecisionRecord
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.held_ring import HeldRing
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteRule, RouteTable
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.telemetry.recorder import Recorder
from lukhas.testing.clock import ManualClock

PEER = "192.0.2.1"
PUBLIC = (b"cache-control", b"public, max-age=60")


class Keys:
    """One API key."""

    def __init__(self) -> None:
        self.consumer = Consumer("key:a", Tier.BASIC)
        self.fails = False

    def consumer_for(self, _presented: bytes, _now_ns: int) -> Consumer:
        if self.fails:
            raise StoreError("no table")
        return self.consumer


class Counters(MemoryCounters):
    """Counters that fail once with what they are given, and know how often they did not."""

    __slots__ = ("charges", "error")

    def __init__(self) -> None:
        super().__init__()
        self.charges = 0
        self.error: Exception | None = None

    def held(self, plan: LimitPlan, subjects: tuple[str, ...]) -> HeldRing | None:
        """None: each request is to be decided on here."""

    def decide(self, *args: object, **named: object) -> LimitDecision:
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.charges += 1
        return super().decide(*args, **named)  # type: ignore[arg-type]


def _slow_intake(clock: ManualClock) -> Intake:
    """Every look at the clock takes a second."""
    intake = Intake(clock, "p")

    def now_ns() -> int:
        clock.advance(seconds=1)
        return clock.now_ns()

    intake.now_ns = now_ns
    return intake


@dataclass
class Way:
    """A short way with hits, and what was told of it."""

    limits: str = "100/minute"
    fields: LimitFields = field(default_factory=LimitFields)

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.recorder = Recorder()
        self.records: list[DecisionRecord] = []
        self.contained: list[str] = []
        self.keys = Keys()
        self.counters = Counters()
        self.entries = MemoryEntryStore(1 << 20)
        self.cache = CacheStage(self.entries, self.clock, draw=lambda: 1.0)
        self.fields_sent: HeaderPairs = [PUBLIC]
        self.body = b"body"
        limits = parse_limits(self.limits, policy="all") if self.limits else ()
        self.limit = LimitStage(
            self.counters,
            LimitRules(dict.fromkeys(Tier, limits), fields=self.fields),
            clock=self.clock,
        )
        explain = Explainer(ExplainRules(slow_ns=500_000_000), self.records.append)
        table = RouteTable([], default=RouteRule("default", "*", CachePolicy()))
        self.stages = (
            ObserveStage(self.recorder, self.clock, explain=explain),
            RouteStage(table),
            IdentifyStage(IdentitySettings(), self.keys),
            self.limit,
            self.cache,
        )
        self.way = ShortWay(Pipeline(self.stages, self._contain), self._origin)
        self.intake = Intake(self.clock, "p")
        known = self.way.known
        assert known is not None
        self.known = known

    def _contain(self, stage: str, _error: Exception) -> None:
        self.contained.append(stage)

    async def _origin(self, _exchange: Exchange) -> Response:
        return Response(200, Headers(list(self.fields_sent)), self.body)

    def usual(self, head: RequestHead) -> Response:
        """The answer of the usual way, from which is learnt."""
        return _answer_of(self.way.take(self.intake.exchange(head, PEER)))

    def learnt(self, head: RequestHead) -> RequestHead:
        """The same head, after it came twice."""
        self.usual(head)
        self.usual(head)
        return head

    def again(
        self, head: RequestHead, intake: Intake | None = None, *, peer: str = PEER
    ) -> RepeatedHit | None:
        """The answer, if it is repeated."""
        taken = self.known.take(head, peer, intake or self.intake)
        return taken if isinstance(taken, tuple) else None

    def admitted(self, head: RequestHead, *, peer: str = PEER) -> Exchange | None:
        """The exchange, if the request passes the gates at once; nothing is stored then."""
        self.entries.purge(Purge())
        taken = self.known.take(head, peer, self.intake)
        assert taken is None or isinstance(taken, Exchange)
        return taken


def _answer_of(taken: Response | Run) -> Response:
    step = taken if isinstance(taken, Response) else start(taken)
    assert isinstance(step, Response)
    return step


def _head(*fields: tuple[bytes, bytes], method: str = "GET", path: bytes = b"/") -> RequestHead:
    return RequestHead(method, "http", b"a.test", path, b"", Headers(list(fields)))


KEY = (b"x-api-key", b"lk_a")


@pytest.mark.parametrize("fields", [(), (KEY,), ((b"authorization", b"Bearer lk_a"),)])
def test_what_was_a_hit_is_one_again(fields: HeaderPairs) -> None:
    way = Way()
    head = way.learnt(_head(*fields))
    repeated = way.again(head)
    assert repeated is not None
    known, entry, request_id, figures = repeated
    assert (entry.body, request_id, figures) == (b"body", b"p-3", (97, 62))
    assert known.limit_lines % figures == (
        b'ratelimit-policy: "all-minute";q=100;w=60\r\nratelimit: "all-minute";r=97;t=62\r\n'
    )
    assert [name for name, _value in entry.told_fields] == [b"age", b"cache-status"]
    counted = way.recorder.snapshot().requests
    tier = "basic" if fields else "free"
    assert counted == {("*", "GET", "2xx", tier, "miss"): 1, ("*", "GET", "2xx", tier, "hit"): 2}


def test_where_nothing_limits_no_fields_tell_of_it() -> None:
    way = Way(limits="")
    repeated = way.again(way.learnt(_head()))
    assert repeated is not None
    assert (repeated[0].limit_lines, repeated[3]) == (b"", ())


def test_the_id_of_the_client_is_kept() -> None:
    way = Way()
    repeated = way.again(way.learnt(_head((b"x-request-id", b"mine"))))
    assert repeated is not None
    assert repeated[2] == b"mine"


def test_a_head_that_came_once_is_not_kept() -> None:
    way = Way()
    way.usual(_head())
    head = _head()
    assert way.usual(head).ready_head is not None
    assert way.again(head) is None
    way.usual(head)
    assert way.again(head) is not None


def test_where_exchanges_know_more_the_usual_way_makes_them() -> None:
    way = Way()
    intake = TracingIntake(way.clock, "p", TracingRules(), random.getrandbits)
    assert way.again(way.learnt(_head()), intake) is None


def test_an_answer_that_holds_something_is_not_learnt() -> None:
    way = Way()
    head = way.learnt(_head())
    exchange = way.intake.exchange(head, PEER)
    response = way.way.take(exchange)
    assert isinstance(response, Response)
    head.known_way.seen = None
    response.taps = []
    way.known.learn_hit(exchange, response)
    assert way.again(head) is None


@pytest.mark.parametrize(
    "fields",
    [
        ((b"authorization", b"Basic YTpi"),),
        ((b"authorization", b"Bearer other"),),
        (KEY, KEY),
        ((b"range", b"bytes=0-1"),),
        ((b"if-none-match", b'"a"'),),
    ],
)
def test_what_takes_more_than_a_glance_is_not_learnt(fields: HeaderPairs) -> None:
    way = Way()
    assert way.again(way.learnt(_head(*fields))) is None


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_other_methods_are_not_learnt(method: str) -> None:
    way = Way()
    way.learnt(_head())
    assert way.again(way.learnt(_head(method=method))) is None


def test_legacy_fields_go_the_usual_way() -> None:
    way = Way(fields=LimitFields(legacy=True))
    assert way.again(way.learnt(_head())) is None


def test_another_asserted_consumer_goes_the_usual_way() -> None:
    way = Way()
    head = _head()
    way.usual(head)
    (way.entries.get(head.looked_up[2]) or ())[0].settle()  # type: ignore[index,arg-type]
    for _ in range(2):
        exchange = way.intake.exchange(head, PEER, asserted=Consumer("user:a", Tier.FREE))
        assert isinstance(way.way.take(exchange), Response)
    assert way.again(head) is None


def test_what_was_stored_for_an_asserted_consumer_is_not_repeated_for_others() -> None:
    """Both send the same head from the same address, and only one has shown a certificate."""
    way = Way()
    head = _head()
    way.usual(head)
    way.usual(head)
    way.entries.purge(Purge())
    way.body = b"of a tenant"
    tenant = Consumer("cert:a", Tier.BASIC, tenant="a")
    for _ in range(3):
        taken = way.way.take(way.intake.exchange(head, PEER, asserted=tenant))
        assert _answer_of(taken).body == b"of a tenant"
    way.body = b"of anybody"
    assert way.again(head) is None
    assert way.usual(head).body == b"of anybody"


def test_another_way_does_not_use_what_this_one_found() -> None:
    way, other = Way(), Way()
    head = way.learnt(_head())
    assert other.again(head) is None


def test_a_key_that_is_another_consumer_now_is_not_taken_for_the_first() -> None:
    way = Way()
    head = way.learnt(_head(KEY))
    way.keys.consumer = Consumer("key:b", Tier.BASIC)
    assert way.again(head) is None


def test_a_key_that_cannot_be_checked_goes_the_usual_way() -> None:
    way = Way()
    head = way.learnt(_head(KEY))
    way.keys.fails = True
    assert way.again(head) is None
    identify = way.stages[2]
    assert isinstance(identify, IdentifyStage)
    identify.check_with(None)
    assert way.again(head) is None


def test_what_is_stored_in_its_place_is_looked_at_anew() -> None:
    """The new response varies by what the request does not have."""
    way = Way()
    head = way.learnt(_head())
    way.entries.purge(Purge())
    assert way.again(head) is None
    way.fields_sent = [PUBLIC, (b"vary", b"accept")]
    way.usual(_head((b"accept", b"text/html")))
    assert way.again(head) is None


def test_of_several_variants_one_that_does_not_vary_is_not_sure() -> None:
    way = Way()
    way.fields_sent = [PUBLIC, (b"vary", b"accept")]
    way.usual(_head((b"accept", b"text/html")))
    way.fields_sent = [PUBLIC]
    head = _head()
    way.usual(head)
    assert len(way.entries.get(head.looked_up[2]) or ()) == 2  # type: ignore[index,arg-type]
    assert way.again(way.learnt(head)) is None


def test_what_is_no_longer_fresh_goes_the_usual_way() -> None:
    way = Way()
    head = way.learnt(_head())
    way.clock.advance(seconds=59)
    repeated = way.again(head)
    assert repeated is not None
    assert repeated[1].told_fields[0] == (b"age", b"59")
    way.clock.advance(seconds=1)
    assert way.again(head) is None


def test_a_quarantine_holds_at_once() -> None:
    way = Way()
    head = way.learnt(_head())
    way.cache.guard.quarantined["default", b"/"] = "leaks"
    assert way.again(head) is None


def test_a_watched_entry_is_repeated_for_whom_it_was_made_until_callers_differ() -> None:
    way = Way()
    head = way.learnt(_head(KEY))
    entry = (way.entries.get(head.looked_up[2]) or ())[0]  # type: ignore[index,arg-type]
    assert entry.watched
    assert way.again(head) is not None
    way.cache.guard.suspects.add(entry.guard_key)
    assert way.again(head) is None
    way.cache.guard.suspects.clear()
    entry.settle()
    assert way.again(head) is None
    assert way.again(way.learnt(head)) is not None
    entry.watch()
    assert way.again(head) is None


def test_a_refused_request_is_charged_nothing_and_refused_by_the_usual_way() -> None:
    way = Way(limits="3/minute")
    head = way.learnt(_head())
    assert way.again(head) is not None
    assert way.again(head) is None
    assert way.usual(head).status == 429
    assert way.recorder.snapshot().near == {("tier-free", "free"): 1}


def test_a_failure_of_the_counters_is_told() -> None:
    way = Way()
    head = way.learnt(_head())
    way.counters.error = StoreError("full")
    assert way.again(head) is None
    assert way.contained == ["limit"]
    way.counters.error = CountersUnavailableError("all")
    assert way.again(head) is None
    assert way.contained == ["limit"]


def test_a_failure_of_the_cache_goes_the_usual_way(monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way()
    head = way.learnt(_head())

    def fail(_entry: object) -> None:
        raise OSError("broken")

    monkeypatch.setattr(way.cache.plain, "_touch", fail)
    assert way.again(head) is None


def test_a_slow_one_is_explained_as_the_usual_way_would() -> None:
    way = Way()
    head = way.learnt(_head(KEY))
    assert way.again(head, _slow_intake(way.clock)) is not None
    record = way.records[0]
    assert (record.why, record.consumer, record.cache_result) == ("slow", "key:a", "hit")
    assert [stage.stage for stage in record.stages] == ["route", "identify", "limit", "cache"]
    assert record.limit is not None
    assert record.cache is not None
    assert record.route is not None


def _left(exchange: Exchange | None) -> dict[str, object]:
    """What the gates have left on an exchange."""
    assert exchange is not None
    limit = exchange.limit
    return {
        "client": exchange.client,
        "consumer": exchange.consumer,
        "route": exchange.route,
        "figures": None if limit is None else limit.figures,
        "verdicts": [each.verdict() for each in exchange.verdicts],
        "added": exchange.added,
        "id": exchange.request_id,
        "now": exchange.now_ns,
    }


@pytest.mark.parametrize("limits", ["", "100/minute", "5/second; 100/hour; 200/day"])
@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("fields", [(), (KEY,), ((b"x-request-id", b"mine"),)])
def test_the_gates_leave_what_they_would_leave(
    limits: str, fields: HeaderPairs, *, is_told: bool
) -> None:
    usual, way = (Way(limits, LimitFields(standard=is_told)) for _ in range(2))
    head, same = way.learnt(_head(*fields)), usual.learnt(_head(*fields))
    expected = usual.intake.exchange(same, PEER)
    for stage in usual.stages[1:4]:
        assert isinstance(stage, Gate)
        assert stage.enter(expected) is None
    admitted = way.admitted(head)
    assert _left(admitted) == _left(expected)
    assert admitted is not None
    assert admitted.admitted
    # It is not charged twice.
    charges = way.counters.charges
    _answer_of(way.way.take(admitted))
    assert way.counters.charges == charges


def test_what_was_never_seen_is_not_admitted() -> None:
    way = Way()
    assert way.admitted(_head()) is None


def test_nobody_is_admitted_with_a_key_that_is_taken_back() -> None:
    way = Way()
    head = way.learnt(_head(KEY))
    way.keys.consumer = Consumer("key:b", Tier.BASIC)
    assert way.admitted(head) is None


def test_what_a_limit_refuses_is_not_admitted() -> None:
    way = Way(limits="2/minute")
    head = way.learnt(_head())
    assert way.admitted(head) is None


def test_a_head_of_several_callers_without_a_key_is_of_no_use() -> None:
    way = Way()
    head = way.learnt(_head())
    assert way.again(head, peer="192.0.2.9") is None
    way.way.take(way.intake.exchange(head, "192.0.2.9"))
    for peer in (PEER, "192.0.2.9"):
        way.way.take(way.intake.exchange(head, peer))
        assert way.again(head, peer=peer) is None


def test_a_key_is_the_same_wherever_it_comes_from() -> None:
    way = Way()
    head = way.learnt(_head(KEY))
    exchange = way.admitted(head, peer="192.0.2.9")
    assert exchange is not None
    assert exchange.client == "192.0.2.9"


@pytest.mark.parametrize("what", ["proxies", "addresses"])
def test_a_key_is_not_the_same_where_addresses_are_looked_at(what: str) -> None:
    way = Way()
    if what == "proxies":
        trusted = IdentitySettings(trusted=TrustedProxies((PEER,)))
        stages = (*way.stages[:2], IdentifyStage(trusted, way.keys), *way.stages[3:])
        way.way = ShortWay(Pipeline(stages, way._contain), way._origin)
        assert way.way.known is not None
        way.known = way.way.known
    else:
        exempt = TrustedProxies(("198.51.100.0/24",))
        way.limit.rules = replace(way.limit.rules, exempt_addresses=exempt)
    head = way.learnt(_head(KEY, (b"x-forwarded-for", b"198.51.100.7")))
    assert way.admitted(head, peer="192.0.2.9") is None
    exchange = way.admitted(head)
    assert exchange is not None
    assert exchange.client == ("198.51.100.7" if what == "proxies" else PEER)


class Door(Gate):
    name = "door"

    def enter(self, _exchange: Exchange) -> None:
        return None


def test_there_are_none_where_stages_do_more() -> None:
    way = Way()

    def known(*stages: object) -> KnownWays | None:
        pipeline = Pipeline(stages, way._contain)  # type: ignore[arg-type]
        return ShortWay(pipeline, way._origin).known

    observe, route, identify, limit, cache = way.stages
    assert known(*way.stages) is not None
    assert known(observe, route, identify, Door(), limit, cache) is None
    assert known(observe, route, limit, identify, cache) is None


def test_hits_are_answered_only_where_the_stage_around_them_just_counts() -> None:
    """And admitted all the same."""
    way = Way()
    reported = ReportedObserveStage(way.recorder, way.clock, reports=())
    for outer in ((reported,), ()):
        way.way = ShortWay(Pipeline((*outer, *way.stages[1:]), way._contain), way._origin)
        assert way.way.known is not None
        way.known = way.way.known
        head = way.learnt(_head())
        assert way.again(head) is None
        assert way.admitted(head) is not None


def test_there_are_none_any_more_behind_a_gate_that_waits() -> None:
    way = Way()

    async def waits() -> None:
        await asyncio.sleep(0)

    limit = way.limit
    limit.enter = lambda _exchange: waits()  # type: ignore[method-assign,assignment]
    way.way = ShortWay(Pipeline(way.stages, way._contain), way._origin)
    assert way.way.known is not None
    run = way.way.take(way.intake.exchange(_head(), PEER))
    assert not isinstance(run, Response)
    assert isinstance(start(run), Waiting)
    run.close()
    assert way.way.known is None
