"""Upstreams that do the same, over real sockets: the one that does best gets the requests."""

from collections import Counter
from pathlib import Path

from lukhas.pipeline.explaining import ExplainRules, made_record
from lukhas.policy.explain.reevaluation import reevaluate
from lukhas.testing.clock import ManualClock
from lukhas.units import MILLISECOND_NS
from tests.integration.gateway.test_routing import ask, cached, named
from tests.integration.gateway.upstream_kit import Api, forwarding, saying, served


def route(**best_of: object) -> list[dict[str, object]]:
    """A route to all of `a`, which is that of all others, and `b`."""
    return [
        {"name": "items", "path": "/items", "best_of": {"upstreams": ["default", "b"]} | best_of}
    ]


async def test_one_that_fails_is_left_alone_and_found_again(tmp_path: Path) -> None:
    """After five failures but for a look now and then; when it answers again it gets its part."""
    clock = ManualClock()
    async with Api(saying(b"oops", 500)) as a, Api(saying(b"fine")) as b:
        b.name = "b"
        async with forwarding(
            tmp_path, clock=clock, upstream=a.url, upstreams=named(b), routes=route()
        ) as found:
            for _ in range(60):
                await ask(found, b"/items")
            assert len(a.heads) == 5
            clock.advance(seconds=10)
            await ask(found, b"/items")
            await ask(found, b"/items")
            assert len(a.heads) == 6
            a.say = saying(b"well")
            for _ in range(60):
                clock.advance(seconds=5)
                await ask(found, b"/items")
            before = len(a.heads)
            bodies = Counter([(await ask(found, b"/items"))[0] for _ in range(60)])
    assert before > 12
    assert bodies.keys() == {b"well", b"fine"}


async def test_what_is_stored_of_one_is_served_for_all(tmp_path: Path) -> None:
    """They are replicas: a second request hits, whichever it would have gone to."""
    async with (
        cached("a") as a,
        cached("b") as b,
        served(
            tmp_path, upstream=a.url, upstreams=named(b), routes=route(bind_by="header:x-user")
        ) as found,
    ):
        users = [(b"x-user", b"u%d" % number) for number in range(20)]
        answers = [await ask(found, b"/items", user) for user in users]
        exchange = found.exchange(b"/items")
        await found.answer(exchange)
    assert len(a.heads) + len(b.heads) == 1
    assert [result for _, result in answers[1:]] == ["hit"] * 19
    # What comes from the cache goes to no upstream, so none is chosen.
    assert not hasattr(exchange, "best_of")


async def test_a_record_tells_the_choice_and_is_decided_again(tmp_path: Path) -> None:
    """With the figures of both, for what goes on to one of them."""
    clock = ManualClock()
    async with (
        Api(saying(b"a")) as a,
        Api(saying(b"b"), name="b") as b,
        forwarding(
            tmp_path, clock=clock, upstream=a.url, upstreams=named(b), routes=route()
        ) as found,
    ):
        for _ in range(30):
            clock.advance(ns=100 * MILLISECOND_NS)
            exchange = found.exchange(b"/items")
            await found.answer(exchange)
    record = made_record(exchange, 200, 1, why="sampled", rules=ExplainRules())
    assert record.best_of is not None
    assert record.upstream == record.best_of.chosen
    stage = next(stage for stage in record.stages if stage.stage == "best_of")
    assert [name for name, _ in stage.facts] == ["default", "b"]
    assert "0.0% failed" in str(stage.facts[0][1])
    again = {each.stage: each.same for each in reevaluate(record)}
    assert again["best_of"]


async def test_an_upstream_whose_servers_are_all_out_gets_nothing(tmp_path: Path) -> None:
    """Though one that was never asked would be taken for good."""
    upstream = {
        "url": "http://127.0.0.1:1",
        "targets": ["http://127.0.0.1:2"],
        "balancing": {"outliers": {"failures": 1, "most_percent": 100}, "retries": {"tries": 2}},
    }
    async with (
        Api(saying(b"b"), name="b") as b,
        forwarding(tmp_path, upstream=upstream, upstreams=named(b), routes=route()) as found,
    ):
        assert found.upstreams.is_fit("default")
        for _ in range(4):
            await ask(found, b"/other")
        assert not found.upstreams.is_fit("default")
        bodies = {(await ask(found, b"/items"))[0] for _ in range(20)}
    assert bodies == {b"b"}


async def test_what_stands_in_is_not_one_of_them(tmp_path: Path) -> None:
    """A fallback holds, and says nothing about those it stands in for."""
    async with Api(saying(b"spare"), name="spare") as spare:
        dead = [{"name": "b", "url": "http://127.0.0.1:1"}, *named(spare)]
        routes = route()
        routes[0]["fallback"] = {"upstream": "spare"}
        async with forwarding(
            tmp_path, upstream="http://127.0.0.1:2", upstreams=dead, routes=routes
        ) as found:
            exchange = found.exchange(b"/items")
            await found.answer(exchange)
    assert exchange.upstream == "spare"
    assert exchange.best_of.name in {"default", "b"}
    assert len(spare.heads) == 1
