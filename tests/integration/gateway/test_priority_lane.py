"""Higher tiers get the better server, and the connection that becomes free, over real sockets."""

import asyncio
from pathlib import Path

import pytest

from lukhas.pipeline.explaining import ExplainRules, made_record
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.explain.records import DecisionRecord
from lukhas.policy.explain.reevaluation import reevaluate
from lukhas.policy.rate_limiting.tiers import Tier
from tests.integration.gateway.kit import until
from tests.integration.gateway.upstream_kit import Api, Say, Served, forwarding, saying

LANE = {"tiers": ["premium"], "routes": ["checkout"]}
ROUTES = [{"name": "checkout", "path": "/checkout"}]


async def ask(found: Served, path: bytes, tier: Tier = Tier.FREE) -> bytes:
    exchange = found.exchange(path)
    exchange.asserted = Consumer(f"key:{tier.value}", tier)
    body = (await found.answer(exchange)).body
    assert isinstance(body, bytes)
    return body


async def record(found: Served, tier: Tier = Tier.FREE) -> DecisionRecord:
    exchange = found.exchange(b"/x")
    exchange.asserted = Consumer(f"key:{tier.value}", tier)
    await found.answer(exchange)
    return made_record(exchange, 200, 1, why="sampled", rules=ExplainRules())


def paths(api: Api) -> list[bytes]:
    return [head.split(b" ")[1] for head in api.heads]


async def test_the_lane_goes_first_and_nobody_is_starved(tmp_path: Path) -> None:
    """Of every three connections that become free one goes to who has waited longest."""
    go = asyncio.Event()
    upstream = {"pool_connections": 1, "balancing": {"priority_lane": {**LANE, "oldest_every": 3}}}
    async with (
        Api(saying(b"ok", after=go)) as api,
        forwarding(tmp_path, upstream={"url": api.url, **upstream}, routes=ROUTES) as found,
    ):
        asked = [asyncio.ensure_future(ask(found, b"/first"))]
        await until(lambda: api.heads)
        for path, tier in (
            *((b"/free0", Tier.FREE), (b"/free1", Tier.FREE), (b"/rich0", Tier.PREMIUM)),
            *((b"/rich1", Tier.PREMIUM), (b"/rich2", Tier.PREMIUM), (b"/checkout", Tier.FREE)),
        ):
            asked += [asyncio.ensure_future(ask(found, path, tier))]
        await asyncio.sleep(0.01)
        go.set()
        assert await asyncio.gather(*asked) == [b"ok"] * 7
        assert paths(api) == [
            *(b"/first", b"/rich0", b"/rich1", b"/free0", b"/rich2", b"/checkout", b"/free1"),
        ]
        assert found.gauge("upstream_lane_overtook") == 4
        assert found.gauge("upstream_lane_yielded") == 1
        assert found.gauge("upstream_lane_gave_way") == 0


@pytest.mark.parametrize("by", ["settings", "file"])
async def test_the_lane_gets_the_better_server(tmp_path: Path, by: str) -> None:
    """Others are spread by their balancer, and leave it the better one now and then."""

    def slowly(seconds: float, body: bytes) -> Say:
        async def say(head: bytes, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(seconds)
            await saying(body)(head, writer)

        return say

    async with Api(slowly(0.01, b"quick")) as quick, Api(slowly(0.2, b"slow")) as slow:
        lane = {**LANE, "give_way_percent": 90, "most_times": 100}
        upstream = {
            "url": quick.url,
            "balancing": {"balancer": "round_robin", "priority_lane": lane, "warm_up_s": 0},
        }
        if by == "settings":
            upstream["targets"] = [slow.url]
        else:
            file = tmp_path / "servers"
            file.write_text(f"127.0.0.1:{quick.port}\n127.0.0.1:{slow.port}\n")
            upstream["discovery"] = {"by": "file", "file": str(file)}
        async with forwarding(tmp_path, upstream=upstream, routes=ROUTES) as found:
            found.upstreams.start()
            await found.upstreams.ready()
            assert {await ask(found, b"/x") for _ in range(6)} == {b"quick", b"slow"}
            assert {await ask(found, b"/x", Tier.PREMIUM) for _ in range(6)} == {b"quick"}
            assert {await ask(found, b"/checkout") for _ in range(6)} == {b"quick"}
            handshake = found.upstreams.upgrade(found.exchange(b"/checkout"))
            assert handshake.dial.place
            bodies = [await ask(found, b"/x") for _ in range(8)]
            assert bodies.count(b"slow") > 4
            assert found.gauge("upstream_lane_gave_way") == bodies.count(b"slow") - 4
            places = (quick.url.removeprefix("http://"), slow.url.removeprefix("http://"))
            prior = await record(found, Tier.PREMIUM)
            others = [await record(found) for _ in range(4)]
    (told,) = [stage for stage in prior.stages if stage.stage == "lane"]
    assert told.reason == f"gets the best server, {places[0]}"
    assert [name for name, _ in told.facts] == [f"{place} ms ahead" for place in places]
    gave_way = [each for each in others if each.lane is not None]
    assert gave_way
    for each in gave_way:
        assert each.stages[-1].reason == f"leaves the best server to others, and gets {places[1]}"
    for each in (prior, *gave_way):
        assert [again.same for again in reevaluate(each) if again.stage == "lane"] == [True]
    assert len(gave_way) < len(others)
