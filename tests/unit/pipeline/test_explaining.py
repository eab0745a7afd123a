"""Which requests are kept, how many, and what a record holds."""

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.explaining import Explainer, ExplainRules
from lukhas.pipeline.request_trace import StageStay
from lukhas.pipeline.stages.observe import ObserveStage, SampledObserveStage
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.explain.records import DecisionRecord
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from lukhas.policy.routing.splitting import Split
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.telemetry.recorder import Recorder
from lukhas.testing.clock import ManualClock
from lukhas.units import MILLISECOND_NS
from tests.unit.pipeline.stages.test_observe import decision

RULES = ExplainRules(slow_ns=100 * MILLISECOND_NS, records_per_second=3, strategy="balanced")


class Kept:
    """An observe stage, its clock, and the records that were kept."""

    def __init__(self, *, sampled: bool = False) -> None:
        self.clock = ManualClock()
        self.records: list[DecisionRecord] = []
        explainer = Explainer(RULES, self.records.append)
        recorder = Recorder()
        self.stage: ObserveStage
        if sampled:
            self.stage = SampledObserveStage(recorder, self.clock, explain=explainer)
        else:
            self.stage = ObserveStage(recorder, self.clock, explain=explainer)

    def exchange(self, path: bytes = b"/a", query: bytes = b"") -> Exchange:
        head = RequestHead("GET", "http", b"api.test", path, query, Headers([]))
        found = Exchange(head, "192.0.2.1", self.clock.now_ns(), b"id-1")
        found.route = RouteMatch(RouteRule("default", "*", CachePolicy()))
        return found

    def answered(self, exchange: Exchange, status: int, *, took_ms: int = 0) -> None:
        self.clock.advance(ns=took_ms * MILLISECOND_NS)
        self.stage.answered(exchange, Response(status, Headers([]), b""))


@pytest.mark.parametrize(
    ("status", "took_ms", "why"),
    [(200, 99, []), (200, 100, ["slow"]), (404, 0, ["client-error"]), (502, 0, ["failed"])],
)
def test_what_simply_passes_is_not_kept(status: int, took_ms: int, why: list[str]) -> None:
    """Errors are, and what was slow."""
    kept = Kept()
    kept.answered(kept.exchange(), status, took_ms=took_ms)
    assert [record.why for record in kept.records] == why


@pytest.mark.parametrize(
    ("mode", "why"), [(Mode.ENFORCE, "refused"), (Mode.SHADOW, "client-error")]
)
def test_a_refusal_is_one_of_a_policy_that_is_enforced(mode: Mode, why: str) -> None:
    """In shadow mode the answer was not its own."""
    kept = Kept()
    exchange = kept.exchange()
    exchange.verdicts.append(Verdict("identify", Outcome.REFUSED, "no key", mode=mode))
    kept.answered(exchange, 401)
    assert [record.why for record in kept.records] == [why]


def test_limits_refuse_and_would_refuse() -> None:
    """Both are kept, also where the answer of the latter was good."""
    kept = Kept()
    refused, shadow = kept.exchange(), kept.exchange()
    refused.limit = decision(refuses="p")
    shadow.limit = decision(shadow="p")
    kept.answered(refused, 429)
    kept.answered(shadow, 200)
    assert [record.why for record in kept.records] == ["refused", "shadow"]


def test_so_many_of_each_kind_in_a_second() -> None:
    """A flood of one kind leaves room for others, and the next second is a new one."""
    kept = Kept()
    for status in (404, 404, 404, 404, 502):
        kept.answered(kept.exchange(), status)
    assert [record.status for record in kept.records] == [404, 404, 404, 502]
    kept.clock.advance(seconds=1)
    kept.answered(kept.exchange(), 404)
    assert len(kept.records) == 5


def test_a_sampled_request_is_kept_once_whatever_became_of_it() -> None:
    """With the time that each stage took; what is notable is kept as that."""
    kept = Kept(sampled=True)
    exchange = kept.exchange()
    exchange.times = [StageStay("route", 5, 0, 5)]
    kept.answered(exchange, 200)
    kept.answered(kept.exchange(), 404)
    assert [(record.why, record.status) for record in kept.records] == [
        ("sampled", 200),
        ("client-error", 404),
    ]
    assert [(time.stage, time.took_ns) for time in kept.records[0].times] == [("route", 5)]


def test_an_early_failure_leaves_a_record_too() -> None:
    """Though neither route nor consumer were found."""
    kept = Kept()
    exchange = kept.exchange()
    exchange.route = None
    kept.answered(exchange, 500)
    (record,) = kept.records
    assert (record.route, record.limit, record.cache, record.split) == (None, None, None, None)
    assert (record.tier, record.consumer, record.strategy) == ("", "", "balanced")


def test_long_texts_are_cut_and_then_not_decided_again() -> None:
    """A record has a bounded size."""
    kept = Kept()
    kept.answered(kept.exchange(b"/" + 5000 * b"a", b"&".join([b"abcdefgh="] * 1000)), 404)
    (record,) = kept.records
    assert (len(record.path), len(record.query), record.route) == (4096, 4096, None)


@pytest.mark.parametrize("key", ["key:a", ""])
def test_a_split_is_told_with_the_place_of_the_caller(key: str) -> None:
    """By what it is bound to, else by what was drawn."""
    kept = Kept()
    exchange = kept.exchange()
    split = Split("s", ("default", "canary"), (50, 50))
    exchange.route = RouteMatch(RouteRule("s", "/a", CachePolicy(), split=split))
    exchange.consumer = Consumer(key, Tier.FREE)
    exchange.drawn = 0.25
    exchange.upstream = split.choose(key.encode(), 0.25)
    kept.answered(exchange, 404)
    facts = kept.records[0].split
    assert facts is not None
    assert (facts.place == 0.25) is not bool(key)
    # Where another upstream stood in, or none was chosen, there is nothing to decide again.
    exchange.upstream = "spare"
    kept.answered(exchange, 404)
    unsplit = kept.exchange()
    unsplit.route = exchange.route
    kept.answered(unsplit, 404)
    assert [record.split for record in kept.records[1:]] == [None, None]
