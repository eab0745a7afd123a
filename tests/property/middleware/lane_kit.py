"""Middlewares over pipelines that are alike, of which one lets known requests pass at once."""

import asyncio
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lukhas.http.messages import Response
from lukhas.middleware.asgi import OptimizerMiddleware
from lukhas.middleware.marks import EXCHANGE_KEY
from lukhas.middleware.request_heads import RequestHeads
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.explaining import Explainer, ExplainRules
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stage import Handler, Stage
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.identify import IdentifyStage, IdentitySettings
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.pipeline.stages.route import RouteStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.purges import Purge
from lukhas.policy.explain.records import DecisionRecord
from lukhas.policy.modes import Mode
from lukhas.policy.routing.routes import RouteRule, RouteTable
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.telemetry.recorder import Recorder
from lukhas.testing.clock import ManualClock
from lukhas.units import SECOND_NS
from tests.property.pipeline.repeats import KEYS, Keys, rules_of
from tests.unit.middleware.apps import APPS, App
from tests.unit.middleware.kit import FailingEntries, Wire, http_scope
from tests.unit.middleware.stages import Inner

__all__ = ("CHANGES", "PEERS", "REQUESTS", "USUAL", "Fields", "Side", "change")

Fields = tuple[tuple[bytes, bytes], ...]

PEERS = ("192.0.2.1", "192.0.2.2")
# More than most requests take, and less than some.
_SLOW_NS = 2 * SECOND_NS
_PAUSES_S = (0, 0, 0.3, 1, 3)
_QUOTAS = (9, 14, 30, 100, 300, 300)
# Until then it is known of a path that its answers cannot be stored, and a little more.
_FORGOTTEN_S = 31
_REQUESTS_MADE = (re.compile(rb"[0-9a-f]{8}-[0-9a-f]+"), b"?")
USUAL: tuple[Fields, ...] = (
    (),
    ((b"x-api-key", b"lk_one"),),
    ((b"x-api-key", b"lk_two"), (b"user-agent", b"test")),
    ((b"x-api-key", b"lk_one"), (b"x-request-id", b"mine-1")),
)
_UNUSUAL: tuple[Fields, ...] = (
    ((b"x-api-key", b"lk_one"), (b"cookie", b"a=b"), (b"x-request-id", b"not valid")),
    ((b"x-api-key", b"lk_three"),),
    ((b"cache-control", b"no-cache"),),
    ((b"content-length", b"0"),),
)
REQUESTS = tuple(
    (method, path, fields)
    for method in ("GET", "HEAD", "POST")
    for path in ("/plain", "/cached", "/dear", "/free")
    for fields in USUAL + _UNUSUAL
)


def _table(*, free: bool) -> RouteTable:
    rules = [
        RouteRule("cached", "/cached", CachePolicy()),
        RouteRule("dear", "/dear", CachePolicy(), cost=3),
        RouteRule("free", "/free", CachePolicy(mode=Mode.OFF), exempt=free),
    ]
    return RouteTable(rules, default=RouteRule("default", "*", CachePolicy(mode=Mode.OFF)))


class _Forgetful(RequestHeads):
    """Reads each head as if it came for the first time."""

    def read(self, scope: Any) -> Any:
        return self._read(scope)


async def _passed_on(exchange: Exchange, call_next: Handler) -> Response:
    return await call_next(exchange)


@dataclass
class Side:
    """A middleware with a pipeline of its own.

    Attributes:
        kind: `lane`, where nothing is out of the ordinary; `new`, where every head is new; `long`,
            where a stage behind the cache wants to see every answer.
    """

    kind: str
    app: App = APPS["names in lower case"]
    pause_s: float = 0
    lanes: int = 0
    called: int = 0
    records: list[DecisionRecord] = field(default_factory=list)
    contained: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.recorder = Recorder()
        self.keys = Keys()
        self.counters = MemoryCounters()
        self.entries = FailingEntries(1 << 20)
        self.route = RouteStage(_table(free=True))
        self.identify = IdentifyStage(IdentitySettings(), self.keys)
        self.limit = LimitStage(self.counters, rules_of(30), clock=self.clock)
        self.cache = CacheStage(self.entries, self.clock, draw=random.Random(1).random)
        explain = Explainer(ExplainRules(slow_ns=_SLOW_NS), self._keep)
        observe = ObserveStage(self.recorder, self.clock, explain=explain)
        inner = [Inner(_passed_on)] if self.kind == "long" else []
        stages: list[Stage] = [observe, self.route, self.identify, self.limit, self.cache, *inner]
        pipeline = Pipeline(stages, self._contain)
        self.middleware = OptimizerMiddleware(self._answer, pipeline=pipeline, clock=self.clock)
        if self.kind == "new":
            self.middleware._heads = _Forgetful()

    def _contain(self, stage: str, _error: Exception) -> None:
        self.contained.append(stage)

    def _keep(self, record: DecisionRecord) -> None:
        pattern, known = _REQUESTS_MADE
        request_id = pattern.sub(known, record.request_id.encode()).decode()
        self.records.append(replace(record, request_id=request_id))

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        self.called += 1
        self.lanes += scope[EXCHANGE_KEY] is None
        self.clock.advance(seconds=self.pause_s)

        async def slowly(message: Any) -> None:
            await send(message)
            self.clock.advance(seconds=self.pause_s)

        await self.app(scope, receive, slowly)

    async def ask(self, method: str, path: str, fields: Fields, *, peer: str) -> list[object]:
        """Everything that the server gets to see of one request."""
        wire = Wire()
        headers = [(b"host", b"test"), *fields]
        scope = http_scope(path, method=method, headers=headers, client=(peer, 1))
        seen: list[object] = []
        try:
            await self.middleware(scope, wire.receive, wire.send)
        except (LookupError, asyncio.CancelledError) as error:
            seen.append(repr(error))
        return seen + [_known(message) for message in wire.sent]

    def told(self) -> dict[str, object]:
        """What was recorded, and what the counters hold."""
        return {
            "counts": self.recorder.snapshot(),
            "history": self.recorder.drain_history(),
            "in_flight": self.recorder.in_flight,
            "records": self.records,
            "contained": self.contained,
            "called": self.called,
            "states": {
                name: {
                    subject: bytes(state)
                    for shard in table.shards
                    for subject, state in shard.items()
                }
                for name, table in self.counters._tables.items()
            },
        }


def _known(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message without the id that a request was given here."""
    pattern, known = _REQUESTS_MADE
    told = dict(message)
    if b"urn:lukhas:request:" in told.get("body", b""):
        told["body"] = pattern.sub(known, told["body"])
    if "headers" in told:
        told["headers"] = [
            (name, pattern.sub(known, value) if name == b"x-request-id" else value)
            for name, value in told["headers"]
        ]
    return told


CHANGES = (
    *("advance", "purge", "revoke", "renew", "keys fail", "no keys", "limits", "routes"),
    *("quarantine", "quarantine", "release", "pause", "store fails"),
)


def change(side: Side, what: str, number: int) -> None:  # noqa: C901, PLR0912 - a table of changes
    """Changes something that decides about requests."""
    match what:
        case "app":
            side.app = APPS[sorted(APPS)[number % len(APPS)]]
        case "usual app":
            side.app = APPS["names in lower case"]
        case "storable app":
            side.app = APPS["to be stored"]
        case "pause":
            side.pause_s = _PAUSES_S[number % len(_PAUSES_S)]
        case "advance":
            side.clock.advance(seconds=(0.4, 1, 7, 29, 61, 3600)[number % 6])
        case "purge":
            side.entries.purge(Purge(soft=number % 2 == 0))
            # For what came a little before a purge, the known way is the more careful one: it does
            # not store the first answer after it.
            side.clock.advance(seconds=_FORGOTTEN_S)
        case "revoke":
            side.keys.accepted.pop(KEYS[number % 2], None)
        case "renew":
            side.keys.renew(number)
        case "keys fail":
            side.keys.fails = number % 4 == 0
        case "store fails":
            side.entries.fails = number % 4 == 0
        case "no keys":
            side.identify.check_with(side.keys if number % 4 else None)
        case "limits":
            told = number // len(_QUOTAS) % 4
            quota = _QUOTAS[number % len(_QUOTAS)]
            side.limit.rules = rules_of(quota, standard=told != 1, legacy=told == 2)
        case "routes":
            side.route.table = _table(free=number % 2 == 0)
        case "quarantine":
            side.cache.guard.quarantined[("cached", b"")] = "it leaks"
        case "release":
            side.cache.guard.release(("cached", b""))
        case _:
            raise AssertionError(what)
