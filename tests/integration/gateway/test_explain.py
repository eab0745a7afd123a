"""Decision records of real traffic, decided again."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import close
from lukhas.pipeline.stages.observe import SampledObserveStage
from lukhas.pipeline.timed_way import TimedWay
from lukhas.policy.explain.records import DecisionRecord
from lukhas.policy.explain.reevaluation import reevaluate
from lukhas.telemetry.explained import RecentRecords, read_record
from lukhas.testing.clock import ManualClock
from tests.integration.gateway.upstream_kit import (
    Api,
    Served,
    hanging_up,
    saying,
    served,
    whole_body,
)

REQUESTS = 1000
PATHS = (b"/fresh", b"/stale", b"/open", b"/split", b"/retried", b"/broken", b"/missing")


async def by_path(head: bytes, writer: asyncio.StreamWriter) -> None:
    """Hangs up on what is to fail."""
    path = head.split(b" ")[1]
    fields = {
        b"/fre": (b"cache-control: max-age=60",),
        b"/sta": (b"cache-control: max-age=1, stale-while-revalidate=60",),
        b"/spl": (b"cache-control: max-age=5",),
    }.get(path[:4], ())
    if path.startswith(b"/broken"):
        await hanging_up(head, writer)
    else:
        await saying(b"ok", 404 if path.startswith(b"/missing") else 200, *fields)(head, writer)


class Sampled(Served):
    """Every request is sampled."""

    def __init__(self, found: Served, clock: ManualClock) -> None:
        hub = found.hub
        self.clock = clock
        self.records = RecentRecords(most=10 * REQUESTS, reports=True)
        assert hub.explainer is not None
        hub.explainer._keep = self.records.keep
        observe = SampledObserveStage(hub.recorder, hub.clock, explain=hub.explainer)
        way = TimedWay(hub.pipeline, found.upstreams.handler, observe, hub.clock)
        super().__init__(hub, found.upstreams, way)

    async def answer(self, exchange: Exchange) -> Response:
        """Sends it, as far as its records are concerned."""
        response = await super().answer(exchange)
        await whole_body(response)
        for tap in response.taps or ():
            tap.feed(b"", last=True)
        close(response)
        return response


def settings(main_url: str, canary_url: str, flaky_url: str) -> dict[str, object]:
    return {
        "upstream": main_url,
        "upstreams": [
            {"name": "canary", "url": canary_url},
            {
                "name": "several",
                "url": flaky_url,
                "targets": [main_url],
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


@asynccontextmanager
async def sampled(tmp_path: Path) -> AsyncIterator[Sampled]:
    clock = ManualClock()
    async with Api(by_path) as main, Api(by_path) as canary, Api(hanging_up) as flaky:
        tree = settings(main.url, canary.url, flaky.url)
        async with served(tmp_path, clock=clock, **tree) as found:
            await found.hub.start()
            yield Sampled(found, clock)


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
    async with sampled(tmp_path) as found:
        for _ in range(REQUESTS):
            fields = [(b"x-api-key", b"lk_wrong")] if draw.random() < 0.05 else []
            if draw.random() < 0.1:
                fields.append((b"cache-control", draw.choice((b"no-cache", b"max-stale=9"))))
            exchange = found.exchange(
                draw.choice(PATHS) + draw.choice((b"", b"?page=2&token=hushed")),
                *fields,
                method=draw.choice(("GET", "GET", "GET", "HEAD", "POST")),
                client=f"192.0.2.{draw.randrange(8)}",
            )
            await found.answer(exchange)
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
