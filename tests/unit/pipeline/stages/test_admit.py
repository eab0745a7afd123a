"""The admit stage."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lukhas.errors import HandlerError, UpstreamTimeoutError
from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import Pushed, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline, close, discard
from lukhas.pipeline.stages.admit import REDUCED_CAPACITY, AdmitSettings, AdmitStage
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.modes import Mode
from lukhas.policy.overload.gradient import GradientSettings
from lukhas.policy.overload.shedding import TierShare
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.verdicts import Outcome
from lukhas.telemetry.recorder import Recorder
from lukhas.testing.clock import ManualClock
from tests.unit.pipeline.kit import Contained, exchange, known, ran

SHARES = tuple(TierShare(tier, 20, number) for number, tier in enumerate(Tier))


async def pieces() -> AsyncIterator[bytes]:
    yield b"one"


class Overload:
    """A stage with so many slots, around an upstream."""

    def __init__(
        self,
        limit: int = 2,
        *,
        mode: Mode = Mode.ENFORCE,
        queue_s: float = 0.0,
        queue_length: int = 2,
    ) -> None:
        self.clock = ManualClock()
        self.recorder = Recorder()
        gradient = GradientSettings(limit, limit, limit)
        settings = AdmitSettings(SHARES, gradient, mode, queue_s, queue_length)
        self.stage = AdmitStage(settings, self.clock, self.recorder)
        self.contained = Contained()
        self.pipeline = Pipeline((self.stage,), self.contained)
        self.open: list[asyncio.Future[Response]] = []

    @property
    def taken(self) -> int:
        return self.stage.doors[0].gate.standing.total

    @property
    def latencies_ns(self) -> list[int]:
        return self.stage.doors[0].gate.adaptive._latencies

    def answer(self, response: Response | BaseException, *, took_ns: int = 0) -> Response:
        async def handler(_exchange: Exchange) -> Response:
            assert self.taken == 1
            self.clock.advance(ns=took_ns)
            if isinstance(response, BaseException):
                raise response
            return response

        return ran(self.pipeline, handler, known())

    def shed(self) -> dict[tuple[str, str], int]:
        return self.recorder.snapshot().shed

    def begin(self, one: Exchange | None = None) -> "asyncio.Task[Response]":
        """A request whose answer is still open."""

        async def handler(_exchange: Exchange) -> Response:
            answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
            self.open.append(answer)
            return await answer

        return asyncio.ensure_future(self.pipeline.around(handler)(one or known()))

    def finish(self) -> None:
        """Answers the oldest of them."""
        self.open.pop(0).set_result(whole())


def whole(status: int = 200) -> Response:
    return Response(status, Headers([]), b"body")


def stream(*headers: tuple[bytes, bytes]) -> Response:
    return Response(200, Headers(list(headers)), pieces())


def tier(found: Tier) -> Exchange:
    return known(Consumer("key:x", found))


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_whole_answer_gives_its_slot_back_at_once() -> None:
    """Nothing suspends, the latency is taken, and the verdict says why it passed."""
    found = Overload()
    one = known()

    async def handler(_exchange: Exchange) -> Response:
        found.clock.advance(seconds=0.25)
        return whole()

    assert ran(found.pipeline, handler, one).status == 200
    assert found.taken == 0
    assert found.latencies_ns == [250_000_000]
    (verdict,) = [reasoned.verdict() for reasoned in one.verdicts]
    assert (verdict.outcome, verdict.policy) == (Outcome.PASSED, "overload")
    assert not one.shed


@pytest.mark.parametrize("end", [close, discard])
def test_a_stream_holds_its_slot_to_its_end(end: Callable[[Response], None]) -> None:
    """Sent or given up; what was to be called at the end before still is."""
    found = Overload()
    ended: list[int] = []
    body = stream()
    body.on_close = lambda: ended.append(found.taken)
    response = found.answer(body, took_ns=5)
    assert (found.taken, found.latencies_ns) == (1, [5])
    end(response)
    end(response)
    assert (found.taken, ended) == (0, [0])


def test_a_stream_without_anything_to_close_gives_its_slot_back_too() -> None:
    """The usual stream."""
    found = Overload()
    close(found.answer(stream()))
    assert found.taken == 0


@pytest.mark.parametrize("body", [pieces(), Pushed()])
def test_a_stream_of_events_has_no_slot_and_no_latency(body: AsyncIterator[bytes] | Pushed) -> None:
    """It may last for days."""
    found = Overload()
    head: HeaderPairs = [(b"content-type", b"Text/Event-Stream; charset=utf-8")]
    found.answer(Response(200, Headers(head), body), took_ns=5)
    assert (found.taken, found.latencies_ns) == (0, [])


def test_what_an_app_pushes_with_a_length_is_made() -> None:
    """The app has done its work with the head; without a length, it is a stream."""
    found = Overload()
    found.answer(Response(200, Headers([(b"content-length", b"4")]), Pushed()), took_ns=5)
    assert (found.taken, found.latencies_ns) == (0, [5])
    response = found.answer(Response(200, Headers([]), Pushed()))
    assert found.taken == 1
    close(response)
    assert found.taken == 0


@pytest.mark.parametrize(("status", "drops"), [(500, 0), (503, 1), (504, 1)])
def test_failures_are_no_latencies(status: int, drops: int) -> None:
    """A failure may be quick; those of an overloaded upstream shrink the limit."""
    found = Overload()
    found.answer(whole(status))
    assert found.latencies_ns == []
    assert found.stage.doors[0].gate.adaptive._drops == drops
    assert found.taken == 0


@pytest.mark.parametrize(
    ("error", "drops"), [(UpstreamTimeoutError("u", "slow", sent=True), 1), (ValueError("bug"), 0)]
)
def test_a_handler_that_fails_gives_its_slot_back(error: Exception, drops: int) -> None:
    """An upstream that does not answer has failed; what else fails says nothing of it."""
    found = Overload()
    with pytest.raises(HandlerError):
        found.answer(error)
    assert found.taken == 0
    assert found.stage.doors[0].gate.adaptive._drops == drops


async def test_a_client_that_goes_away_gives_its_slot_back() -> None:
    """Cancelled while the upstream works."""
    found = Overload()
    task = found.begin()
    await settled()
    assert found.taken == 1
    task.cancel()
    await settled()
    assert (found.taken, found.latencies_ns) == (0, [])


async def test_one_too_many_is_refused() -> None:
    """503 with the registered problem type, the figures, and when to come back."""
    found = Overload(limit=2)
    begun = [found.begin(), found.begin()]
    await settled()
    one = known()
    response = await found.begin(one)
    assert response.status == 503
    assert one.shed
    assert isinstance(response.body, bytes)
    problem: dict[str, Any] = json.loads(response.body)
    assert problem["type"] == REDUCED_CAPACITY
    assert problem["violated-policies"] == ["overload"]
    assert (problem["limit"], problem["in_flight"], problem["tier"]) == (2, 2, "free")
    retry_after_s = int(response.headers.get(b"retry-after") or b"0")
    assert 1 <= retry_after_s <= 5
    assert problem["retry_after_s"] == retry_after_s
    (verdict,) = [reasoned.verdict() for reasoned in one.verdicts]
    assert (verdict.outcome, verdict.mode) == (Outcome.REFUSED, Mode.ENFORCE)
    assert dict(verdict.facts)["tier_in_flight"] == 2
    assert found.shed() == {("free", "enforce"): 1}
    found.finish()
    found.finish()
    assert [task.status for task in await asyncio.gather(*begun)] == [200, 200]
    assert found.answer(whole()).status == 200


async def test_clients_are_told_different_times_to_come_back() -> None:
    """By their request ids, so the same request is always told the same."""
    found = Overload(limit=1)
    begun = found.begin()
    await settled()
    told = set()
    for number in range(50):
        one = known()
        one.request_id = b"id-%d" % number
        told.add((await found.begin(one)).headers.get(b"retry-after"))
    assert told == {b"1", b"2", b"3", b"4", b"5"}
    begun.cancel()


async def test_shadow_mode_lets_all_pass_and_counts() -> None:
    """What would have been refused takes no slot, so that the figures are those of a real run."""
    found = Overload(limit=1, mode=Mode.SHADOW)
    begun = found.begin()
    await settled()
    one = known()
    shadowed = found.begin(one)
    await settled()
    assert found.taken == 1
    found.finish()
    found.finish()
    assert ((await begun).status, (await shadowed).status) == (200, 200)
    assert not one.shed
    assert found.shed() == {("free", "shadow"): 1}
    (verdict,) = [reasoned.verdict() for reasoned in one.verdicts]
    assert (verdict.outcome, verdict.mode) == (Outcome.REFUSED, Mode.SHADOW)
    assert found.taken == 0


def test_exempt_routes_pass_by() -> None:
    """No slot is taken for them, and none is needed."""
    found = Overload()

    async def handler(_exchange: Exchange) -> Response:
        assert found.taken == 0
        return whole()

    one = known(exempt=True)
    assert ran(found.pipeline, handler, one).status == 200
    assert one.verdicts[0].verdict().outcome is Outcome.SKIPPED


def test_who_is_not_known_is_free() -> None:
    """Without route and consumer, say in a pipeline of other stages."""
    found = Overload()

    async def handler(_exchange: Exchange) -> Response:
        assert found.stage.doors[0].gate.standing.in_flight[0] == 1
        return whole()

    assert ran(found.pipeline, handler, exchange()).status == 200


def bound_for(upstream: str) -> Exchange:
    made = exchange()
    made.upstream = upstream
    return made


async def test_each_upstream_has_slots_of_its_own() -> None:
    """One that is overloaded does not touch the others."""
    found = Overload(limit=1)
    begun = found.begin(bound_for("slow"))
    await settled()
    assert (await found.begin(bound_for("slow"))).status == 503
    other = found.begin(bound_for("fast"))
    await settled()
    assert len(found.open) == 2
    assert found.stage.door("fast").gate.standing.total == 1
    found.finish()
    found.finish()
    await asyncio.gather(begun, other)
    assert len(found.stage.doors) == 3


async def test_a_request_may_wait_for_a_slot() -> None:
    """It gets the one that becomes free, and its latency counts from there."""
    found = Overload(limit=1, queue_s=30)
    first = found.begin()
    await settled()
    one = known()
    second = found.begin(one)
    await settled()
    assert found.stage.doors[0].waiting == 1
    found.clock.advance(seconds=3)
    found.finish()
    await settled()
    assert (found.taken, found.stage.doors[0].waiting) == (1, 0)
    found.clock.advance(seconds=1)
    found.finish()
    assert ((await first).status, (await second).status) == (200, 200)
    assert found.latencies_ns == [3_000_000_000, 1_000_000_000]
    assert one.verdicts[0].verdict().facts == (("waited_ms", 3000),)
    assert (found.taken, found.shed()) == (0, {})


async def test_a_request_that_waits_in_vain_is_refused() -> None:
    """After `queue_s`; and at once where as many of its tier wait already."""
    found = Overload(limit=1, queue_s=0.01, queue_length=1)
    first = found.begin()
    await settled()
    waits = found.begin()
    await settled()
    too_many = found.begin()
    await settled()
    assert too_many.done()
    assert (await too_many).status == 503
    assert (await waits).status == 503
    assert found.stage.doors[0].waiting == 0
    assert found.stage.doors[0].gate.standing.waiting == [0] * len(Tier)
    found.finish()
    await first
    assert found.taken == 0


async def test_the_highest_tier_that_waits_comes_first() -> None:
    """Those below their guarantee before all, then by priority, first come in each tier."""
    found = Overload(limit=5, queue_s=30)
    begun = [found.begin(tier(Tier.PREMIUM)) for _ in range(5)]
    await settled()
    order = [Tier.PREMIUM, Tier.FREE, Tier.INTERNAL, Tier.PREMIUM]
    ones = [tier(each) for each in order]
    waiting = [found.begin(one) for one in ones]
    await settled()
    assert found.stage.doors[0].waiting == 4
    passed: list[int] = []
    for _ in range(4):
        found.finish()
        await settled()
        passed += [i for i, one in enumerate(ones) if one.verdicts and i not in passed]
    assert passed == [2, 1, 0, 3]
    while found.open:
        found.finish()
        await settled()
    assert {task.result().status for task in (*begun, *waiting)} == {200}
    assert found.taken == 0


async def test_a_client_that_goes_away_leaves_the_queue() -> None:
    """Nobody keeps a place for it, even if it was given a slot in this moment."""
    found = Overload(limit=1, queue_s=30)
    first = found.begin()
    await settled()
    gone = found.begin()
    late = found.begin()
    await settled()
    gone.cancel()
    await settled()
    assert found.stage.doors[0].waiting == 1
    found.finish()
    await asyncio.sleep(0)
    late.cancel()
    await settled()
    assert (found.taken, found.stage.doors[0].waiting) == (0, 0)
    assert (await first).status == 200


async def test_nobody_overtakes_those_who_wait() -> None:
    """What was kept for a tier that went away goes to them before it goes to a newcomer."""
    found = Overload(limit=5, queue_s=30)
    high = [found.begin(tier(Tier.INTERNAL)) for _ in range(4)]
    low = found.begin(tier(Tier.FREE))
    await settled()
    for task in high[:2]:
        task.cancel()
    await settled()
    waits = tier(Tier.FREE)
    waiting = found.begin(waits)
    await settled()
    assert not waits.verdicts
    # Two windows later nobody remembers what INTERNAL wanted.
    standing = found.stage.doors[0].gate.standing
    for _ in range(2):
        found.clock.advance(seconds=0.5)
        standing.ask(1, found.clock.now_ns())
    newcomer = found.begin(tier(Tier.FREE))
    await settled()
    assert waits.verdicts
    for task in (*high[2:], low, waiting, newcomer):
        task.cancel()
    await settled()
    assert found.taken == 0


async def test_a_slot_given_at_the_last_moment_is_not_taken_back() -> None:
    """The deadline comes in the same turn of the loop, before the request could go on."""
    found = Overload(limit=1, queue_s=30)
    first = found.begin()
    await settled()
    waits = found.begin()
    await settled()
    door = found.stage.doors[0]
    (waiter,) = door._queues[0]
    door.leave(0)
    door._give_up(0, waiter)
    await settled()
    assert found.taken == 1
    door.gate.standing.take(0)
    found.finish()
    found.finish()
    assert ((await first).status, (await waits).status) == (200, 200)
    assert found.taken == 0


def test_the_stage_is_not_contained() -> None:
    """None of all this is an error of the stage."""
    found = Overload()
    found.answer(whole())
    assert found.contained.found == []
