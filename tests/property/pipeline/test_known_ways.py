"""Heads that came before are answered as if they came for the first time."""

import asyncio
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from lukhas.gateway.client_certificates import AssertingIntake
from lukhas.gateway.direct_way import DirectWay
from lukhas.gateway.framing import FrontLimits
from lukhas.gateway.front import FrontConnection
from lukhas.gateway.front_state import FrontState
from lukhas.http.client_address import TrustedProxies
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.identify import IdentifyStage, IdentitySettings
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.pipeline.stages.route import RouteStage
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.purges import Purge
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteRule, RouteTable
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.telemetry.recorder import Recorder
from lukhas.testing.clock import ManualClock
from tests.property.pipeline.repeats import KEYS, Keys, rules_of
from tests.unit.gateway.transport_kit import Transport, at_rest

_PEERS = ("192.0.2.1", "192.0.2.2")
_REQUESTS = tuple(
    b"%b %b HTTP/1.1\r\nHost: a.test\r\nUser-Agent: test\r\n%b\r\n" % (method, path, fields)
    for method in (b"GET", b"HEAD")
    for path in (b"/", b"/free", b"/dear")
    for fields in (
        b"",
        b"X-API-Key: lk_one\r\n",
        b"X-API-Key: lk_two\r\n",
        b"Authorization: Bearer lk_one\r\n",
        b"Authorization: Basic YTpi\r\n",
        b"Cookie: a=b\r\nX-Request-ID: mine-1\r\n",
        b"Accept: text/html\r\nX-Forwarded-For: 198.51.100.7\r\n",
        b"X-Request-ID: not valid\r\n",
    )
)
_CONTROLS = (
    b"public, max-age=60",
    b"public, max-age=60, stale-while-revalidate=10",
    b"max-age=60",
    b"private, max-age=60",
    b"no-store",
    b"public, max-age=0",
)


def _table(*, free: bool) -> RouteTable:
    rules = [
        RouteRule("free", "/free", CachePolicy(), exempt=free),
        RouteRule("dear", "/dear", CachePolicy(), cost=3),
    ]
    return RouteTable(rules, default=RouteRule("default", "*", CachePolicy()))


@dataclass
class Side:
    """A front with a pipeline of its own."""

    clock: ManualClock
    repeats: bool
    answer: dict[str, bytes] = field(default_factory=dict)
    asked: int = 0

    def __post_init__(self) -> None:
        self.recorder = Recorder()
        self.contained: list[str] = []
        self.keys = Keys()
        self.counters = MemoryCounters()
        self.entries = MemoryEntryStore(1 << 20)
        self.route = RouteStage(_table(free=True))
        trusted = TrustedProxies((_PEERS[1],))
        self.identify = IdentifyStage(IdentitySettings(trusted=trusted), self.keys)
        self.limit = LimitStage(self.counters, rules_of(30), clock=self.clock)
        draw = random.Random(1).random
        self.cache = CacheStage(self.entries, self.clock, draw=draw)
        observe = ObserveStage(self.recorder, self.clock)
        stages = (observe, self.route, self.identify, self.limit, self.cache)
        way = DirectWay(Pipeline(stages, self._contain), self._origin)
        assert way.known is not None
        self.state = FrontState(
            way.take,
            Intake(self.clock, "p"),
            FrontLimits(),
            known=way.known if self.repeats else None,
        )
        self.answer = {"control": _CONTROLS[0], "version": b"1", "vary": b""}
        self.state.date = b"now"
        # Behind the last one is somebody with a certificate, at the address of the first.
        tenant = Consumer("cert:a", Tier.BASIC, tenant="a")
        asserting = AssertingIntake(self.state.intake, tenant)
        self.connections = [self._connected(peer) for peer in _PEERS]
        self.connections.append(self._connected(_PEERS[0], asserting))

    def _connected(
        self, peer: str, intake: Intake | None = None
    ) -> tuple[FrontConnection, Transport]:
        connection = FrontConnection(self.state, peer, intake)
        transport = Transport((peer, 1))
        connection.connection_made(transport)
        return connection, transport

    def _contain(self, stage: str, _error: Exception) -> None:
        self.contained.append(stage)

    async def _origin(self, exchange: Exchange) -> Response:
        self.asked += 1
        told = self.answer
        fields = [(b"cache-control", told["control"]), (b"date", b"now")]
        if told["vary"]:
            fields.append((b"vary", told["vary"]))
        consumer = exchange.consumer
        owner = b"" if consumer is None else consumer.tenant.encode()
        return Response(200, Headers(fields), told["version"] + owner + exchange.head.path)

    async def ask(self, request: bytes, peer: int) -> bytes:
        connection, transport = self.connections[peer]
        before = len(transport.written)
        connection.data_received(request)
        await at_rest(connection)
        return re.sub(rb"x-request-id: p-\w+", b"x-request-id: ?", transport.written[before:])

    def told(self) -> tuple[object, ...]:
        counts = self.recorder.snapshot()
        return (counts, self.contained, self.asked, self.recorder.in_flight, self.state.requests)


def _change(side: Side, what: str, number: int) -> None:  # noqa: C901, PLR0912 - a table of changes
    match what:
        case "advance":
            side.clock.advance(seconds=(0, 0.4, 1, 30, 61, 4000)[number % 6])
        case "purge":
            side.entries.purge(Purge(soft=number % 2 == 0))
        case "control":
            side.answer["control"] = _CONTROLS[number % len(_CONTROLS)]
        case "version":
            side.answer["version"] = b"%d" % number
        case "vary":
            side.answer["vary"] = (b"", b"accept", b"x-api-key")[number % 3]
        case "revoke":
            side.keys.accepted.pop(KEYS[number % 2], None)
        case "renew":
            side.keys.renew(number)
        case "keys fail":
            side.keys.fails = number % 2 == 0
        case "no keys":
            side.identify.check_with(None if number % 2 else side.keys)
        case "limits":
            told = number % 3
            side.limit.rules = rules_of(20 + 5 * number, standard=told != 1, legacy=told == 2)
        case "routes":
            side.route.table = _table(free=number % 2 == 0)
        case "quarantine":
            side.cache.guard.quarantined[("default", b"/")] = "it leaks"
        case "release":
            side.cache.guard.release(("default", b"/"))
        case _:
            raise AssertionError(what)


_CHANGES = (
    *("advance", "purge", "control", "version", "vary", "revoke", "renew", "keys fail"),
    *("no keys", "limits", "routes", "quarantine", "release"),
)
# Few different requests, each many times, or nothing would be known.
_asks = st.tuples(st.just("ask"), st.integers(0, 2), st.integers(1, 4))
_changes = st.tuples(st.sampled_from(_CHANGES), st.integers(0, 9), st.just(1))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(_REQUESTS), min_size=1, max_size=4, unique=True),
    st.lists(st.one_of(_asks, _asks, _changes), min_size=4, max_size=40),
)
def test_answers_and_counts_are_the_same_with_and_without(
    requests: list[bytes], steps: list[tuple[str, int, int]]
) -> None:
    asyncio.run(_compare(requests, steps))


async def _compare(requests: Sequence[bytes], steps: Sequence[tuple[str, int, int]]) -> None:
    sides = [Side(ManualClock(), repeats) for repeats in (False, True)]
    for what, number, times in steps:
        if what != "ask":
            for side in sides:
                _change(side, what, number)
            continue
        for request in requests:
            for _ in range(times):
                plain, repeated = [await side.ask(request, number) for side in sides]
                assert repeated == plain
    assert sides[1].told() == sides[0].told()
