"""Decision records of real traffic, decided again."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lukhas.config.settings import Settings
from lukhas.gateway.faults import FaultStage
from lukhas.gateway.upstreams import Upstreams
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.hub.hub import Hub
from lukhas.pipeline.driving import finish, start
from lukhas.pipeline.pipeline import close
from lukhas.pipeline.stages.observe import SampledObserveStage
from lukhas.pipeline.timed_way import TimedWay
from lukhas.policy.explain.records import DecisionRecord
from lukhas.policy.explain.reevaluation import reevaluate
from lukhas.telemetry.explained import RecentRecords, read_record
from lukhas.testing.clock import ManualClock

REQUESTS = 1000
PATHS = (b"/fresh", b"/stale", b"/open", b"/split", b"/retried", b"/broken", b"/missing")


class Api:
    """Answers by path; hangs up on what is to fail."""

    def __init__(self, *, hangs_up: bool = False) -> None:
        self._hangs_up = hangs_up
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> "Api":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            path = head.split(b" ")[1]
            if self._hangs_up or path.startswith(b"/broken"):
                writer.transport.abort()
                return
            status = b"404 No" if path.startswith(b"/missing") else b"200 OK"
            field = {
                b"/fre": b"cache-control: max-age=60\r\n",
                b"/sta": b"cache-control: max-age=1, stale-while-revalidate=60\r\n",
                b"/spl": b"cache-control: max-age=5\r\n",
            }.get(path[:4], b"")
            writer.write(b"HTTP/1.1 %b\r\n%bcontent-length: 2\r\n\r\nok" % (status, field))
        writer.close()


class Served:
    """A hub before upstreams; every request is sampled."""

    def __init__(self, hub: Hub, upstreams: Upstreams, clock: ManualClock) -> None:
        self.hub = hub
        self.clock = clock
        self.records = RecentRecords(most=10 * REQUESTS, reports=True)
        assert hub.explainer is not None
        hub.explainer._keep = self.records.keep
        observe = SampledObserveStage(hub.recorder, hub.clock, explain=hub.explainer)
        self.way = TimedWay(hub.pipeline, upstreams.handler, observe, hub.clock)

    async def ask(
        self, path: bytes, *fields: tuple[bytes, bytes], method: str = "GET", client: str
    ) -> int:
        path, _, query = path.partition(b"?")
        head = RequestHead(method, "http", b"shop.test", path, query, Headers(list(fields)))
        step: Any = self.way.take(self.hub.intake.exchange(head, client))
        if not isinstance(step, Response):
            run = step
            step = start(run)
            if not isinstance(step, Response):
                step = await finish(run, step)
        assert isinstance(step, Response)
        if not isinstance(step.body, bytes):
            async for _piece in step.body:  # type: ignore[union-attr]
                pass
        for tap in step.taps or ():
            tap.feed(b"", last=True)
        close(step)
        return step.status


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    clock = ManualClock()
    async with Api() as main, Api() as canary, Api(hangs_up=True) as flaky:
        settings = Settings.model_validate(
            {
                "state_dir": tmp_path,
                "upstream": main.url,
                "upstreams": [
                    {"name": "canary", "url": canary.url},
                    {
                        "name": "several",
                        "url": flaky.url,
                        "targets": [main.url],
                        "balancing": {"balancer": "round_robin"},
                    },
                ],
                "routes": [
                    {"name": "split", "path": "/split", "split": {"default": 50, "canary": 50}},
                    {"name": "retried", "path": "/retried", "upstream": "several"},
                    {"name": "items", "path": "/open/{id}", "methods": ["GET"]},
                ],
                "tiers": {"free": "14/minute; 1000/hour"},
                "limits": [
                    {"name": "tried", "limits": "5/10s", "mode": "shadow"},
                    {"name": "smooth", "limits": "5/s burst 10", "routes": ["retried"]},
                    {"name": "log", "limits": "7/10s exact", "routes": ["items"]},
                    {"name": "bill", "limits": "9/calendar day", "routes": ["split"]},
                    {"name": "open", "limits": "3 concurrent", "routes": ["split"]},
                    {"name": "bytes", "limits": "20/minute", "cost": "response-bytes"},
                ],
                "explain": {"records_per_second": 1000, "query_parameters": ["page"]},
            }
        )
        hub = Hub(settings, clock=clock, under_observe=(FaultStage(),))
        await hub.start()
        upstreams = Upstreams(settings, hub.recorder, hub.clock)
        try:
            yield Served(hub, upstreams, clock)
        finally:
            await upstreams.close()
            await hub.close()
            await asyncio.sleep(0.01)


def kinds(records: list[DecisionRecord]) -> Counter[str]:
    """What there is among the records, so that none of it is missing unnoticed."""
    found: Counter[str] = Counter()
    for record in records:
        found[record.cache_result or "none"] += 1
        found[str(record.status)] += 1
        found.update({f"{stage.stage} {stage.outcome} {stage.mode}" for stage in record.stages})
    return found


async def test_a_thousand_records_decided_again_give_the_same_verdicts(tmp_path: Path) -> None:
    """Limited, fresh, stale, missed, refused keys, shadow, errors, splits and retries alike."""
    draw = random.Random(35)
    async with served(tmp_path) as found:
        for _ in range(REQUESTS):
            fields = [(b"x-api-key", b"lk_wrong")] if draw.random() < 0.05 else []
            if draw.random() < 0.1:
                fields.append((b"cache-control", draw.choice((b"no-cache", b"max-stale=9"))))
            await found.ask(
                draw.choice(PATHS) + draw.choice((b"", b"?page=2&token=hushed")),
                *fields,
                method=draw.choice(("GET", "GET", "GET", "HEAD", "POST")),
                client=f"192.0.2.{draw.randrange(8)}",
            )
            found.clock.advance(seconds=draw.choice((0.0, 0.01, 0.3, 1.0)))
    data = found.records.drain()
    assert len(data) == REQUESTS
    records = [read_record(each) for each in data]
    seen = kinds(records)
    expected = {
        "hit", "stale", "miss", "429", "401", "404", "502", "limit refused enforce",
        "limit refused shadow", "split passed enforce", "upstream failed enforce",
        "upstream passed enforce", "identify refused enforce",
    }  # fmt: skip
    assert expected <= set(seen), (expected - set(seen), seen)
    again = {record.request_id: reevaluate(record) for record in records}
    different = [each for decisions in again.values() for each in decisions if not each.same]
    assert different == []
    decided = Counter(each.stage for decisions in again.values() for each in decisions)
    assert decided["route"] == REQUESTS
    assert decided["limit"] == sum(
        any(stage.stage == "limit" for stage in record.stages) for record in records
    )
    assert decided["cache"] >= seen["hit"] + seen["stale"]
    assert decided["split"] == seen["split passed enforce"]
    assert not any(b"hushed" in each or b"lk_wrong" in each for each in data)
    assert any("page=2" in record.query for record in records)
    assert all(record.times for record in records)
