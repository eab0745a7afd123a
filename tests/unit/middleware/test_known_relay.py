"""Requests that pass without an exchange while something changes around them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lukhas.middleware.asgi import OptimizerMiddleware
from lukhas.middleware.marks import EXCHANGE_KEY
from lukhas.pipeline.explaining import Explainer, ExplainRules
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stage import Stage
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.identify import IdentifyStage, IdentitySettings
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.limit_rules import LimitFields, LimitRules
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.pipeline.stages.route import RouteStage
from lukhas.policy.access.api_keys import Rejection
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.explain.records import DecisionRecord
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteRule, RouteTable
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.telemetry.recorder import Recorder
from lukhas.units import SECOND_NS
from tests.unit.middleware.kit import FailingEntries, HandClock, Wire, http_scope
from tests.unit.middleware.stages import body, start

_FIELDS = ((b"content-length", b"2"), (b"content-type", b"text/plain"))
_SMALL = Consumer("key:small", Tier.BASIC, tenant="small")
_LARGE = Consumer("key:large", Tier.PREMIUM, tenant="large")
_ALIKE = Consumer("key:alike", Tier.BASIC, tenant="alike")


def _rules(quota: int, *, standard: bool = True) -> LimitRules:
    limits = parse_limits(f"{quota}/minute", policy="all")
    return LimitRules(dict.fromkeys(Tier, limits), fields=LimitFields(standard=standard))


def _table(name: str = "cached") -> RouteTable:
    rules = [RouteRule(name, "/cached", CachePolicy())]
    return RouteTable(rules, default=RouteRule(f"no {name}", "*", CachePolicy(mode=Mode.OFF)))


class _Request:
    """One request that the app answers when it is told to."""

    def __init__(self, service: "_Service", path: str, **changes: Any) -> None:
        self._wire = Wire()
        self._scope = http_scope(
            path, **{"headers": [(b"host", b"test"), (b"x-api-key", b"lk_a")], **changes}
        )
        self._service = service
        self._gate = asyncio.Event()
        self.head_gate = asyncio.Event()

    async def begin(self) -> None:
        self._scope["gates"] = (self.head_gate, self._gate)
        call = self._service.middleware(self._scope, self._wire.receive, self._wire.send)
        self._task = asyncio.create_task(call)
        await asyncio.sleep(0)

    @property
    def is_known(self) -> bool:
        """Whether it passed without an exchange."""
        return self._scope[EXCHANGE_KEY] is None

    async def head(self) -> None:
        self.head_gate.set()
        await asyncio.sleep(0)

    async def end(self) -> dict[bytes, bytes]:
        self.head_gate.set()
        self._gate.set()
        await self._task
        return dict(self._wire.headers)


class _Service:
    """A middleware around an app that waits, with a key that may be given to somebody else."""

    def __init__(self, *, caches: bool = True) -> None:
        self.clock = clock = HandClock()
        self.records: list[DecisionRecord] = []
        explain = Explainer(ExplainRules(slow_ns=2 * SECOND_NS), self.records.append)
        self.contained: list[str] = []
        self.entries = FailingEntries(1 << 20)
        self.recorder = Recorder()
        self.consumer: Consumer | Rejection = _SMALL
        self.route = RouteStage(_table())
        self.limit = LimitStage(MemoryCounters(), _rules(100), clock=clock)
        stages: tuple[Stage, ...] = (
            ObserveStage(self.recorder, clock, explain=explain),
            self.route,
            IdentifyStage(IdentitySettings(), self),
            self.limit,
        )
        self.cache = CacheStage(self.entries, clock)
        if caches:
            stages = (*stages, self.cache)
        pipeline = Pipeline(stages, self._contain)
        self.middleware = OptimizerMiddleware(self._answer, pipeline=pipeline, clock=clock)

    def _contain(self, stage: str, error: Exception) -> None:
        if not self.entries.fails:
            raise AssertionError(f"stage {stage} failed") from error
        self.contained.append(stage)

    def consumer_for(self, _presented: bytes, _now_ns: int) -> Consumer | Rejection:
        return self.consumer

    async def _answer(self, scope: Any, _receive: Any, send: Any) -> None:
        before_head, before_body = scope["gates"]
        await before_head.wait()
        await send(start(200, *_FIELDS))
        await before_body.wait()
        await send(body(b"ab"))

    async def began(self, path: str) -> _Request:
        request = _Request(self, path)
        await request.begin()
        return request

    async def asked(self, path: str, times: int = 1) -> list[bool]:
        """So many requests, one after the other; which passed without an exchange."""
        known = []
        for _ in range(times):
            request = await self.began(path)
            known.append(request.is_known)
            await request.end()
        return known

    def samples(self) -> dict[tuple[str, str], int]:
        """How many requests were counted, by tier and tenant."""
        counted: dict[tuple[str, str], int] = {}
        for sample in self.recorder._samples:
            labels = sample[0]
            counted[labels[3], labels[4]] = counted.get((labels[3], labels[4]), 0) + 1
        return counted


def _given_to_another(service: _Service) -> None:
    service.consumer = _LARGE


def _given_to_one_alike(service: _Service) -> None:
    """Of the same tier, so that the same plan of limits applies."""
    service.consumer = _ALIKE


def _other_limits(service: _Service) -> None:
    service.limit.rules = _rules(50, standard=False)


def _other_routes(service: _Service) -> None:
    service.route.table = _table("else")


_CHANGES = [_given_to_another, _given_to_one_alike, _other_limits, _other_routes]
_Change = Callable[[_Service], None]


@pytest.mark.parametrize("path", ["/plain", "/cached"])
@pytest.mark.parametrize("headed", [False, True])
@pytest.mark.parametrize("learnt", [1, 2, 3])
@pytest.mark.parametrize("change", _CHANGES)
async def test_what_ends_after_a_change_is_what_it_was_before(
    change: _Change, learnt: int, *, headed: bool, path: str
) -> None:
    """Nor does it change what is known by then of those that came after it.

    The first two are in flight together: which is the one that passes is learnt from one that ends
    when its key, its limits or its route are those of others.
    """
    service = _Service()
    await service.asked(path, learnt)
    before = [await service.began(path) for _ in range(2)]
    assert [request.is_known for request in before] == [learnt == 3] * 2
    if headed:
        await before[0].head()
    change(service)
    known = await service.asked(path, 2)
    told = await before[0].end()
    assert told[b"ratelimit-policy"] == b'"all-minute";q=100;w=60'
    known += await service.asked(path, 4)
    told = await before[1].end()
    assert told[b"ratelimit-policy"] == b'"all-minute";q=100;w=60'
    known += await service.asked(path, 3)
    assert known[-5:] == [True] * 5
    assert not any(known[:2])
    assert service.recorder.in_flight == 0
    samples = service.samples()
    small = ("basic", "small")
    if change is _given_to_another:
        assert samples == {small: learnt + 2, ("premium", "large"): 9}
    elif change is _given_to_one_alike:
        assert samples == {small: learnt + 2, ("basic", "alike"): 9}
    else:
        assert samples == {small: learnt + 2 + 9}
    after = await (await service.began(path)).end()
    assert after[b"content-type"] == b"text/plain"
    if change is _other_limits:
        assert b"ratelimit" not in after
    else:
        assert after[b"ratelimit-policy"] == b'"all-minute";q=100;w=60'


async def test_a_key_that_is_taken_back_is_of_no_use_to_the_next_one() -> None:
    """What is in flight goes on."""
    service = _Service()
    await service.asked("/plain", 3)
    request = await service.began("/plain")
    assert request.is_known
    service.consumer = Rejection.REVOKED
    wire = Wire()
    scope = http_scope("/plain", headers=[(b"host", b"test"), (b"x-api-key", b"lk_a")])
    await service.middleware(scope, wire.receive, wire.send)
    assert wire.status == 401
    await request.end()
    assert service.recorder.in_flight == 0
    assert service.samples() == {("basic", "small"): 4, ("free", ""): 1}


async def test_requests_of_one_head_may_be_in_flight_together() -> None:
    """Each gets its own figures and id, in whatever order they end."""
    service = _Service()
    await service.asked("/plain", 3)
    requests = [await service.began("/plain") for _ in range(3)]
    assert service.recorder.in_flight == 3
    assert all(request.is_known for request in requests)
    told = [await request.end() for request in reversed(requests)]
    left = [fields[b"ratelimit"].partition(b";r=")[2].partition(b";")[0] for fields in told]
    assert left == [b"94", b"95", b"96"]
    assert len({fields[b"x-request-id"] for fields in told}) == 3
    assert service.recorder.in_flight == 0


@pytest.mark.parametrize("path", ["/plain", "/cached"])
async def test_there_may_be_no_cache(path: str) -> None:
    """Then there is nothing to look for."""
    service = _Service(caches=False)
    assert await service.asked(path, 5) == [False] * 3 + [True] * 2
    assert service.samples() == {("basic", "small"): 5}


async def test_nothing_is_learnt_from_a_cache_that_fails() -> None:
    """It may find something the next time."""
    service = _Service()
    service.entries.fails = True
    assert await service.asked("/cached", 5) == [False] * 5
    # Where no cache is asked for, none is asked.
    assert await service.asked("/plain", 5) == [False] * 3 + [True] * 2
    service.entries.fails = False
    assert await service.asked("/cached", 4) == [False] * 2 + [True] * 2
    service.entries.fails = True
    assert await service.asked("/cached", 2) == [False] * 2
    assert service.contained == ["cache"] * 7
    assert service.recorder.in_flight == 0


async def test_what_is_for_one_client_is_not_for_the_next() -> None:
    """Without a key each address has its own counters."""
    service = _Service()
    keyless = [(b"host", b"test")]
    left: dict[str, list[bytes]] = {}
    known: list[bool] = []
    for peer in [*["192.0.2.1"] * 5, *["192.0.2.2"] * 3, *["192.0.2.1"] * 2]:
        request = _Request(service, "/plain", headers=keyless, client=(peer, 1))
        await request.begin()
        known.append(request.is_known)
        fields = await request.end()
        left.setdefault(peer, []).append(fields[b"ratelimit"].split(b";")[1])
    assert left == {
        "192.0.2.1": [b"r=99", b"r=98", b"r=97", b"r=96", b"r=95", b"r=94", b"r=93"],
        "192.0.2.2": [b"r=99", b"r=98", b"r=97"],
    }
    # Two of them with the same head, and no way is known for either.
    assert known == [False] * 3 + [True] * 2 + [False] * 5


async def test_what_is_in_quarantine_is_looked_at() -> None:
    service = _Service()
    assert await service.asked("/cached", 5) == [False] * 3 + [True] * 2
    service.cache.guard.quarantined["cached", b""] = "it leaks"
    request = await service.began("/cached")
    assert not request.is_known
    assert (await request.end())[b"cache-status"] == b"lukhas; fwd=bypass"
    service.cache.guard.release(("cached", b""))
    assert await service.asked("/cached", 3) == [True] * 3


@pytest.mark.parametrize("path", ["/plain", "/cached"])
async def test_a_slow_one_is_told_of_like_any_other(path: str) -> None:
    """The record is the one that the first request would have left."""
    service = _Service()
    for known, took_s in zip([False, False, False, True, True], [3, 0, 1, 3, 1], strict=True):
        request = await service.began(path)
        assert request.is_known is known
        service.clock.ns += took_s * SECOND_NS
        await request.end()
    first, fourth = service.records
    assert fourth.took_ns == 3 * SECOND_NS
    assert fourth.limit is not None
    like = replace(fourth, request_id=first.request_id, time_ns=first.time_ns, limit=first.limit)
    stages = [stage.stage for stage in first.stages]
    assert [stage.stage for stage in fourth.stages] == stages
    assert replace(like, stages=first.stages, cache=first.cache) == first
    assert service.recorder.in_flight == 0
    assert service.samples() == {("basic", "small"): 5}
